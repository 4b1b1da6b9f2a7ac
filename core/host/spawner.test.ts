import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { run, runLine, runUnchecked, type RunResult } from "./spawn.ts";
import { startSpawner } from "./spawner.ts";

const ends: Error[] = [];
/** The process that started `sh` says who it is. */
const starter = async () => Number((await run(["sh", "-c", "echo $PPID"])).stdout);

before(async () => {
  startSpawner((error) => ends.push(error));
  for (let tries = 0; tries < 500 && (await starter()) === process.pid; tries++) await sleep(10);
});
after(async () => {
  const helper = await starter();
  if (helper !== process.pid) process.kill(helper, "SIGKILL");
});

test("another process starts the programs, with the same results", async () => {
  assert.notEqual(await starter(), process.pid);
  const result: RunResult = await runUnchecked(["sh", "-c", "cat; echo err >&2; pwd; echo $A; exit 3"], { input: "in ", cwd: "/", env: { PATH: process.env["PATH"], A: "b" } });
  assert.deepEqual(result, { code: 3, signal: null, stdout: "in /\nb\n", stderr: "err\n" });
  assert.equal((await runUnchecked(["sh", "-c", "kill -9 $$"])).signal, "SIGKILL");
  assert.equal((await runUnchecked(["sleep", "60"], { timeoutMs: 50 })).signal, "SIGKILL");
  await assert.rejects(run(["/no/such/program"]), (error: NodeJS.ErrnoException) => error.code === "ENOENT");
  const bytes = new Uint8Array([0, 255, 10]);
  assert.equal((await run(["od", "-An", "-tx1"], { input: bytes })).stdout.trim(), "00 ff 0a");
});

test("many at once get their own answers", async () => {
  const results = await Promise.all(Array.from({ length: 40 }, (_, index) => run(["sh", "-c", `sleep 0.0${index % 7}; echo ${index}`])));
  assert.deepEqual(results.map(({ stdout }) => Number(stdout)), Array.from({ length: 40 }, (_, index) => index));
});

test("the first line of descriptor 3; the program lives on", async () => {
  const { line } = await runLine(["sh", "-c", "echo $$ >&3; exec 3>&-; exec sleep 60"], { timeoutMs: 5000 });
  process.kill(Number(line), 0);
  process.kill(Number(line), "SIGKILL");
  assert.deepEqual(await runLine(["sh", "-c", "echo why >&2; exit 1"], { timeoutMs: 5000 }), { line: "", stderr: "why\n" });
  await assert.rejects(runLine(["sleep", "1"], { timeoutMs: 50 }), /said nothing/);
  await assert.rejects(runLine(["/no/such/program"], { timeoutMs: 50 }), (error: NodeJS.ErrnoException) => error.code === "ENOENT");
});

test("when it is killed, what waits fails, and this process starts programs itself", async () => {
  const waiting = run(["sleep", "1"]);
  process.kill(await starter(), "SIGKILL");
  await assert.rejects(waiting, /ended with SIGKILL/);
  assert.equal(ends.length, 1);
  assert.equal(await starter(), process.pid);
});
