/** The limits of an instance as the kernel holds them, and what its first process may do, as the host sees it. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import type { DesiredInstance } from "../../core/contract/node-channel.ts";
import { OWN_KERNEL_PIDS } from "../../core/sandbox/spec.ts";
import { ioLimits, IO_V1, readGroup } from "../support/groups.ts";
import { IN_GVISOR, otherKernel } from "../support/gvisor.ts";
import { HTTPD, shell, TestNode, testTenant, until } from "../support/node.ts";

const MIB = 2 ** 20;
const MEMORY_BYTES = 48 * MIB;

let node: TestNode;
before(async () => {
  node = await TestNode.start();
});
after(() => node?.stop());

/** Of the instance's group. */
const read = (id: string, controller: string, v1: string, v2: string) => readGroup(`berth-${node.prefix}/${id}`, controller, v1, v2);

test("memory, cpu and processes: what was asked for is what the kernel holds", async () => {
  const { desired } = await node.ready({ args: HTTPD, stopGraceMs: 0, limits: { memoryBytes: MEMORY_BYTES, cpuMillis: 350, pidsMax: 17 } });
  assert.equal(read(desired.id, "memory", "memory.limit_in_bytes", "memory.max"), String(MEMORY_BYTES));
  assert.equal(read(desired.id, "pids", "pids.max", "pids.max"), String(17 + (IN_GVISOR ? OWN_KERNEL_PIDS : 0)));
  // Microseconds in each tenth of a second.
  const [quota] = read(desired.id, "cpu", "cpu.cfs_quota_us", "cpu.max").split(" ");
  assert.equal(quota, "35000");
  assert.ok(read(desired.id, "pids", "cgroup.procs", "cgroup.procs").split("\n").includes(String(node.pid(desired.id))), "the app is in the group");
});

test("more cpu until it is ready, and no more later", async () => {
  const desired = node.instance({ args: shell("while [ ! -e /tmp/go ]; do sleep 0.02; done; exec httpd -f -p 8080"), stopGraceMs: 0, limits: { cpuMillis: 200, startupCpuMillis: 1500 } });
  node.add(desired);
  await until(() => existsSync(node.path("instances", desired.id, "state.json")) && node.pid(desired.id) > 0);
  const quota = () => read(desired.id, "cpu", "cpu.cfs_quota_us", "cpu.max").split(" ")[0];
  assert.equal(quota(), "150000");
  await until(() => node.has(desired.id, "/tmp"));
  await node.write(desired.id, "/tmp/go");
  await node.until(desired.id, "ready");
  assert.equal(quota(), "20000");
});

/** Runs to its end; its lines. */
async function lines(script: string, limits: Partial<DesiredInstance["limits"]>): Promise<string[]> {
  const desired = node.instance({ args: shell(`exec 2>&1; ${script}`), readyTimeoutMs: 60_000, limits });
  node.add(desired);
  const report = await node.untilReport(desired.id, (each) => each?.phase === "failed");
  assert.equal(report.problem?.code, "app_exited", JSON.stringify(report));
  return (await node.logs(desired.id)).map(({ text }) => text);
}

test("bytes: what is written beyond the disk's end fails, in every place that can be written", async () => {
  // Whole files of other places first: none has room of its own.
  const script = "for f in /etc/hosts /etc/resolv.conf /big; do dd if=/dev/zero of=$f bs=1M count=40 2>&1 | grep -o 'No space.*'; done";
  const said = await lines(script, { diskBytes: 16 * MIB });
  assert.deepEqual(said, Array(3).fill("No space left on device"));
});

test("inodes: so many files and not one more", async () => {
  const [made, why] = await lines("mkdir /d; i=0; while touch /d/$i; do i=$((i+1)); done 2>/d/../why; echo $i; cat /why", { inodesMax: 1024 });
  // The kernel's tables hold 128 more at most.
  assert.ok(Number(made) > 1000 && Number(made) <= 1024 + 128, `${made} files: ${why}`);
  assert.match(why ?? "", /No space left on device/);
});

test("a full disk is reported, hurts nobody else, and its app can be started again", async () => {
  // Inodes first: a directory on a full disk may have no room for another name.
  const script = "echo run >> /runs; httpd -p 8080 -h /; touch /big; i=0; while touch /d$i 2>/dev/null; do i=$((i+1)); done; dd if=/dev/zero of=/big bs=1M 2>/dev/null; sleep 600";
  const full = await node.ready({ args: shell(script), stopGraceMs: 0, limits: { diskBytes: 16 * MIB, inodesMax: 1024 } });
  const other = await node.ready({ args: shell("httpd -p 8080 -h /; sleep 1; dd if=/dev/zero of=/big bs=1M count=64 && echo fits; sleep 600"), stopGraceMs: 0 });
  const report = await node.untilReport(full.desired.id, (each) => each?.full?.length === 2);
  assert.deepEqual(report.full, ["disk", "inodes"]);
  await node.logs(other.desired.id, { until: (all) => all.some(({ text }) => text === "fits") });
  process.kill(node.pid(full.desired.id), "SIGKILL");
  await node.untilReport(full.desired.id, (each) => each?.restarts === 1 && each.phase === "ready");
  assert.equal(await (await fetch(`${full.url}/runs`)).text(), "run\nrun\n");
});

test("shared memory: its size, which counts as memory", async () => {
  const [why] = await lines("dd if=/dev/zero of=/dev/shm/x bs=1M count=8 2>&1 | grep -o 'No space.*'", { shmBytes: 4 * MIB });
  assert.equal(why, "No space left on device");
  const report = await node.failed({ args: shell("dd if=/dev/zero of=/dev/shm/x bs=1M; echo survived; sleep 60"), limits: { memoryBytes: 24 * MIB, shmBytes: 64 * MIB } });
  assert.match(report.problem?.detail ?? "", /out of memory: limit 24 MiB, peak 24 MiB/);
  assert.equal(Math.round((report.lastExit?.memoryPeakBytes ?? 0) / MIB), 24);
});

test("reads and writes of the disk: what was asked for, also for what is written back later", async () => {
  const [bytes, operations] = [4 * MIB, 600];
  const { desired } = await node.ready({ args: shell("httpd -p 8080 -h /; while [ ! -e /go ]; do sleep 0.05; done; dd if=/dev/zero of=/x bs=1M count=12 conv=fsync; echo written; sleep 600"), stopGraceMs: 0, limits: { ioBytesPerSecond: bytes, ioOperationsPerSecond: operations }, scratch: [{ path: "/scratch", sizeBytes: 16 * MIB }] });
  const own = ioLimits(`berth-${node.prefix}/${desired.id}`);
  for (const [name, limit] of Object.entries({ read_bps: bytes, write_bps: bytes, read_iops: operations, write_iops: operations })) {
    const held = own.filter((line) => line.includes(` ${name} `));
    assert.ok(held.length > 0 && held.every((line) => line.endsWith(` ${limit}`)), `${name}: ${own.join()}`);
  }
  const loop = readFileSync(node.bundlePath(desired.id, "loop"), "utf8");
  // On v2 what is written back later is the group's as well; on v1 it is nobody's.
  for (const limits of [own, ...(IO_V1 ? [ioLimits(".")] : [])]) assert.ok(limits.includes(`${loop} write_bps ${bytes}`), limits.join());
  assert.equal(own.filter((line) => /^7:\d+ write_bps/.test(line)).length, 2, `its disk's and its scratch's: ${own.join()}`);
  const startedAt = performance.now();
  await node.write(desired.id, "/go");
  await node.logs(desired.id, { until: (all) => all.some(({ text }) => text === "written") });
  // 12 MiB at 4 MiB/s: a busy machine makes it longer, nothing makes it shorter.
  assert.ok(performance.now() - startedAt > 2000, `${performance.now() - startedAt} ms`);
  node.want(...node.desired.filter(({ id }) => id !== desired.id));
  await node.until(desired.id, "gone");
  if (IO_V1) assert.ok(!ioLimits(".").some((line) => line.startsWith(`${loop} write`)), "the loop device is nobody's");
});

test("the first process of an image's root: ids of the tenant, no new privileges, filtered system calls", otherKernel, async () => {
  const tenant = testTenant();
  const { desired } = await node.ready({ args: HTTPD, stopGraceMs: 0 }, tenant);
  const status = readFileSync(`/proc/${node.pid(desired.id)}/status`, "utf8");
  const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1]?.trim();
  const id = String(tenant.uidBase);
  assert.deepEqual(field("Uid")?.split("\t"), [id, id, id, id]);
  assert.deepEqual(field("Gid")?.split("\t"), [id, id, id, id]);
  assert.equal(field("NoNewPrivs"), "1");
  assert.equal(field("Seccomp"), "2");
  // CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID NET_BIND_SERVICE, and no way to any other.
  for (const name of ["CapEff", "CapPrm", "CapBnd"]) assert.equal(field(name), "00000000000004fb", name);
  for (const name of ["CapInh", "CapAmb"]) assert.equal(field(name), "0000000000000000", name);
});
