/** Reading what conmon wrote: one line each, `<time> <stdout|stderr> <F|P> <text>`, P when the line goes on. */
import { linkSync, renameSync, statSync } from "node:fs";
import { open, stat, type FileHandle } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { LogEntry } from "../core/contract/node-channel.ts";

const FOLLOW_EVERY_MS = 150;
const CHUNK_BYTES = 256 * 1024;
const FOLLOW_PAUSE_MS = 40;
/** A tail is searched for in so many bytes from the end. */
const TAIL_BYTES = 8 * 2 ** 20;
/** One message holds so many lines and characters at most: a larger one would cost the node its channel. */
const MAX_BATCH = 500;
const BATCH_MAX_CHARS = 2 ** 20;
/** A longer line is cut. */
const LINE_MAX_CHARS = 16_384;

const LINE = /^(\S+) (stdout|stderr) ([FP]) (.*)$/s;

/** Reads a log piece by piece: a line may begin in one and end in the next. */
class LogParser {
  readonly #instanceId: string;
  readonly #open = new Map<LogEntry["stream"], { time: string; text: string }>();

  constructor(instanceId: string) {
    this.#instanceId = instanceId;
  }

  /** Entries that end in this text of whole lines; what is not in conmon's form is left out. */
  read(text: string): LogEntry[] {
    const entries: LogEntry[] = [];
    for (const line of text.split("\n")) {
      const [, time, stream, flag, rest = ""] = LINE.exec(line) ?? [];
      if (time === undefined || (stream !== "stdout" && stream !== "stderr")) continue;
      const open = this.#open.get(stream)?.text ?? "";
      const whole = open.length > LINE_MAX_CHARS ? open : open + rest;
      if (flag === "P") {
        this.#open.set(stream, { time, text: whole });
      } else {
        this.#open.delete(stream);
        entries.push(...this.#entry(stream, time, whole));
      }
    }
    return entries;
  }

  /** Lines that have not ended: an app's last words often have no line break. */
  rest(): LogEntry[] {
    return [...this.#open].flatMap(([stream, { time, text }]) => this.#entry(stream, time, text));
  }

  #entry(stream: LogEntry["stream"], time: string, whole: string): LogEntry[] {
    const at = new Date(time);
    if (Number.isNaN(at.getTime())) return [];
    const text = whole.length > LINE_MAX_CHARS ? `${whole.slice(0, LINE_MAX_CHARS)}…` : whole;
    return [{ instanceId: this.#instanceId, stream, time: at.toISOString(), text }];
  }
}

/** The name that the dropped part of a log has. */
const olderLog = (path: string) => `${path}.old`;

/** All files that a log may have. */
export const logFiles = (path: string) => [path, olderLog(path), `${path}.held`];

/**
 * conmon starts a log anew when it has grown to its limit, and what was there is gone. A second name for the file keeps
 * it: called from time to time, this finds that the log is another file than before, and calls that one the older half.
 * At once, so that no other reader does it meanwhile.
 */
export function keepOlder(path: string): void {
  const held = `${path}.held`;
  // The kernel knows both names, as they were asked for a moment ago: waiting for a thread would take longer.
  const [now, before] = [path, held].map((name) => statSync(name, { throwIfNoEntry: false })?.ino);
  if (now === undefined || now === before) return;
  if (before !== undefined) renameSync(held, olderLog(path));
  try {
    linkSync(path, held);
  } catch {
    // It has just been removed, or has no room for one more name.
  }
}

/** The last entries of a log, oldest first. Empty when there is no log. */
export async function tailLog(path: string, instanceId: string, lines: number): Promise<LogEntry[]> {
  keepOlder(path);
  const file = await openLog(path);
  try {
    return (await readTail(path, file, instanceId, lines)).entries;
  } finally {
    await file?.close();
  }
}

/** `offset`: up to where the newest file was read. A line that has no end yet is shown, and may be shown again with it. */
async function readTail(path: string, file: FileHandle | undefined, instanceId: string, lines: number): Promise<{ entries: LogEntry[]; offset: number }> {
  const size = file ? (await file.stat()).size : 0;
  const start = Math.max(0, size - TAIL_BYTES);
  const parser = new LogParser(instanceId);
  const text = await readRange(file, start, size);
  const newer = [...parser.read(start === 0 ? text : text.slice(text.indexOf("\n") + 1)), ...parser.rest()];
  if (lines === 0) return { entries: [], offset: size };
  if (newer.length >= lines) return { entries: newer.slice(-lines), offset: size };
  const older = await openLog(olderLog(path));
  try {
    const olderSize = older ? (await older.stat()).size : 0;
    const olderText = await readRange(older, Math.max(0, olderSize - TAIL_BYTES), olderSize);
    return { entries: [...new LogParser(instanceId).read(olderText), ...newer].slice(-lines), offset: size };
  } finally {
    await older?.close();
  }
}

/** Sends batches of entries: the tail, then what comes, until the signal or, without `follow`, the end of the log. */
export async function streamLog(
  path: string,
  instanceId: string,
  options: { tailLines: number; follow: boolean; signal: AbortSignal },
  send: (entries: LogEntry[]) => void,
): Promise<void> {
  keepOlder(path);
  let file = await openLog(path);
  try {
    const tail = await readTail(path, file, instanceId, options.tailLines);
    sendBatches(tail.entries, send);
    let { offset } = tail;
    let rest = "";
    const parser = new LogParser(instanceId);
    while (options.follow && !options.signal.aborted) {
      const size = file ? (await file.stat()).size : 0;
      if (size > offset) {
        const end = Math.min(size, offset + CHUNK_BYTES);
        const text = rest + (await readRange(file, offset, end));
        offset = end;
        const complete = text.lastIndexOf("\n") + 1;
        rest = text.slice(complete);
        sendBatches(parser.read(text.slice(0, complete)), send);
        // Whoever follows a flood gets so much of it and no more: others wait for this process too.
        await sleep(FOLLOW_PAUSE_MS, undefined, { signal: options.signal }).catch(() => {});
      } else if (await isAnother(path, file)) {
        // The log has started anew; the former file was read to its end.
        await file?.close();
        file = await openLog(path);
        [offset, rest] = [0, ""];
      } else {
        await sleep(FOLLOW_EVERY_MS, undefined, { signal: options.signal }).catch(() => {});
      }
    }
  } finally {
    await file?.close();
  }
}

async function isAnother(path: string, file: FileHandle | undefined): Promise<boolean> {
  const named = await stat(path).catch(() => undefined);
  return named !== undefined && named.ino !== (await file?.stat())?.ino;
}

function openLog(path: string): Promise<FileHandle | undefined> {
  return open(path, "r").catch(() => undefined);
}

function sendBatches(entries: LogEntry[], send: (entries: LogEntry[]) => void): void {
  let batch: LogEntry[] = [];
  let chars = 0;
  for (const entry of entries) {
    if (batch.length === MAX_BATCH || chars + entry.text.length > BATCH_MAX_CHARS) {
      send(batch);
      [batch, chars] = [[], 0];
    }
    batch.push(entry);
    chars += entry.text.length;
  }
  if (batch.length > 0) send(batch);
}

async function readRange(file: FileHandle | undefined, start: number, end: number): Promise<string> {
  if (!file || end <= start) return "";
  const { buffer, bytesRead } = await file.read(Buffer.alloc(end - start), 0, end - start, start);
  return buffer.subarray(0, bytesRead).toString("utf8");
}
