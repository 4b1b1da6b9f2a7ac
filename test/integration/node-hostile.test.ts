/** What hostile code tries from inside an app: system calls, the kernel's files, privileges of programs in the image, the runtime itself. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { hostileProgram, limitsOf } from "../support/hostile.ts";
import { rawFile, rawPax, RAW_END, tarOf } from "../support/contexts.ts";
import { otherKernel } from "../support/gvisor.ts";
import { busybox, catalogue, layerOf, type TestLayer } from "../support/layers.ts";
import { HTTPD, shell, TestNode } from "../support/node.ts";
import { memberOf } from "../support/oci.ts";

const PATIENCE_MS = 20_000;

let node: TestNode;
before(async () => {
  node = await TestNode.start();
});
after(() => node?.stop());

/** Runs to its end; its lines. */
async function lines(args: string[], wish: { user?: string; layers?: TestLayer[] } = {}): Promise<string[]> {
  const desired = node.instance({ args, readyTimeoutMs: PATIENCE_MS, stopGraceMs: 0, ...wish });
  node.add(desired);
  const report = await node.untilReport(desired.id, (each) => each?.phase === "failed");
  assert.equal(report.problem?.code, "app_exited", JSON.stringify(report));
  return (await node.logs(desired.id)).map(({ text }) => text);
}

const sysctls = () => ["kernel/core_pattern", "kernel/hostname", "vm/overcommit_memory", "net/ipv4/ip_forward"].map((name) => readFileSync(`/proc/sys/${name}`, "utf8"));

test("system calls, files of the kernel, setuid programs: nothing works, as root of the image and as another user", otherKernel, async () => {
  const program = layerOf(await tarOf({ name: "tmp/", type: "directory", mode: 0o1777 }, ["probe.pl", hostileProgram()]));
  const before = sysctls();
  for (const [user, id] of [["", "0"], ["www-data", "33"]] as const) {
    const found = await lines(["perl", "/probe.pl"], { user, layers: [...catalogue("debian"), program] });
    assert.deepEqual(found, [`tried all as ${id}`]);
  }
  assert.deepEqual(sysctls(), before);
});

test("setuid bits and file capabilities of the image give nothing", otherKernel, async () => {
  // busybox itself gives a setuid bit away again: perl does not.
  const programs = { busybox: await memberOf(busybox().bytes, "bin/busybox"), perl: await memberOf((catalogue("debian")[0] as TestLayer).bytes, "usr/bin/perl") };
  /** Permitted and effective, for the root of any user namespace. */
  const withCapability = (name: string, bit: number) => {
    const value = Buffer.alloc(20);
    value.writeUInt32LE(0x0200_0001, 0);
    value.writeUInt32LE(1 << bit, 4);
    return Buffer.concat([rawPax({ "SCHILY.xattr.security.capability": value }), rawFile(name, programs.busybox, { mode: 0o755 })]);
  };
  const layer = layerOf(Buffer.concat([withCapability("bind/grep", 10), withCapability("admin/grep", 21), rawFile("setuid", programs.perl, { mode: 0o6755 }), RAW_END]));
  const layers = [...catalogue("debian"), layer];
  const script = "stat -c %a /setuid; exec /setuid -e 'print \"$> $)\\n\"'";
  assert.deepEqual(await lines(shell(script), { user: "www-data", layers }), ["6755", "33 33 33"]);
  const own = "exec /bind/grep -E '^Cap(Prm|Eff|Amb):' /proc/self/status";
  assert.deepEqual((await lines(shell(own), { user: "www-data", layers })).map((line) => line.split("\t")[1]), Array(3).fill("0".repeat(16)));
  // One stream: two have no order between them.
  const asRoot = await lines(shell(`exec 2>&1; ${own.replaceAll("bind", "admin").replace("exec ", "")}; echo $?`), { layers });
  assert.match(asRoot.join("\n"), /not permitted\n126$/);
});

test("limits of the process: none is above the agent's own, no core file", async () => {
  const { desired } = await node.ready({ args: HTTPD, stopGraceMs: 0 });
  const [app, agent] = [node.pid(desired.id), node.agentPid].map((pid) => limitsOf(readFileSync(`/proc/${pid}/limits`, "utf8"))) as [Map<string, [number, number]>, Map<string, [number, number]>];
  assert.ok(app.size > 10);
  for (const [name, [soft, hard]] of app) {
    const [, most] = agent.get(name) ?? [0, 0];
    assert.ok(soft <= hard && hard <= most, `${name}: ${soft}, ${hard}; the agent's: ${most}`);
  }
  assert.deepEqual(app.get("Max core file size"), [0, 0]);
});

test("what the kernel shows of the host is empty, what it would let change is read-only, and no device is open beyond the usual ones", otherKernel, async () => {
  const { desired } = await node.ready({ args: HTTPD, stopGraceMs: 0 });
  const mounts = new Map(readFileSync(`/proc/${node.pid(desired.id)}/mountinfo`, "utf8").trimEnd().split("\n").map((line) => [line.split(" ")[4], line.split(" ")[5]?.split(",")]));
  for (const name of ["bus", "fs", "irq", "sys", "sysrq-trigger"].filter((each) => existsSync(`/proc/${each}`))) assert.ok(mounts.get(`/proc/${name}`)?.includes("ro"), name);
  // Any user may read the first of the host's own.
  const shown = ["interrupts", "acpi", "asound", "kcore", "keys", "scsi", "timer_list"].filter((each) => existsSync(`/proc/${each}`));
  assert.notEqual(readFileSync("/proc/interrupts", "utf8"), "");
  assert.deepEqual(await lines(shell(`for n in ${shown.join(" ")}; do if [ -d /proc/$n ]; then ls -A /proc/$n; else head -c 64 /proc/$n; fi; done 2>&1`)), []);
  // Of cgroup v1 alone there is a list to read. The runtime adds the console, the tunnel and making nodes, which nobody can here.
  const list = `/sys/fs/cgroup/devices/berth-${node.prefix}/${desired.id}/devices.list`;
  if (existsSync(list)) assert.match(readFileSync(list, "utf8"), /^((c (1:[35789]|5:[012]|136:\*|10:200) rwm|[bc] \*:\* m)\n)+$/);
});

test("the runtime's program cannot be started from inside, nor changed", async () => {
  const crun = join(node.env["BERTH_TOOLCHAIN_BIN"] ?? "", "crun");
  const hash = () => createHash("sha256").update(readFileSync(crun)).digest("hex");
  const before = hash();
  const script = layerOf(await tarOf({ name: "script", mode: 0o755 }, { name: "link", type: "symlink", linkname: "/proc/self/exe" }));
  for (const args of [["/proc/self/exe"], ["/proc/self/exe", "--root", "/", "list"], ["/link"], ["/proc/1/exe"], ["/proc/thread-self/exe"]]) {
    const desired = node.instance({ args, layers: [busybox(), script], readyTimeoutMs: 3000 });
    node.add(desired);
    const report = await node.until(desired.id, "failed");
    assert.ok(["app_exited", "image_invalid", "app_not_listening"].includes(report.problem?.code ?? ""), JSON.stringify(report));
    assert.ok(!(report.problem?.logTail ?? []).some((line) => /PID +STATUS|crun version/.test(line)), JSON.stringify(report));
  }
  // Who runs as the first process sees only programs of its own image.
  const found = await lines(shell("for p in /proc/[0-9]*/exe; do readlink $p; (echo x >>$p) 2>/dev/null && echo changed; done; exit 0"));
  assert.deepEqual(found.filter((line) => !line.startsWith("/bin/")), []);
  assert.equal(hash(), before);
});

test("what an image says of itself becomes neither annotation nor hook", async () => {
  const { desired } = await node.ready({ args: HTTPD, stopGraceMs: 0, env: ["run.oci.hooks.stdout=/tmp/x"] });
  const spec = JSON.parse(readFileSync(node.bundlePath(desired.id, "config.json"), "utf8")) as Record<string, unknown>;
  assert.deepEqual(Object.keys(spec).toSorted(), ["hostname", "linux", "mounts", "ociVersion", "process", "root"]);
});
