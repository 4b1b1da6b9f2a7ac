/** Checks of running instances: off the route and back without a restart, restarted when they live no more, a word before the stop. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { InstanceReport } from "../../core/contract/node-channel.ts";
import { HTTPD, shell, TestNode } from "../support/node.ts";

let node: TestNode;
before(async () => {
  node = await TestNode.start();
});
after(() => node?.stop());

const PACE = { periodMs: 500, timeoutMs: 500, failures: 2 };

test("an app that says it cannot serve gets no requests, goes on running, and comes back; also when its node's agent is another", async () => {
  const { desired } = await node.ready({
    args: shell("echo fine >/ok; exec httpd -f -p 8080 -h /"),
    readiness: { kind: "http", path: "/ok", recheck: { ...PACE, successes: 2 } },
    readyTimeoutMs: 1000,
    stopGraceMs: 0,
  });
  const pid = node.pid(desired.id);
  await node.remove(desired.id, "/ok");
  const unready = await node.until(desired.id, "starting");
  assert.match(unready.problem?.detail ?? "", /did not answer GET \/ok with 200 to 399, 2 times in a row/);
  await node.killAgent();
  await node.startAgent();
  // Longer than it may take to start.
  await sleep(1500);
  const still = await node.until(desired.id, "starting");
  assert.deepEqual([still.restarts, node.pid(desired.id)], [0, pid]);
  await node.write(desired.id, "/ok", "fine again");
  const again = await node.until(desired.id, "ready");
  assert.deepEqual([again.restarts, again.problem, node.pid(desired.id)], [0, undefined, pid]);
});

test("an app that lives no more is stopped in order and started again", async () => {
  const app = "rm -f /dead; trap 'echo told to stop; exit 3' TERM; httpd -p 8080 -h /; while :; do sleep 0.05; done";
  const { desired } = await node.ready({ args: shell(app), liveness: { kind: "exec", command: ["sh", "-c", "echo asked; test ! -e /dead"], ...PACE }, stopGraceMs: 5000 });
  const pid = node.pid(desired.id);
  await sleep(1500);
  assert.equal(node.report(desired.id)?.restarts, 0);
  await node.write(desired.id, "/dead");
  const restarted = await node.untilReport(desired.id, (report) => report?.phase === "ready" && report.restarts === 1);
  assert.equal(restarted.lastExit?.code, 3);
  assert.notEqual(node.pid(desired.id), pid);
  const backingOff = node.heard.flatMap((message) => (message.type === "report" ? message.instances : [])).find(({ id, phase }) => id === desired.id && phase === "backing-off");
  assert.equal(backingOff?.problem?.code, "app_unhealthy");
  assert.match(backingOff?.problem?.detail ?? "", /did not let «sh» end with 0, 2 times in a row/);
  const lines = (await node.logs(desired.id)).map(({ text }) => text);
  assert.ok(lines.includes("told to stop") && !lines.includes("asked"), lines.join("\n"));
});

test("its node's checks do not keep an instance from being frozen, and do not wake it", async () => {
  const often = { periodMs: 500, timeoutMs: 500, failures: 2 };
  const { desired, url } = await node.ready({
    args: HTTPD,
    readiness: { kind: "http", path: "/etc/hostname", recheck: { ...often, successes: 1 } },
    liveness: { kind: "tcp", ...often },
    sleep: { freezeAfterMs: 700, standbyAfterMs: null, coldAfterMs: null },
  });
  const isFrozen = (report: InstanceReport | undefined) => report?.temperature?.is === "frozen";
  const first = await node.untilReport(desired.id, isFrozen);
  await sleep(1000);
  assert.deepEqual(node.report(desired.id)?.temperature, first.temperature, "it was not woken meanwhile");
  // What others ask counts as ever.
  const from = node.heard.length;
  for (let n = 0; n < 14; n++) {
    assert.equal((await fetch(`${url}/etc/hostname`, { headers: { connection: "close" } })).status, 200);
    await sleep(100);
  }
  const meanwhile = node.heard.slice(from).flatMap((message) => (message.type === "report" ? message.instances.filter(({ id }) => id === desired.id) : []));
  assert.ok(meanwhile.some((report) => report.temperature?.cause === "knock") && !isFrozen(meanwhile.at(-1)), JSON.stringify(meanwhile.at(-1)));
  await node.untilReport(desired.id, isFrozen);
});

test("a check that takes too long is a bad answer", async () => {
  const { desired } = await node.ready({ args: shell("httpd -f -p 8080 -h / & while :; do sleep 0.05; done"), liveness: { kind: "exec", command: ["sleep", "77"], ...PACE }, stopGraceMs: 0 });
  const restarted = await node.untilReport(desired.id, (report) => (report?.restarts ?? 0) >= 1);
  assert.equal(restarted.problem?.code ?? "app_unhealthy", "app_unhealthy");
});

test("a program says when the app is ready", async () => {
  const desired = node.instance({ args: shell("sleep 0.7; touch /up; exec httpd -f -p 8080"), readiness: { kind: "exec", command: ["test", "-e", "/up"] }, stopGraceMs: 0 });
  node.add(desired);
  const report = await node.until(desired.id, "ready");
  assert.ok((report.timingsMs?.["ready"] ?? 0) >= 600, JSON.stringify(report.timingsMs));
  const never = await node.failed({ args: shell("exec httpd -f -p 8080"), readiness: { kind: "exec", command: ["false"] }, readyTimeoutMs: 700 });
  assert.match(never.problem?.detail ?? "", /The program «false» that says whether the app is ready did not end with 0 within 1 s/);
});

test("a word before the stop, within the grace time", async () => {
  const app = "trap 'echo got TERM; exit 0' TERM; httpd -p 8080 -h /; while :; do sleep 0.05; done";
  const polite = await node.ready({ args: shell(app), preStop: { kind: "exec", command: ["sh", "-c", "echo before >/proc/1/fd/1; sleep 0.5; echo done >/proc/1/fd/1"] }, stopGraceMs: 5000 });
  node.want(...node.desired.filter(({ id }) => id !== polite.desired.id));
  await node.until(polite.desired.id, "gone");
  assert.deepEqual((await node.logs(polite.desired.id)).map(({ text }) => text), ["before", "done", "got TERM"]);
  const endless = await node.ready({ args: shell(app), preStop: { kind: "exec", command: ["sleep", "60"] }, stopGraceMs: 800 });
  const startedAt = performance.now();
  node.want(...node.desired.filter(({ id }) => id !== endless.desired.id));
  await node.until(endless.desired.id, "gone");
  const tookMs = performance.now() - startedAt;
  assert.ok(tookMs >= 750 && tookMs < 5000, `${tookMs}`);
});
