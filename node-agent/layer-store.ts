/**
 * The node's layers: fetched once, verified while streaming, unpacked by a confined helper, visible only when whole.
 * One directory a layer, named by its diffID; an index file beside it says its size and, by its time, its last use.
 */
import { createHash, randomUUID } from "node:crypto";
import { readFileSync, utimesSync } from "node:fs";
import { chown, mkdir, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import pLimit from "p-limit";
import { LAYER_STORE_UID_BASE } from "../core/domain/id-ranges.ts";
import type { ImageLayer } from "../core/contract/release-config.ts";
import { layerName, layersToEvict } from "./plan.ts";
import type { Unpacker } from "./unpack.ts";

export interface PullLayer extends ImageLayer {
  url: string;
}

/** The layer's bytes are not what they should be, or cannot be unpacked: trying again will not help. */
export class BadLayer extends Error {}

interface IndexEntry {
  diffId: string;
  bytes: number;
  /** Blobs that were seen to unpack to it. Who has one of them has the content; who names the diffID alone need not. */
  digests: string[];
}

export interface LayerStoreOptions {
  dir: string;
  maxBytes: number;
  unpacker: Unpacker;
  /** Names of the layers that instances have mounted or are about to. */
  inUse: () => ReadonlySet<string>;
}

/** The host has few cores: more at once only slows each. */
const PARALLEL_PULLS = 3;
const FETCH_TIMEOUT_MS = 600_000;

export class LayerStore {
  readonly layersDir: string;
  readonly #options: LayerStoreOptions;
  readonly #index: string;
  readonly #temporary: string;
  readonly #pulling = new Map<string, Promise<void>>();
  readonly #removing = new Map<string, Promise<void>>();
  readonly #limit = pLimit(PARALLEL_PULLS);
  readonly #publishing = pLimit(1);

  constructor(options: LayerStoreOptions) {
    this.#options = options;
    this.layersDir = join(options.dir, "layers");
    this.#index = join(options.dir, "index");
    this.#temporary = join(options.dir, "unpacking");
  }

  /** Throws away what a former agent left half-done. */
  async open(): Promise<void> {
    await this.#options.unpacker.open();
    await rm(this.#temporary, { recursive: true, force: true });
    for (const dir of [this.layersDir, this.#index, this.#temporary]) await mkdir(dir, { recursive: true, mode: 0o711 });
    // The empty image, and what holds an overlay's place when an image has no layer.
    await mkdir(join(this.layersDir, "empty"), { recursive: true });
    for (const name of await readdir(this.layersDir)) {
      if (name !== "empty" && this.#read(name) === undefined) await rm(join(this.layersDir, name), { recursive: true, force: true });
    }
  }

  /** Makes sure that all are here. @throws BadLayer; any other error may pass. */
  async ensure(layers: readonly PullLayer[], signal: AbortSignal): Promise<{ pulled: number }> {
    const unique = [...new Map(layers.map((layer) => [layer.diffId, layer])).values()];
    const results = await Promise.all(unique.map((layer) => this.#ensureOne(layer, signal)));
    return { pulled: results.filter(Boolean).length };
  }

  /** Removes layers that nobody uses until the store is within its limit. */
  async evict(): Promise<string[]> {
    const entries = [];
    for (const name of await readdir(this.#index)) {
      const entry = this.#read(name);
      const { mtimeMs } = await stat(join(this.#index, name));
      if (entry) entries.push({ name, bytes: entry.bytes, usedAt: mtimeMs });
    }
    const evicted = layersToEvict(entries, this.#options.inUse(), this.#options.maxBytes);
    const removed: string[] = [];
    for (const name of evicted) {
      // An instance may have come for it since; one that comes from now on waits until it is gone, and pulls it.
      if (this.#options.inUse().has(name)) continue;
      const removing = this.#remove(name).finally(() => this.#removing.delete(name));
      this.#removing.set(name, removing);
      await removing;
      removed.push(name);
    }
    return removed;
  }

  async #remove(name: string): Promise<void> {
    // The index first: a layer without one is thrown away at the next start.
    await rm(join(this.#index, name), { force: true });
    await rm(join(this.layersDir, name), { recursive: true, force: true });
  }

  async #ensureOne(layer: PullLayer, signal: AbortSignal): Promise<boolean> {
    const name = layerName(layer.diffId);
    await this.#removing.get(name);
    const known = this.#read(name);
    if (known && known.diffId !== layer.diffId) throw new BadLayer(`two layers share the short name ${name}`);
    if (known?.digests.includes(layer.digest)) {
      const now = new Date();
      utimesSync(join(this.#index, name), now, now);
      return false;
    }
    // Whoever asks for the same blob as the same layer meanwhile waits for the same pull; nobody's going away ends it for the others.
    const key = `${name} ${layer.digest} ${layer.sizeBytes} ${layer.mediaType}`;
    const pulling = this.#pulling.get(key) ?? this.#limit(() => this.#pull(layer, name)).finally(() => this.#pulling.delete(key));
    this.#pulling.set(key, pulling);
    await Promise.race([pulling, aborted(signal)]);
    return true;
  }

  async #pull(layer: PullLayer, name: string): Promise<void> {
    const dir = join(this.#temporary, `${name}-${randomUUID().slice(0, 8)}`);
    const root = join(dir, "root");
    try {
      await mkdir(root, { recursive: true, mode: 0o755 });
      await chown(root, LAYER_STORE_UID_BASE, LAYER_STORE_UID_BASE);
      const response = await fetch(layer.url, { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
      if (!response.ok || !response.body) throw new Error(`the blob store answered ${response.status} for ${layer.digest}`);
      const checked = new DigestCheck(layer);
      const unpacking = await this.#options.unpacker.start(root, layer.mediaType);
      const feeding = pipeline(Readable.fromWeb(response.body), checked, unpacking.stdin);
      // Bytes that are not the promised ones end the helper before it can finish; its complaint says less than ours.
      const [fed, result] = await Promise.allSettled([feeding.catch((error) => (unpacking.kill(), Promise.reject(error))), unpacking.result]);
      if (checked.problem) throw checked.problem;
      if (result.status === "rejected") throw result.reason;
      if (fed.status === "rejected") throw fed.reason;
      if (result.value.diffId !== layer.diffId) throw new BadLayer(`layer ${layer.digest} unpacks to ${result.value.diffId}, not to ${layer.diffId}`);
      const { bytes } = result.value;
      await this.#publishing(() => this.#publish(layer, name, dir, bytes));
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  }

  /** The layer in `dir` becomes visible, unless another blob has brought it before. */
  async #publish(layer: PullLayer, name: string, dir: string, bytes: number): Promise<void> {
    await this.#removing.get(name);
    const known = this.#read(name);
    if (known === undefined) await rename(join(dir, "root"), join(this.layersDir, name));
    await writeFile(join(dir, "index"), JSON.stringify({ diffId: layer.diffId, bytes, digests: [...(known?.digests ?? []), layer.digest] } satisfies IndexEntry));
    await rename(join(dir, "index"), join(this.#index, name));
  }

  /** At once: the files are small, and every start reads one a layer. */
  #read(name: string): IndexEntry | undefined {
    try {
      // Former agents wrote down no blobs.
      return { digests: [], ...(JSON.parse(readFileSync(join(this.#index, name), "utf8")) as Omit<IndexEntry, "digests">) };
    } catch {
      // There is none, or the host crashed before it was on the disk: neither may its layer be whole.
      return undefined;
    }
  }
}

/** Passes bytes on and refuses the last of them when size or digest are not the promised ones. */
class DigestCheck extends Transform {
  readonly #hash = createHash("sha256");
  readonly #layer: PullLayer;
  #bytes = 0;
  problem: BadLayer | undefined;

  constructor(layer: PullLayer) {
    super();
    this.#layer = layer;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null, data?: Buffer) => void): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#layer.sizeBytes) return done(this.#bad(`has more than its ${this.#layer.sizeBytes} bytes`));
    this.#hash.update(chunk);
    done(null, chunk);
  }

  override _flush(done: (error?: Error | null) => void): void {
    if (this.#bytes !== this.#layer.sizeBytes) return done(this.#bad(`has ${this.#bytes} bytes instead of ${this.#layer.sizeBytes}`));
    const digest = `sha256:${this.#hash.digest("hex")}`;
    done(digest === this.#layer.digest ? null : this.#bad(`has the digest ${digest}`));
  }

  #bad(what: string): BadLayer {
    this.problem = new BadLayer(`layer ${this.#layer.digest} ${what}`);
    return this.problem;
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}
