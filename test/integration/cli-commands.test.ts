/** Every command but `deploy` as a child process, against the stand-in API of `cli-fake-api.ts`. */
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { aBuild, aDeployment, anApp, aRelease, events, json, logLine, problem, startFakeApi, TOKEN, WHOAMI, type FakeApi } from "../support/cli-fake-api.ts";
import { newId } from "../../core/contract/ids.ts";
import { BERTH, runProgram, workplace, type Workplace } from "../support/cli-run.ts";

let api: FakeApi;
let place: Workplace;
const COMMANDS = ["login", "whoami", "context", "deploy", "apps", "status", "logs", "open", "releases", "rollback", "env", "scale", "tokens", "members", "trusts", "operator", "usage", "audit", "cancel", "destroy", "volumes"];
const live = () => aDeployment({ state: "live", release: "v4" });
const page = (items: unknown[], nextCursor: string | null = null) => ({ items, nextCursor });

before(async () => {
  api = await startFakeApi();
});
after(() => api.close());
beforeEach(() => {
  api.seen.length = 0;
  place = workplace(api);
  api.on("GET /v1/whoami", (_, response) => json(response, WHOAMI));
  api.on("GET /v1/apps/hello", (_, response) => json(response, anApp()));
  api.on("GET /v1/apps/hello/status", (_, response) => json(response, { app: anApp(), instances: [], lastDeployment: null }));
});
afterEach(() => place.remove());

describe("help", () => {
  it("lists every command; each has examples", async () => {
    const all = await place.run(["--help"]);
    assert.equal(all.code, 0);
    for (const command of COMMANDS) {
      assert.match(all.stdout, new RegExp(`^ {2}${command} `, "m"));
      const one = await place.run([command, "--help"]);
      assert.equal(one.code, 0);
      assert.match(one.stdout, new RegExp(`Examples:\\n {2}\\$.*berth ${command}`), command);
    }
    assert.match((await place.run(["help", "deploy"])).stdout, /--build-arg/);
    assert.match((await place.run([])).stdout, /Push a Dockerfile, get a URL/);
    assert.match((await place.run(["--version"])).stdout, /^berth \d/);
  });

  it("wrong usage ends with 2 and says how", async () => {
    for (const args of [["nonsense"], ["apps", "--nonsense"], ["env", "set"], ["env", "nonsense"], ["logs", "--tail", "x"], ["scale", "hello"], ["rollback", "hello"], ["status", "a b"]]) {
      const ran = await place.run(args);
      assert.equal(ran.code, 2, args.join(" "));
      assert.match(ran.stderr, /error:/);
      assert.equal(ran.stdout, "");
    }
    const preview = await place.run(["deploy", "--preview", "pr-1", "--replicas", "2", "--strategy", "rolling"]);
    assert.equal(preview.code, 2);
    assert.match(preview.stderr, /at most one instance.*: it takes no --replicas, --strategy\./);
    assert.match((await place.run(["statsu"])).stderr, /Did you mean status/);
    assert.equal(api.seen.length, 0);
  });
});

describe("the launcher", () => {
  it("works through symbolic links", async () => {
    mkdirSync(join(place.home, "bin"));
    symlinkSync(BERTH, join(place.home, "bin/one"));
    symlinkSync("one", join(place.home, "bin/berth"));
    const ran = await runProgram([join(place.home, "bin/berth"), "--version"], { cwd: place.home, env: place.env });
    assert.equal(ran.code, 0, ran.stderr);
  });

  it("says which Node it needs", async () => {
    // A copy outside of the repository, and a PATH with an old Node, then with none.
    mkdirSync(join(place.home, "cli"));
    mkdirSync(join(place.home, "path"));
    const copy = join(place.home, "cli/berth");
    copyFileSync(BERTH, copy);
    for (const tool of ["readlink", "dirname"]) symlinkSync(`/usr/bin/${tool}`, join(place.home, "path", tool));
    const env = { PATH: join(place.home, "path"), HOME: place.home };
    const none = await runProgram(["/bin/sh", copy], { cwd: place.home, env });
    assert.equal(none.code, 1);
    assert.match(none.stderr, /Node.js 24 or newer is needed and none was found/);
    writeFileSync(join(place.home, "path/node"), "#!/bin/sh\necho 20.1.0\n", { mode: 0o755 });
    const old = await runProgram(["/bin/sh", copy], { cwd: place.home, env });
    assert.equal(old.code, 1);
    assert.match(old.stderr, /Node.js 24 or newer is needed; .*node is 20\.1\.0/);
  });
});

describe("who and where", () => {
  it("login checks the token, stores it for its owner alone, and makes it the current context", async () => {
    const env = { BERTH_API: "", BERTH_TOKEN: "" };
    const ran = await place.run(["login", "--token-stdin", "--api", api.url, "--context", "work"], { input: `${TOKEN}\n`, env });
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /signed in to http.* as acme/);
    assert.doesNotMatch(ran.stdout, new RegExp(TOKEN));
    const path = join(place.home, ".config/berth/config.json");
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(JSON.parse(readFileSync(path, "utf8")), { current: "work", contexts: { work: { api: api.url, token: TOKEN } } });
    assert.equal((await place.run(["whoami", "--quiet"], { env })).stdout, "acme\n");
    assert.match((await place.run(["context"], { env })).stdout, /\* {2}work/);
    assert.equal((await place.run(["context", "nope"], { env })).code, 2);
  });

  it("a wrong token is stored nowhere; exit 3", async () => {
    const ran = await place.run(["login", "--token-stdin"], { input: "berth_wrong_token" });
    assert.equal(ran.code, 3);
    assert.match(ran.stderr, /The token is not known\. \(unauthenticated\)/);
    assert.throws(() => statSync(join(place.home, ".config/berth/config.json")));
    assert.equal((await place.run(["login", "--token-stdin"], { input: "" })).code, 2);
    assert.equal((await place.run(["login"])).code, 2);
  });

  it("no token: exit 3 and no request", async () => {
    const ran = await place.run(["apps"], { env: { BERTH_TOKEN: "" } });
    assert.equal(ran.code, 3);
    assert.match(ran.stderr, /There is no token for .*\n {2}Sign in with «berth login»/);
    assert.equal(api.seen.length, 0);
  });

  it("nothing answers: says what to do, exit 1", async () => {
    const gone = await startFakeApi();
    await gone.close();
    const ran = await place.run(["apps"], { env: { BERTH_API: gone.url } });
    assert.equal(ran.code, 1);
    assert.match(ran.stderr, /Nothing answers at http:\/\/127\.0\.0\.1:\d+ \(connection refused\).*\n {2}Start Berth there/);
  });

  it("something else answers", async () => {
    api.on("GET /v1/whoami", (_, response) => void response.end("<html>"));
    assert.match((await place.run(["whoami"])).stderr, /did not answer as Berth's API does/);
    api.on("GET /v1/whoami", (_, response) => json(response, { tenant: 1 }));
    assert.match((await place.run(["whoami"])).stderr, /answer is not understood \(token is missing\)/);
  });
});

describe("reading", () => {
  it("apps, over pages", async () => {
    api.on("GET /v1/apps", (seen, response) => json(response, seen.query.has("cursor") ? page([anApp({ name: "b" })]) : page([anApp({ name: "a" })], "next")));
    assert.equal((await place.run(["apps", "--quiet"])).stdout, "a\nb\n");
    assert.match((await place.run(["apps"])).stdout, /^APP {2}LIVE {2}READY {2}CREATED +URL\na {4}v3 {4}1\/1/);
    assert.deepEqual((JSON.parse((await place.run(["apps", "--json"])).stdout) as { name: string }[]).map((app) => app.name), ["a", "b"]);
  });

  it("a call that changes nothing is tried again; one that does is not", async () => {
    let tries = 0;
    api.on("GET /v1/apps", (_, response) => (++tries < 3 ? problem(response, "database_unavailable", "PostgreSQL does not answer.") : json(response, page([]))));
    const ran = await place.run(["apps"]);
    assert.equal(ran.code, 0);
    assert.match(ran.stdout, /There is no app yet/);
    assert.equal(tries, 3);
    let posts = 0;
    api.on("POST /v1/apps/hello/rollback", (_, response) => (posts++, problem(response, "database_unavailable", "PostgreSQL does not answer.")));
    const failed = await place.run(["rollback", "--app", "hello"]);
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /\(database_unavailable\)/);
    assert.equal(posts, 1);
  });

  it("status, with what went wrong", async () => {
    const instance = {
      id: newId("instance"), release: "v4", node: "node-1", state: "wanted", phase: "backing-off", restarts: 3, timingsMs: {}, createdAt: "2026-01-02T03:04:05.000Z", readyAt: null,
      lastExit: { code: 137, oomKilled: true, at: "2026-01-02T03:04:05.000Z" },
      problem: { code: "app_out_of_memory", detail: "It used more than 64 MiB.", logTail: ["last words"] },
      full: [],
      temperature: null,
      containers: [
        { name: "migrate", kind: "init", state: "completed", ready: false, restarts: 0, lastExit: { code: 0, oomKilled: false, at: "2026-01-02T03:04:05.000Z" }, problem: null },
        { name: "proxy", kind: "sidecar", state: "backing-off", ready: false, restarts: 2, lastExit: { code: 3, oomKilled: false, at: "2026-01-02T03:04:05.000Z" }, problem: { code: "sidecar_failed", detail: "The sidecar «proxy» failed: It exited with code 3.", logTail: ["no upstream"] } },
      ],
    };
    const lastDeployment = aDeployment({ state: "failed", failure: { code: "build_failed", detail: "A step failed.", line: 4, instruction: "RUN make" } });
    api.on("GET /v1/apps/hello/status", (_, response) => json(response, { app: anApp({ targetRelease: "v4" }), instances: [instance], lastDeployment }));
    const ran = await place.run(["status"], { cwd: place.directory("hello", {}) });
    assert.equal(ran.code, 0, ran.stderr);
    for (const part of [/v3 \(v4 is on its way\)/, /backing-off/, /exit code 137 \(out of memory\)/, /last words/, /sidecar proxy backing-off, restarts 2, exit code 3: The sidecar «proxy» failed: It exited with code 3\. \(sidecar_failed\)\n {2}no upstream/, /A step failed\. \(build_failed\)/, /at Dockerfile:4 {2}RUN make/]) assert.match(ran.stdout, part);
    assert.doesNotMatch(ran.stdout, /migrate/);
    assert.equal((JSON.parse((await place.run(["status", "hello", "--json"])).stdout) as { app: { name: string } }).app.name, "hello");
  });

  it("what is not there: exit 4", async () => {
    for (const args of [["status", "gone"], ["logs", "gone"], ["releases", "gone"], ["env", "list", "--app", "gone"], ["destroy", "gone", "--yes"], ["open", "gone"], ["cancel", "gone"], ["scale", "gone", "--replicas", "1"]]) {
      const ran = await place.run(args);
      assert.equal(ran.code, 4, args.join(" "));
      assert.match(ran.stderr, /\(not_found\)/);
    }
    const asJson = await place.run(["status", "gone", "--json"]);
    assert.equal((JSON.parse(asJson.stderr) as { error: { code: string }; exitCode: number }).error.code, "not_found");
  });

  it("releases and open", async () => {
    api.on("GET /v1/apps/hello/releases", (seen, response) => json(response, seen.query.get("limit") === "2" ? page([aRelease(4), aRelease(3, { live: true })]) : page([])));
    const ran = await place.run(["releases", "hello", "--limit", "2"]);
    assert.match(ran.stdout, /v4 .*\nv3 +live +upload +abababababab/);
    assert.match((await place.run(["releases", "hello"])).stdout, /has no release yet/);
    assert.equal((await place.run(["open", "hello"])).stdout, `${anApp().url}\n`);
  });
});

describe("logs", () => {
  const entry = (text: string) => ({ event: "log", data: { instanceId: "ins_00000000000000000000abcdef", stream: "stdout", time: "2026-01-02T03:04:05.000Z", text } });

  it("shows the last lines, plain in a pipe", async () => {
    api.on("GET /v1/apps/hello/logs", (_, response) => events(response, [entry("one"), entry("\u001b[32mtwo\u001b[0m\u001b[2J"), { event: "end", data: {} }]));
    const ran = await place.run(["logs", "hello", "--tail", "7"]);
    assert.deepEqual(ran, { code: 0, stdout: "abcdef one\nabcdef two\n", stderr: "" });
    assert.equal(api.seen.at(-1)?.query.get("tail"), "7");
    assert.match((await place.run(["logs", "hello", "-t"])).stdout, /^2026-01-02T03:04:05.000Z abcdef one\n/);
    const lines = (await place.run(["logs", "hello", "--json"])).stdout.trimEnd().split("\n");
    assert.equal((JSON.parse(lines[0] ?? "") as { text: string }).text, "one");
  });

  it("follows, also after a cut, and asks for old lines only once", async () => {
    let opened = 0;
    api.on("GET /v1/apps/hello/logs", (_, response) => (++opened === 1 ? events(response, [entry("one")], "cut") : events(response, [entry("two"), { event: "end", data: {} }])));
    const ran = await place.run(["logs", "hello", "-f"]);
    assert.equal(ran.stdout, "abcdef one\nabcdef two\n");
    assert.deepEqual(api.seen.map((seen) => seen.query.get("tail")), ["100", "0"]);
  });

  it("of a build: the last one, and one by its id", async () => {
    const build = aBuild({ state: "succeeded" });
    api.on("GET /v1/apps/hello/status", (_, response) => json(response, { app: anApp(), instances: [], lastDeployment: aDeployment({ build }) }));
    api.on(`GET /v1/builds/${build.id}/logs`, (_, response) => events(response, [logLine(1, "STEP 1/1: FROM x"), { event: "end", data: build }]));
    for (const args of [["logs", "hello", "--build"], ["logs", "--build", "hello"], ["logs", "--build", build.id]]) {
      const ran = await place.run(args);
      assert.deepEqual(ran, { code: 0, stdout: "STEP 1/1: FROM x\n", stderr: "" }, args.join(" "));
    }
    assert.equal((await place.run(["logs", "--build", "bld_x"])).code, 2);
  });

  it("a reader that goes away is no error", async () => {
    api.on("GET /v1/apps/hello/logs", (_, response) => events(response, [...Array.from({ length: 5000 }, (_, index) => entry(`line ${index} ${"x".repeat(100)}`)), { event: "end", data: {} }]));
    const ran = await runProgram(["/bin/sh", "-c", `"${BERTH}" logs hello | head -1; exit 0`], { cwd: place.home, env: place.env });
    assert.deepEqual(ran, { code: 0, stdout: `abcdef line 0 ${"x".repeat(100)}\n`, stderr: "" });
  });
});

describe("usage and audit", () => {
  const used = (from: string, name: string | null, more: object = {}) => ({ from, app: name === null ? null : { id: newId("app"), name }, cpuSeconds: 90, memoryByteSeconds: 2 ** 30 * 5400, storageByteHours: 2 ** 29, requests: 1234, ingressBytes: 2048, egressBytes: 5 * 2 ** 20, buildSeconds: 0, ...more });

  it("usage: a table with totals, of one app or of all, as JSON and as CSV", async () => {
    api.on("GET /v1/usage", (seen, response) => json(response, seen.query.get("cursor") === null ? page([used("2026-03-01T00:00:00.000Z", "hello")], "more") : page([used("2026-03-02T00:00:00.000Z", null, { requests: 1, cpuSeconds: 7200 })])));
    const ran = await place.run(["usage", "hello", "--since", "2026-03-01", "--until", "2026-03-03", "--by", "day"]);
    assert.equal(ran.code, 0, ran.stderr);
    const [first] = api.seen.filter(({ query }) => query.get("by") !== null);
    assert.deepEqual([first?.query.get("app"), first?.query.get("since"), first?.query.get("until"), first?.query.get("by")], ["hello", "2026-03-01T00:00:00.000Z", "2026-03-03T00:00:00.000Z", "day"]);
    assert.match(ran.stdout, /^DAY +APP +CPU +MEMORY +REQUESTS +IN +OUT +BUILDS +STORAGE\n2026-03-01 +hello +1 min 30 s +1.5 GiB·h +1,234 +2.0 KiB +5.0 MiB +0 ms +0.5 GiB·h\n2026-03-02 +\(no app\) +2.0 h .*\ntotal +2.0 h +3 GiB·h +1,235 /);
    const asJson = JSON.parse((await place.run(["usage", "--json"])).stdout) as { items: unknown[]; total: { requests: number } };
    assert.deepEqual([asJson.items.length, asJson.total.requests], [2, 1235]);
    const csv = (await place.run(["usage", "--csv"])).stdout.split("\r\n");
    assert.match(csv[0] ?? "", /^from,app_id,app,cpu_seconds/);
    assert.match(csv[1] ?? "", /^2026-03-01T00:00:00.000Z,app_\w+,hello,90,/);
    api.on("GET /v1/usage", (_, response) => json(response, page([])));
    assert.match((await place.run(["usage"])).stdout, /Nothing was used/);
    for (const args of [["--by", "week"], ["--since", "yesterday"]]) assert.equal((await place.run(["usage", ...args])).code, 2, args.join(" "));
  });

  it("audit: a table, filters, entries as lines; what would command a terminal is written out", async () => {
    const entry = { id: newId("audit"), at: "2026-03-01T10:11:12.345Z", actor: "token:tok_x", actorName: "ci\u001b[31m\r\n", ip: "192.0.2.1", requestId: "req_1", verb: "app.settings", target: "app_1", detail: { name: "shop\u009b2J" }, before: { replicas: 1 }, after: { replicas: 3 } };
    api.on("GET /v1/audit", (_, response) => json(response, page([entry, { ...entry, actor: "system", actorName: "", ip: null, before: null, after: null }])));
    const ran = await place.run(["audit", "-n", "2", "--since", "7d", "--verb", "app.*", "--actor", "ci", "--target", "shop"]);
    assert.equal(ran.code, 0, ran.stderr);
    const asked = api.seen.at(-1)?.query;
    assert.deepEqual([asked?.get("limit"), asked?.get("verb"), asked?.get("actor"), asked?.get("target")], ["2", "app.*", "ci", "shop"]);
    assert.match(ran.stdout, /\n2026-03-01 10:11:12 +ci\\x1b\[31m\\x0d\\x0a +192.0.2.1 +app.settings +app_1 +name=shop\\x9b2J; replicas: 1 → 3\n2026-03-01 10:11:12 +system +app.settings/);
    const lines = (await place.run(["audit", "--json"])).stdout.trimEnd().split("\n");
    assert.deepEqual((JSON.parse(lines[0] ?? "") as { id: string }).id, entry.id);
    assert.equal(lines.length, 2);
    api.on("GET /v1/audit", (_, response) => json(response, page([])));
    assert.match((await place.run(["audit"])).stdout, /No entry/);
  });
});

describe("changing", () => {
  it("rollback", async () => {
    api.on("POST /v1/apps/hello/rollback", (_, response) => json(response, live(), 202));
    const ran = await place.run(["rollback", "2", "--app", "hello"]);
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(api.seen.at(-1)?.body.toString(), '{"release":"v2"}');
    assert.match(ran.stdout, /hello is live \(v4\)/);
    await place.run(["rollback"], { cwd: place.directory("hello", {}) });
    assert.equal(api.seen.at(-1)?.body.toString(), "{}");
    api.on("POST /v1/apps/hello/rollback", (_, response) => problem(response, "no_release", "There is none."));
    assert.match((await place.run(["rollback", "--app", "hello"])).stderr, /\(no_release\)\n {2}See what there is with «berth releases»/);
  });

  it("env set, unset, list", async () => {
    api.on("PATCH /v1/apps/hello/env", (_, response) => json(response, live(), 202));
    api.on("GET /v1/apps/hello/env", (_, response) => json(response, { B: "two\nlines", A: "1" }));
    assert.equal((await place.run(["env", "set", "A=1", "B", "--app", "hello"], { env: { B: "here" } })).code, 0);
    assert.deepEqual(JSON.parse(api.seen.at(-1)?.body.toString() ?? ""), { A: "1", B: "here" });
    assert.equal((await place.run(["env", "unset", "A", "--app", "hello"])).code, 0);
    assert.deepEqual(JSON.parse(api.seen.at(-1)?.body.toString() ?? ""), { A: null });
    assert.equal((await place.run(["env", "list", "--app", "hello"])).stdout, "A=1\nB=two\\nlines\n");
    assert.deepEqual(JSON.parse((await place.run(["env", "list", "--app", "hello", "--json"])).stdout), { B: "two\nlines", A: "1" });
    api.on("PATCH /v1/apps/hello/env", (_, response) => void response.writeHead(204).end());
    assert.match((await place.run(["env", "set", "A=1", "--app", "hello"])).stdout, /Nothing has changed/);
  });

  it("scale", async () => {
    api.on("PATCH /v1/apps/hello", (_, response) => json(response, live(), 202));
    const ran = await place.run(["scale", "hello", "--replicas", "3", "--memory", "256m", "--cpu", "0.5", "--reset-command", "--quiet"]);
    assert.deepEqual(ran, { code: 0, stdout: `${anApp().url}\n`, stderr: "" });
    assert.deepEqual(JSON.parse(api.seen.at(-1)?.body.toString() ?? ""), { settings: { replicas: 3, memoryBytes: 256 * 2 ** 20, cpuMillis: 500, command: null } });
    api.on("PATCH /v1/apps/hello", (_, response) => json(response, anApp({ liveRelease: null })));
    assert.match((await place.run(["scale", "hello", "--replicas", "3"])).stdout, /takes effect with the first deployment/);
  });

  it("cancel", async () => {
    const running = aDeployment({ state: "building" });
    api.on("GET /v1/apps/hello/status", (_, response) => json(response, { app: anApp(), instances: [], lastDeployment: running }));
    api.on(`POST /v1/deployments/${running.id}/cancel`, (_, response) => json(response, { ...running, state: "cancelled" }, 202));
    assert.match((await place.run(["cancel", "hello"])).stdout, /is cancelled/);
    api.on("GET /v1/apps/hello/status", (_, response) => json(response, { app: anApp(), instances: [], lastDeployment: live() }));
    const ran = await place.run(["cancel", "hello"]);
    assert.equal(ran.code, 1);
    assert.match(ran.stderr, /no deployment to cancel\. The last one is live\. \(not_cancellable\)/);
  });

  it("volumes: what is done with them is waited for, and a failed one says why", async () => {
    const at = "/v1/apps/hello/volumes/data/operations";
    const operation = { id: newId("operation"), volume: "data", kind: "move", state: "stopping", snapshot: null, toNode: "n2", failure: null, createdAt: new Date().toISOString(), finishedAt: null as string | null };
    const failure = { code: "volume_failed", detail: "the snapshot is damaged" };
    api.on(`POST ${at}`, (_, response) => json(response, operation, 202));
    api.on(`GET ${at}/${operation.id}`, (_, response) => json(response, { ...operation, state: "failed", failure, finishedAt: operation.createdAt }));
    const ran = await place.run(["volumes", "move", "data", "--to", "n2", "--app", "hello"]);
    assert.equal(ran.code, 1);
    assert.match(ran.stdout + ran.stderr, /waiting for the app to stop[\s\S]*The move failed: the snapshot is damaged[\s\S]*data is as it was, and hello runs as before/);
    assert.deepEqual(JSON.parse(String(api.seen.find(({ method }) => method === "POST")?.body)), { kind: "move", node: "n2" });
    for (const args of [["restore", "data", newId("snapshot")], ["delete", "data"], ["snapshots", "data", "--delete", newId("snapshot")]]) {
      const asked = await place.run(["volumes", ...args, "--app", "hello"]);
      assert.deepEqual([asked.code, /--yes/.test(asked.stderr)], [2, true], args[0]);
    }
    const before = api.seen.length;
    assert.equal((await place.run(["volumes", "create", "data", "--app", "hello"])).code, 2);
    assert.equal(api.seen.length, before);
  });

  it("destroy asks, and in a script wants --yes", async () => {
    api.on("DELETE /v1/apps/hello", (_, response) => void response.writeHead(204).end());
    const asked = await place.run(["destroy", "hello"], { input: "hello\n" });
    assert.equal(asked.code, 2);
    assert.match(asked.stderr, /berth destroy hello --yes/);
    assert.equal(api.seen.some((seen) => seen.method === "DELETE"), false);
    assert.match((await place.run(["destroy", "hello", "--yes"])).stdout, /hello is destroyed/);
    assert.deepEqual(JSON.parse((await place.run(["destroy", "hello", "--yes", "--json"])).stdout), { app: "hello", destroyed: true });
  });
});
