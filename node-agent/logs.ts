/** Reading what conmon wrote: one line each, `<time> <stdout|stderr> <F|P> <text>`, P when the line goes on. */
import { open, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { LogEntry } from "../core/contract/node-channel.ts";

const FOLLOW_EVERY_MS = 150;
const CHUNK_BYTES = 256 * 1024;
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
  readonly #open = new Map<string, string>();

  constructor(instanceId: string) {
    this.#instanceId = instanceId;
  }

  /** Entries that end in this text of whole lines; what is not in conmon's form is left out. */
  read(text: string): LogEntry[] {
    const entries: LogEntry[] = [];
    for (const line of text.split("\n")) {
      const [, time, stream, flag, rest = ""] = LINE.exec(line) ?? [];
      if (time === undefined || (stream !== "stdout" && stream !== "stderr")) continue;
      const open = this.#open.get(stream) ?? "";
      const whole = open.length > LINE_MAX_CHARS ? open : open + rest;
      if (flag === "P") {
        this.#open.set(stream, whole);
        continue;
      }
      this.#open.delete(stream);
      const at = new Date(time);
      const shown = whole.length > LINE_MAX_CHARS ? `${whole.slice(0, LINE_MAX_CHARS)}…` : whole;
      if (!Number.isNaN(at.getTime())) entries.push({ instanceId: this.#instanceId, stream, time: at.toISOString(), text: shown });
    }
    return entries;
  }
}

/** The last entries of a log, oldest first. Empty when there is no log. */
export async function tailLog(path: string, instanceId: string, lines: number): Promise<{ entries: LogEntry[]; offset: number }> {
  const size = await stat(path).then((s) => s.size, () => 0);
  const start = Math.max(0, size - TAIL_BYTES);
  const text = await readRange(path, start, size);
  const entries = new LogParser(instanceId).read(start === 0 ? text : text.slice(text.indexOf("\n") + 1));
  return { entries: lines === 0 ? [] : entries.slice(-lines), offset: size };
}

/** Sends batches of entries: the tail, then what comes, until the signal or, without `follow`, the end of the log. */
export async function streamLog(
  path: string,
  instanceId: string,
  options: { tailLines: number; follow: boolean; signal: AbortSignal },
  send: (entries: LogEntry[]) => void,
): Promise<void> {
  const tail = await tailLog(path, instanceId, options.tailLines);
  sendBatches(tail.entries, send);
  let { offset } = tail;
  let rest = "";
  const parser = new LogParser(instanceId);
  while (options.follow && !options.signal.aborted) {
    const size = await stat(path).then((s) => s.size, () => 0);
    // The log has started anew.
    if (size < offset) [offset, rest] = [0, ""];
    if (size === offset) {
      await sleep(FOLLOW_EVERY_MS, undefined, { signal: options.signal }).catch(() => {});
      continue;
    }
    const end = Math.min(size, offset + CHUNK_BYTES);
    const text = rest + (await readRange(path, offset, end));
    offset = end;
    const complete = text.lastIndexOf("\n") + 1;
    rest = text.slice(complete);
    sendBatches(parser.read(text.slice(0, complete)), send);
  }
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

async function readRange(path: string, start: number, end: number): Promise<string> {
  if (end <= start) return "";
  const file = await open(path, "r").catch(() => undefined);
  if (!file) return "";
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(end - start), 0, end - start, start);
    return buffer.subarray(0, bytesRead).toString("utf8");
  } finally {
    await file.close();
  }
}
