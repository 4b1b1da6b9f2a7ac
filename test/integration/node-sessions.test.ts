/** Sessions into instances: programs with the app's own rights and no more, ports, and what no session may cost the node. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { newId, type InstanceId } from "../../core/contract/ids.ts";
import { SESSION_WINDOW_BYTES } from "../../core/contract/sessions.ts";
import { run as runOnHost } from "../../core/host/spawn.ts";
import { IN_GVISOR } from "../support/gvisor.ts";
import { HTTPD, shell, TestNode, until } from "../support/node.ts";
import { TestSession } from "../support/node-session.ts";

const IDLE_MS = 3000;
let node: TestNode;
before(async () => {
  node = await TestNode.start({ BERTH_SESSION_IDLE_MS: String(IDLE_MS) });
});
after(() => node?.stop());

const exec = (id: InstanceId, args: string[], terminal: { columns: number; rows: number; term: string } | null = null) => new TestSession(node, id, { kind: "exec", args, terminal });
async function run(id: InstanceId, args: string[]) {
  const session = exec(id, args);
  session.say({ type: "end" });
  const last = await session.ends();
  return { out: session.text(), err: session.text(2), code: last.type === "exit" ? last.code : JSON.stringify(last) };
}

const STATUS = "grep -E '^(Uid|Gid|Groups|Cap...|NoNewPrivs|Seccomp|Seccomp_filters):' /proc/self/status";
const LOOK = `${STATUS}; pwd; tr '\\0' '\\n' </proc/self/environ | sort; cat /proc/self/cgroup /proc/self/uid_map; ulimit -n; ulimit -Hn; ulimit -c; grep -E '^Max (pending|msgqueue)' /proc/self/limits; for n in ${IN_GVISOR ? "" : "user"} pid net ipc uts mnt cgroup; do readlink /proc/self/ns/$n; done`;

test("a program has what the app has, and no more", async () => {
  for (const user of ["", "www-data", "1234:5678"]) {
    const { desired } = await node.ready({ args: shell(`(${LOOK}) >/tmp/app 2>&1; exec httpd -f -p 8080`), user, env: ["A=b c", "PATH=/bin"], workingDir: "/srv", stopGraceMs: 0 });
    const { out, code } = await run(desired.id, shell(`(${LOOK}) >/tmp/exec 2>&1; diff /tmp/app /tmp/exec && echo same`));
    assert.deepEqual([out, code], ["same\n", 0]);
    if (!IN_GVISOR) assert.match((await run(desired.id, ["cat", "/proc/self/limits"])).out, /^Max pending signals +1024 +1024 [^]*^Max msgqueue size +131072 +131072 /m);
    const { out: open } = await run(desired.id, shell("ls /proc/self/fd | wc -l; cat /proc/self/cgroup | grep -c berth; mount -t tmpfs x /mnt 2>/dev/null && echo MOUNTED; exit 0"));
    // Three streams and the directory that ls reads.
    assert.deepEqual(open.split("\n")[0], "4");
    assert.doesNotMatch(open, /MOUNTED/);
  }
});

test("exit codes, both streams, binary input; what it leaves running keeps nobody waiting", async () => {
  const { desired } = await node.ready({ args: HTTPD, stopGraceMs: 0 });
  assert.deepEqual(await run(desired.id, shell("echo out; echo err >&2; exit 42")), { out: "out\n", err: "err\n", code: 42 });
  for (const user of ["", "www-data"]) {
    const { desired: own } = await node.ready({ args: HTTPD, user, stopGraceMs: 0 });
    assert.deepEqual(await run(own.id, shell("echo out >/dev/stdout; echo err >/dev/stderr; cat /dev/stdin")), { out: "out\n", err: "err\n", code: 0 });
  }
  assert.equal((await run(desired.id, shell("kill -9 $$"))).code, 137);
  const session = exec(desired.id, ["cat"]);
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
  session.say({ type: "data", data: bytes.toString("base64") });
  session.say({ type: "end" });
  assert.deepEqual(await session.ends(), { type: "exit", code: 0 });
  assert.deepEqual(session.bytes(1), bytes);
  assert.deepEqual(session.events.filter(({ type }) => type === "credit"), [{ type: "credit", bytes: 256 }]);
  assert.equal((await run(desired.id, shell("sleep 60 & echo left"))).out, "left\n");
});

test("a terminal: its size, its name, a new size, Ctrl-C", async () => {
  const { desired } = await node.ready({ args: HTTPD, stopGraceMs: 0 });
  const session = exec(desired.id, ["sh"], { columns: 77, rows: 31, term: "screen-256color" });
  session.type("stty size; echo term=$TERM; tty\r");
  await session.until(IN_GVISOR ? /31 77\r\nterm=screen-256color\r\n/ : /31 77\r\nterm=screen-256color\r\n\/dev\/pts\/0/);
  session.say({ type: "resize", columns: 101, rows: 52 });
  await sleep(200);
  session.type("stty size\r");
  await session.until(/52 101/);
  session.type("sleep 100\r");
  await sleep(200);
  session.type("\u0003");
  session.type("echo code=$?; exit 9\r");
  assert.deepEqual(await session.ends(), { type: "exit", code: 9 });
  assert.match(session.text(), /code=130/);
});

test("what cannot be started says why", async () => {
  const { desired } = await node.ready({ args: HTTPD, stopGraceMs: 0 });
  const problem = async (args: string[]) => {
    const last = await exec(desired.id, args).ends();
    return last.type === "problem" ? `${last.code}: ${last.detail}` : JSON.stringify(last);
  };
  assert.equal(await problem(["no-such-program"]), "exec_failed: The program «no-such-program» is not in the image.");
  assert.match(await problem(["/etc/passwd"]), /^exec_failed: .*may not be executed/);
  assert.match(await problem(["/etc"]), /^exec_failed: .*may not be executed/);
  const gone = await new TestSession(node, newId("instance"), { kind: "exec", args: ["sh"], terminal: null }).ends();
  assert.equal(gone.type === "problem" && gone.code, "instance_not_running");
});

test("a working directory among the descriptors leads nowhere", async () => {
  for (let fd = 3; fd <= 12; fd++) {
    const desired = node.instance({ args: HTTPD, workingDir: `/proc/self/fd/${fd}`, stopGraceMs: 0, readyTimeoutMs: 3000 });
    node.add(desired);
    const report = await node.untilReport(desired.id, (each) => each?.phase === "ready" || each?.phase === "failed");
    if (report.phase === "failed") continue;
    const { out } = await run(desired.id, shell("ls -d ../../../../work ../../../../etc/shadow ../../../../var/cache/berth 2>/dev/null; pwd -P"));
    assert.doesNotMatch(out, /work|shadow|berth/);
  }
});

test("a flood waits for its reader, and the node goes on talking", async () => {
  const { desired } = await node.ready({ args: HTTPD, stopGraceMs: 0 });
  const flood = exec(desired.id, ["yes"]);
  await until(() => flood.bytes(1).length >= SESSION_WINDOW_BYTES);
  await sleep(300);
  const sent = flood.bytes(1).length;
  assert.ok(sent <= SESSION_WINDOW_BYTES + 65_536, `${sent}`);
  const other = await node.ready({ args: HTTPD, stopGraceMs: 0 });
  assert.equal(other.report.phase, "ready");
  flood.say({ type: "credit", bytes: 100_000 });
  await until(() => flood.bytes(1).length >= sent + 1000);
  flood.close();
  await untilProcesses(desired.id, (names) => names.every((name) => name === "httpd"));
  // More than may wait.
  const lazy = exec(desired.id, ["sleep", "60"]);
  await until(() => lazy.events.length > 0);
  const chunk = Buffer.alloc(32 * 1024).toString("base64");
  for (let sentBytes = 0; sentBytes < 3 * SESSION_WINDOW_BYTES; sentBytes += 32 * 1024) lazy.say({ type: "data", data: chunk });
  assert.deepEqual(await lazy.ends(), { type: "problem", code: "invalid_request", detail: "More was sent than may wait." });
  await untilProcesses(desired.id, (names) => names.every((name) => name === "httpd"));
});

test("a session that is silent, one too many, and all of them when the channel breaks, end with their programs", async () => {
  const { desired } = await node.ready({ args: HTTPD, stopGraceMs: 0 });
  const startedAt = performance.now();
  const idle = exec(desired.id, ["sleep", "60"]);
  const last = await idle.ends();
  assert.equal(last.type === "problem" && last.code, "session_idle");
  assert.ok(performance.now() - startedAt >= IDLE_MS - 50);
  await untilProcesses(desired.id, (names) => names.join() === "httpd");
  const many = Array.from({ length: 9 }, () => exec(desired.id, ["sleep", "60"]));
  const refused = await many.at(-1)?.ends();
  assert.equal(refused?.type === "problem" && refused.code, "too_many_sessions");
  await untilProcesses(desired.id, (names) => names.length === 9);
  const before = node.heard.length;
  node.disconnect();
  await untilProcesses(desired.id, (names) => names.join() === "httpd");
  await until(() => node.heard.slice(before).some(({ type }) => type === "hello"));
  assert.equal(node.report(desired.id)?.phase, "ready");
  assert.equal((await run(desired.id, ["echo", "again"])).out, "again\n");
});

test("a port of its address and one of its loopback alone; one where nobody listens", async () => {
  const { desired } = await node.ready({ args: shell("echo private >/index.html; httpd -p 127.0.0.1:9999 -h /; exec httpd -f -p 8080 -h /"), stopGraceMs: 0 });
  for (const port of IN_GVISOR ? [8080] : [8080, 9999]) {
    const session = new TestSession(node, desired.id, { kind: "port", port });
    await until(() => session.events.some(({ type }) => type === "opened"), 5000, () => JSON.stringify(session.events));
    session.type("GET / HTTP/1.0\r\n\r\n");
    await session.until(/private/);
    assert.deepEqual(await session.ends(), { type: "exit", code: 0 });
  }
  const nobody = await new TestSession(node, desired.id, { kind: "port", port: 7777 }).ends();
  assert.equal(nobody.type === "problem" && nobody.code, "port_refused");
});

async function untilProcesses(id: InstanceId, isWanted: (names: string[]) => boolean): Promise<void> {
  let names: string[] = [];
  await until(async () => isWanted((names = await processes(id))), 5000, () => `it has ${names.join()}`);
}

/** Names of the container's processes; its monitor has a group of its own beside it. */
async function processes(id: InstanceId): Promise<string[]> {
  if (IN_GVISOR) {
    const { stdout } = await runOnHost(node.inContainer(id, "sh", "-c", "cat /proc/[0-9]*/comm 2>/dev/null; true"));
    // Itself, and what it reads with.
    return stdout.trim().split("\n").filter((name) => name !== "sh" && name !== "cat").toSorted();
  }
  const namespace = (pid: string | number) => {
    try {
      return readFileSync(`/proc/${pid}/cgroup`, "utf8");
    } catch {
      return "";
    }
  };
  return readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && namespace(pid).includes(id)).flatMap((pid) => {
    try {
      return existsSync(`/proc/${pid}/exe`) ? [readFileSync(`/proc/${pid}/comm`, "utf8").trim()] : [];
    } catch {
      return [];
    }
  }).filter((name) => name !== "conmon").toSorted();
}
