/** Neighbours that take all they can get, all at once: what they get, and that nobody else goes without. */
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { after, before, test } from "node:test";
import { HTTPD, testTenant, TestNode, until } from "../support/node.ts";
import { LIMITS, noisyApps } from "../support/noisy.ts";

const REQUESTS = 300;

let node: TestNode;
before(async () => {
  node = await TestNode.start();
});
after(() => node?.stop());

test("forks, memory, disk, log and packets at once: the neighbour answers everything, the agent goes on, each is held to its limits", async () => {
  const victim = await node.ready({ args: HTTPD, stopGraceMs: 0, readyTimeoutMs: 60_000 });
  const apps = await noisyApps([victim.report.address ?? ""]);
  const noisy = Object.fromEntries(Object.entries(apps).map(([name, wish]) => [name, node.instance({ ...wish, readyTimeoutMs: 60_000 }, testTenant())])) as Record<keyof typeof apps, ReturnType<TestNode["instance"]>>;
  node.add(...Object.values(noisy));
  // The one that runs out of memory may be on its way back already.
  for (const { id } of Object.values(noisy)) await node.untilReport(id, (report) => report?.phase === "ready" || (report?.restarts ?? 0) > 0, 60_000);
  const heard = node.heard.length;
  for (let request = 0; request < REQUESTS; request++) {
    const response = await fetch(`${victim.url}/etc/hostname`);
    assert.equal(response.status, 200);
    assert.equal(await response.text(), "web\n");
  }
  await until(() => node.heard.length > heard);
  // A deployment works meanwhile.
  const fresh = await node.ready({ args: HTTPD, stopGraceMs: 0, readyTimeoutMs: 60_000 });
  assert.equal((await fetch(`${fresh.url}/etc/hostname`)).status, 200);

  const report = await node.untilReport(noisy.memory.id, (each) => each?.lastExit !== undefined, 60_000);
  assert.equal(report.lastExit?.oomKilled, true);
  assert.match(report.problem?.detail ?? "The app ran out of memory: limit 48 MiB", /limit 48 MiB/);
  const pids = ["pids/", ""].map((hierarchy) => `/sys/fs/cgroup/${hierarchy}berth-${node.prefix}/${noisy.forks.id}/pids.current`).find((path) => existsSync(path)) ?? "";
  assert.ok(Number(readFileSync(pids, "utf8")) <= LIMITS.pidsMax);
  // What is written while it begins anew is counted with the next look.
  const logged = new Map(globSync(node.path("logs", `${noisy.log.id}*`)).map((path) => [statSync(path).ino, statSync(path).size]));
  assert.ok([...logged.values()].reduce((sum, size) => sum + size, 0) <= 2 * LIMITS.logBytes);
  const { blocks } = statSync(node.path("instances", noisy.disk.id, "disk.img"));
  assert.ok(blocks * 512 < LIMITS.diskBytes * 1.2, `${blocks} blocks`);
  assert.equal(node.report(victim.desired.id)?.restarts, 0);
});

test("a flood of lines is written down with cpu that is the app's own", async () => {
  const { desired } = await node.ready({ ...(await noisyApps([])).log, readyTimeoutMs: 60_000 }, testTenant());
  const monitor = readFileSync(node.path("instances", desired.id, "monitor-pid"), "utf8").trim();
  const group = ["cpu/", ""].map((hierarchy) => `/sys/fs/cgroup/${hierarchy}berth-${node.prefix}/${desired.id}.monitor`).find((path) => existsSync(path)) ?? "";
  assert.deepEqual(readFileSync(`${group}/cgroup.procs`, "utf8").trim().split("\n"), [monitor]);
  const throttled = () => Number(/^nr_throttled (\d+)$/m.exec(readFileSync(`${group}/cpu.stat`, "utf8"))?.[1]);
  await until(() => throttled() > 0);
});
