/** Uploads over HTTP, on real stores: what is accepted, what is refused, and that nothing is left of what was refused. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { eq } from "drizzle-orm";
import { openS3BlobStore } from "../../core/blob-store/s3.ts";
import type { BlobStore } from "../../core/blob-store/blob-store.ts";
import type { Deployment } from "../../core/contract/api.ts";
import { parseId, type AppId } from "../../core/contract/ids.ts";
import { apps, audit, builds, deployments, releases, tags } from "../../core/db/schema.ts";
import { publishRelease } from "../../core/db/system-queries/publish-release.ts";
import { goLive, lockApp } from "../../core/db/system-queries/rollout.ts";
import { startTestApi, testImage, type TestApi } from "../support/api.ts";
import { gzip, tarOf, zstd, type Entry } from "../support/contexts.ts";
import { startStores, type Stores } from "../support/stores.ts";

type Tenant = Awaited<ReturnType<TestApi["tenant"]>>;

let stores: Stores;
let blobs: BlobStore;
let api: TestApi;
let tenant: Tenant;

before(async () => {
  stores = await startStores();
  blobs = openS3BlobStore(stores.env as never);
  api = await startTestApi({ databaseUrl: stores.databaseUrl, redisUrl: stores.redisUrl, blobs }, { migrate: false, redisPrefix: stores.redisPrefix });
  tenant = await api.tenant();
});
after(async () => {
  await api.close();
  await stores.stop();
});

/** While `hold` has not ended, the app's lock is another's. */
async function underLock<T>(appId: AppId, hold: (tx: Parameters<Parameters<TestApi["db"]["transaction"]>[0]>[0]) => Promise<T>): Promise<T> {
  return api.db.transaction(async (tx) => {
    await lockApp(tx, appId);
    return hold(tx);
  });
}

const DOCKERFILE: Entry = ["Dockerfile", "FROM busybox\nCMD [\"true\"]\n"];

interface Answer {
  status: number;
  body: any;
  headers: Headers;
}

async function post(app: string, body: NonNullable<RequestInit["body"]>, headers: Record<string, string> = {}, token = tenant.token): Promise<Answer> {
  const response = await fetch(`${api.url}/v1/apps/${app}/deployments`, { method: "POST", headers: { authorization: `Bearer ${token}`, ...headers }, body });
  return { status: response.status, body: await response.json(), headers: response.headers };
}

async function send(app: string, ...entries: Entry[]): Promise<Answer> {
  return post(app, await tarOf(...entries), { "content-type": "application/x-tar" });
}

/** Keys of uploads that are there. */
async function uploads(): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of blobs.list("contexts/")) keys.push(key);
  return keys;
}

async function rowCounts(): Promise<number[]> {
  return Promise.all([apps, builds, deployments, audit].map((table) => api.db.$count(table)));
}

/** The answer is this problem, and neither rows nor blobs have changed. */
async function refused(work: () => Promise<Answer>, status: number, code: string): Promise<any> {
  const [rows, keys] = [await rowCounts(), await uploads()];
  const answer = await work();
  assert.equal(answer.body.code, code, JSON.stringify(answer.body));
  assert.equal(answer.status, status);
  assert.match(answer.headers.get("content-type") ?? "", /^application\/problem\+json/);
  assert.deepEqual(await rowCounts(), rows, "no row is left");
  assert.deepEqual(await uploads(), keys, "no blob is left");
  return answer.body;
}

async function buildOf(deployment: Deployment) {
  const [row] = await api.db.select().from(builds).where(eq(builds.id, parseId("build", deployment.build?.id ?? "")!));
  assert.ok(row);
  return row;
}

describe("accepted", () => {
  test("a tar: the app is made, the build is queued, the bytes lie in the store as they came", async () => {
    const tar = await tarOf(DOCKERFILE, ["a", "1"]);
    const { status, body, headers } = await post("first", tar, {
      "content-type": "application/x-tar",
      "berth-config": JSON.stringify({ env: { A: "1" }, buildArgs: { B: "2" }, settings: { port: 9000 } }),
    });
    assert.equal(status, 202, JSON.stringify(body));
    assert.equal(headers.get("location"), `/v1/deployments/${body.id}`);
    assert.equal(body.state, "building");
    assert.equal(body.alreadyLive, false);
    assert.equal(body.url, `http://first-${tenant.name}.berth.localhost:8080`);
    const build = await buildOf(body);
    assert.equal(build.state, "queued");
    assert.equal(build.contextFormat, "tar");
    assert.equal(build.contextBytes, tar.length);
    assert.deepEqual(build.buildArgs, { B: "2" });
    assert.equal(build.buildKey, null, "nobody knows what busybox is");
    const chunks: Buffer[] = [];
    for await (const chunk of (await blobs.get(build.contextKey)).body) chunks.push(chunk as Buffer);
    assert.ok(Buffer.concat(chunks).equals(tar));
    const [deployment] = await api.db.select().from(deployments).where(eq(deployments.id, body.id));
    assert.deepEqual(deployment?.envPatch, { A: "1" });
    assert.deepEqual(deployment?.settingsPatch, { port: 9000 });
    assert.equal(await api.deps.redis.exists(`${stores.redisPrefix}bull:builds:${build.id}`), 1, "the job is in the queue");
    assert.equal((await api.call("GET", `/v1/deployments/${body.id}`, { token: tenant.token })).body.id, body.id);
    assert.equal((await api.call("GET", `/v1/builds/${build.id}`, { token: tenant.token })).body.state, "queued");
  });

  test("packed, whatever the content type says", async () => {
    const tar = await tarOf(DOCKERFILE);
    for (const [bytes, type, format] of [
      [gzip(tar), "application/gzip", "tar.gz"],
      [gzip(tar), "application/x-tar", "tar.gz"],
      [zstd(tar), "application/zstd", "tar.zst"],
      [tar, "application/octet-stream", "tar"],
      [Buffer.from("FROM busybox\n"), "text/x-dockerfile", "dockerfile"],
    ] as const) {
      const { status, body } = await post("packed", bytes, { "content-type": type });
      assert.equal(status, 202, JSON.stringify(body));
      assert.equal((await buildOf(body)).contextFormat, format);
    }
  });

  test("a form, with its parts in any order", async () => {
    const context = new Blob([await tarOf(["web.Dockerfile", "FROM busybox\n"])], { type: "application/x-tar" });
    const config = JSON.stringify({ dockerfile: "web.Dockerfile", env: { A: "ü" } });
    for (const order of ["config context", "context config", "file context"]) {
      const form = new FormData();
      for (const part of order.split(" ")) {
        if (part === "context") form.append("context", context, "context.tar");
        else if (part === "config") form.append("config", config);
        else form.append("config", new Blob([config], { type: "application/json" }), "config.json");
      }
      const { status, body } = await post("form", form);
      assert.equal(status, 202, JSON.stringify(body));
      assert.equal((await buildOf(body)).dockerfilePath, "web.Dockerfile");
    }
  });

  test("a second deployment of the app, and its list in pages", async () => {
    const ids: string[] = [];
    for (const text of ["1", "2", "3"]) ids.unshift((await send("listed", DOCKERFILE, ["a", text])).body.id);
    const first = await api.call("GET", "/v1/apps/listed/deployments?limit=2", { token: tenant.token });
    assert.deepEqual(first.body.items.map((d: Deployment) => d.id), ids.slice(0, 2));
    const second = await api.call("GET", `/v1/apps/listed/deployments?limit=2&cursor=${first.body.nextCursor}`, { token: tenant.token });
    assert.deepEqual(second.body.items.map((d: Deployment) => d.id), ids.slice(2));
    assert.equal(second.body.nextCursor, null);
  });

  test("two first deployments at once make one app", async () => {
    const answers = await Promise.all(["1", "2", "3", "4"].map((text) => send("race", DOCKERFILE, ["a", text])));
    assert.deepEqual(answers.map((a) => a.status), [202, 202, 202, 202]);
    assert.equal((await api.db.select().from(apps).where(eq(apps.name, "race"))).length, 1);
  });
});

describe("refused, and nothing is left", () => {
  const cases: [name: string, () => Promise<Answer>, status: number, code: string, detail: RegExp][] = [
    ["no Dockerfile", () => send("bad", ["main.py", "x"]), 422, "dockerfile_missing", /no «Dockerfile»/],
    ["a Dockerfile with an error", () => send("bad", ["Dockerfile", "FROM a\n\nRUNN x\n"]), 422, "dockerfile_invalid", /line 3: «RUNN» is not an instruction: did you mean «RUN»/],
    ["something that is not offered", () => send("bad", ["Dockerfile", "FROM a\nRUN --network=host x\n"]), 422, "dockerfile_unsupported", /line 2/],
    ["no tar", () => post("bad", "hello", { "content-type": "application/x-tar" }), 422, "context_not_tar", /It is text/],
    ["an empty body", () => post("bad", "", { "content-type": "application/x-tar" }), 422, "context_not_tar", /empty/],
    ["..", () => send("bad", DOCKERFILE, ["../x", "1"]), 422, "context_escapes", /«\.\.\/x»/],
    ["a symlink to the outside, written through", () => send("bad", DOCKERFILE, { name: "s", type: "symlink", linkname: "/etc" }, ["s/x", "1"]), 422, "context_escapes", /«s\/x»/],
    ["a name that is not DNS-safe", () => send("Bad_Name", DOCKERFILE), 422, "invalid_name", /lower-case/],
    ["a name that is too long", () => send("a".repeat(41), DOCKERFILE), 422, "invalid_name", /at most 40/],
    ["an id that is nobody's", () => send("app_01h455vb4pex5vsknk084sn02q", DOCKERFILE), 404, "not_found", /no app/],
    ["a wrong token", () => post("bad", "x", {}, "berth_x"), 401, "unauthenticated", /token/],
    ["a content type", () => post("bad", "x", { "content-type": "image/png" }), 415, "unsupported_media_type", /image\/png/],
    ["a configuration that is no JSON", () => post("bad", "x", { "berth-config": "{" }), 422, "invalid_config", /no valid JSON/],
    ["a configuration with a wrong value", () => post("bad", "x", { "berth-config": '{"settings":{"port":70000}}' }), 422, "invalid_config", /settings\.port/],
    ["a configuration with an unknown name", () => post("bad", "x", { "berth-config": '{"enviroment":{}}' }), 422, "invalid_config", /enviroment/],
    ["a target that is not there", () => post("bad", "FROM a AS one\n", { "content-type": "text/x-dockerfile", "berth-config": '{"target":"two"}' }), 422, "dockerfile_invalid", /no stage «two»/],
    ["a Dockerfile outside the context", async () => post("bad", await tarOf(DOCKERFILE), { "berth-config": '{"dockerfile":"../Dockerfile"}' }), 422, "context_escapes", /\.\.\/Dockerfile/],
    ["a form without a context", () => post("bad", formOf({ config: "{}" })), 422 - 22, "invalid_request", /no part «context»/],
    ["a form with an unknown part", () => post("bad", formOf({ contxt: "x" })), 400, "invalid_request", /contxt/],
    ["a form with too many parts", () => post("bad", formOf(Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`p${i}`, "x"])))), 400, "invalid_request", /part/],
    ["a form with a wrong configuration", () => post("bad", formOf({ config: '{"a":1}' })), 422, "invalid_config", /a/],
  ];
  for (const [name, work, status, code, detail] of cases) {
    test(name, async () => {
      const problem = await refused(work, status, code);
      assert.match(problem.detail, detail);
    });
  }

  test("the line and the instruction are told", async () => {
    const problem = await refused(() => send("bad", ["Dockerfile", "FROM a\nEXPOSE x\nRUN\n"]), 422, "dockerfile_invalid");
    assert.equal(problem.line, 2);
    assert.equal(problem.instruction, "EXPOSE");
    assert.deepEqual(problem.errors.map((e: { path: string }) => e.path), ["Dockerfile:2", "Dockerfile:3"]);
  });

  test("a context that is cut short: packed, plain, in a form", async () => {
    const tar = await tarOf(DOCKERFILE, ["a", "1".repeat(5000)]);
    await refused(() => post("bad", tar.subarray(0, 3000)), 422, "context_truncated");
    await refused(() => post("bad", gzip(tar).subarray(0, 100)), 422, "context_truncated");
    await refused(() => post("bad", zstd(tar).subarray(0, 100)), 422, "context_truncated");
    const head = '--b\r\ncontent-disposition: form-data; name="context"; filename="c"\r\n\r\n';
    const cut = Buffer.concat([Buffer.from(head), tar.subarray(0, 3000)]);
    await refused(() => post("bad", cut, { "content-type": "multipart/form-data; boundary=b" }), 422, "context_truncated");
  });

  test("a connection that breaks in the middle leaves nothing", async () => {
    const [rows, keys] = [await rowCounts(), await uploads()];
    const tar = await tarOf(DOCKERFILE, ["a", Buffer.alloc(2 ** 20)]);
    for (const type of ["application/x-tar", "multipart/form-data; boundary=b"]) {
      const socket = connect(api.port, "127.0.0.1");
      const form = type.startsWith("multipart") ? '--b\r\ncontent-disposition: form-data; name="context"; filename="c"\r\n\r\n' : "";
      socket.write(`POST /v1/apps/bad/deployments HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${tenant.token}\r\ncontent-type: ${type}\r\ncontent-length: ${tar.length + 1000}\r\n\r\n${form}`);
      socket.write(tar.subarray(0, 600_000));
      await new Promise((resolve) => setTimeout(resolve, 200));
      socket.destroy();
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.deepEqual(await rowCounts(), rows);
    assert.deepEqual(await uploads(), keys);
  });

  test("an upload that is refused early gets its answer, however much was still to come", async () => {
    const big = Buffer.alloc(64 * 2 ** 20, 0x41);
    const problem = await refused(() => post("bad", big, { "content-type": "application/x-tar" }), 422, "context_not_tar");
    assert.match(problem.detail, /text/);
    assert.equal((await api.call("GET", "/v1/whoami", { token: tenant.token })).status, 200);
  });

  test("another tenant sees none of it", async () => {
    const { body } = await send("mine", DOCKERFILE);
    const other = await api.tenant();
    for (const [method, path] of [
      ["GET", `/v1/deployments/${body.id}`],
      ["GET", `/v1/deployments/${body.id}/events`],
      ["POST", `/v1/deployments/${body.id}/cancel`],
      ["GET", `/v1/builds/${body.build.id}`],
      ["GET", `/v1/builds/${body.build.id}/logs`],
      ["POST", `/v1/builds/${body.build.id}/cancel`],
      ["GET", "/v1/apps/mine/deployments"],
    ] as const) {
      const answer = await api.call(method, path, { token: other.token });
      assert.equal(answer.status, 404, path);
      assert.equal(answer.body.code, "not_found");
    }
  });
});

function formOf(fields: Record<string, string>): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  return form;
}

describe("an upload that is live already", () => {
  /** Makes the deployment live, as a worker and the rollout loop would. */
  async function bringToLife(deployment: Deployment): Promise<void> {
    const build = await buildOf(deployment);
    await api.db.transaction(async (tx) => {
      await tx.update(builds).set({ state: "succeeded" }).where(eq(builds.id, build.id));
      const source = { image: testImage(), repository: `${tenant.name}/x`, buildId: build.id, buildKey: build.buildKey };
      const published = await publishRelease(tx, parseId("deployment", deployment.id)!, source, new Date());
      assert.equal(published.outcome, "released");
      if (published.outcome === "released") await goLive(tx, published.appId, { releaseId: published.releaseId, former: null, watch: null }, new Date());
    });
  }

  before(async () => {
    await api.db.insert(tags).values({ repository: "library/python", tag: "3", digest: `sha256:${"1".repeat(64)}` });
  });

  test("is answered at once, builds nothing and keeps no blob", async () => {
    const entries: Entry[] = [["Dockerfile", "FROM python:3\n"], ["web.py", "print(1)"]];
    const first = await send("twin", ...entries);
    assert.notEqual((await buildOf(first.body)).buildKey, null);
    await bringToLife(first.body);
    const [jobs, keys] = [await api.db.$count(builds), await uploads()];
    for (let i = 0; i < 2; i++) {
      const again = await post("twin", gzip(await tarOf(...entries.toReversed())), { "content-type": "application/gzip" });
      assert.equal(again.status, 200, JSON.stringify(again.body));
      assert.equal(again.body.alreadyLive, true);
      assert.equal(again.body.state, "live");
      assert.equal(again.body.release, "v1");
    }
    assert.equal(await api.db.$count(builds), jobs);
    assert.deepEqual(await uploads(), keys);
    const events = await api.call("GET", `/v1/deployments/${first.body.id}/events`, { token: tenant.token });
    assert.match(events.body, /event: deployment\ndata: .*"state":"live"/);
  });

  test("is built when anything differs", async () => {
    const entries: Entry[] = [["Dockerfile", "FROM python:3\n"], ["web.py", "print(2)"]];
    const first = await send("differs", ...entries);
    await bringToLife(first.body);
    assert.equal((await send("differs", ...entries)).status, 200);
    const tar = await tarOf(...entries);
    const same = await post("differs", tar, { "berth-config": '{"env":{}}' });
    assert.equal(same.status, 200);
    for (const config of ['{"env":{"A":"1"}}', '{"settings":{"port":1234}}', '{"buildArgs":{"A":"1"}}']) {
      const answer = await post("differs", tar, { "berth-config": config });
      assert.equal(answer.status, 202, config);
      // What is under way would replace the live release: until it ends, nothing is «already live».
      assert.equal((await post("differs", tar)).status, 202);
      await api.db.update(deployments).set({ state: "failed" }).where(eq(deployments.appId, (await buildOf(answer.body)).appId));
    }
    await api.db.update(tags).set({ digest: `sha256:${"2".repeat(64)}` });
    assert.equal((await post("differs", tar)).status, 202, "the base image moved");
    assert.equal((await send("differs", ["Dockerfile", "FROM python:3\nADD https://example.com/x .\n"])).status, 202);
    const [live] = await api.db.select().from(releases).where(eq(releases.buildId, parseId("build", first.body.build.id)!));
    assert.equal(live?.number, 1);
  });
});

test("an app that is destroyed while its upload is written takes the upload with it", async () => {
  const { body } = await send("racing", DOCKERFILE);
  const [app] = await api.db.select().from(apps).where(eq(apps.name, "racing"));
  assert.ok(app, JSON.stringify(body));
  const before = await uploads();
  const second = await underLock(app.id, async (tx) => {
    const sent = send("racing", DOCKERFILE, ["a", "1"]);
    await sleep(500);
    await tx.update(apps).set({ deletedAt: new Date() }).where(eq(apps.id, app.id));
    return { sent };
  });
  const { status, body: problem } = await second.sent;
  assert.deepEqual([status, problem.code], [409, "conflict"]);
  assert.deepEqual(await uploads(), before);
});
