import assert from "node:assert/strict";
import { appendFile, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { LogEntry } from "../core/contract/node-channel.ts";
import { keepOlder, streamLog, tailLog } from "./logs.ts";

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

const line = (text: string, flag = "F") => `${TIME} stdout ${flag} ${text}\n`;
const texts = (entries: readonly LogEntry[]) => entries.map(({ text }) => text);

async function logOf(t: TestContext, text: string): Promise<{ path: string; startAnew(text: string): Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), "berth-logs-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const path = join(dir, "x.log");
  await writeFile(path, text);
  return {
    path,
    // As conmon does when the log is full.
    startAnew: async (next) => {
      await writeFile(`${path}.tmp`, next);
      await rename(`${path}.tmp`, path);
    },
  };
}

test("a line without an end is in the tail", async (t) => {
  const { path } = await logOf(t, line("one") + line("last words", "P"));
  assert.deepEqual(texts(await tailLog(path, "ins_1", 10)), ["one", "last words"]);
  assert.deepEqual(await tailLog(`${path}.never`, "ins_1", 10), []);
});

test("of a log that started anew the older half is kept, and no third one", async (t) => {
  const { path, startAnew } = await logOf(t, line("1"));
  keepOlder(path);
  await appendFile(path, line("2"));
  await startAnew(line("3"));
  assert.deepEqual(texts(await tailLog(path, "ins_1", 10)), ["1", "2", "3"]);
  assert.deepEqual(texts(await tailLog(path, "ins_1", 2)), ["2", "3"]);
  keepOlder(path);
  await startAnew(line("4"));
  assert.deepEqual(texts(await tailLog(path, "ins_1", 10)), ["3", "4"]);
  assert.deepEqual((await readdir(join(path, ".."))).toSorted(), ["x.log", "x.log.held", "x.log.old"]);
});

test("two that read a log as it has just started anew keep the same older half", async (t) => {
  const { path, startAnew } = await logOf(t, line("1"));
  keepOlder(path);
  await startAnew(line("2"));
  const both = await Promise.all([tailLog(path, "ins_1", 10), tailLog(path, "ins_1", 10)]);
  assert.deepEqual(both.map(texts), [["1", "2"], ["1", "2"]]);
});

test("who follows a log gets each line once, also when it starts anew", async (t) => {
  const { path, startAnew } = await logOf(t, line("1") + line("2"));
  const got: LogEntry[] = [];
  const closed = new AbortController();
  const following = streamLog(path, "ins_1", { tailLines: 1, follow: true, signal: closed.signal }, (entries) => got.push(...entries));
  const until = async (count: number) => {
    for (let tries = 0; tries < 200 && got.length < count; tries++) await sleep(10);
  };
  await until(1);
  await appendFile(path, line("3"));
  await startAnew(line("4 is longer than all that was there before, so that its size says nothing"));
  await until(3);
  await appendFile(path, line("5", "P"));
  await appendFile(path, line("5"));
  await until(4);
  closed.abort();
  await following;
  assert.deepEqual(texts(got).map((text) => text.slice(0, 2).trim()), ["2", "3", "4", "55"]);
});
