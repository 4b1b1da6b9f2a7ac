import assert from "node:assert/strict";
import { test } from "node:test";
import { LAYER_STORE_UID_BASE } from "../domain/id-ranges.ts";
import { instanceSpec, unpackSpec, type InstanceSandbox } from "./spec.ts";

const limits = { memoryBytes: 64 * 2 ** 20, cpuMillis: 500, pidsMax: 32, openFiles: 20_000, shmBytes: 8 * 2 ** 20, ioBytesPerSecond: 2 ** 20, ioOperationsPerSecond: 200 };
const sandbox: InstanceSandbox = {
  rootPath: "/r", hostname: "web", args: ["/app"], env: ["A=b"], cwd: "/", user: { uid: 0, gid: 0, additionalGids: [] }, uidBase: 2_162_688,
  netnsPath: "/run/netns/x", cgroupsPath: "/berth-x/ins_1", binds: [{ source: "/s", destination: "/etc/hosts", readOnly: false }], limits, ioDevice: "254:16", hasOwnKernel: false,
};

test("an instance: its own ids and namespaces, no new privileges, the limits", () => {
  const spec = instanceSpec(sandbox);
  assert.deepEqual(spec.linux.uidMappings, [{ containerID: 0, hostID: 2_162_688, size: 65_536 }]);
  assert.deepEqual(spec.linux.gidMappings, spec.linux.uidMappings);
  assert.deepEqual(spec.linux.namespaces.map(({ type }) => type).toSorted(), ["cgroup", "ipc", "mount", "network", "pid", "user", "uts"]);
  assert.deepEqual(spec.linux.namespaces.find(({ type }) => type === "network"), { type: "network", path: "/run/netns/x" });
  assert.equal(spec.process.noNewPrivileges, true);
  assert.deepEqual(spec.linux.resources.memory, { limit: limits.memoryBytes, swap: limits.memoryBytes });
  assert.deepEqual(spec.linux.resources.cpu, { quota: 50_000, shares: 512 });
  assert.equal(spec.linux.resources.pids.limit, 32);
  for (const path of ["/proc/kcore", "/proc/keys", "/sys/firmware"]) assert.ok(spec.linux.maskedPaths.includes(path), path);
  for (const path of ["/proc/sys", "/proc/sysrq-trigger"]) assert.ok(spec.linux.readonlyPaths.includes(path), path);
  assert.ok(spec.mounts.filter(({ type }) => type === "bind").every(({ options }) => options.includes("nosuid") && options.includes("nodev")));
});

test("behind a kernel of its own: no control groups of the host's to see, room for that kernel's threads", () => {
  const spec = instanceSpec({ ...sandbox, hasOwnKernel: true });
  assert.ok(!spec.mounts.some(({ type }) => type === "cgroup"));
  assert.equal(spec.linux.resources.pids.limit, 32 + 256);
});

test("shared memory, reads and writes: of the one disk, each; more cpu until it is ready than later", () => {
  const spec = instanceSpec({ ...sandbox, limits: { ...limits, startupCpuMillis: 2000 } });
  assert.ok(spec.mounts.find(({ destination }) => destination === "/dev/shm")?.options.includes("size=8192k"));
  const [bytes, operations] = [[{ major: 254, minor: 16, rate: 2 ** 20 }], [{ major: 254, minor: 16, rate: 200 }]];
  assert.deepEqual(spec.linux.resources.blockIO, { throttleReadBpsDevice: bytes, throttleWriteBpsDevice: bytes, throttleReadIOPSDevice: operations, throttleWriteIOPSDevice: operations });
  assert.deepEqual(spec.linux.resources.cpu, { quota: 200_000, shares: 512 });
  // 0 is no limit to tmpfs.
  const none = instanceSpec({ ...sandbox, limits: { ...limits, shmBytes: 0, startupCpuMillis: 100 } });
  assert.ok(none.mounts.find(({ destination }) => destination === "/dev/shm")?.options.includes("size=4k"));
  assert.equal(none.linux.resources.cpu.quota, 50_000);
  assert.ok(!("blockIO" in instanceSpec({ ...sandbox, ioDevice: undefined }).linux.resources));
});

test("root of an image keeps eight capabilities, any other user none, nobody an ambient one", () => {
  const root = instanceSpec(sandbox).process.capabilities;
  assert.deepEqual(root.effective.toSorted(), ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SETGID", "CAP_SETUID"]);
  const app = instanceSpec({ ...sandbox, user: { uid: 1000, gid: 1000, additionalGids: [5] } }).process;
  assert.deepEqual(app.capabilities, { bounding: ["CAP_NET_BIND_SERVICE"], effective: [], permitted: [], inheritable: [], ambient: [] });
  assert.deepEqual(root.ambient, []);
});

test("no limit of open files is above the agent's own; core dumps are off", () => {
  for (const openFiles of [512, 20_000]) {
    const { rlimits } = instanceSpec({ ...sandbox, limits: { ...limits, openFiles } }).process;
    const files = rlimits.find(({ type }) => type === "RLIMIT_NOFILE");
    assert.ok(files && files.hard <= openFiles && files.soft <= files.hard);
    assert.deepEqual(rlimits.find(({ type }) => type === "RLIMIT_CORE"), { type: "RLIMIT_CORE", soft: 0, hard: 0 });
  }
});

test("seccomp: what Docker's default profile forbids", () => {
  const { seccomp } = instanceSpec(sandbox).linux;
  assert.equal(seccomp.defaultAction, "SCMP_ACT_ERRNO");
  const allowed = new Set(seccomp.syscalls.filter(({ action }) => action === "SCMP_ACT_ALLOW").filter((rule) => !("args" in rule) || (rule.args ?? []).length === 0).flatMap(({ names }) => names));
  for (const name of ["mount", "umount2", "unshare", "setns", "bpf", "io_uring_setup", "keyctl", "add_key", "kexec_load", "init_module", "open_by_handle_at", "perf_event_open", "userfaultfd", "socket", "clone", "pivot_root", "swapon", "reboot"]) {
    assert.ok(!allowed.has(name), name);
  }
  for (const name of ["read", "openat", "execve", "futex", "epoll_wait", "accept4", "clock_gettime", "getrandom", "rseq"]) assert.ok(allowed.has(name), name);
});

test("the unpack helper: no network, ids of nobody, one directory to write to", () => {
  const spec = unpackSpec({ rootPath: "/t", targetPath: "/layer", args: ["true"], cgroupsPath: "/berth-x/unpack", limits });
  assert.deepEqual(spec.linux.namespaces.find(({ type }) => type === "network"), { type: "network" });
  assert.equal(spec.root.readonly, true);
  assert.equal(spec.linux.uidMappings[0]?.hostID, LAYER_STORE_UID_BASE);
  const writable = spec.mounts.filter(({ type, options }) => type === "bind" && options.includes("rw"));
  assert.deepEqual(writable.map(({ source, destination }) => [source, destination]), [["/layer", "/mnt"]]);
  assert.ok(!spec.process.capabilities.effective.includes("CAP_SYS_ADMIN"));
});
