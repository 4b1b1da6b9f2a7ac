/**
 * A build's log: the worker writes each line to a Redis stream (for those who watch) and to a file of its own, which
 * becomes the archive in the blob store. Redis may be away or lose everything: watchers then wait for the archive.
 */
import { createReadStream, createWriteStream, type WriteStream } from "node:fs";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { pipeline } from "node:stream/promises";
import { PassThrough, type Readable } from "node:stream";
import { createGunzip, createGzip } from "node:zlib";
import type { Redis } from "ioredis";
import { BlobNotFound, type BlobStore } from "./blob-store/blob-store.ts";
import { buildLogArchiveKey, buildLogStreamKey, BuildLogEntrySchema, type BuildLogEntry } from "./contract/build-log.ts";
import type { BuildId, TenantId } from "./contract/ids.ts";

const BATCH_MS = 10;
const BATCH_ENTRIES = 500;
/** While Redis is away, so many lines wait; older ones are then only in the archive. */
const PENDING_MAX_ENTRIES = 10_000;
/** A longer line is cut, so that one `cat` of a binary fills nothing. */
export const LINE_MAX_CHARS = 16_384;
/** What a build says beyond this is left out, with a line that says so. */
export const LOG_MAX_BYTES = 32 * 2 ** 20;
/** A stream that nobody ends (its worker died for good) leaves Redis by itself. */
const LIVE_TTL_SECONDS = 86_400;
/** After the end, late watchers still find the stream before the archive. */
const ENDED_TTL_SECONDS = 600;

export type BuildLogLine = Omit<BuildLogEntry, "seq" | "time">;

export interface BuildLogWriterOptions {
  redis: Redis;
  redisPrefix: string;
  buildId: BuildId;
  /** The worker's file for the archive; overwritten. */
  path: string;
  clock?: () => Date;
  maxBytes?: number;
}

export class BuildLogWriter {
  readonly path: string;
  readonly #redis: Redis;
  readonly #key: string;
  readonly #clock: () => Date;
  readonly #file: WriteStream;
  #bytesLeft: number;
  #seq = 0;
  #pending: BuildLogEntry[] = [];
  #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> = Promise.resolve();
  #ended = false;

  private constructor(options: BuildLogWriterOptions) {
    this.path = options.path;
    this.#redis = options.redis;
    this.#key = buildLogStreamKey(options.redisPrefix, options.buildId);
    this.#clock = options.clock ?? (() => new Date());
    this.#bytesLeft = options.maxBytes ?? LOG_MAX_BYTES;
    this.#file = createWriteStream(options.path, { flags: "w", mode: 0o600 });
    // A full disk must not end the worker: `end` tells.
    this.#file.on("error", () => {});
  }

  /** A new attempt goes on where the stream of the former one stopped, so that numbers have no gap and no double. */
  static async open(options: BuildLogWriterOptions): Promise<BuildLogWriter> {
    const writer = new BuildLogWriter(options);
    if (options.redis.status !== "ready") return writer;
    let after = 0;
    for (;;) {
      const page = await readLive(options.redis, options.redisPrefix, options.buildId, after).catch(() => undefined);
      if (page === undefined || page.entries.length === 0) break;
      for (const entry of page.entries) writer.#keep(entry);
      after = page.entries.at(-1)?.seq ?? after;
    }
    writer.#seq = after;
    return writer;
  }

  /** Number of the last line. */
  get lastSeq(): number {
    return this.#seq;
  }

  /** Adds a line (without its line end); returns it as watchers see it. Never throws, never waits. */
  append(line: BuildLogLine): BuildLogEntry {
    const text = line.text.length > LINE_MAX_CHARS ? `${line.text.slice(0, LINE_MAX_CHARS)}…` : line.text;
    const entry: BuildLogEntry = { seq: this.#seq + 1, time: this.#clock().toISOString(), ...line, text };
    if (this.#ended || (this.#bytesLeft < 0 && line.stream !== "system")) return entry;
    this.#add(entry);
    this.#bytesLeft -= text.length + 64;
    if (this.#bytesLeft < 0 && line.stream !== "system") {
      this.#add({ ...entry, seq: this.#seq + 1, step: 0, stream: "system", text: "The log is too long: the rest is left out." });
    }
    return entry;
  }

  #add(entry: BuildLogEntry): void {
    this.#seq = entry.seq;
    this.#keep(entry);
    this.#pending.push(entry);
    if (this.#pending.length > PENDING_MAX_ENTRIES) this.#pending.splice(0, this.#pending.length - PENDING_MAX_ENTRIES);
    this.#timer ??= setTimeout(() => this.#flushSoon(), BATCH_MS);
  }

  #keep(entry: BuildLogEntry): void {
    this.#file.write(`${JSON.stringify(entry)}\n`);
  }

  #flushSoon(): void {
    this.#timer = undefined;
    this.#flushing = this.#flushing.then(() => this.#flush()).catch(() => {});
    void this.#flushing.then(() => {
      // Redis was away: what waits is tried again, less often.
      if (this.#pending.length > 0 && !this.#ended) this.#timer ??= setTimeout(() => this.#flushSoon(), 50 * BATCH_MS);
    });
  }

  async #flush(): Promise<void> {
    while (this.#pending.length > 0 && this.#redis.status === "ready") {
      const batch = this.#pending.slice(0, BATCH_ENTRIES);
      const last = batch.at(-1)?.seq ?? 0;
      const commands = this.#redis.pipeline();
      for (const entry of batch) commands.xadd(this.#key, `${entry.seq}-0`, "e", JSON.stringify(entry));
      if (batch[0]?.seq === 1 || last % BATCH_ENTRIES < batch.length) commands.expire(this.#key, LIVE_TTL_SECONDS);
      // An id that is there already was added by the try before this one: no error.
      await commands.exec();
      this.#pending = this.#pending.filter((entry) => entry.seq > last);
    }
  }

  /** Writes what waits, marks the stream's end and closes the file. Call it once the build's row says how it ended, or just before. Throws when the file could not be written. */
  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    await this.#flushing;
    await this.#flush().catch(() => {});
    if (this.#redis.status === "ready") {
      const commands = this.#redis.pipeline();
      commands.xadd(this.#key, `${this.#seq + 1}-0`, "end", "1").expire(this.#key, ENDED_TTL_SECONDS);
      await commands.exec().catch(() => {});
    }
    if (this.#file.errored) throw this.#file.errored;
    this.#file.end();
    await once(this.#file, "finish");
  }
}

/** Puts the writer's file into the blob store, gzipped; gives its size there. Call it after `end`. */
export async function archiveBuildLog(blobs: BlobStore, tenantId: TenantId, buildId: BuildId, path: string): Promise<number> {
  const body = new PassThrough();
  const packed = pipeline(createReadStream(path), createGzip({ level: 6 }), body);
  const stored = blobs.put(buildLogArchiveKey(tenantId, buildId), body, { contentType: "application/gzip" });
  const [, sizeBytes] = await Promise.all([packed, stored]);
  return sizeBytes;
}

export interface LivePage {
  entries: BuildLogEntry[];
  /** The writer said that nothing follows. */
  ended: boolean;
}

/** Up to 1000 lines after number `after` from the live stream; empty when there is none. Throws when Redis is away. */
export async function readLive(redis: Redis, redisPrefix: string, buildId: BuildId, after: number): Promise<LivePage> {
  const rows = await redis.xrange(buildLogStreamKey(redisPrefix, buildId), `${after + 1}-0`, "+", "COUNT", 1000);
  const page: LivePage = { entries: [], ended: false };
  for (const [, [field, value]] of rows) {
    if (field === "end") page.ended = true;
    else if (value !== undefined) page.entries.push(BuildLogEntrySchema.parse(JSON.parse(value)));
  }
  return page;
}

/** Lines after number `after` from the archive; none when there is no archive. */
export async function* readArchive(blobs: BlobStore, tenantId: TenantId, buildId: BuildId, after: number): AsyncGenerator<BuildLogEntry> {
  let body: Readable;
  try {
    ({ body } = await blobs.get(buildLogArchiveKey(tenantId, buildId)));
  } catch (error) {
    if (error instanceof BlobNotFound) return;
    throw error;
  }
  const gunzip = createGunzip();
  const unpacked = pipeline(body, gunzip).catch(() => {});
  try {
    for await (const line of createInterface({ input: gunzip, crlfDelay: Infinity })) {
      const entry = BuildLogEntrySchema.parse(JSON.parse(line));
      if (entry.seq > after) yield entry;
    }
  } finally {
    body.destroy();
    gunzip.destroy();
    await unpacked;
  }
}
