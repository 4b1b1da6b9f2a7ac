/** Watching and cancelling: events of deployments, logs of builds, on real stores. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { eq } from "drizzle-orm";
import { EventSourceParserStream } from "eventsource-parser/stream";
import { archiveBuildLog, BuildLogWriter } from "../../core/build-log.ts";
import { openS3BlobStore } from "../../core/blob-store/s3.ts";
import type { BlobStore } from "../../core/blob-store/blob-store.ts";
import { parseId, type BuildId, type DeploymentId } from "../../core/contract/ids.ts";
import { apps, builds, deployments, releases } from "../../core/db/schema.ts";
import { publishRelease } from "../../core/db/system-queries/publish-release.ts";
import { goLive } from "../../core/db/system-queries/rollout.ts";
import { openRedisFailFast } from "../../core/redis.ts";
import { startTestApi, testImage, type TestApi } from "../support/api.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let blobs: BlobStore;
let api: TestApi;
let tenant: Awaited<ReturnType<TestApi["tenant"]>>;
let dir: string;
let redis: ReturnType<typeof openRedisFailFast>;

before(async () => {
  dir = mkdtempSync(join(tmpdir(), "berth-deploy-follow-"));
  stores = await startStores();
  blobs = openS3BlobStore(stores.env as never);
  api = await startTestApi({ databaseUrl: stores.databaseUrl, redisUrl: stores.redisUrl, blobs }, { migrate: false, redisPrefix: stores.redisPrefix });
  tenant = await api.tenant();
  redis = openRedisFailFast(stores.redisUrl, "test");
  await new Promise<void>((resolve) => redis.once("ready", () => resolve()));
});
after(async () => {
  redis?.disconnect();
  await api?.close();
  await stores?.stop();
  rmSync(dir, { recursive: true, force: true });
});

let count = 0;

async function upload(app = `follow${++count}`): Promise<{ id: DeploymentId; buildId: BuildId; app: string }> {
  const { status, body } = await api.call("POST", `/v1/apps/${app}/deployments`, { token: tenant.token, body: `FROM busybox\n# ${++count}\n`, headers: { "content-type": "text/x-dockerfile" } });
  assert.equal(status, 202, JSON.stringify(body));
  return { id: parseId("deployment", body.id)!, buildId: parseId("build", body.build.id)!, app };
}

async function release(id: DeploymentId, live = false) {
  const published = await api.db.transaction((tx) => publishRelease(tx, id, { image: testImage(), repository: "x/y", buildId: null, buildKey: null }, new Date()));
  if (live && published.outcome === "released") await api.db.transaction((tx) => goLive(tx, published.appId, { releaseId: published.releaseId, former: null, watch: null }, new Date()));
  return published;
}

interface Event {
  event: string | undefined;
  id: string | undefined;
  data: any;
}

/** Opens a stream of events; each call of `next` gives one. */
async function open(path: string, headers: Record<string, string> = {}) {
  const abort = new AbortController();
  const response = await fetch(api.url + path, { headers: { authorization: `Bearer ${tenant.token}`, accept: "text/event-stream", ...headers }, signal: abort.signal });
  assert.equal(response.status, 200);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream()).getReader();
  const next = async (): Promise<Event | undefined> => {
    const { value, done } = await reader.read();
    return done ? undefined : { event: value.event, id: value.id, data: JSON.parse(value.data) };
  };
  const rest = async () => {
    const events: Event[] = [];
    for (let event = await next(); event !== undefined; event = await next()) events.push(event);
    return events;
  };
  return { next, rest, close: () => abort.abort() };
}

const logPath = (buildId: BuildId) => `/v1/builds/${buildId}/logs`;
const writerFor = (buildId: BuildId) => BuildLogWriter.open({ redis, redisPrefix: stores.redisPrefix, buildId, path: join(dir, buildId) });
const line = (text: string, step = 1) => ({ step, stream: "stdout" as const, text });
const endBuild = (buildId: BuildId, state: "succeeded" | "failed" = "succeeded") =>
  api.db.update(builds).set({ state, startedAt: new Date(), finishedAt: new Date() }).where(eq(builds.id, buildId));
const texts = (events: Event[]) => events.filter((e) => e.event === "log").map((e) => e.data.text);

describe("the log of a build", () => {
  test("comes live, goes on where a watcher was cut off, and ends with the build", async () => {
    const { buildId } = await upload();
    await api.db.update(builds).set({ state: "running" }).where(eq(builds.id, buildId));
    const writer = await writerFor(buildId);
    const first = await open(logPath(buildId));
    writer.append(line("one"));
    const event = await first.next();
    assert.equal(event?.event, "log");
    assert.equal(event?.id, "1");
    assert.equal(event?.data.text, "one");
    first.close();
    writer.append(line("two"));
    writer.append(line("three"));
    const second = await open(logPath(buildId), { "last-event-id": "1" });
    assert.equal((await second.next())?.data.text, "two");
    const third = await open(`${logPath(buildId)}?after=2`);
    const startedAt = performance.now();
    writer.append({ step: 0, stream: "system", text: "done" });
    assert.equal((await third.next())?.data.text, "three");
    assert.equal((await third.next())?.data.text, "done");
    assert.ok(performance.now() - startedAt < 1000);
    await writer.end();
    await endBuild(buildId);
    await archiveBuildLog(blobs, tenant.id, buildId, writer.path);
    const ended = await second.rest();
    assert.deepEqual(texts(ended), ["three", "done"]);
    assert.equal(ended.at(-1)?.event, "end");
    assert.equal(ended.at(-1)?.data.state, "succeeded");
    assert.deepEqual((await third.rest()).map((e) => e.event), ["end"]);
  });

  test("comes from the archive afterwards, also without Redis's stream", async () => {
    const { buildId } = await upload();
    const writer = await writerFor(buildId);
    const expected = Array.from({ length: 2500 }, (_, i) => `line ${i + 1} ü`);
    for (const text of expected) writer.append(line(text));
    await writer.end();
    await archiveBuildLog(blobs, tenant.id, buildId, writer.path);
    await endBuild(buildId, "failed");
    await redis.del(`${stores.redisPrefix}build-log:${buildId}`);
    const events = await (await open(logPath(buildId))).rest();
    assert.deepEqual(texts(events), expected);
    assert.deepEqual(events.slice(0, -1).map((e) => Number(e.id)), expected.map((_, i) => i + 1));
    assert.equal(events.at(-1)?.data.state, "failed");
    const tail = await (await open(`${logPath(buildId)}?after=2499`)).rest();
    assert.deepEqual(texts(tail), ["line 2500 ü"]);
    const lines = await api.call("GET", logPath(buildId), { token: tenant.token, headers: { accept: "application/x-ndjson" } });
    assert.match(lines.headers.get("content-type") ?? "", /^application\/x-ndjson/);
    assert.equal(lines.body.trim().split("\n").length, 2500);
    assert.equal(JSON.parse(lines.body.split("\n")[0]).text, "line 1 ü");
  });

  test("as lines: what there is now, or all that comes", async () => {
    const { buildId } = await upload();
    await api.db.update(builds).set({ state: "running" }).where(eq(builds.id, buildId));
    const writer = await writerFor(buildId);
    writer.append(line("one"));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const accept = { accept: "application/x-ndjson" };
    const now = await api.call("GET", logPath(buildId), { token: tenant.token, headers: accept });
    assert.equal(now.body.trim().split("\n").length, 1);
    const all = api.call("GET", `${logPath(buildId)}?follow=true`, { token: tenant.token, headers: accept });
    writer.append(line("two"));
    await writer.end();
    await endBuild(buildId);
    assert.deepEqual((await all).body.trim().split("\n").map((text: string) => JSON.parse(text).text), ["one", "two"]);
  });

  test("a second worker goes on with the numbers of the first", async () => {
    const { buildId } = await upload();
    const first = await writerFor(buildId);
    first.append(line("one"));
    first.append(line("two"));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const second = await writerFor(buildId);
    assert.equal(second.append(line("three")).seq, 3);
    await second.end();
    await archiveBuildLog(blobs, tenant.id, buildId, second.path);
    await endBuild(buildId);
    const events = await (await open(logPath(buildId))).rest();
    assert.deepEqual(texts(events), ["one", "two", "three"]);
  });

  test("of a build that never began is empty, and of one that is too long is cut", async () => {
    const { buildId, id } = await upload();
    await api.call("POST", `/v1/deployments/${id}/cancel`, { token: tenant.token });
    const startedAt = performance.now();
    const events = await (await open(logPath(buildId))).rest();
    assert.deepEqual(events.map((e) => [e.event, e.data.state]), [["end", "cancelled"]]);
    assert.ok(performance.now() - startedAt < 1000);
    const long = await BuildLogWriter.open({ redis, redisPrefix: stores.redisPrefix, buildId: (await upload()).buildId, path: join(dir, "long"), maxBytes: 1000 });
    for (let i = 0; i < 100; i++) long.append(line("x".repeat(100)));
    assert.equal(long.append({ step: 0, stream: "system", text: "failed" }).seq, long.lastSeq);
    assert.ok(long.lastSeq < 10);
    await long.end();
  });
});

describe("the events of a deployment", () => {
  test("each change at once, until its end", async () => {
    const { id, app } = await upload();
    const events = await open(`/v1/deployments/${id}/events`);
    assert.equal((await events.next())?.data.state, "building");
    await release(id);
    api.deps.bells.ring("deployment", id);
    const startedAt = performance.now();
    const releasing = await events.next();
    assert.equal(releasing?.data.state, "releasing");
    assert.equal(releasing?.data.release, "v1");
    assert.ok(performance.now() - startedAt < 500, "the bell was heard");
    // No bell: the timer looks.
    const [row] = await api.db.select().from(apps).where(eq(apps.name, app));
    await api.db.transaction((tx) => goLive(tx, row!.id, { releaseId: row!.targetReleaseId!, former: null, watch: null }, new Date()));
    assert.equal((await events.next())?.data.state, "live");
    assert.equal(await events.next(), undefined);
  });
});

describe("cancelling", () => {
  const cancel = (id: string) => api.call("POST", `/v1/deployments/${id}/cancel`, { token: tenant.token });

  test("a queued build ends at once", async () => {
    const { id, buildId } = await upload();
    const answer = await cancel(id);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    assert.equal(answer.body.state, "cancelled");
    assert.equal(answer.body.failure.code, "deployment_cancelled");
    assert.equal((await api.call("GET", `/v1/builds/${buildId}`, { token: tenant.token })).body.state, "cancelled");
    assert.equal((await cancel(id)).body.code, "not_cancellable");
    assert.equal((await release(id)).outcome, "cancelled", "a worker that is late releases nothing");
  });

  test("a running build is asked to stop, by its own id too", async () => {
    for (const byBuild of [false, true]) {
      const { id, buildId } = await upload();
      await api.db.update(builds).set({ state: "running" }).where(eq(builds.id, buildId));
      const rung = new Promise<string>((resolve) => void api.deps.bells.listen("buildCancel", (build) => build === buildId && resolve(build)));
      await new Promise((resolve) => setTimeout(resolve, 100));
      const answer = byBuild ? await api.call("POST", `/v1/builds/${buildId}/cancel`, { token: tenant.token }) : await cancel(id);
      assert.equal(answer.status, 200);
      assert.equal(await rung, buildId);
      const [build] = await api.db.select().from(builds).where(eq(builds.id, buildId));
      assert.notEqual(build?.cancelRequestedAt, null);
      assert.equal(build?.state, "running", "the worker says when it has ended");
      assert.equal((await release(id)).outcome, "cancelled", "a build that ends in the same moment releases nothing");
      assert.equal((await api.call("GET", `/v1/deployments/${id}`, { token: tenant.token })).body.state, "cancelled");
    }
  });

  test("a rollout goes back to the live release", async () => {
    const first = await upload();
    await release(first.id, true);
    const second = await upload(first.app);
    await release(second.id);
    const answer = await cancel(second.id);
    assert.equal(answer.body.state, "cancelled");
    const [app] = await api.db.select().from(apps).where(eq(apps.name, first.app));
    assert.equal(app?.targetReleaseId, app?.liveReleaseId);
    assert.notEqual(app?.liveReleaseId, null);
    assert.equal((await cancel(first.id)).body.code, "not_cancellable");
  });
});

describe("releases", () => {
  test("a build that ends after a newer one was released is superseded, and so is a rollout under way", async () => {
    const older = await upload();
    const newer = await upload(older.app);
    const newest = await upload(older.app);
    assert.equal((await release(newer.id)).outcome, "released");
    assert.equal((await release(older.id)).outcome, "superseded");
    const last = await release(newest.id);
    assert.equal(last.outcome === "released" && last.number, 2);
    assert.deepEqual([...last.deployments].toSorted(), [newer.id, newest.id].toSorted());
    const state = async (id: string) => {
      const { body } = await api.call("GET", `/v1/deployments/${id}`, { token: tenant.token });
      return `${body.state} ${body.failure?.code ?? ""}`;
    };
    assert.equal(await state(older.id), "failed superseded");
    assert.equal(await state(newer.id), "failed superseded");
    assert.equal(await state(newest.id), "releasing ");
  });

  test("settings that change while a build runs do not overtake it", async () => {
    const first = await upload();
    await release(first.id, true);
    const second = await upload(first.app);
    const patched = await api.call("PATCH", `/v1/apps/${first.app}/env`, { token: tenant.token, body: { LATER: "1" } });
    assert.equal(patched.status, 202, JSON.stringify(patched.body));
    const published = await release(second.id);
    assert.equal(published.outcome, "released");
    const [row] = await api.db.select().from(releases).where(eq(releases.id, published.outcome === "released" ? published.releaseId : ("" as never)));
    assert.deepEqual(row?.env, { LATER: "1" });
    assert.equal(row?.number, 3);
  });

  test("an upload's settings and environment are the app's once it is released", async () => {
    const { body } = await api.call("POST", `/v1/apps/patched/deployments`, {
      token: tenant.token,
      body: "FROM busybox\n",
      headers: { "content-type": "text/x-dockerfile", "berth-config": '{"env":{"A":"1"},"settings":{"port":9000}}' },
    });
    const before = await api.call("GET", "/v1/apps/patched", { token: tenant.token });
    assert.equal(before.body.settings.port, undefined);
    await release(parseId("deployment", body.id)!);
    assert.equal((await api.call("GET", "/v1/apps/patched", { token: tenant.token })).body.settings.port, 9000);
    const [row] = await api.db.select().from(deployments).where(eq(deployments.id, body.id));
    assert.equal(row?.state, "releasing");
    assert.equal(typeof row?.timingsMs["build"], "number");
  });
});
