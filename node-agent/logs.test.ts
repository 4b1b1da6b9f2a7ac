import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { LogEntry } from "../core/contract/node-channel.ts";
import { streamLog } from "./logs.ts";

const TIME = "2026-01-01T00:00:00.000000000+00:00";

/** Messages of the log, tail 0 and from its beginning on. */
async function read(text: string, tailLines: number): Promise<LogEntry[][]> {
  const dir = await mkdtemp(join(tmpdir(), "berth-logs-"));
  try {
    await writeFile(join(dir, "log"), text);
    const batches: LogEntry[][] = [];
    await streamLog(join(dir, "log"), "ins_1", { tailLines, follow: false, signal: new AbortController().signal }, (entries) => batches.push(entries));
    return batches;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

test("a line in parts is one line, a very long one is cut", async () => {
  const part = (flag: string, text: string) => `${TIME} stdout ${flag} ${text}\n`;
  const [short] = await read(part("P", "a") + `${TIME} stderr F e\n` + part("F", "b"), 10);
  assert.deepEqual(short?.map((entry) => `${entry.stream} ${entry.text}`), ["stderr e", "stdout ab"]);
  const [long] = await read(part("P", "x".repeat(8000)).repeat(700) + part("F", "end") + part("F", "next"), 10);
  assert.equal(long?.[0]?.text.length, 16_385);
  assert.equal(long?.[1]?.text, "next");
});

test("no message is too large for the channel, whatever the app writes", async () => {
  const line = `${TIME} stdout P ${"\u0001".repeat(8000)}\n${TIME} stdout F ${"\u0001".repeat(8000)}\n`;
  const batches = await read(line.repeat(450), 10_000);
  assert.equal(batches.flat().length, 450);
  for (const batch of batches) assert.ok(JSON.stringify(batch).length < 8 * 2 ** 20);
});
