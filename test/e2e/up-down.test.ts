/** The two commands as people call them: up, up again, down, up, kill -9 of everything, up, purge. */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { run, runUnchecked, type RunResult } from "../../core/host/spawn.ts";
import { readConfig, REPOSITORY } from "../../infra/config.ts";
import { freePort } from "../../infra/ports.ts";
import { runningPids, signalPid, writePidFile } from "../../infra/process.ts";
import { cgroupsOf, linksOf, namespacesOf, nftTablesOf } from "../../infra/teardown.ts";
import { passedEnv } from "../support/env.ts";
import { ask } from "../support/stack.ts";
import { cacheDir } from "../support/stores.ts";

const UP_TIMEOUT_MS = 600_000;

describe("infra/up and infra/down", () => {
  let dir: string;
  let data: string;
  let env: Record<string, string>;
  let gatewayPort: number;
  const prefix = `u${randomInt(36 ** 3).toString(36).padStart(3, "0")}`;

  before(async () => {
    // Named like a stack's directory: should this be killed, the next run takes it down.
    dir = mkdtempSync(join(tmpdir(), "bs-"));
    chmodSync(dir, 0o755);
    writePidFile(join(dir, "owner.pid"), process.pid);
    data = join(dir, "data");
    mkdirSync(join(dir, "home"));
    gatewayPort = await freePort();
    env = {
      ...passedEnv(),
      HOME: join(dir, "home"),
      TMPDIR: process.env["TMPDIR"] ?? "/tmp",
      CI: "true",
      BERTH_DATA: data,
      BERTH_CACHE: cacheDir(),
      BERTH_NET_PREFIX: prefix,
      BERTH_SUBNET: "10.254.0.0/16",
      BERTH_BUILD_SUBNET: "10.255.0.0/16",
      BERTH_API_LISTEN: `127.0.0.1:${await freePort()}`,
      BERTH_GATEWAY_LISTEN: `127.0.0.1:${gatewayPort}`,
    };
  });
  after(async () => {
    await infra("down", "--purge");
    rmSync(dir, { recursive: true, force: true });
  });

  const infra = (command: string, ...args: string[]): Promise<RunResult> =>
    runUnchecked([join(REPOSITORY, "infra", command), ...args], { env, timeoutMs: UP_TIMEOUT_MS });
  const up = async (...args: string[]) => {
    const result = await infra("up", ...args);
    assert.equal(result.code, 0, result.stdout + result.stderr);
    return result.stdout;
  };
  const hello = () => ask(`http://127.0.0.1:${gatewayPort}`, `hello-main.berth.localhost:${gatewayPort}`);

  test("a port that is taken is said, and by whom", async () => {
    const server = createServer().listen(gatewayPort, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { code, stderr } = await infra("up", "--no-example", "--no-catalogue");
    await new Promise((resolve) => server.close(resolve));
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`127\\.0\\.0\\.1:${gatewayPort} is taken by .+\\(pid ${process.pid}\\).*BERTH_GATEWAY_LISTEN`));
  });

  test("up ends with the example's URL and its answer", async () => {
    const out = await up();
    assert.match(out, new RegExp(`http://hello-main\\.berth\\.localhost:${gatewayPort}`));
    assert.match(out, /answers: Hello from Berth!/);
    assert.match(out, /token +berth_/);
    assert.equal((await hello()).status, 200);
  });

  test("the CLI is signed in", async () => {
    const { stdout } = await run([join(REPOSITORY, "cli/berth"), "whoami"], { env });
    assert.match(stdout, /main/);
  });

  test("up again starts nothing twice and shows no token", async () => {
    const pids = () => ["api", "worker", "agent", "gateway", "supervisor"].map((name) => readFileSync(join(data, `run/${name}.pid`), "utf8"));
    const before = pids();
    const out = await up();
    assert.deepEqual(pids(), before);
    assert.doesNotMatch(out, /berth_[A-Za-z0-9]{20}/);
  });

  test("down leaves nothing on the host but the data", async () => {
    const { code, stdout, stderr } = await infra("down");
    assert.equal(code, 0, stdout + stderr);
    await assertGone();
    assert.ok(existsSync(join(data, "config.json")));
    assert.equal((await infra("down")).code, 0, "down twice");
  });

  test("up after down has the apps serving", async () => {
    await up("--no-example");
    await serves();
  });

  test("up after kill -9 of everything has the apps serving", async () => {
    killEverything();
    await up("--no-example");
    await serves();
  });

  test("stale pid files of other processes hurt nobody", async () => {
    killEverything();
    // As if the pids had been used again: by this test's own process.
    for (const name of ["api", "worker", "agent", "gateway"]) writeFileSync(join(data, `run/${name}.pid`), `${process.pid} 1 ${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()}\n`);
    await up("--no-example");
    await serves();
  });

  test("down --purge removes the data too", async () => {
    const { code, stdout } = await infra("down", "--purge");
    assert.equal(code, 0, stdout);
    assert.ok(!existsSync(data));
    assert.ok(!existsSync(join(dir, "home/.config/berth/config.json")), "the CLI is signed out");
    await assertGone();
  });

  async function serves(): Promise<void> {
    let last = "";
    for (let tries = 0; tries < 60; tries++) {
      const { status, body } = await hello();
      if (status === 200) return assert.match(body, /^Hello from Berth!/);
      last = `${status} ${body}`;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    assert.fail(`not serving after 30 s: ${last}`);
  }

  /** Every process that up has started, instances and their monitors included. */
  function killEverything(): void {
    const inCgroups = cgroupsOf(prefix).flatMap((root) => readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith("cgroup.procs")).flatMap((name) => readFileSync(join(root, name), "utf8").split("\n").filter(Boolean).map(Number)));
    const named = ["run/supervisor.pid", "run/api.pid", "run/worker.pid", "run/agent.pid", "run/gateway.pid", "gateway/haproxy.pid", "postgres/postgres.pid", "redis/redis.pid", "s3/s3.pid"].flatMap((name) => runningPids(join(data, name)));
    const ofThisData = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid).filter((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, "utf8").includes(`${data}/`);
      } catch {
        return false;
      }
    });
    assert.ok(named.length >= 8, `${named.length} processes by pid file`);
    for (const pid of new Set([...named, ...inCgroups, ...ofThisData.map(Number)])) signalPid(pid, "SIGKILL");
  }

  async function assertGone(): Promise<void> {
    assert.deepEqual(namespacesOf(prefix), []);
    assert.deepEqual(await linksOf(prefix), []);
    assert.deepEqual(await nftTablesOf(prefix), []);
    assert.deepEqual(cgroupsOf(prefix), []);
    assert.ok(!readFileSync("/proc/self/mountinfo", "utf8").includes(data), "mounts");
    const config = readConfig(data);
    for (const port of [gatewayPort, ...(config === undefined ? [] : [config.apiListen.port, ...Object.values(config.ports)])]) await assert.rejects(fetch(`http://127.0.0.1:${port}/`), `port ${port}`);
  }
});
