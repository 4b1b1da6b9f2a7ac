// needs no root
/** Jobs and runs over HTTP: what is asked for is written, what cannot be is said. No worker runs here. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openMemoryBlobStore } from "../../core/blob-store/memory.ts";
import { seedApp, startTestApi, type TestApi } from "../support/api.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let api: TestApi;
before(async () => {
  stores = await startStores({ only: ["postgres", "redis"] });
  api = await startTestApi({ ...stores, blobs: openMemoryBlobStore() }, { redisPrefix: stores.redisPrefix, migrate: false });
});
after(async () => {
  await api?.close();
  await stores?.stop();
});

async function world() {
  const { id, token } = await api.tenant();
  const app = await seedApp(api.db, id, { releases: 1 });
  const call = (method: string, path: string, body?: object, headers: Record<string, string> = {}) => api.call(method, `/v1/apps/${app.name}${path}`, { token, headers, ...(body && { body }) });
  return { app, call };
}

test("a job: made, found by name and id, changed by who has read it, paused, run, deleted; its history stays", async () => {
  const { call } = await world();
  const made = await call("POST", "/jobs", { name: "nightly", schedule: "0 3 * * *", timeZone: "Europe/Berlin", command: ["clean"], retries: 2 });
  assert.deepEqual([made.status, made.body.concurrencyPolicy, made.body.missedRuns, made.body.retries], [201, "forbid", "run-once", 2]);
  assert.match(made.body.nextRunAt, /T0[12]:00:00\.000Z$/);
  const read = await call("GET", `/jobs/${made.body.id}`);
  const etag = read.headers.get("etag") ?? "";
  const changed = await call("PATCH", "/jobs/nightly", { schedule: "@hourly", command: null }, { "if-match": etag });
  assert.deepEqual([changed.status, changed.body.schedule, changed.body.command, changed.body.retries], [200, "@hourly", null, 2]);
  assert.deepEqual((await call("PATCH", "/jobs/nightly", { retries: 1 }, { "if-match": etag })).body.code, "version_mismatch");
  assert.equal((await call("PATCH", "/jobs/nightly", { paused: true })).body.nextRunAt, null);
  assert.notEqual((await call("PATCH", "/jobs/nightly", { paused: false })).body.nextRunAt, null);
  const run = await call("POST", "/jobs/nightly/runs");
  assert.deepEqual([run.status, run.body.state, run.body.trigger, run.body.job, run.body.release], [202, "pending", "manual", "nightly", "v1"]);
  assert.equal((await call("GET", "/jobs")).body.items[0].lastRun.id, run.body.id);
  assert.equal((await call("DELETE", "/jobs/nightly")).status, 204);
  assert.equal((await call("GET", "/jobs/nightly")).body.code, "not_found");
  assert.equal((await call("GET", `/runs/${run.body.id}`)).body.job, "nightly");
});

test("a run: asked for once, listed newest first, cancelled", async () => {
  const { call } = await world();
  const body = { command: ["true"], tasks: 3, parallelism: 2, memoryBytes: 2 ** 26 };
  const [first, again] = [await call("POST", "/runs", body, { "idempotency-key": "one" }), await call("POST", "/runs", body, { "idempotency-key": "one" })];
  assert.deepEqual([first.status, again.body.id, first.body.tasks.total, first.body.memoryBytes], [202, first.body.id, 3, 2 ** 26]);
  const second = await call("POST", "/runs", {});
  assert.deepEqual((await call("GET", "/runs")).body.items.map(({ id }: { id: string }) => id), [second.body.id, first.body.id]);
  assert.equal((await call("POST", `/runs/${first.body.id}/cancel`)).status, 200);
});

test("what cannot be is said, with the field", async () => {
  const { app, call } = await world();
  for (const [body, detail] of [
    [{ name: "x", schedule: "99 * * * *" }, /schedule.*five fields/],
    [{ name: "x", schedule: "* * * * * *" }, /schedule/],
    [{ name: "x", timeZone: "Mars/Base" }, /timeZone.*IANA/],
    [{ name: "Bad Name" }, /name/],
    [{ name: "x", retries: 99 }, /retries/],
    [{ name: "x", unknown: 1 }, /unknown/],
  ] as const) {
    const { status, body: problem } = await call("POST", "/jobs", body);
    assert.ok(status === 400 || status === 422, JSON.stringify(body));
    assert.match(problem.detail, detail);
  }
  assert.equal((await call("POST", "/jobs", { name: "twice" })).status, 201);
  assert.equal((await call("POST", "/jobs", { name: "twice" })).body.code, "name_taken");
  assert.equal((await call("POST", "/runs", { tasks: 1000, parallelism: 100, cpuMillis: 64_000 })).body.code, "quota_exceeded");
  const { id, token } = await api.tenant();
  const bare = await seedApp(api.db, id, { releases: 0 });
  assert.equal((await api.call("POST", `/v1/apps/${bare.name}/runs`, { token, body: {} })).body.code, "no_release");
  assert.notEqual(bare.name, app.name);
});
