/** From a Dockerfile to a URL, and what keeps it there. */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { UsageFigures } from "../../core/contract/usage.ts";
import { REPOSITORY } from "../../infra/config.ts";
import { startLoad } from "../support/load.ts";
import { ask, startStack, until, type Stack } from "../support/stack.ts";

describe("the main job", () => {
  let stack: Stack;
  let dir: string;
  /** Requests to the app so far. */
  let asked = 0;
  const hello = () => join(dir, "hello");
  /** The gateway hears of a release a moment after it is live. */
  const answers = async (pattern: RegExp) => {
    let body = "";
    await until(async () => pattern.test((body = (await stack.get("hello")).body)), 2000).catch(() => assert.match(body, pattern));
  };
  const text = async (app: string, path = "/") => (await stack.get(app, path)).body;

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), "e2e-"));
    cpSync(join(REPOSITORY, "examples/hello"), hello(), { recursive: true });
    stack = await startStack({ settings: { BERTH_USAGE_MS: "1000", BERTH_STORAGE_USAGE_MS: "1000", BERTH_GATEWAY_COUNTS_MS: "1000" } });
    const { get } = stack;
    stack.get = (app, path) => {
      if (app === "hello") asked++;
      return get(app, path);
    };
  });
  after(async () => {
    await stack?.stop();
    rmSync(dir, { recursive: true, force: true });
  });
  afterEach((context) => {
    const { passed } = context as unknown as { passed?: boolean };
    if (passed === false) console.error(stack.logs());
  });

  test("a Dockerfile becomes a URL", async () => {
    const { stdout } = await stack.cli(["deploy", hello(), "--quiet"]);
    assert.equal(stdout.trim(), `http://${stack.host("hello")}`);
    const answer = await stack.get("hello", "/some/path");
    assert.equal(answer.status, 200);
    assert.match(answer.body, /^Hello from Berth!\nThis is .+, at \/some\/path\n$/);
  });

  test("the same upload is live already and wakes no builder", async () => {
    const before = performance.now();
    const { stdout } = await stack.cli(["deploy", hello(), "--json"]);
    const ms = performance.now() - before;
    const result = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as { deployment?: { alreadyLive: boolean } };
    assert.equal(result.deployment?.alreadyLive, true, stdout);
    assert.ok(ms < 5000, `${ms} ms`);
  });

  test("one changed file is live after a second deployment, without one failed request", async () => {
    const file = join(hello(), "hello.py");
    writeFileSync(file, readFileSync(file, "utf8").replace("Hello from Berth!", "Hello again!"));
    const load = startLoad(stack.gatewayUrl, stack.host("hello"));
    await stack.cli(["deploy", hello()]);
    await answers(/^Hello again!/);
    await sleep(500);
    const { total, failures } = await load.stop();
    asked += total;
    assert.deepEqual(failures, []);
    assert.ok(total > 20, `${total} requests`);
  });

  test("a build's log can be read afterwards", async () => {
    const { stdout } = await stack.cli(["logs", "hello", "--build"]);
    assert.match(stdout, /STEP \d+.*COPY hello\.py/);
  });

  test("an app's log can be read", async () => {
    await until(async () => /"GET \/ HTTP\/1.1" 200/.test((await stack.cli(["logs", "hello"])).stdout));
  });

  test("env set makes a release, rollback points at an older one", async () => {
    await stack.cli(["env", "set", "GREETING=Good evening", "--app", "hello"]);
    await answers(/^Good evening\n/);
    assert.match((await stack.cli(["env", "list", "--app", "hello"])).stdout, /GREETING=Good evening/);
    await stack.cli(["rollback", "--app", "hello"]);
    await answers(/^Hello again!/);
    await stack.cli(["rollback", "v1", "--app", "hello"]);
    await answers(/^Hello from Berth!/);
    const { stdout } = await stack.cli(["releases", "hello"]);
    for (const release of ["v1", "v2", "v3"]) assert.match(stdout, new RegExp(`\\b${release}\\b`));
  });

  test("three replicas answer behind one URL", async () => {
    await stack.cli(["scale", "hello", "--replicas", "3"]);
    const names = new Set<string>();
    await until(async () => {
      names.add(/This is (\S+),/.exec(await text("hello"))?.[1] ?? "");
      return names.size === 3;
    });
    const counts = new Map<string, number>();
    for (let i = 0; i < 30; i++) {
      const name = /This is (\S+),/.exec(await text("hello"))?.[1] ?? "";
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    assert.equal(counts.size, 3);
    for (const count of counts.values()) assert.ok(count >= 5, JSON.stringify([...counts]));
    assert.match((await stack.cli(["status", "hello"])).stdout, /3 of 3 ready/);
  });

  test("a volume keeps what is written through releases, goes back to a snapshot, and goes when it is told to", async () => {
    // Each start writes one line.
    const command = "date >> /data/starts; cp /data/starts /starts; exec httpd -f -p 8080 -h /";
    const starts = async () => (await stack.get("keeper", "/starts")).body.trim().split("\n").length;
    await stack.cli(["deploy", "--image", "library/busybox:latest", "--app", "keeper", "--command", command, "--mount", "data:/data:32m", "--scratch", "/scratch:16m", "--stop-grace", "1s"]);
    await until(async () => (await starts()) === 1);
    const { stdout: taken } = await stack.cli(["volumes", "snapshot", "data", "--app", "keeper", "--quiet"]);
    for (const round of [2, 3]) {
      await stack.cli(["env", "set", `ROUND=${round}`, "--app", "keeper"]);
      await until(async () => (await starts()) === round);
    }
    await stack.cli(["volumes", "restore", "data", taken.trim(), "--app", "keeper", "--yes"]);
    await until(async () => (await stack.get("keeper", "/starts")).status === 200 && (await starts()) === 2, 20_000);
    assert.match((await stack.cli(["volumes", "list", "--app", "keeper"])).stdout, /data +32.0 MiB .*node-1 +ready +\/data/);
    const refused = await stack.tryCli(["destroy", "keeper", "--yes"]);
    assert.match(refused.stderr, /has the volumes «data»[\s\S]*volumes_exist/);
    await stack.cli(["destroy", "keeper", "--yes", "--volumes"]);
  });

  test("a command runs once with the app's image and variables, by itself or as a job; its exit code is the command's", async () => {
    const deploy = ["deploy", "--image", "library/busybox:latest", "--app", "tool", "--command", "exec httpd -f -p 8080", "--env", "WORD=said"];
    await stack.cli(deploy);
    const once = await stack.tryCli(["run", "--app", "tool", "sh", "-c", "echo $WORD; echo aside >&2; exit 7"]);
    assert.deepEqual([once.code, once.stdout], [7, "said\n"], once.stderr);
    assert.match(once.stderr, /^aside$/m);
    await stack.cli(["jobs", "create", "tidy", "--schedule", "@yearly", "--app", "tool", "--", "sh", "-c", "echo tidied"]);
    const { stdout } = await stack.cli(["jobs", "run", "tidy", "--app", "tool"]);
    assert.equal(stdout, "tidied\n");
    const { stdout: history } = await stack.cli(["jobs", "runs", "tidy", "--app", "tool"]);
    assert.match(history, /run_\w+ +tidy +succeeded +0 +manual/);
    const [run] = /run_\w+/.exec(history) ?? [];
    assert.match((await stack.cli(["logs", "tool", "--run", run ?? ""])).stdout, / tidied$/m);
    const refused = await stack.tryCli([...deploy, "--release-command", "echo no database; exit 3"]);
    assert.equal(refused.code, 1);
    assert.match(refused.stdout + refused.stderr, /release_command_failed[\s\S]*exit code 3[\s\S]*no database/);
    await stack.cli([...deploy, "--release-command", "true"]);
    await stack.cli(["destroy", "tool", "--yes"]);
  });

  test("a failing build names its line and leaves the former release serving", async () => {
    const broken = join(dir, "broken");
    cpSync(hello(), broken, { recursive: true });
    writeFileSync(join(broken, "Dockerfile"), "FROM python\nWORKDIR /app\nCOPY hello.py .\nRUN echo about to fail && exit 7\nCMD [\"python3\", \"hello.py\"]\n");
    const { code, stdout, stderr } = await stack.tryCli(["deploy", broken, "--app", "hello"]);
    assert.equal(code, 1);
    const said = stdout + stderr;
    assert.match(said, /line 4|:4\b/);
    assert.match(said, /RUN echo about to fail && exit 7/);
    assert.match(said, /about to fail/);
    await answers(/^Hello from Berth!/);
  });

  test("a crash while starting shows log and exit code, and leaves the former release serving", async () => {
    const crashing = join(dir, "crashing");
    mkdirSync(crashing);
    writeFileSync(join(crashing, "Dockerfile"), 'FROM python\nCMD ["python3", "-c", "import sys; print(\'no good\', flush=True); sys.exit(3)"]\n');
    const load = startLoad(stack.gatewayUrl, stack.host("hello"), 50);
    const { code, stdout, stderr } = await stack.tryCli(["deploy", crashing, "--app", "hello"]);
    const { total, failures } = await load.stop();
    asked += total;
    assert.equal(code, 1);
    const said = stdout + stderr;
    assert.match(said, /app_exited/);
    assert.match(said, /no good/);
    assert.match(said, /\b3\b/);
    assert.deepEqual(failures, []);
    assert.match((await stack.cli(["status", "hello"])).stdout, /app_exited/);
    await answers(/^Hello from Berth!/);
  });

  for (const part of ["agent", "gateway", "api", "worker"] as const) {
    test(`kill -9 of the ${part} fails no request, and it comes back`, async () => {
      const load = startLoad(stack.gatewayUrl, stack.host("hello"));
      await sleep(300);
      const old = stack.pid(part);
      const since = new Date();
      stack.kill(part);
      await until(() => stack.pid(part) !== undefined && stack.pid(part) !== old, 5000);
      await sleep(1000);
      await stack.healthy(part === "agent" || part === "gateway" || part === "api" ? since : new Date(0));
      const { total, failures } = await load.stop();
      asked += total;
      assert.deepEqual(failures, []);
    });
  }

  test("what was used is in the ledger: every request once, through all of that", async () => {
    const used = async () => (JSON.parse((await stack.cli(["usage", "hello", "--since", "2h", "--by", "hour", "--json"])).stdout) as { total: UsageFigures }).total;
    await until(async () => (await used()).requests >= asked && (await used()).storageByteHours > 0, 20_000);
    const total = await used();
    assert.equal(total.requests, asked);
    for (const name of ["cpuSeconds", "memoryByteSeconds", "egressBytes", "ingressBytes", "buildSeconds", "storageByteHours"] as const) assert.ok(total[name] > 0, `${name} is ${total[name]}`);
    assert.ok(total.egressBytes > asked * 60, `${total.egressBytes} bytes for ${asked} answers`);
    const { stdout } = await stack.cli(["audit", "--target", "hello", "--json", "-n", "1000"]);
    const verbs = new Set(stdout.trimEnd().split("\n").map((line) => (JSON.parse(line) as { verb: string }).verb));
    for (const verb of ["app.create", "deployment.create", "release.create", "app.env", "app.rollback", "app.settings"]) assert.ok(verbs.has(verb), `${verb} is not among ${[...verbs].join(", ")}`);
  });

  test("after all of that a change goes live as before", async () => {
    const file = join(hello(), "hello.py");
    writeFileSync(file, readFileSync(file, "utf8").replace("Hello again!", "Still here!"));
    await stack.cli(["deploy", hello(), "--quiet"]);
    await answers(/^Still here!/);
  });

  test("another tenant sees nothing of it", async () => {
    const token = await stack.newTenant("stranger");
    const { code, stderr } = await stack.tryCli(["status", "hello"], { env: { BERTH_TOKEN: token } });
    assert.equal(code, 4, stderr);
  });

  test("destroy takes app, instances and URL away", async () => {
    await stack.cli(["destroy", "hello", "--yes"]);
    await until(async () => (await stack.get("hello")).status === 404);
    assert.equal((await stack.tryCli(["status", "hello"])).code, 4);
    assert.equal((await ask(stack.gatewayUrl, `never-${stack.tenant}.berth.localhost`)).status, 404);
  });
});
