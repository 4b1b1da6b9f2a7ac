/** The limits of an instance as the kernel holds them, and what its first process may do, as the host sees it. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { HTTPD, testTenant, TestNode } from "../support/node.ts";

const MEMORY_BYTES = 48 * 2 ** 20;

let node: TestNode;
before(async () => {
  node = await TestNode.start();
});
after(() => node?.stop());

/** Of the instance's group: on v1 in the controller's hierarchy, on v2 in the one tree. */
function read(id: string, controller: string, v1: string, v2: string): string {
  const group = `berth-${node.prefix}/${id}`;
  const old = `/sys/fs/cgroup/${controller}/${group}/${v1}`;
  return readFileSync(existsSync(old) ? old : `/sys/fs/cgroup/${group}/${v2}`, "utf8").trim();
}

test("memory, cpu and processes: what was asked for is what the kernel holds", async () => {
  const { desired } = await node.ready({ args: HTTPD, stopGraceMs: 0, limits: { memoryBytes: MEMORY_BYTES, cpuMillis: 350, pidsMax: 17 } });
  assert.equal(read(desired.id, "memory", "memory.limit_in_bytes", "memory.max"), String(MEMORY_BYTES));
  assert.equal(read(desired.id, "pids", "pids.max", "pids.max"), "17");
  // Microseconds in each tenth of a second.
  const [quota] = read(desired.id, "cpu", "cpu.cfs_quota_us", "cpu.max").split(" ");
  assert.equal(quota, "35000");
  assert.ok(read(desired.id, "pids", "cgroup.procs", "cgroup.procs").split("\n").includes(String(node.pid(desired.id))), "the app is in the group");
});

test("the first process of an image's root: ids of the tenant, no new privileges, filtered system calls", async () => {
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
