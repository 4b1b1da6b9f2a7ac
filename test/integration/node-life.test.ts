/** The node agent: instances start, serve, are watched and stop. */
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { IN_GVISOR, otherKernel } from "../support/gvisor.ts";
import { HTTPD, shell, TestNode, testTenant, until } from "../support/node.ts";
import { PATIENCE } from "../support/patience.ts";

let node: TestNode;
before(async () => {
  node = await TestNode.start();
});
after(() => node?.stop());

test("an instance starts, answers, and ends when it is wanted no more", async () => {
  const { desired, report, url } = await node.ready({ args: HTTPD, stopGraceMs: 100 });
  assert.equal((await fetch(`${url}/etc/hostname`)).status, 200);
  assert.equal(await (await fetch(`${url}/etc/hostname`)).text(), "web\n");
  assert.ok((report.timingsMs?.["ready"] ?? -1) >= 0, JSON.stringify(report.timingsMs));
  const pid = node.pid(desired.id);
  assert.ok((await node.traces(desired.id)).length > 0);
  node.want();
  await node.until(desired.id, "gone");
  assert.ok(!existsSync(`/proc/${pid}`), "the process has ended");
  assert.deepEqual(await node.traces(desired.id), [], "nothing but its log is left");
});

test("what Docker gives a container is there", async () => {
  const script = `
    echo "id $(id -u):$(id -g) $(id -G | tr ' ' ,)"
    echo "cwd $(pwd)"
    echo "env $A $PORT $HOME $HOSTNAME"
    echo "path $PATH"
    echo "host $(hostname) $(cat /etc/hostname)"
    echo "hosts $(grep -c web /etc/hosts) $(grep -c localhost /etc/hosts)"
    echo "dns $(grep -c nameserver /etc/resolv.conf)"
    echo "shm $(stat -f -c %T /dev/shm)"
    for f in null zero full random urandom tty; do [ -c /dev/$f ] && echo "dev $f"; done
    touch /dev/shm/x /tmp/x /data/x && echo "writable"
    echo "pids $(ls -d /proc/[0-9]* | wc -l)"
    echo "fds $(ls -l /proc/self/fd | grep -c /work)"
    echo "to stderr" >&2
    exec httpd -f -p 8080`;
  const { desired } = await node.ready({ args: shell(script), env: ["A=b c", "PORT=8080"], workingDir: "/made/for/it", volumes: ["/data"] });
  const entries = await node.logs(desired.id, { until: (all) => all.some(({ stream }) => stream === "stderr") });
  const lines = entries.map(({ text }) => text);
  for (const expected of [
    "id 0:0 0", "cwd /made/for/it", "env b c 8080 /root web", "path /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "host web web", "hosts 1 2", "shm tmpfs",
    "dev null", "dev zero", "dev full", "dev random", "dev urandom", "dev tty", "writable", "fds 0",
  ]) assert.ok(lines.includes(expected), `«${expected}» is missing in:\n${lines.join("\n")}`);
  assert.equal(entries.find(({ text }) => text === "to stderr")?.stream, "stderr");
  assert.ok(entries.every(({ time }) => Math.abs(Date.parse(time) - Date.now()) < 60_000));
});

test("USER, no_new_privs, seccomp and capabilities", otherKernel, async () => {
  const script = "id -u; id -G; grep -E '^(NoNewPrivs|Seccomp|CapEff|CapBnd):' /proc/self/status; cat /proc/self/uid_map; exec httpd -f -p 80";
  const tenant = testTenant();
  const plain = await node.ready({ args: shell(script), user: "www-data", port: 80 }, tenant);
  const lines = (await node.logs(plain.desired.id)).map(({ text }) => text.replace(/\s+/g, " ").trim());
  assert.deepEqual(lines, ["33", "33", "CapBnd: 0000000000000400", "CapEff: 0000000000000000", "NoNewPrivs: 1", "Seccomp: 2", `0 ${tenant.uidBase} 65536`].toSorted((a, b) => lines.indexOf(a) - lines.indexOf(b)));
  const root = await node.ready({ args: shell(script), port: 80 }, tenant);
  const rootLines = (await node.logs(root.desired.id)).map(({ text }) => text.replace(/\s+/g, " ").trim());
  // CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID NET_BIND_SERVICE
  assert.ok(rootLines.includes("CapEff: 00000000000004fb"), rootLines.join("\n"));
});

test("STOPSIGNAL first, SIGKILL after the grace time", async () => {
  const polite = await node.ready({ args: shell("trap 'echo bye; exit 3' USR1; httpd -p 8080; while :; do sleep 0.1; done"), stopSignal: "SIGUSR1" });
  node.want();
  const stopped = await node.untilReport(polite.desired.id, (report) => report === undefined || report.phase === "stopped");
  if (stopped) assert.equal(stopped.lastExit?.code, 3);
  await node.until(polite.desired.id, "gone");
  assert.ok((await node.logs(polite.desired.id)).some(({ text }) => text === "bye"), "the log is there when the instance is gone");

  const stubborn = await node.ready({ args: shell("trap '' TERM; httpd -p 8080; while :; do sleep 0.1; done"), stopGraceMs: 700 });
  const startedAt = performance.now();
  node.want();
  await node.until(stubborn.desired.id, "gone");
  const tookMs = performance.now() - startedAt;
  assert.ok(tookMs >= 650 && tookMs < 4000, `${tookMs} ms`);
});

test("an app that exits at once: its code and its last lines, and it is started no more", async () => {
  const report = await node.failed({ args: shell("echo one; echo two >&2; exit 7") });
  assert.equal(report.problem?.code, "app_exited");
  assert.match(report.problem?.detail ?? "", /code 7/);
  assert.deepEqual(report.problem?.logTail, ["one", "two"]);
  assert.equal(report.lastExit?.code, 7);
  assert.equal(report.restarts, 0);
});

test("a monitor that is late to say the exit code is waited for", async () => {
  const { desired } = await node.ready({ args: shell("httpd -p 8080; while [ ! -e /tmp/go ]; do sleep 0.02; done; exit 9"), stopGraceMs: 0 });
  const monitor = Number(readFileSync(node.bundlePath(desired.id, "monitor-pid"), "utf8"));
  process.kill(monitor, "SIGSTOP");
  await node.write(desired.id, "/tmp/go");
  // Until the agent has seen for itself that the process is over.
  await sleep(3000);
  process.kill(monitor, "SIGCONT");
  const report = await node.untilReport(desired.id, (each) => each?.restarts === 1);
  assert.equal(report.lastExit?.code, 9);
});

test("an app that no signal spares: 128 + signal", async () => {
  const report = await node.failed({ args: shell("kill -SEGV $$") });
  // The first process of a namespace takes no signal that it does not handle, from inside.
  assert.ok(["app_exited", "app_not_listening"].includes(report.problem?.code ?? ""));
  const killed = await node.failed({ args: shell("sh -c 'kill -KILL $$'; exit $?") });
  assert.equal(killed.lastExit?.code, 137);
  assert.equal(killed.lastExit?.oomKilled, false);
});

test("an app that listens elsewhere, or nowhere", { skip: IN_GVISOR && "the host does not see its sockets" }, async () => {
  const elsewhere = await node.failed({ args: shell("exec httpd -f -p 9999"), readyTimeoutMs: 600 });
  assert.equal(elsewhere.problem?.code, "app_wrong_port");
  assert.match(elsewhere.problem?.detail ?? "", /9999/);
  const loopback = await node.failed({ args: shell("exec httpd -f -p 127.0.0.1:8080"), readyTimeoutMs: 600 });
  assert.equal(loopback.problem?.code, "app_wrong_port");
  assert.match(loopback.problem?.detail ?? "", /127\.0\.0\.1 only/);
  const nowhere = await node.failed({ args: shell("echo here; exec sleep 60"), readyTimeoutMs: 600 });
  assert.equal(nowhere.problem?.code, "app_not_listening");
  assert.deepEqual(nowhere.problem?.logTail, ["here"]);
});

test("readiness over HTTP waits for 200 to 399", async () => {
  const script = "mkdir -p /w; httpd -p 8080 -h /w; sleep 0.4; echo ok > /w/up; sleep 600";
  const { report } = await node.ready({ args: shell(script), readiness: { kind: "http", path: "/up" } });
  assert.ok((report.timingsMs?.["ready"] ?? 0) >= 380, JSON.stringify(report.timingsMs));
  const never = await node.failed({ args: shell("exec httpd -f -p 8080 -h /tmp"), readiness: { kind: "http", path: "/up" }, readyTimeoutMs: 600 });
  assert.equal(never.problem?.code, "app_unhealthy");
});

test("a crash of a ready app: restarted within a second, what it wrote is there, the pause doubles", async () => {
  const script = "echo run >> /runs; echo $(wc -l < /runs); httpd -p 8080 -h /; sleep 0.4; exit 5";
  const desired = node.instance({ args: shell(script) });
  node.add(desired);
  await node.until(desired.id, "ready");
  const crashed = await node.untilReport(desired.id, (report) => report?.phase === "backing-off");
  assert.equal(crashed.lastExit?.code, 5);
  assert.equal(crashed.problem?.code, "app_exited");
  const startedAt = performance.now();
  await node.until(desired.id, "ready");
  assert.ok(performance.now() - startedAt < 1000 * PATIENCE);
  const later = await node.untilReport(desired.id, (report) => (report?.restarts ?? 0) >= 3);
  assert.equal(later.restarts, 3);
  const lines = (await node.logs(desired.id)).map(({ text }) => text);
  assert.deepEqual(lines.slice(0, 3), ["1", "2", "3"]);
});

test("memory: the container that needs too much is ended and said so, its neighbour is not", async () => {
  const neighbour = await node.ready({ args: HTTPD });
  const report = await node.failed({ args: shell("tail /dev/zero"), limits: { memoryBytes: 32 * 2 ** 20 } });
  assert.equal(report.problem?.code, "app_out_of_memory");
  assert.equal(report.lastExit?.oomKilled, true);
  assert.equal((await fetch(`${neighbour.url}/etc/hostname`)).status, 200);
});

test("memory: when one process of a container is ended, all of it is", async () => {
  const desired = node.instance({ args: shell("httpd -p 8080; sleep 0.5; tail /dev/zero; echo left over; sleep 600"), limits: { memoryBytes: 32 * 2 ** 20 } });
  node.add(desired);
  await node.until(desired.id, "ready");
  const report = await node.untilReport(desired.id, (each) => each?.phase === "backing-off");
  assert.equal(report.problem?.code, "app_out_of_memory");
  assert.equal(report.lastExit?.oomKilled, true);
});

test("cpu and processes have their limits", async () => {
  const burn = "i=0; while [ $i -lt 2 ]; do (while :; do :; done) & i=$((i+1)); done; exec httpd -f -p 8080";
  const { desired } = await node.ready({ args: shell(burn), limits: { cpuMillis: 200 } });
  const usedMs = () => cpuMs(node, desired.id);
  const [before, startedAt] = [usedMs(), performance.now()];
  await sleep(1500);
  const share = (usedMs() - before) / (performance.now() - startedAt);
  assert.ok(share < 0.3, `it got ${share.toFixed(2)} of a cpu`);

  const bomb = await node.ready({ args: shell("i=0; while [ $i -lt 60 ]; do sleep 600 & i=$((i+1)); done; wait") , limits: { pidsMax: 20 }, readyTimeoutMs: 1000 }).then(
    () => "ready",
    (error: Error) => error.message,
  );
  assert.match(bomb, /app_exited|app_not_listening/);
});

test("a log is bounded, its newest lines are kept, and lines can be followed across the limit", async () => {
  const script = "echo begin; while [ ! -e /tmp/go ]; do sleep 0.02; done; i=0; while [ $i -lt 1500 ]; do echo line $i; i=$((i+1)); done; sleep 2.5; while [ $i -lt 2600 ]; do echo line $i; i=$((i+1)); done; echo end; sleep 600";
  const { desired } = await node.ready({ args: shell(`httpd -p 8080; ${script}`), limits: { logBytes: 128 * 1024 }, stopGraceMs: 0 });
  const following = node.logs(desired.id, { until: (all) => all.some(({ text }) => text === "end") });
  // The tail that it starts with has a thousand lines at most.
  await until(() => node.heard.some((message) => message.type === "logs" && message.entries.some(({ instanceId, text }) => instanceId === desired.id && text === "begin")));
  await node.write(desired.id, "/tmp/go");
  const followed = await following;
  assert.deepEqual(followed.map(({ text }) => text), ["begin", ...Array.from({ length: 2600 }, (_, index) => `line ${index}`), "end"]);
  const kept = await node.logs(desired.id, { tailLines: 10_000 });
  assert.ok(kept.length < 2601 && kept.length > 1000, `${kept.length} lines are kept`);
  assert.equal(kept.at(-1)?.text, "end");
  const bytes = new Map(globSync(node.path("logs", `${desired.id}*`)).map((path) => [statSync(path).ino, statSync(path).size]));
  assert.ok([...bytes.values()].reduce((sum, size) => sum + size, 0) <= 128 * 1024);
});

/** On cgroup v1 and v2. */
function cpuMs(of: TestNode, id: string): number {
  const group = `berth-${of.prefix}/${id}`;
  try {
    return Number(readFileSync(`/sys/fs/cgroup/cpuacct/${group}/cpuacct.usage`, "utf8")) / 1e6;
  } catch {
    return Number(/^usage_usec (\d+)/m.exec(readFileSync(`/sys/fs/cgroup/${group}/cpu.stat`, "utf8"))?.[1]) / 1000;
  }
}
