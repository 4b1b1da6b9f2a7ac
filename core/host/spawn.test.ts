import assert from "node:assert/strict";
import { closeSync, openSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CommandError, run, runLine, runUnchecked, type RunResult } from "./spawn.ts";

test("a program has its input, its directory and its variables; what it says and how it ends is known", async () => {
  const result: RunResult = await runUnchecked(["sh", "-c", "cat; echo err >&2; pwd; echo $A; exit 3"], { input: "in ", cwd: "/", env: { PATH: process.env["PATH"], A: "b" } });
  assert.deepEqual(result, { code: 3, signal: null, stdout: "in /\nb\n", stderr: "err\n" });
  assert.equal((await runUnchecked(["sh", "-c", "kill -9 $$"])).signal, "SIGKILL");
  assert.equal((await runUnchecked(["sleep", "60"], { timeoutMs: 50 })).signal, "SIGKILL");
  await assert.rejects(run(["sh", "-c", "echo why >&2; exit 2"]), (error) => error instanceof CommandError && error.message.endsWith("ended with code 2: why"));
  const bytes = new Uint8Array([0, 255, 10]);
  assert.equal((await run(["od", "-An", "-tx1"], { input: bytes })).stdout.trim(), "00 ff 0a");
  // Without one there is none, not this process's.
  assert.equal((await run(["cat"])).stdout, "");
});

test("much goes in and comes out, as much as is wanted", async () => {
  const much = "0123456789".repeat(500_000);
  assert.equal((await run(["cat"], { input: much, maxOutputBytes: 10_000_000 })).stdout, much);
  assert.equal((await run(["cat"], { input: much, maxOutputBytes: 11 })).stdout, "01234567890");
});

test("who goes on without streams is waited for, and ended in time", async () => {
  assert.deepEqual(await runUnchecked(["sh", "-c", "exec >&- 2>&-; sleep 0.3; exit 4"]), { code: 4, signal: null, stdout: "", stderr: "" });
  assert.equal((await runUnchecked(["sh", "-c", "exec >&- 2>&-; exec sleep 60"], { timeoutMs: 100 })).signal, "SIGKILL");
});

test("what cannot be started says so, and nothing is open afterwards", async () => {
  const before = readdirSync("/proc/self/fd").length;
  await assert.rejects(run(["/no/such/program"], { input: "x" }), (error: NodeJS.ErrnoException) => error.code === "ENOENT");
  await assert.rejects(run(["true"], { cwd: "/no/such/directory" }), (error: NodeJS.ErrnoException) => error.code === "ENOENT");
  await assert.rejects(run(["echo", "a\0b"]), /null byte/);
  await assert.rejects(run([]), TypeError);
  assert.equal(readdirSync("/proc/self/fd").length, before);
});

test("a program has no signals blocked or ignored, and no descriptors of this process", async () => {
  const file = openSync(import.meta.filename, "r");
  const { stdout: descriptors } = await run(["ls", "-l", "/proc/self/fd"]).finally(() => closeSync(file));
  assert.ok(!descriptors.includes(import.meta.filename), descriptors);
  assert.match((await run(["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"])).stdout, /^SigBlk:\s+0+\nSigIgn:\s+0+\n$/);
});

test("who does not want it any more ends it", async () => {
  const begun = performance.now();
  await assert.rejects(run(["sleep", "60"], { signal: AbortSignal.timeout(50) }), { name: "TimeoutError" });
  await assert.rejects(run(["sleep", "60"], { signal: AbortSignal.abort() }), { name: "AbortError" });
  assert.ok(performance.now() - begun < 30_000);
});

test("many at once get their own answers", async () => {
  const results = await Promise.all(Array.from({ length: 40 }, (_, index) => run(["sh", "-c", `sleep 0.0${index % 7}; echo ${index}`])));
  assert.deepEqual(results.map(({ stdout }) => Number(stdout)), Array.from({ length: 40 }, (_, index) => index));
});

test("the first line of descriptor 3; the program lives on, in a session of its own, and leaves no zombie when it ends", async () => {
  const { line } = await runLine(["sh", "-c", "echo $$ >&3; exec 3>&-; exec sleep 60"], { timeoutMs: 5000 });
  const pid = Number(line);
  assert.match((await run(["ps", "-o", "sid=", "-p", String(pid)])).stdout.trim(), new RegExp(`^${pid}$`));
  process.kill(pid, "SIGKILL");
  for (let tries = 0; tries < 200 && (await runUnchecked(["ps", "-p", String(pid)])).code === 0; tries++) await sleep(10);
  assert.equal((await runUnchecked(["ps", "-p", String(pid)])).code, 1);
  assert.deepEqual(await runLine(["sh", "-c", "echo why >&2; exit 1"], { timeoutMs: 5000 }), { line: "", stderr: "why\n" });
  await assert.rejects(runLine(["sleep", "1"], { timeoutMs: 50 }), /said nothing/);
  await assert.rejects(runLine(["/no/such/program"], { timeoutMs: 50 }), (error: NodeJS.ErrnoException) => error.code === "ENOENT");
});
