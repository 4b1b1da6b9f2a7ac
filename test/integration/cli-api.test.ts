/** The CLI against the real API on real stores; builds and rollouts are played by writing what a worker would. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { and, eq, isNull } from "drizzle-orm";
import { openS3BlobStore } from "../../core/blob-store/s3.ts";
import { apps, secrets, tags } from "../../core/db/schema.ts";
import { startTestApi, type TestApi } from "../support/api.ts";
import { BERTH, runProgram, workplace, type Workplace } from "../support/cli-run.ts";
import { whileLiving as whileTheyLive } from "../support/living.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let api: TestApi;
let place: Workplace;
let project: string;
let tenantName: string;

before(async () => {
  stores = await startStores();
  const blobs = openS3BlobStore(stores.env as never);
  api = await startTestApi({ databaseUrl: stores.databaseUrl, redisUrl: stores.redisUrl, blobs }, { migrate: false, redisPrefix: stores.redisPrefix });
  const tenant = await api.tenant();
  tenantName = tenant.name;
  await api.db.insert(tags).values({ repository: "library/busybox", tag: "latest", digest: `sha256:${"1".repeat(64)}` });
  place = workplace();
  project = place.directory("hello", { Dockerfile: "FROM busybox\n", app: "one" });
  const login = await place.run(["login", "--token-stdin", "--api", api.url], { input: tenant.token });
  assert.equal(login.code, 0, login.stderr);
});
after(async () => {
  place?.remove();
  await api?.close();
  await stores?.stop();
});

/** Runs a command while builds and rollouts come to life. */
const whileLiving = (args: string[], input?: string): ReturnType<Workplace["run"]> =>
  whileTheyLive(api, tenantName, () => place.run(args, { cwd: project, ...(input === undefined ? {} : { input }) }));

describe("the CLI and the real API", () => {
  it("knows who it is", async () => {
    const ran = await place.run(["whoami", "--json"]);
    assert.equal((JSON.parse(ran.stdout) as { tenant: { name: string } }).tenant.name, tenantName);
    assert.match((await place.run(["apps"])).stdout, /There is no app yet/);
  });

  it("deploys, and says that it is already live", async () => {
    const first = await whileLiving(["deploy", "--env", "GREETING=Grüezi", "--memory", "64m"]);
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stdout, /hello is live \(v1\)/);
    const url = `http://hello-${tenantName}.berth.localhost:8080`;
    assert.ok(first.stdout.endsWith(`\n${url}\n`));
    const again = await place.run(["deploy"], { cwd: project });
    assert.equal(again.code, 0, again.stderr);
    assert.match(again.stdout, /hello is already live: nothing has changed since v1/);
    writeFileSync(join(project, "big"), randomBytes(3 * 2 ** 20));
    const streamed = await whileLiving(["deploy", "--quiet", "--env", `LONG=${"x".repeat(10_000)}`]);
    assert.deepEqual(streamed, { code: 0, stdout: `${url}\n`, stderr: "" });
  });

  it("changes and reads", async () => {
    assert.match((await whileLiving(["scale", "--replicas", "2"])).stdout, /hello is live \(v3\)/);
    assert.match((await whileLiving(["env", "set", "GREETING=hi", "--app", "hello"])).stdout, /hello is live \(v4\)/);
    assert.match((await place.run(["env", "set", "GREETING=hi", "--app", "hello"])).stdout, /Nothing has changed/);
    assert.equal((await whileLiving(["env", "unset", "LONG"])).code, 0);
    assert.equal((await place.run(["env", "list"], { cwd: project })).stdout, "GREETING=hi\n");
    assert.match((await whileLiving(["rollback", "v1"])).stdout, /hello is live \(v1\)/);
    const releases = await place.run(["releases", "hello"]);
    assert.match(releases.stdout, /^v5 /m);
    assert.match(releases.stdout, /^v1 +live/m);
    const status = await place.run(["status", "hello"]);
    assert.match(status.stdout, /live {7}v1/);
    assert.equal((await place.run(["logs", "hello"])).code, 0);
  });

  it("keeps secrets: in by stdin and file, listed, never out", async () => {
    const set = await whileLiving(["secrets", "set", "PASSWORD"], "hunter2-hunter2\n");
    assert.equal(set.code, 0, set.stderr);
    assert.match(set.stdout, /✓ PASSWORD is set \(env, version 1\)[^]*hello is live/);
    writeFileSync(join(project, "key.bin"), Buffer.from([0xff, 0, 0x0a]));
    const file = await whileLiving(["secrets", "set", "tls.key", "--kind", "file", "--file", "key.bin", "--json"]);
    const events = file.stdout.trim().split("\n").map((line) => JSON.parse(line) as { event: string; ok?: boolean; secret?: { kind: string } });
    assert.deepEqual([events[0]?.event, events[0]?.secret?.kind, events.at(-1)?.event, events.at(-1)?.ok], ["stored", "file", "result", true]);
    assert.deepEqual((await place.run(["secrets", "set", "TOKEN", "--shared", "--kind", "build", "--value", "visible-value"])).stderr, "warning: the value stays in your shell's history; without --value it is asked for\n");
    const list = await place.run(["secrets", "list", "-a", "hello"]);
    assert.match(list.stdout, /^PASSWORD +env +v1 /m);
    assert.match(list.stdout, /^TOKEN +build +v1 +shared /m);
    assert.doesNotMatch(list.stdout, /hunter2|visible-value/);
    const [held] = await api.db.select().from(secrets).where(eq(secrets.name, "tls.key"));
    assert.equal(held?.kind, "file");
    assert.equal((await whileLiving(["secrets", "unset", "PASSWORD", "tls.key"])).code, 0);
    assert.equal((await place.run(["secrets", "list", "-a", "hello", "--quiet"])).stdout, "TOKEN\n");
    for (const [args, message] of [[["secrets", "set", "A=b"], /would stay in your shell's history/], [["secrets", "set", "A"], /Stdin has no value for A/], [["secrets", "set", "A", "--file", "gone"], /gone cannot be read/]] as const) {
      const ran = await place.run([...args], { cwd: project });
      assert.equal(ran.code, 2);
      assert.match(ran.stderr, message);
    }
  });

  it("shares variables, labels apps, shows the quota", async () => {
    const shared = await whileLiving(["env", "set", "REGION=eu", "--shared"]);
    assert.match(shared.stdout, /hello is live/, shared.stderr);
    assert.equal((await place.run(["env", "list", "--shared"])).stdout, "REGION=eu\n");
    assert.equal((await place.run(["label", "env=prod", "team=web", "--app", "hello"])).stdout, "env=prod\nteam=web\n");
    assert.equal((await place.run(["label", "team-"], { cwd: project })).stdout, "env=prod\n");
    assert.equal((await place.run(["apps", "-l", "env=prod", "-l", "!team", "--quiet"])).stdout, "hello\n");
    assert.match((await place.run(["apps", "-l", "env=test"])).stdout, /No app has these labels/);
    assert.match((await place.run(["quota"])).stdout, /^apps +1 +\d+$/m);
  });

  for (const [shell, line] of Object.entries({
    bash: `source <(berth completion bash); COMP_WORDS=(berth status hel); COMP_CWORD=2; _berth; echo "\${COMPREPLY[*]}"; COMP_WORDS=(berth roll); COMP_CWORD=1; _berth; echo "\${COMPREPLY[*]}"`,
    zsh: `autoload -Uz compinit; compinit -u; source <(berth completion zsh); _describe() { print -l -- \${(P)2}; }; words=(berth status hel); CURRENT=3; _berth; words=(berth roll); CURRENT=2; _berth`,
    fish: `berth completion fish | source; complete -C "berth status hel"; complete -C "berth roll"`,
  })) {
    it(`completes in ${shell}`, async (t) => {
      const ran = await runProgram([shell, "-c", line], { cwd: place.home, env: { ...place.env, PATH: `${dirname(BERTH)}:${place.env["PATH"]}` } }).catch(() => undefined);
      if (ran === undefined) return t.skip(`${shell} is not installed`);
      assert.match(ran.stdout, /^hello\b[^]*^rollback\b/m, ran.stderr);
    });
  }

  it("cancels with Ctrl-C's other door", async () => {
    writeFileSync(join(project, "app"), "two");
    const child = spawn(BERTH, ["deploy"], { cwd: project, env: place.env, stdio: ["ignore", "pipe", "pipe"] });
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    await new Promise((resolve) => child.stdout.once("data", resolve));
    const cancel = await place.run(["cancel", "hello"]);
    assert.equal(cancel.code, 0, cancel.stderr);
    assert.equal(await new Promise((resolve) => child.once("close", resolve)), 130, stderr);
    assert.match(stderr, /was cancelled/);
    assert.match(stderr, /v\d+ keeps serving/);
    assert.equal((await place.run(["cancel", "hello"])).code, 1);
  });

  it("tells what the API refuses", async () => {
    const cases: [args: string[], code: number, message: RegExp][] = [
      [["deploy", place.directory("bad", { Dockerfile: "FROM busybox\nNONSENSE x\n" })], 1, /dockerfile_(invalid|unsupported)/],
      [["deploy", "--image", "nosuch:1", "--app", "img"], 1, /image_not_found/],
      [["status", "gone"], 4, /not_found/],
      [["rollback", "v99", "--app", "hello"], 4, /not_found/],
      [["logs", "--build", "bld_01k0000000000000000000000a"], 4, /not_found/],
      [["scale", "hello", "--memory", "1m"], 2, /memoryBytes/],
    ];
    for (const [args, code, message] of cases) {
      const ran = await place.run(args);
      assert.equal(ran.code, code, `${args.join(" ")}: ${ran.stderr}`);
      assert.match(ran.stderr, message);
    }
  });

  it("says how a release takes over: all of the strategy, or nothing when a value is wrong", async () => {
    const strategy = async () => (await api.db.select({ settings: apps.settings }).from(apps).where(and(eq(apps.name, "hello"), isNull(apps.deletedAt))))[0]?.settings.strategy;
    assert.equal((await whileLiving(["deploy", "--strategy", "rolling", "--max-surge", "1"])).code, 0);
    assert.deepEqual(await strategy(), { kind: "rolling", maxSurge: 1, maxUnavailable: 0 });
    assert.equal((await place.run(["scale", "hello", "--strategy", "nonsense"])).code, 2);
    assert.equal((await place.run(["scale", "hello", "--strategy", "canary"])).code, 2);
    assert.deepEqual(await strategy(), { kind: "rolling", maxSurge: 1, maxUnavailable: 0 });
    assert.equal((await whileLiving(["scale", "hello", "--strategy", "blue-green"])).code, 0);
    assert.deepEqual(await strategy(), { kind: "blue-green" });
  });

  it("destroys", async () => {
    assert.equal((await place.run(["destroy", "hello", "--yes"])).code, 0);
    assert.equal((await place.run(["status", "hello"])).code, 4);
    const left = await api.db.select().from(apps).where(and(eq(apps.name, "hello"), isNull(apps.deletedAt)));
    assert.equal(left.length, 0);
  });
});
