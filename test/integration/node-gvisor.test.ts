/** The runtime class `gvisor`: the same images with the same life, behind a kernel of their own. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { InstanceId } from "../../core/contract/ids.ts";
import type { InstanceReport } from "../../core/contract/node-channel.ts";
import { isFrozen } from "../../core/host/freezer.ts";
import { run } from "../../core/host/spawn.ts";
import { REPOSITORY } from "../../infra/config.ts";
import { underBerth } from "../support/compat.ts";
import { HTTPD, shell, TestNode, until, type InstanceWish } from "../support/node.ts";
import { TestSession } from "../support/node-session.ts";
import { cacheDir } from "../support/stores.ts";
import { readGroup } from "../support/groups.ts";
import { askToWake } from "../support/wake.ts";

const COMPAT = join(REPOSITORY, "test/compat");
/** Of the few, those of which Docker shows nothing that is the kernel's own. */
const IMAGES = ["crash", "directory-links", "entrypoint-cmd", "hard-links", "named-user", "opaque", "shell-entrypoint", "standard-streams", "stop-signal", "volume", "whiteouts", "workdir"];

let node: TestNode;
before(async () => {
  node = await TestNode.start();
});
// What a test leaves running, and what crashes again and again, would slow down the next ones.
afterEach(() => node.want());
after(() => node?.stop());

const inGvisor = <W extends InstanceWish>(wish: W) => ({ isolation: "gvisor" as const, ...wish });
const state = (id: InstanceId) => `the last report is ${JSON.stringify(node.report(id))}`;

test("another kernel, the tenant's ids, the image's files; what it writes outlives a crash; it stops in order", async () => {
  const script = "uname -r; echo $((n = $(cat /n 2>/dev/null || echo 0) + 1)) >/n; cat /n; trap 'echo ended in order; exit 0' TERM; httpd -p 8080 -h /; while [ ! -e /crash ]; do sleep 0.1 & wait $!; done; rm /crash; exit 7";
  const { desired, url } = await node.ready(inGvisor({ args: shell(script) }));
  assert.equal((await fetch(`${url}/etc/hostname`)).status, 200);
  assert.match(readFileSync(`/proc/${node.pid(desired.id)}/uid_map`, "utf8"), new RegExp(`^\\s*0\\s+${desired.uidBase}\\s+65536\\s*$`));
  const { last } = await exec(desired.id, shell("touch /crash"));
  assert.deepEqual(last, { type: "exit", code: 0 });
  const again = await node.untilReport(desired.id, (report) => report?.phase === "ready" && report.restarts === 1);
  assert.equal(again.lastExit?.code, 7);
  // The address is the same, and works again.
  assert.equal((await fetch(`${url}/etc/hostname`)).status, 200);
  node.want(...node.desired.filter(({ id }) => id !== desired.id));
  await node.until(desired.id, "gone");
  const lines = (await node.logs(desired.id)).map(({ text }) => text);
  assert.notEqual(lines[0], release());
  assert.deepEqual(lines.slice(1), ["1", lines[0], "2", "ended in order"]);
  assert.deepEqual(await node.traces(desired.id), []);
});

test("exit codes, a program that is not there, one that needs too much memory", async () => {
  const report = await node.failed(inGvisor({ args: shell("echo no database; exit 3") }));
  assert.deepEqual([report.problem?.code, report.lastExit?.code, report.problem?.logTail], ["app_exited", 3, ["no database"]]);
  const missing = await node.failed(inGvisor({ args: ["/nowhere"] }));
  assert.equal(missing.problem?.code, "image_invalid", JSON.stringify(missing.problem));
  const hog = await node.failed(inGvisor({ args: shell("x=a; while :; do x=$x$x; done"), limits: { memoryBytes: 64 * 2 ** 20 } }));
  assert.equal(hog.problem?.code, "app_out_of_memory", JSON.stringify(hog.problem));
});

test("the host's files and settings cannot be reached, whatever the app's root tries", async () => {
  const sysctl = readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8");
  const { desired } = await node.ready(inGvisor({ args: HTTPD, stopGraceMs: 0 }));
  const tries = "echo 7 >/proc/sys/net/ipv4/ip_forward; echo x >/proc/sys/kernel/core_pattern; mount -t proc p /mnt && cat /mnt/1/cmdline; mknod /d b 254 0 && head -c 16 /d; ls /proc/[0-9]* -d | wc -l; cat /proc/kcore /dev/kmsg /dev/mem 2>/dev/null | head -c 16; exit 0";
  const { text } = await exec(desired.id, shell(`(${tries}) 2>/dev/null`));
  assert.doesNotMatch(text, /berth|systemd|conmon/);
  assert.equal(readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8"), sysctl);
});

test("a terminal of its size; a session that is closed ends its program inside", async () => {
  const { desired } = await node.ready(inGvisor({ args: HTTPD, stopGraceMs: 0 }));
  const session = new TestSession(node, desired.id, { kind: "exec", args: ["sh"], terminal: { columns: 101, rows: 31, term: "xterm" } });
  session.type("stty size; echo term=$TERM; exec sleep 1000\n");
  await session.until(/31 101[^]*term=xterm/);
  session.close();
  await until(async () => /^0/m.test((await exec(desired.id, shell("ps | grep -c '[s]leep 1000'"))).text));
});

test("an agent that is killed finds it again", async () => {
  const { desired, url } = await node.ready(inGvisor({ args: HTTPD, stopGraceMs: 0 }));
  const pid = node.pid(desired.id);
  await node.killAgent();
  await node.startAgent();
  const report = await node.until(desired.id, "ready");
  assert.deepEqual([node.pid(desired.id), report.restarts, (await fetch(`${url}/etc/hostname`)).status], [pid, 0, 200]);
});

test("quiet, it is frozen, and thaws for who comes without being announced; in standby it boots when it is woken", async () => {
  // Long enough to tell gVisor's own work from the app's.
  const policy = { freezeAfterMs: 3000, standbyAfterMs: 5000, coldAfterMs: null };
  const { desired, url } = await node.ready(inGvisor({ args: HTTPD, stopGraceMs: 0, sleep: policy }));
  const works = await node.ready(inGvisor({ args: shell("httpd -p 8080 -h /; while :; do i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 0.2; done"), stopGraceMs: 0, sleep: policy }));
  const group = `/berth-${node.prefix}/${desired.id}`;
  const cooled = (is: string) => until(() => node.report(desired.id)?.temperature?.is === is, 30_000, () => state(desired.id));
  await cooled("frozen");
  assert.ok(isFrozen(group));
  assert.equal((await fetch(`${url}/etc/hostname`, { headers: { connection: "close" } })).status, 200);
  await cooled("standby");
  assert.equal(node.report(works.desired.id)?.temperature?.is, "running", state(works.desired.id));
  const hello = node.heard.findLast((message) => message.type === "hello");
  assert.ok(hello?.wake);
  const woken = await askToWake(hello.wake, { wake: desired.id });
  assert.ok(typeof woken === "object" && woken.type === "woken", JSON.stringify(woken));
  assert.equal((await fetch(`${url}/etc/hostname`, { headers: { connection: "close" } })).status, 200);
});

test("several containers in one sandbox: one that takes too much memory ends all, each says so, and all are there again", async () => {
  const MIB = 2 ** 20;
  // The beginning of one's name is another's.
  const sidecars = ["db", "db2"].map((name) => node.beside(name, shell(`echo ${name} >/name; while :; do sleep 0.1; done`), { stopGraceMs: 0 }));
  const hog = "httpd -p 8080 -h /; while [ ! -e /hog ]; do sleep 0.1; done; rm /hog; x=a; while :; do x=$x$x; done";
  const { desired, url } = await node.ready(inGvisor({ args: shell(hog), sidecars, stopGraceMs: 0, limits: { memoryBytes: 64 * MIB, cpuMillis: 1000, startupCpuMillis: 1700 } }));
  assert.deepEqual([await exec(desired.id, ["cat", "/name"], "db"), await exec(desired.id, ["cat", "/name"], "db2")].map(({ text }) => text), ["db\n", "db2\n"]);
  const sandbox = sandboxOf(desired.id);
  await node.write(desired.id, "/hog");
  const areAllBack = (report: InstanceReport | undefined) => report?.phase === "ready" && report.restarts === 1 && report.containers?.every((one) => one.restarts === 1 && one.ready) === true;
  const report = await node.untilReport(desired.id, areAllBack, 30_000);
  assert.equal(report.lastExit?.oomKilled, true, JSON.stringify(report));
  assert.notEqual(sandboxOf(desired.id), sandbox);
  // More while it starts is more of the whole, until it is ready.
  const quota = () => readGroup(`berth-${node.prefix}/${desired.id}/_sandbox`, "cpu", "cpu.cfs_quota_us", "cpu.max").split(" ")[0];
  assert.equal(quota(), "150000");
  assert.equal((await fetch(`${url}/etc/hostname`)).status, 200);
  // With the sidecars' 32 MiB each.
  const told = node.heard.flatMap((message) => (message.type === "report" ? message.instances : [])).filter(({ id }) => id === desired.id).flatMap(({ problem, containers = [] }) => [problem, ...containers.map((one) => one.problem)]).map((problem) => problem?.detail ?? "");
  for (const pattern of [/^The app ran out of memory: limit 128 MiB/, /^The sidecar «db2» failed: The instance's containers needed more than their 128 MiB of memory together\.$/]) assert.ok(told.some((detail) => pattern.test(detail)), told.join("\n"));
});

test("an init container that takes the sandbox with it is tried again, and the app starts in the next one", async () => {
  const greedy = "[ -e /tried ] && exit 0; touch /tried; x=a; while :; do x=$x$x; done";
  const init = node.beside("first", shell(greedy), { timeoutMs: 60_000, restartPolicy: "on-failure" as const });
  const { report, url } = await node.ready(inGvisor({ args: HTTPD, stopGraceMs: 0, readyTimeoutMs: 60_000, limits: { memoryBytes: 64 * 2 ** 20 }, init: [init] }));
  assert.deepEqual([report.restarts, report.containers?.[0]?.restarts, report.containers?.[0]?.lastExit?.code], [0, 1, 0]);
  assert.equal((await fetch(`${url}/etc/hostname`)).status, 200);
});

test("an agent that comes next finds a sandbox, and what has become of it", async () => {
  const init = { timeoutMs: 30_000, restartPolicy: "on-failure" as const };
  const desired = node.instance(inGvisor({ args: HTTPD, stopGraceMs: 0, readyTimeoutMs: 60_000, init: [node.beside("first", shell("echo begins; sleep 3"), init)], sidecars: [node.beside("db", shell("while :; do sleep 0.1; done"), { stopGraceMs: 0 })] }));
  node.add(desired);
  await node.untilReport(desired.id, (report) => report?.containers?.[0]?.state === "running", 30_000);
  await node.killAgent();
  await node.startAgent();
  await node.untilReport(desired.id, (report) => report?.phase === "ready", 60_000);
  assert.deepEqual((await node.logs(desired.id)).map(({ text }) => text), ["begins"]);
  const [sandbox, main] = [sandboxOf(desired.id), node.pid(desired.id)];
  await node.killAgent();
  await node.startAgent();
  const adopted = await node.until(desired.id, "ready");
  assert.deepEqual([adopted.restarts, sandboxOf(desired.id), node.pid(desired.id)], [0, sandbox, main]);
  await node.killAgent();
  process.kill(sandbox, "SIGKILL");
  await node.startAgent();
  const again = await node.untilReport(desired.id, (report) => report?.phase === "ready" && report.restarts === 1 && report.containers?.[1]?.ready === true, 30_000);
  assert.equal(again.lastExit?.code, 137);
  node.want(...node.desired.filter(({ id }) => id !== desired.id));
  await node.until(desired.id, "gone");
  assert.deepEqual(await node.traces(desired.id), []);
});

test("images as people make them do what they do under Docker", async () => {
  await run([join(COMPAT, "make"), "few"], { env: { BERTH_CACHE: cacheDir(), PATH: process.env["PATH"] ?? "" }, timeoutMs: 3_600_000 });
  for (const image of IMAGES) {
    const found = await underBerth(node, join(cacheDir(), "compat-few/oci"), image, { isolation: "gvisor" });
    assert.equal(found, readFileSync(join(COMPAT, "expected", `${image}.txt`), "utf8"), image);
  }
});

/** The process that is the kernel of the instance's containers. */
const sandboxOf = (id: InstanceId) => (JSON.parse(readFileSync(node.bundlePath(`${id}._sandbox`, "state.json"), "utf8")) as { pid: number }).pid;

async function exec(id: InstanceId, args: string[], container?: string) {
  const session = new TestSession(node, id, { kind: "exec", args, terminal: null, ...(container === undefined ? {} : { container }) });
  session.say({ type: "end" });
  const last = await session.ends();
  await sleep(0);
  return { text: session.text(), last };
}
