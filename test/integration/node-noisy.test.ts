/** Neighbours that take all they can get, all at once: what they get, and that nobody else goes without. */
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { DesiredInstance } from "../../core/contract/node-channel.ts";
import { cpusIn } from "../../core/host/background.ts";
import { OWN_KERNEL_PIDS } from "../../core/sandbox/spec.ts";
import { readGroup } from "../support/groups.ts";
import { IN_GVISOR } from "../support/gvisor.ts";
import { HTTPD, shell, testTenant, TestNode, until } from "../support/node.ts";
import { LIMITS, noisyApps } from "../support/noisy.ts";

const REQUESTS = 300;

let node: TestNode;
before(async () => {
  node = await TestNode.start();
});
after(() => node?.stop());

test("forks, memory, disk, log and packets at once: the neighbour answers everything, the agent goes on, each is held to its limits", async () => {
  // gVisor keeps half a MiB of each process that has answered a request.
  const limits = { memoryBytes: (IN_GVISOR ? 512 : 128) * 2 ** 20 };
  const victim = await node.ready({ args: HTTPD, stopGraceMs: 0, readyTimeoutMs: 60_000, limits });
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
  // In gVisor it may run out of memory as well, and have no group until it runs again.
  let processes = 0;
  await until(() => (processes = processesOf(noisy.forks.id)) > 1);
  assert.ok(processes <= LIMITS.pidsMax + (IN_GVISOR ? OWN_KERNEL_PIDS : 0), `${processes} processes`);
  // What is written while it begins anew is counted with the next look.
  const logged = new Map(globSync(node.path("logs", `${noisy.log.id}*`)).map((path) => [statSync(path).ino, statSync(path).size]));
  assert.ok([...logged.values()].reduce((sum, size) => sum + size, 0) <= 2 * LIMITS.logBytes);
  const { blocks } = statSync(node.path("instances", noisy.disk.id, "disk.img"));
  assert.ok(blocks * 512 < LIMITS.diskBytes * 1.2, `${blocks} blocks`);
  assert.equal(node.report(victim.desired.id)?.restarts, 0);
});

test("a flood of lines is written down with cpu that is the app's own", async () => {
  const { desired } = await node.ready({ ...(await noisyApps([])).log, readyTimeoutMs: 60_000 }, testTenant());
  const monitor = readFileSync(node.bundlePath(desired.id, "monitor-pid"), "utf8").trim();
  const read = (file: string) => readGroup(`berth-${node.prefix}/${desired.id}.monitor`, "cpu", file, file);
  assert.deepEqual(read("cgroup.procs").split("\n"), [monitor]);
  const throttled = () => Number(/^nr_throttled (\d+)$/m.exec(read("cpu.stat"))?.[1]);
  await until(() => throttled() > 0);
});

test("who works without end gives way while somebody calm works too, and takes part again afterwards, also when the agent is killed meanwhile", { skip: availableParallelism() < 2 && "there is one cpu" }, async () => {
  node.want();
  const calm = await node.ready({ args: HTTPD, stopGraceMs: 0 });
  const busy: { desired: DesiredInstance }[] = [];
  for (let i = 0; i < availableParallelism(); i++) busy.push(await node.ready({ args: shell("httpd -p 8080 -h /; while :; do :; done"), stopGraceMs: 0 }, testTenant()));
  const [first] = busy as [(typeof busy)[number]];
  const gaveWay = async () => {
    await fetch(`${calm.url}/etc/hostname`);
    return cpuOf(first.desired.id).weight < cpuOf(calm.desired.id).weight;
  };
  const full = cpuOf(calm.desired.id);
  await until(gaveWay);
  assert.deepEqual(cpuOf(first.desired.id).cpus, full.cpus.slice(1));
  assert.deepEqual(cpuOf(calm.desired.id), full);
  const killed = node.agentPid;
  await until(() => beats(killed) === full.cpus.length);

  await node.killAgent();
  await until(() => beats(killed) === 0);
  await node.startAgent();
  await until(() => cpuOf(first.desired.id).weight === full.weight);
  await until(gaveWay);
  await until(() => beats(node.agentPid) === full.cpus.length);

  node.want(...busy.map(({ desired }) => desired));
  await until(() => busy.every(({ desired }) => cpuOf(desired.id).weight === full.weight));
  assert.deepEqual(cpuOf(first.desired.id), full);
  await until(() => beats(node.agentPid) === 0);
});

/** 0 while it has no group. */
function processesOf(id: string): number {
  try {
    return Number(readGroup(`berth-${node.prefix}/${id}`, "pids", "pids.current", "pids.current"));
  } catch {
    return 0;
  }
}

/** The part of the cpus that an instance's group has against others. */
function cpuOf(id: string): { weight: number; cpus: number[] } {
  const group = `/berth-${node.prefix}/${id}`;
  const read = (...files: string[]) => readFileSync(files.map((file) => join("/sys/fs/cgroup", file)).find((file) => existsSync(file)) ?? "", "utf8");
  return {
    weight: Number(read(`cpu/${group}/cpu.shares`, `${group}/cpu.weight`)),
    // On v2 there is no such file before it is needed.
    cpus: cpusIn(read(`cpuset/${group}/cpuset.cpus`, `${group}/cpuset.cpus.effective`, "cpuset.cpus.effective")),
  };
}

/** Processes of an agent that have the kernel look more often who should run. */
function beats(agentPid: number): number {
  return globSync("/proc/[0-9]*/cmdline").filter((file) => {
    try {
      const args = readFileSync(file, "utf8").split("\0");
      return args[0] === "perl" && args[2]?.includes("getppid") === true && args[3] === String(agentPid);
    } catch {
      return false;
    }
  }).length;
}
