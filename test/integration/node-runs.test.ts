/** What runs to its end on a node: once, within its deadline, over deaths of the agent. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { shell, TestNode, until } from "../support/node.ts";

let node: TestNode;
before(async () => {
  node = await TestNode.start();
});
after(() => node?.stop());

const HOUR_MS = 3_600_000;

test("it runs once, says its exit code, keeps its log, and leaves when it is wanted no more", async () => {
  const good = node.instance({ args: shell("echo out; echo err >&2"), run: { deadlineMs: HOUR_MS } });
  const bad = node.instance({ args: shell("echo last words; exit 3"), run: { deadlineMs: HOUR_MS } });
  const missing = node.instance({ args: ["/no/such/program"], run: { deadlineMs: HOUR_MS } });
  node.want(good, bad, missing);
  const done = await node.until(good.id, "completed");
  assert.deepEqual([done.lastExit?.code, done.problem, done.restarts], [0, undefined, 0]);
  const failed = await node.until(bad.id, "completed");
  assert.deepEqual([failed.lastExit?.code, failed.problem?.code, failed.problem?.logTail], [3, "command_failed", ["last words"]]);
  assert.equal((await node.until(missing.id, "failed")).problem?.code, "image_invalid");
  assert.deepEqual((await node.logs(good.id)).map(({ stream, text }) => `${stream} ${text}`).toSorted(), ["stderr err", "stdout out"]);
  // A newer state, an agent that starts anew: what has ended is not begun again.
  node.want(good, bad);
  await node.killAgent();
  await node.startAgent();
  await node.until(good.id, "completed");
  assert.equal((await node.logs(good.id)).length, 2);
  node.want();
  await node.until(good.id, "gone");
  assert.deepEqual(await node.traces(good.id), []);
  assert.equal((await node.logs(good.id)).length, 2, "its log is there when it is gone");
});

test("its deadline ends it: the stop signal, the grace time, the kill", async () => {
  const polite = node.instance({ args: shell("trap 'echo bye; exit 5' TERM; while :; do sleep 0.05; done"), run: { deadlineMs: 700 } });
  const stubborn = node.instance({ args: shell("trap '' TERM; while :; do sleep 0.05; done"), run: { deadlineMs: 700 }, stopGraceMs: 300 });
  node.want(polite, stubborn);
  const first = await node.until(polite.id, "completed");
  assert.deepEqual([first.lastExit?.code, first.problem?.code, first.problem?.logTail], [5, "job_deadline", ["bye"]]);
  const second = await node.until(stubborn.id, "completed");
  assert.deepEqual([second.lastExit?.code, second.problem?.code], [137, "job_deadline"]);
  node.want();
});

test("kill -9 of the agent: what runs is adopted with its deadline, an exit in between is noticed, nothing runs twice", async () => {
  const wait = "echo once; while [ ! -e /tmp/go ]; do sleep 0.02; done; exit 4";
  const between = node.instance({ args: shell(wait), run: { deadlineMs: HOUR_MS } });
  const later = node.instance({ args: shell(wait), run: { deadlineMs: HOUR_MS } });
  const late = node.instance({ args: shell("echo once; exec sleep 600"), run: { deadlineMs: 1500 }, stopGraceMs: 0 });
  const cancelled = node.instance({ args: shell("echo once; exec sleep 600"), run: { deadlineMs: HOUR_MS }, stopGraceMs: 0 });
  node.want(between, later, late, cancelled);
  for (const one of [between, later, late, cancelled]) await node.until(one.id, "running");
  const pid = node.pid(later.id);
  const ended = node.pid(between.id);
  await node.killAgent();
  await node.write(between.id, "/tmp/go");
  await until(() => !existsSync(`/proc/${ended}`));
  await node.startAgent();
  assert.equal((await node.until(between.id, "completed")).lastExit?.code, 4);
  await node.until(later.id, "running");
  assert.equal(node.pid(later.id), pid);
  assert.equal((await node.until(late.id, "completed")).problem?.code, "job_deadline");
  await node.write(later.id, "/tmp/go");
  assert.equal((await node.until(later.id, "completed")).lastExit?.code, 4);
  node.want(between, later, late);
  await node.until(cancelled.id, "gone");
  for (const one of [between, later, late, cancelled]) assert.equal((await node.logs(one.id)).filter(({ text }) => text === "once").length, 1);
});

test("kill -9 at any moment of a start: it runs once", async () => {
  for (let round = 0; round < 4; round++) {
    const desired = node.instance({ args: shell("echo once"), run: { deadlineMs: HOUR_MS } });
    node.want(desired);
    await new Promise((resolve) => setTimeout(resolve, round * 18));
    await node.killAgent();
    await node.startAgent();
    const report = await node.until(desired.id, "completed");
    assert.equal(report.lastExit?.code, 0, `round ${round}`);
    assert.equal((await node.logs(desired.id)).length, 1, `round ${round}`);
  }
  node.want();
});
