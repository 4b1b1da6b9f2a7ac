/** Instances of several containers: order of start and end, one network and one life, each with its own limits, checks and crashes. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { InstanceId } from "../../core/contract/ids.ts";
import type { ContainerReport, InstanceReport } from "../../core/contract/node-channel.ts";
import { OWN_KERNEL_PIDS } from "../../core/sandbox/spec.ts";
import { readGroup } from "../support/groups.ts";
import { IN_GVISOR } from "../support/gvisor.ts";
import { HTTPD, shell, TestNode, until } from "../support/node.ts";
import { PATIENCE } from "../support/patience.ts";
import { askToWake } from "../support/wake.ts";

const SANDBOX = "_sandbox";

let node: TestNode;
before(async () => {
  node = await TestNode.start();
});
after(() => node?.stop());

const of = (report: InstanceReport | undefined, name: string): ContainerReport | undefined => report?.containers?.find((one) => one.name === name);
const group = (id: InstanceId, controller: string, v1: string, v2: string, container = "") => readGroup(`berth-${node.prefix}/${id}/${container}`, controller, v1, v2);
const init = { timeoutMs: 10_000 * PATIENCE, restartPolicy: "on-failure" as const };
/** Ends in order, and says so. */
const polite = (name: string, run = "") => shell(`trap 'echo ${name} ends; exit 0' TERM; ${run} echo ${name} starts; while :; do sleep 1 & wait $!; done`);
const words = async (id: InstanceId) => (await node.logs(id)).toSorted((a, b) => (a.time < b.time ? -1 : 1)).map(({ container, text }) => `${container ?? "main"}: ${text}`);

test("init containers run to their end in order, then sidecars start, then the app; the other way round at the end; all share network and life", async () => {
  const { desired, url } = await node.ready({
    args: polite("app", "wget -qO- http://127.0.0.1:9000/hostname; httpd -p 8080 -h /;"),
    init: [node.beside("first", shell("echo one"), init), node.beside("second", shell("echo two"), init)],
    sidecars: [
      node.beside("db", polite("db", "httpd -p 9000 -h /etc;"), { startup: { kind: "tcp", port: 9000, periodMs: 1000, timeoutMs: 500, failures: 10 } }),
      node.beside("proxy", polite("proxy")),
    ],
  });
  assert.equal((await fetch(`${url}/etc/hostname`)).status, 200);
  assert.deepEqual((await words(desired.id)).filter((line) => !line.startsWith("main: web")), ["first: one", "second: two", "db: db starts", "proxy: proxy starts", "main: app starts"]);
  assert.ok((await words(desired.id)).includes("main: web"), "the sidecar answered on the loopback that they share");
  const report = node.report(desired.id);
  assert.deepEqual(report?.containers?.map(({ name, kind, state, ready, restarts }) => [name, kind, state, ready, restarts]), [
    ["first", "init", "completed", false, 0],
    ["second", "init", "completed", false, 0],
    ["db", "sidecar", "running", true, 0],
    ["proxy", "sidecar", "running", true, 0],
  ]);
  // Each has its own limits, unless they share a sandbox, and the whole has the sum.
  assert.deepEqual([...(IN_GVISOR ? [SANDBOX] : ["main", "db"]), ""].map((name) => Number(group(desired.id, "memory", "memory.limit_in_bytes", "memory.max", name)) / 2 ** 20), [...(IN_GVISOR ? [192] : [128, 32]), 192]);
  assert.deepEqual([group(desired.id, "cpu", "cpu.cfs_quota_us", "cpu.max").split(" ")[0], group(desired.id, "pids", "pids.max", "pids.max")], ["150000", String(256 + (IN_GVISOR ? OWN_KERNEL_PIDS : 0))]);
  node.want(...node.desired.filter(({ id }) => id !== desired.id));
  await node.until(desired.id, "gone");
  assert.deepEqual((await words(desired.id)).slice(-3), ["main: app ends", "proxy: proxy ends", "db: db ends"]);
  assert.deepEqual(await node.traces(desired.id), []);
});

test("a sidecar that crashes is started again alone; one that is not ready keeps the instance from requests; one that lives no more is started again", async () => {
  const pace = { periodMs: 500, timeoutMs: 500 * PATIENCE, failures: 2 };
  const { desired } = await node.ready({
    args: HTTPD,
    sidecars: [
      node.beside("helper", shell("rm -f /dead; touch /ok; while :; do sleep 0.05; done"), {
        readiness: { kind: "exec", command: ["test", "-e", "/ok"], recheck: { ...pace, successes: 1 } },
        liveness: { kind: "exec", command: ["sh", "-c", "test ! -e /dead"], ...pace },
        stopGraceMs: 0,
      }),
      node.beside("once", shell("sleep 0.2; echo done"), { restartPolicy: "on-failure" }),
    ],
    stopGraceMs: 500,
  });
  const main = node.pid(desired.id);
  await node.untilReport(desired.id, (report) => of(report, "once")?.state === "completed");
  process.kill(node.pidOf(desired.id, "helper"), "SIGKILL");
  const crashed = await node.untilReport(desired.id, (report) => report?.phase === "ready" && of(report, "helper")?.restarts === 1 && of(report, "helper")?.ready === true);
  assert.deepEqual([crashed.restarts, of(crashed, "helper")?.lastExit?.code, node.pid(desired.id)], [0, 137, main]);
  await node.remove(desired.id, "/ok", "helper");
  const unready = await node.until(desired.id, "starting");
  assert.equal(unready.problem?.detail, "The sidecar «helper» is not ready.");
  await node.write(desired.id, "/ok", "", "helper");
  await node.until(desired.id, "ready");
  await node.write(desired.id, "/dead", "", "helper");
  const healed = await node.untilReport(desired.id, (report) => report?.phase === "ready" && of(report, "helper")?.restarts === 2 && of(report, "helper")?.ready === true);
  assert.deepEqual([healed.restarts, node.pid(desired.id)], [0, main]);
  // The app's crash is its own, too.
  const helper = node.pidOf(desired.id, "helper");
  process.kill(main, "SIGKILL");
  await node.untilReport(desired.id, (report) => report?.phase === "ready" && report.restarts === 1);
  assert.equal(node.pidOf(desired.id, "helper"), helper);
  // An agent that comes next finds all of them.
  await node.killAgent();
  await node.startAgent();
  const adopted = await node.until(desired.id, "ready");
  assert.deepEqual([of(adopted, "helper")?.state, of(adopted, "helper")?.restarts, node.pidOf(desired.id, "helper")], ["running", 2, helper]);
  process.kill(helper, "SIGKILL");
  await node.untilReport(desired.id, (report) => report?.phase === "ready" && of(report, "helper")?.restarts === 3 && of(report, "helper")?.ready === true);
});

test("an init container is tried again; one that does not succeed in its time fails the instance with its exit and its last lines", async () => {
  const { report } = await node.ready({ args: HTTPD, init: [node.beside("wait", shell("test -e /tried && exit 0; touch /tried; exit 7"), init)] });
  assert.deepEqual([of(report, "wait")?.state, of(report, "wait")?.restarts, report.restarts], ["completed", 1, 0]);
  const failed = await node.failed({ args: HTTPD, init: [node.beside("migrate", shell("echo no database; exit 3"), { ...init, timeoutMs: 1000 * PATIENCE })] });
  assert.deepEqual([failed.problem?.code, failed.lastExit?.code, failed.problem?.logTail.at(-1)], ["init_failed", 3, "no database"]);
  assert.match(failed.problem?.detail ?? "", new RegExp(`The init container «migrate» failed: It did not end with 0 within ${PATIENCE} s; last it exited with code 3\\.`));
  assert.deepEqual([of(failed, "migrate")?.state, (of(failed, "migrate")?.restarts ?? 0) >= (PATIENCE > 1 || IN_GVISOR ? 1 : 2)], ["failed", true]);
  const longest = "o".repeat(63);
  const never = await node.failed({ args: HTTPD, init: [node.beside(longest, shell("exit 4"), { ...init, restartPolicy: "never" })] });
  assert.deepEqual([never.problem?.detail, of(never, longest)?.restarts], [`The init container «${longest}» failed: It exited with code 4.`, 0]);
  const broken = await node.failed({ args: HTTPD, sidecars: [node.beside("bad", ["no-such-program"])] });
  assert.match(broken.problem?.detail ?? "", /The sidecar «bad» failed: The program «no-such-program» is not in the image/);
  const slow = await node.failed({ args: HTTPD, sidecars: [node.beside("slow", shell("echo hm; sleep 60"), { startup: { kind: "tcp", port: 9, periodMs: 500, timeoutMs: 200, failures: 2 * PATIENCE } })], stopGraceMs: 0 });
  assert.deepEqual([slow.problem?.code, slow.problem?.logTail], ["sidecar_failed", ["hm"]]);
});

test("an instance freezes, wakes, sleeps deeply and is metered as a whole", async () => {
  const policy = { freezeAfterMs: 500, standbyAfterMs: null, coldAfterMs: null };
  const { desired, url } = await node.ready({ args: HTTPD, sidecars: [node.beside("beside", shell("sleep 99999"))], sleep: policy, stopGraceMs: 0 });
  const is = (temperature: string) => (report: InstanceReport | undefined) => report?.temperature?.is === temperature;
  await node.untilReport(desired.id, is("frozen"));
  await until(() => /^(FROZEN|.*frozen 1)$/s.test(group(desired.id, "freezer", "freezer.state", "cgroup.events", IN_GVISOR ? SANDBOX : "beside")));
  assert.equal((await fetch(`${url}/etc/hostname`, { headers: { connection: "close" }, signal: AbortSignal.timeout(10_000) })).status, 200);
  await node.untilReport(desired.id, is("running"));
  node.want(...node.desired.filter(({ id }) => id !== desired.id));
  await node.until(desired.id, "gone");

  const deep = await node.ready({ args: HTTPD, init: [node.beside("count", shell("echo again"), init)], sidecars: [node.beside("beside", polite("beside"))], sleep: { freezeAfterMs: 300, standbyAfterMs: 700, coldAfterMs: 2500 }, stopGraceMs: 2000 });
  await node.untilReport(deep.desired.id, is("standby"));
  await node.untilReport(deep.desired.id, is("cold"));
  const hello = node.heard.findLast((message) => message.type === "hello");
  assert.ok(hello?.wake);
  const said = await askToWake(hello.wake, { wake: deep.desired.id });
  assert.ok(typeof said === "object" && said.type === "woken", JSON.stringify(said));
  const woken = await node.untilReport(deep.desired.id, (report) => is("running")(report) && of(report, "beside")?.state === "running");
  assert.deepEqual([woken.phase, woken.restarts], ["ready", 0]);
  assert.deepEqual((await words(deep.desired.id)).filter((line) => /count/.test(line)), ["count: again", "count: again"]);
  node.want(...node.desired.filter(({ id }) => id !== deep.desired.id));
  await node.until(deep.desired.id, "gone");
  assert.deepEqual(await node.traces(deep.desired.id), []);
  const used = node.heard.flatMap((message) => (message.type === "report" ? (message.usage ?? []) : [])).findLast(({ id, ended }) => id === deep.desired.id && ended);
  assert.ok(used && used.cpuMicros > 0, JSON.stringify(used));
});

test("a restart policy says what becomes of the app's own end; a startup check comes before the others", async () => {
  const done = await node.ready({ args: shell("httpd -p 8080 -h /; sleep 0.7; exit 0"), restartPolicy: "on-failure", sidecars: [node.beside("beside", polite("beside"))] });
  const completed = await node.until(done.desired.id, "completed");
  assert.deepEqual([completed.lastExit?.code, completed.restarts, of(completed, "beside")?.state], [0, 0, "waiting"]);
  const failing = await node.ready({ args: shell("httpd -p 8080 -h /; sleep 0.7; exit 5"), restartPolicy: "on-failure" });
  await node.untilReport(failing.desired.id, (report) => report?.restarts === 1);
  const startup = { kind: "exec" as const, command: ["test", "-e", "/up"], periodMs: 500, timeoutMs: 500 * PATIENCE, failures: 20 };
  const slow = await node.ready({ args: shell("httpd -p 8080 -h /; sleep 1.2; touch /up; sleep 999"), startup, readyTimeoutMs: 600, liveness: { kind: "exec", command: ["test", "-e", "/up"], periodMs: 500, timeoutMs: 500 * PATIENCE, failures: 1 } });
  assert.ok((slow.report.timingsMs?.["ready"] ?? 0) >= 1100 && slow.report.restarts === 0, JSON.stringify(slow.report));
  const never = await node.failed({ args: HTTPD, startup: { ...startup, failures: 2 } });
  assert.match(never.problem?.detail ?? "", /did not let «test» end with 0 within 1 s of its start/);
  node.want();
  await node.until(done.desired.id, "gone");
  assert.deepEqual(await node.traces(done.desired.id), []);
});
