// needs no root
/** The supervisor with small parts of the test's own. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { REPOSITORY } from "../../infra/config.ts";
import type { Part } from "../../infra/parts.ts";
import { startTimeOf } from "../../core/host/process-stat.ts";
import { runningPid, signalPid, startDetached, stopByPidFile, writePidFile } from "../../infra/process.ts";
import { until } from "../support/stack.ts";

let dir: string;
let supervisor: number;
const pidFile = () => join(dir, "supervisor.pid");
const parts = () => join(dir, "parts.json");

function part(name: Part["name"], script: string, more: Partial<Part> = {}): Part {
  return {
    name,
    argv: [process.execPath, "-e", script],
    env: { PATH: process.env["PATH"] ?? "" },
    logFile: join(dir, `${name}.log`),
    pidFile: join(dir, `${name}.pid`),
    restartSignal: "SIGTERM",
    stopTimeoutMs: 2000,
    fingerprint: "1",
    enabled: true,
    ...more,
  };
}

const FOREVER = "setInterval(() => {}, 1000)";
const pid = (name: Part["name"]) => runningPid(join(dir, `${name}.pid`));

function startSupervisor(): void {
  supervisor = startDetached({ argv: [process.execPath, join(REPOSITORY, "infra/supervisor.ts"), parts()], env: { PATH: process.env["PATH"] ?? "" }, logFile: join(dir, "supervisor.log"), pidFile: pidFile() });
}

function apply(list: Part[]): void {
  writeFileSync(parts(), JSON.stringify(list));
  signalPid(supervisor, "SIGHUP");
}

before(async () => {
  dir = mkdtempSync(join(tmpdir(), "supervisor-"));
  writeFileSync(parts(), JSON.stringify([part("api", FOREVER)]));
  startSupervisor();
  await until(() => pid("api") !== undefined, 5000);
});
after(async () => {
  await stopByPidFile(pidFile());
  for (const name of ["api", "worker", "gateway"] as const) await stopByPidFile(join(dir, `${name}.pid`), { signal: "SIGKILL" });
  rmSync(dir, { recursive: true, force: true });
});

test("what is killed runs again within a second", async () => {
  await sleep(100);
  const old = pid("api");
  assert.ok(old !== undefined);
  const killedAtMs = performance.now();
  signalPid(old, "SIGKILL");
  await until(() => pid("api") !== undefined && pid("api") !== old, 5000);
  assert.ok(performance.now() - killedAtMs < 1000, `${performance.now() - killedAtMs} ms`);
});

test("what keeps ending is started less and less often", async () => {
  apply([part("api", FOREVER), part("worker", "process.exit(1)")]);
  await sleep(4000);
  const starts = readFileSync(join(dir, "supervisor.log"), "utf8").split("\n").filter((line) => line.includes('"worker"') && line.includes('"started"')).length;
  assert.ok(starts >= 3 && starts <= 6, `${starts} starts in 4 s`);
});

test("only what has changed is restarted; what is disabled is stopped", async () => {
  apply([part("api", FOREVER), part("gateway", FOREVER)]);
  await until(() => pid("gateway") !== undefined, 5000);
  await until(() => pid("api") !== undefined, 5000);
  const [api, gateway] = [pid("api"), pid("gateway")];
  apply([part("api", FOREVER), part("gateway", FOREVER, { fingerprint: "2" })]);
  await until(() => pid("gateway") !== undefined && pid("gateway") !== gateway, 5000);
  assert.equal(pid("api"), api);
  apply([part("api", FOREVER), part("gateway", FOREVER, { fingerprint: "2", enabled: false })]);
  await until(() => pid("gateway") === undefined, 5000);
  await sleep(600);
  assert.equal(pid("gateway"), undefined);
});

test("kill -9 of the supervisor touches no part, and the next one takes them over", async () => {
  const api = pid("api");
  signalPid(supervisor, "SIGKILL");
  await until(() => runningPid(pidFile()) === undefined, 5000);
  assert.equal(pid("api"), api);
  startSupervisor();
  await sleep(700);
  assert.equal(pid("api"), api);
  signalPid(api as number, "SIGKILL");
  await until(() => pid("api") !== undefined && pid("api") !== api, 5000);
});

test("a pid that is used again is not taken for ours", async () => {
  const file = join(dir, "other.pid");
  writePidFile(file, process.pid);
  assert.equal(runningPid(file), process.pid);
  const [, startTime, boot] = readFileSync(file, "utf8").trim().split(" ");
  assert.equal(startTime, startTimeOf(process.pid));
  writeFileSync(file, `${process.pid} ${Number(startTime) + 1} ${boot}\n`);
  assert.equal(runningPid(file), undefined);
  assert.equal(await stopByPidFile(file), false);
});
