/** Agents come and go: containers stay. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { IN_GVISOR } from "../support/gvisor.ts";
import { HTTPD, shell, testTenant, TestNode, until } from "../support/node.ts";
import { PATIENCE } from "../support/patience.ts";

let node: TestNode;
beforeEach(async () => {
  node = await TestNode.start();
});
afterEach(() => node?.stop());

test("kill -9 of the agent touches no container; the next one adopts it, sees exits in between and stops it in order", async () => {
  const tenant = testTenant();
  const serving = await node.ready({ args: shell("echo started; trap 'echo stopped; exit 0' TERM; httpd -p 8080 -h /; while :; do sleep 0.05; done") }, tenant);
  const crashing = await node.ready({ args: shell("echo run >>/runs; httpd -p 8080 -h /; while [ ! -e /tmp/go ]; do sleep 0.02; done; rm /tmp/go; exit 9") }, tenant);
  const pid = node.pid(serving.desired.id);
  await node.killAgent();
  assert.equal((await fetch(`${serving.url}/etc/hostname`)).status, 200);
  // It crashes while nobody looks.
  await node.write(crashing.desired.id, "/tmp/go");
  await until(() => !existsSync(`/proc/${node.pid(crashing.desired.id)}`));
  assert.equal((await fetch(`${serving.url}/etc/hostname`)).status, 200);

  const startedAt = performance.now();
  await node.startAgent();
  const report = await node.until(serving.desired.id, "ready");
  assert.ok(performance.now() - startedAt < 5000 * PATIENCE);
  assert.equal(node.pid(serving.desired.id), pid);
  assert.equal(report.address, serving.report.address);
  assert.equal(report.restarts, 0);
  const restarted = await node.untilReport(crashing.desired.id, (one) => (one?.restarts ?? 0) > 0);
  assert.equal(restarted.lastExit?.code, 9);
  await node.until(crashing.desired.id, "ready");
  assert.equal(await (await fetch(`${crashing.url}/runs`)).text(), "run\nrun\n");
  assert.deepEqual((await node.logs(serving.desired.id)).map(({ text }) => text), ["started"]);
  node.want();
  await node.until(serving.desired.id, "gone");
  assert.deepEqual((await node.logs(serving.desired.id)).map(({ text }) => text), ["started", "stopped"]);
});

test("an agent that starts without the API keeps its instances, restarts what crashes, and refuses an older state", async () => {
  const { desired } = await node.ready({ args: shell("httpd -p 8080; while [ ! -e /tmp/go ]; do sleep 0.02; done; rm /tmp/go; exit 9") });
  const reached = node.generation;
  const first = node.pid(desired.id);
  await node.killAgent();
  node.generation = 1;
  node.desired = [];
  await node.startAgent();
  await until(() => node.log.includes("an older desired state was refused"));
  assert.equal(node.heard.findLast((message) => message.type === "hello")?.generation, reached);
  await node.until(desired.id, "ready");
  assert.equal(node.pid(desired.id), first);
  await node.write(desired.id, "/tmp/go");
  await node.untilReport(desired.id, (report) => report?.restarts === 1 && report.phase === "ready");
  assert.notEqual(node.pid(desired.id), first);
  node.generation = reached;
  node.want();
  await node.until(desired.id, "gone");
});

test("a cut connection is made again; the state that came meanwhile is carried out", async () => {
  const { desired } = await node.ready({ args: HTTPD });
  const pid = node.pid(desired.id);
  const more = node.instance({ args: HTTPD });
  node.disconnect();
  node.add(more);
  await node.until(more.id, "ready");
  assert.equal(node.pid(desired.id), pid);
});

test("kill -9 at any moment of a start: the next agent brings it up, once", async () => {
  const tenant = testTenant();
  for (let round = 0; round < 12; round++) {
    const desired = node.instance({ args: shell("echo up; exec httpd -f -p 8080"), stopGraceMs: 0 }, tenant);
    node.want(desired);
    await sleep(round * 6);
    await node.killAgent();
    await node.startAgent();
    await node.until(desired.id, "ready");
    // The probe's connection has a process of its own for a moment.
    if (!IN_GVISOR) await until(() => readProcesses(desired.id) === 1, 3000, () => `round ${round}: ${readProcesses(desired.id)} processes`);
    node.want();
    await node.until(desired.id, "gone");
    assert.deepEqual(await node.traces(desired.id), [], `round ${round}`);
  }
  assert.ok(readdirSync("/run/netns").filter((name) => name.startsWith(`${node.prefix}-`)).length <= 4, "network namespaces do not pile up");
});

test("state that a crash of the host has emptied does not stop the agent", async () => {
  const { desired } = await node.ready({ args: HTTPD, stopGraceMs: 0 });
  await node.killAgent();
  writeFileSync(node.path("desired.json"), "");
  await node.startAgent();
  await node.until(desired.id, "ready");
  node.want();
  await node.until(desired.id, "gone");
});

test("a hundred containers are adopted within five seconds", async () => {
  // Each of gVisor's works a little all the time: a hundred are more than two cpus are good for.
  const many = IN_GVISOR ? 25 : 100;
  const tenant = testTenant();
  const wanted = Array.from({ length: many }, () => node.instance({ args: HTTPD, stopGraceMs: 0, readyTimeoutMs: 60_000, limits: { memoryBytes: (IN_GVISOR ? 64 : 16) * 2 ** 20 } }, tenant));
  node.want(...wanted);
  await until(() => wanted.every(({ id }) => node.report(id)?.phase === "ready"), 90_000, () => node.log);
  const pids = wanted.map(({ id }) => node.pid(id));
  await node.killAgent();
  node.heard.length = 0;
  const startedAt = performance.now();
  await node.startAgent();
  await until(() => wanted.every(({ id }) => node.report(id)?.phase === "ready"));
  const tookMs = performance.now() - startedAt;
  assert.ok(tookMs < 5000 * PATIENCE, `${tookMs} ms`);
  assert.deepEqual(wanted.map(({ id }) => node.pid(id)), pids);
});

function readProcesses(id: string): number {
  for (const path of [`/sys/fs/cgroup/pids/berth-${node.prefix}/${id}`, `/sys/fs/cgroup/berth-${node.prefix}/${id}`]) {
    if (existsSync(path)) return readFileSync(`${path}/cgroup.procs`, "utf8").split("\n").filter(Boolean).length;
  }
  return 0;
}
