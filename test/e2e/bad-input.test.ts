/** What people get wrong, and what goes away: each a clear error with a stable code, nothing lost or half-visible. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { run } from "../../core/host/spawn.ts";
import type { Deployment } from "../../core/contract/api.ts";
import type { Problem } from "../../core/contract/errors.ts";
import { startPostgres, stopPostgres } from "../../infra/local/postgres.ts";
import { startRedis, stopRedis } from "../../infra/local/redis.ts";
import { startS3, stopS3 } from "../../infra/local/s3.ts";
import { localS3 } from "../../infra/parts.ts";
import { startStack, until, type Stack } from "../support/stack.ts";

const SERVER = 'RUN mkdir -p /srv\nCMD ["busybox", "httpd", "-f", "-p", "8080", "-h", "/srv"]';

describe("bad input", () => {
  let stack: Stack;
  let dir: string;

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), "e2e-"));
    stack = await startStack();
  });
  after(async () => {
    await stack?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  /** A context with these files. */
  function context(name: string, files: Record<string, string>): string {
    const path = join(dir, name);
    mkdirSync(path, { recursive: true });
    for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
    return path;
  }

  /** Deploys with the CLI and gives what it said as it failed. */
  async function failing(args: string[], options?: Parameters<Stack["tryCli"]>[1]): Promise<{ code: number | null; said: string }> {
    const { code, stdout, stderr } = await stack.tryCli(args, options);
    assert.notEqual(code, 0, stdout);
    return { code, said: stdout + stderr };
  }

  async function post(app: string, body: Uint8Array | string, type: string): Promise<{ status: number; problem: Problem; deployment: Deployment }> {
    const response = await fetch(`${stack.apiUrl}/v1/apps/${app}/deployments`, {
      method: "POST",
      headers: { authorization: `Bearer ${stack.token}`, "content-type": type },
      body,
    });
    const json = (await response.json()) as Problem & Deployment;
    return { status: response.status, problem: json, deployment: json };
  }

  /** What a deployment that was accepted ended with. */
  async function ending(deployment: Deployment): Promise<Deployment> {
    let last = deployment;
    await until(async () => {
      const response = await fetch(`${stack.apiUrl}/v1/deployments/${deployment.id}`, { headers: { authorization: `Bearer ${stack.token}` } });
      last = (await response.json()) as Deployment;
      return ["live", "failed", "cancelled"].includes(last.state);
    }, 120_000);
    return last;
  }

  const failureOf = (deployment: Deployment) => deployment.failure?.code ?? deployment.build?.failure?.code;

  async function tar(path: string): Promise<Buffer> {
    const file = join(dir, "context.tar");
    await run(["tar", "-cf", file, "-C", path, "."]);
    const { readFileSync } = await import("node:fs");
    return readFileSync(file);
  }

  test("a directory without a Dockerfile", async () => {
    const { said } = await failing(["deploy", context("nothing", { "a.txt": "a" })]);
    assert.match(said, /dockerfile_missing|no Dockerfile/i);
  });

  test("a Dockerfile with a syntax error names the line", async () => {
    const { said } = await failing(["deploy", context("syntax", { Dockerfile: "FROM busybox\nCOPI a b\n" })]);
    assert.match(said, /dockerfile_invalid/);
    assert.match(said, /line 2|:2\b/);
  });

  test("an unknown base image", async () => {
    const { said } = await failing(["deploy", context("base", { Dockerfile: `FROM no-such-image:9\n${SERVER}\n` })]);
    assert.match(said, /base_image_not_found/);
    assert.match(said, /no-such-image/);
  });

  test("a RUN that fails", async () => {
    const { code, said } = await failing(["deploy", context("run", { Dockerfile: "FROM busybox\nRUN echo told you && false\n" })]);
    assert.equal(code, 1);
    assert.match(said, /build_failed/);
    assert.match(said, /told you/);
  });

  test("a context that is no tar, is cut short, or reaches outside", async () => {
    const noise = Buffer.alloc(4096, "not a tar ");
    const first = await post("noise", noise, "application/x-tar");
    assert.equal(first.problem.code, "context_not_tar", JSON.stringify(first.problem));

    const whole = await tar(context("whole", { Dockerfile: `FROM busybox\n${SERVER}\n`, "big.txt": "x".repeat(200_000) }));
    const cut = await post("cut", whole.subarray(0, 100_000), "application/x-tar");
    assert.equal(cut.problem.code, "context_truncated", JSON.stringify(cut.problem));

    const escaping = join(dir, "escape.tar");
    const inner = context("escape", { Dockerfile: `FROM busybox\n${SERVER}\n`, evil: "x" });
    await run(["tar", "-cf", escaping, "-C", inner, "--transform", "s,^evil,../../evil,", "-P", "Dockerfile", "evil"]);
    const { readFileSync } = await import("node:fs");
    const out = await post("escape", readFileSync(escaping), "application/x-tar");
    assert.equal(out.problem.code, "context_escapes", JSON.stringify(out.problem));
  });

  test("a symlink out of the context brings nothing of the host in", async () => {
    const path = context("symlink", { Dockerfile: "FROM busybox\nCOPY link/passwd /srv/index.html\n" });
    symlinkSync("/etc", join(path, "link"));
    const { status, problem, deployment } = await post("symlink", await tar(path), "application/x-tar");
    if (status !== 202) return assert.equal(problem.code, "context_escapes");
    const ended = await ending(deployment);
    assert.equal(ended.state, "failed");
  });

  test("an app that exits, one on another port, one that never listens", async () => {
    const exits = await failing(["deploy", context("exits", { Dockerfile: 'FROM busybox\nCMD ["sh", "-c", "echo bye; exit 4"]\n' })]);
    assert.match(exits.said, /app_exited/);
    assert.match(exits.said, /bye/);
    const other = await failing(["deploy", context("other", { Dockerfile: `FROM busybox\n${SERVER.replace("8080", "9999")}\n` }), "--ready-timeout", "5s"]);
    assert.match(other.said, /app_wrong_port/);
    assert.match(other.said, /9999/);
    const silent = await failing(["deploy", context("silent", { Dockerfile: 'FROM busybox\nCMD ["sleep", "600"]\n' }), "--ready-timeout", "3s"]);
    assert.match(silent.said, /app_not_listening/);
  });

  test("an app that was never ready is not routed", async () => {
    assert.ok([503, 404].includes((await stack.get("exits")).status));
  });

  test("names that are no part of a URL", async () => {
    for (const name of ["Upper", "under_score", "-dash", "a".repeat(64), "dot.ted"]) {
      const { problem } = await post(encodeURIComponent(name), "FROM busybox\n", "text/x-dockerfile");
      assert.equal(problem.code, "invalid_name", `${name}: ${JSON.stringify(problem)}`);
    }
  });

  test("a wrong, an expired, a foreign token", async () => {
    const { code, said } = await failing(["apps"], { env: { BERTH_TOKEN: "berth_wrong" } });
    assert.equal(code, 3);
    assert.match(said, /token/i);
    const stranger = await stack.newTenant("stranger");
    const foreign = await fetch(`${stack.apiUrl}/v1/apps/exits`, { headers: { authorization: `Bearer ${stranger}` } });
    assert.equal(foreign.status, 404);
  });

  test("S3 away at upload: said so, and well again afterwards", async () => {
    const s3 = localS3(stack.config);
    const path = context("s3", { Dockerfile: `FROM busybox\nRUN mkdir -p /srv && echo s3 > /srv/index.html\n${SERVER}\n` });
    await stopS3(s3.dir, { immediate: true });
    const away = await post("s3", await tar(path), "application/x-tar");
    assert.equal(away.status, 503);
    assert.equal(away.problem.code, "storage_unavailable");
    await startS3(s3);
    await stack.cli(["deploy", path]);
    assert.match((await stack.get("s3")).body, /s3/);
  });

  test("PostgreSQL away: 503 with its code, apps go on serving, and well again afterwards", async () => {
    const { dataDir, ports, secrets } = stack.config;
    const directory = join(dataDir, "postgres");
    await stopPostgres(directory, { immediate: true });
    const away = await fetch(`${stack.apiUrl}/v1/apps`, { headers: { authorization: `Bearer ${stack.token}` } });
    assert.equal(away.status, 503);
    assert.equal(((await away.json()) as Problem).code, "database_unavailable");
    assert.match((await stack.get("s3")).body, /s3/);
    await startPostgres({ dir: directory, port: ports.postgres, password: secrets.postgresPassword, durable: false });
    await until(async () => (await stack.tryCli(["apps"])).code === 0, 10_000);
  });

  test("Redis away at upload: the build runs when it is back", async () => {
    const { dataDir, ports, secrets } = stack.config;
    const directory = join(dataDir, "redis");
    await stopRedis(directory, { immediate: true });
    assert.match((await stack.get("s3")).body, /s3/);
    const path = context("redis", { Dockerfile: `FROM busybox\nRUN mkdir -p /srv && echo redis > /srv/index.html\n${SERVER}\n` });
    const { status, problem, deployment } = await post("redis", await tar(path), "application/x-tar");
    await startRedis({ dir: directory, port: ports.redis, password: secrets.redisPassword, durable: false });
    if (status === 202) {
      const ended = await ending(deployment);
      assert.equal(ended.state, "live", JSON.stringify(failureOf(ended)));
    } else {
      assert.equal(problem.code, "queue_unavailable");
      await until(async () => (await stack.tryCli(["deploy", path])).code === 0, 60_000);
    }
    assert.match((await stack.get("redis")).body, /redis/);
  });

  test("Redis loses everything during a build: the build is not lost", async () => {
    const path = context("flush", { Dockerfile: `FROM busybox\nRUN sleep 3 && mkdir -p /srv && echo flushed > /srv/index.html\n${SERVER}\n` });
    const { deployment } = await post("flush", await tar(path), "application/x-tar");
    const { ports, secrets } = stack.config;
    await run(["redis-cli", "-p", String(ports.redis), "FLUSHALL"], { env: { PATH: process.env["PATH"] ?? "", REDISCLI_AUTH: secrets.redisPassword } });
    assert.equal((await ending(deployment)).state, "live");
    assert.match((await stack.get("flush")).body, /flushed/);
  });
});
