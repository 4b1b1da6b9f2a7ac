/** `berth deploy` as a child process, against the stand-in API of `cli-fake-api.ts`. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { zstdDecompressSync } from "node:zlib";
import type { Deployment } from "../../core/contract/api.ts";
import { aBuild, aDeployment, anApp, events, json, logLine, problem, startFakeApi, type FakeApi } from "../support/cli-fake-api.ts";
import { workplace, type Workplace } from "../support/cli-run.ts";

let api: FakeApi;
let place: Workplace;
let project: string;
const URL_OF_HELLO = "http://hello-acme.berth.localhost:8080";
const POST = "POST /v1/apps/hello/deployments";
const ANSI = /\u001b/;

/** The API takes an upload and plays the deployment through to `last`. */
function play(last: Partial<Deployment>, log: Parameters<typeof events>[1] = []): Deployment {
  const build = aBuild();
  const first = aDeployment({ build });
  api.on(POST, (_, response) => json(response, first, 202));
  api.on("GET /v1/apps/hello", (_, response) => json(response, anApp()));
  api.on(`GET /v1/builds/${build.id}/logs`, (_, response) => events(response, [...log, { event: "end", data: { ...build, state: "succeeded" } }]));
  api.on(`GET /v1/deployments/${first.id}/events`, (_, response) => {
    events(response, [{ event: "deployment", data: first }], "open");
    setTimeout(() => events(response, [{ event: "deployment", data: { ...first, ...last } }]), 50);
  });
  return first;
}

before(async () => {
  api = await startFakeApi();
});
after(() => api.close());
beforeEach(() => {
  api.seen.length = 0;
  place = workplace(api);
  project = place.directory("hello", { "Dockerfile": "FROM busybox\nRUN false\n", "app.txt": "hi", ".dockerignore": "*.secret", "x.secret": "s" });
});
afterEach(() => place.remove());

describe("berth deploy", () => {
  it("packs, uploads, shows the log and ends with the URL", async () => {
    play({ state: "live", release: "v4" }, [logLine(1, "STEP 1/2: FROM busybox"), logLine(2, "\u001b[31mred\u001b[0m")]);
    const ran = await place.run(["deploy", "--env", "A=ü", "--replicas", "2", "--memory", "64m"], { cwd: project });
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /Uploaded 3 files/);
    assert.match(ran.stdout, /STEP 1\/2: FROM busybox\nred\n/);
    assert.match(ran.stdout, /hello is live \(v4\)/);
    assert.match(ran.stdout, /pack \d.*upload \d.*build \d.*total \d/);
    assert.ok(ran.stdout.endsWith(`\n${URL_OF_HELLO}\n`));
    assert.doesNotMatch(ran.stdout + ran.stderr, ANSI);
    const upload = api.seen.find((one) => one.method === "POST");
    assert.equal(upload?.headers["content-type"], "application/zstd");
    assert.deepEqual(JSON.parse(String(upload?.headers["berth-config"])), { buildArgs: {}, env: { A: "ü" }, settings: { replicas: 2, memoryBytes: 64 * 2 ** 20 }, dockerfile: "Dockerfile" });
    const tar = zstdDecompressSync(upload?.body ?? Buffer.alloc(0)).toString("latin1");
    assert.ok(tar.includes("app.txt") && !tar.includes("x.secret"));
  });

  it("reads berth.yaml of the directory, and options win", async () => {
    play({ state: "live", release: "v4" });
    const elsewhere = place.directory("elsewhere", { Dockerfile: "FROM busybox\n", "berth.yaml": "app: hello\nsettings:\n  port: 3000\n  memoryBytes: 67108864\nenv: { A: file, B: file }\nlabels: { team: web }\n" });
    assert.equal((await place.run(["deploy", "--memory", "128m", "--env", "B=option"], { cwd: elsewhere })).code, 0);
    const config = JSON.parse(String(api.seen.find((one) => one.method === "POST")?.headers["berth-config"])) as { settings: Record<string, unknown>; env: object; labels: object };
    assert.deepEqual([config.env, config.labels], [{ A: "file", B: "option" }, { team: "web" }]);
    const { port, memoryBytes, replicas, scaling } = config.settings;
    assert.deepEqual({ port, memoryBytes, replicas, scaling }, { port: 3000, memoryBytes: 2 ** 27, replicas: 1, scaling: null });
    api.seen.length = 0;
    writeFileSync(join(elsewhere, "berth.yaml"), "app: hello\nsetings: {}\n");
    const refused = await place.run(["deploy"], { cwd: elsewhere });
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /berth\.yaml:2: setings there is no such field/);
    assert.deepEqual(api.seen, []);
  });

  it("--json: events, then the result", async () => {
    play({ state: "live", release: "v4" }, [logLine(1, "one")]);
    const ran = await place.run(["deploy", "--json"], { cwd: project });
    assert.equal(ran.code, 0);
    const lines = ran.stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual([...new Set(lines.map((line) => line["event"]))].sort(), ["deployment", "log", "result", "upload"]);
    const result = lines.at(-1);
    assert.equal(result?.["event"], "result");
    assert.deepEqual([result?.["ok"], result?.["app"], result?.["url"], result?.["release"], result?.["state"], result?.["alreadyLive"]], [true, "hello", URL_OF_HELLO, "v4", "live", false]);
    assert.equal(typeof (result?.["durationsMs"] as Record<string, number> | undefined)?.["total"], "number");
  });

  it("--quiet: the URL alone", async () => {
    play({ state: "live", release: "v4" }, [logLine(1, "one")]);
    const ran = await place.run(["deploy", "--quiet"], { cwd: project });
    assert.deepEqual(ran, { code: 0, stdout: `${URL_OF_HELLO}\n`, stderr: "" });
  });

  it("--detach: follows nothing", async () => {
    const first = play({});
    const ran = await place.run(["deploy", "--detach"], { cwd: project });
    assert.equal(ran.code, 0);
    assert.match(ran.stdout, new RegExp(`Deployment ${first.id} goes on`));
    assert.ok(ran.stdout.endsWith(`${URL_OF_HELLO}\n`));
    assert.equal(api.seen.some((one) => one.path.endsWith("/events")), false);
  });

  it("says that it is already live", async () => {
    api.on(POST, (_, response) => json(response, aDeployment({ state: "live", alreadyLive: true, release: "v3" }), 202));
    const ran = await place.run(["deploy"], { cwd: project });
    assert.equal(ran.code, 0);
    assert.match(ran.stdout, /hello is already live: nothing has changed since v3/);
  });

  it("before a big upload it asks whether it may", async () => {
    play({ state: "live", release: "v4" });
    writeFileSync(join(project, "big"), randomBytes(3 * 2 ** 20));
    const ran = await place.run(["deploy"], { cwd: project });
    assert.equal(ran.code, 0, ran.stderr);
    assert.deepEqual(api.seen.slice(0, 2).map((one) => one.method), ["GET", "POST"]);
    assert.ok((api.seen[1]?.body.length ?? 0) > 3 * 2 ** 20);
    api.seen.length = 0;
    assert.equal((await place.run(["deploy"], { cwd: project, env: { BERTH_TOKEN: "berth_wrong_token" } })).code, 3);
    assert.deepEqual(api.seen.map((one) => one.method), ["GET"]);
  });

  it("a failed build: instruction, place, exit code, last lines, code; exit 1", async () => {
    const failure = { code: "build_failed" as const, detail: "The step ended with exit code 7.", line: 2, instruction: "RUN false", exitCode: 7, logTail: ["almost", "\u001b[1mboom"] };
    play({ state: "failed", failure }, [logLine(1, "almost"), logLine(2, "boom", "stderr")]);
    const ran = await place.run(["deploy"], { cwd: project });
    assert.equal(ran.code, 1);
    assert.match(ran.stderr, /error: The deployment of hello failed: The step ended with exit code 7\. \(build_failed\)\n {2}at Dockerfile:2 {2}RUN false\n {2}exit code 7\n {2}last lines:\n {4}almost\n {4}boom\n {2}v3 keeps serving/);
    assert.doesNotMatch(ran.stderr, ANSI);
    const asJson = await place.run(["deploy", "--json"], { cwd: project });
    const result = JSON.parse(asJson.stdout.trimEnd().split("\n").at(-1) ?? "") as Record<string, unknown>;
    assert.deepEqual([result["ok"], result["exitCode"], result["serving"], result["failure"]], [false, 1, "v3", failure]);
    assert.equal((JSON.parse(asJson.stderr) as { error: { code: string } }).error.code, "build_failed");
  });

  it("a failed rollout: reason, exit code of the app, last lines, what keeps serving; exit 1", async () => {
    play({ state: "failed", release: "v4", failure: { code: "app_exited", detail: "The app exited 40 ms after its start.", exitCode: 3, logTail: ["Traceback"] } });
    const ran = await place.run(["deploy"], { cwd: project });
    assert.equal(ran.code, 1);
    assert.match(ran.stderr, /\(app_exited\)\n {2}exit code 3\n {2}last lines:\n {4}Traceback\n {2}v3 keeps serving http/);
  });

  it("a deployment that somebody cancelled: exit 130", async () => {
    play({ state: "cancelled", failure: { code: "deployment_cancelled", detail: "It was cancelled." } });
    assert.equal((await place.run(["deploy"], { cwd: project })).code, 130);
  });

  it("goes on after the connection of the log and of the events was cut", async () => {
    const build = aBuild();
    const first = aDeployment({ build });
    api.on(POST, (_, response) => json(response, first, 202));
    let opened = 0;
    api.on(`GET /v1/builds/${build.id}/logs`, (seen, response) => {
      opened++;
      if (opened === 1) events(response, [logLine(1, "one"), logLine(2, "two")], "cut");
      else events(response, seen.headers["last-event-id"] === "2" ? [logLine(2, "two"), logLine(3, "three"), { event: "end", data: { ...build, state: "succeeded" } }] : [logLine(9, "wrong id")]);
    });
    let asked = 0;
    api.on(`GET /v1/deployments/${first.id}/events`, (_, response) => {
      asked++;
      events(response, [{ event: "deployment", data: asked < 3 ? first : { ...first, state: "live", release: "v1" } }], asked < 3 ? "cut" : "end");
    });
    const ran = await place.run(["deploy"], { cwd: project });
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /\none\ntwo\nthree\n/);
    assert.equal(opened, 2);
  });

  it("reads a tar and a Dockerfile from stdin", async () => {
    play({ state: "live", release: "v4" });
    const text = await place.run(["deploy", "-", "--app", "hello"], { input: "FROM busybox\n" });
    assert.equal(text.code, 0, text.stderr);
    assert.equal(api.seen.find((one) => one.method === "POST")?.headers["content-type"], "text/x-dockerfile");
    api.seen.length = 0;
    const archive = Buffer.alloc(2048);
    archive.write("ustar", 257);
    const tar = await place.run(["deploy", "-", "--app", "hello", "-f", "sub/Dockerfile"], { input: archive });
    assert.equal(tar.code, 0, tar.stderr);
    const upload = api.seen.find((one) => one.method === "POST");
    assert.equal(upload?.headers["content-type"], "application/x-tar");
    assert.equal(upload?.body.length, 2048);
    assert.equal((JSON.parse(String(upload?.headers["berth-config"])) as { dockerfile: string }).dockerfile, "sub/Dockerfile");
  });

  it("deploys an image", async () => {
    api.on(POST, (_, response) => json(response, aDeployment({ state: "releasing", release: "v4" }), 202));
    const ran = await place.run(["deploy", "--image", "acme/web:1", "--detach", "--port", "80", "--command", '["a"]', "--app", "hello"]);
    assert.equal(ran.code, 0, ran.stderr);
    assert.deepEqual(JSON.parse(api.seen[0]?.body.toString() ?? ""), { image: "acme/web:1", env: {}, settings: { port: 80, command: ["a"] } });
  });

  it("sends a configuration that is too long for a header as a part of the body", async () => {
    play({ state: "live", release: "v4" });
    const ran = await place.run(["deploy", "--env", `BIG=${"x".repeat(20_000)}`], { cwd: project });
    assert.equal(ran.code, 0, ran.stderr);
    const upload = api.seen.find((one) => one.method === "POST");
    assert.match(String(upload?.headers["content-type"]), /^multipart\/form-data; boundary=/);
    const form = await new Response(new Uint8Array(upload?.body ?? []), { headers: { "content-type": String(upload?.headers["content-type"]) } }).formData();
    assert.equal((JSON.parse(String(form.get("config"))) as { env: { BIG: string } }).env.BIG.length, 20_000);
    const context = form.get("context");
    assert.ok(context instanceof Blob && zstdDecompressSync(await context.bytes()).includes("app.txt"));
  });

  it("bad input is told before anything is sent", async () => {
    const cases: [args: string[], code: number, message: RegExp][] = [
      [["deploy", place.directory("My App", { Dockerfile: "" })], 2, /«My App» cannot be the app's.*\n {2}Perhaps: --app my-app/],
      [["deploy", place.directory("empty", {})], 1, /There is no Dockerfile in .*\(dockerfile_missing\)/],
      [["deploy", "nowhere"], 2, /nowhere cannot be opened: there is no such file/],
      [["deploy", project, "--app", "a".repeat(41)], 2, /at most 40 characters/],
      [["deploy", project, "--memory", "much"], 2, /«much» is not an amount of memory/],
      [["deploy", project, "--port", "0"], 2, /--port is a whole number/],
      [["deploy", project, "--env", "1=2"], 2, /not the name of a variable/],
      [["deploy", project, "--image", "x"], 2, /--image builds nothing/],
      [["deploy", "--image", "x", "--target", "y"], 2, /cannot be used with option/],
      [["deploy", "-", "--app", "hello"], 2, /Nothing came from stdin/],
      [["deploy", project, "extra"], 2, /too many arguments/],
    ];
    for (const [args, code, message] of cases) {
      const ran = await place.run(args);
      assert.equal(ran.code, code, `${args.join(" ")}: ${ran.stderr}`);
      assert.match(ran.stderr, message);
      assert.equal(ran.stdout, "");
    }
    assert.equal(api.seen.length, 0);
  });

  it("what the API refuses is told with its code", async () => {
    api.on(POST, (_, response) => problem(response, "context_too_large", "It has 3 GiB; 2 GiB are allowed."));
    const ran = await place.run(["deploy"], { cwd: project });
    assert.equal(ran.code, 1);
    assert.match(ran.stderr, /It has 3 GiB; 2 GiB are allowed\. \(context_too_large\)/);
  });
});
