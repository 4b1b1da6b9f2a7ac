/** Uploads while a store is away: a clear answer, nothing half-visible, and it works again when the store is back. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openS3BlobStore } from "../../core/blob-store/s3.ts";
import type { BlobStore } from "../../core/blob-store/blob-store.ts";
import { builds, deployments } from "../../core/db/schema.ts";
import { startTestApi, type TestApi } from "../support/api.ts";
import { tarOf } from "../support/contexts.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let blobs: BlobStore;
let api: TestApi;
let token: string;

before(async () => {
  stores = await startStores();
  blobs = openS3BlobStore(stores.env as never);
  api = await startTestApi({ databaseUrl: stores.databaseUrl, redisUrl: stores.redisUrl, blobs }, { migrate: false, redisPrefix: stores.redisPrefix });
  ({ token } = await api.tenant());
});
after(async () => {
  await api?.close();
  await stores?.stop();
});

async function send(body: Buffer | ReadableStream): Promise<{ status: number; body: any; tookMs: number }> {
  const startedAt = performance.now();
  const response = await fetch(`${api.url}/v1/apps/outage/deployments`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/x-tar" },
    body: body as never,
    duplex: "half",
  } as RequestInit);
  return { status: response.status, body: await response.json(), tookMs: performance.now() - startedAt };
}

const small = () => tarOf(["Dockerfile", "FROM busybox\n"]);
const large = () => tarOf(["Dockerfile", "FROM busybox\n"], ["zeros", Buffer.alloc(20 * 2 ** 20)]);

async function keys(): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of blobs.list("contexts/")) found.push(key);
  return found;
}

async function until(what: string, check: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await new Promise((resolve) => setTimeout(resolve, 50))) if (await check()) return;
  throw new Error(`not within 10 s: ${what}`);
}

test("Redis away: the upload is accepted, the sweep will find the build", async () => {
  await stores.kill("redis");
  const answer = await send(await small());
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  assert.ok(answer.tookMs < 3000, `${answer.tookMs} ms`);
  const shown = await api.call("GET", `/v1/builds/${answer.body.build.id}`, { token });
  assert.equal(shown.body.state, "queued");
  const lines = await api.call("GET", `/v1/builds/${answer.body.build.id}/logs`, { token, headers: { accept: "application/x-ndjson" } });
  assert.equal(lines.status, 200);
  await stores.start("redis");
  await until("the queue works", async () => api.deps.redis.status === "ready");
  const again = await send(await small());
  assert.equal(await api.deps.redis.exists(`${stores.redisPrefix}bull:builds:${again.body.build.id}`), 1);
});

test("S3 away, before and during the upload: 503, no rows, and again when it is back", async () => {
  const rows = await api.db.$count(deployments);
  await stores.kill("s3");
  for (const body of [await small(), await large()]) {
    const answer = await send(body);
    assert.equal(answer.body.code, "storage_unavailable", JSON.stringify(answer.body));
    assert.equal(answer.status, 503);
    assert.ok(answer.tookMs < 10_000, `${answer.tookMs} ms`);
  }
  await stores.start("s3");
  const before = await keys();
  const bytes = await large();
  const body = new ReadableStream({
    async pull(controller) {
      controller.enqueue(bytes.subarray(0, 12 * 2 ** 20));
      await new Promise((resolve) => setTimeout(resolve, 300));
      await stores.kill("s3");
      controller.enqueue(bytes.subarray(12 * 2 ** 20));
      controller.close();
    },
  });
  const cut = await send(body);
  assert.equal(cut.body.code, "storage_unavailable", JSON.stringify(cut.body));
  assert.equal(await api.db.$count(deployments), rows);
  await stores.start("s3");
  assert.deepEqual(await keys(), before);
  assert.equal((await send(await large())).status, 202);
});

test("PostgreSQL away, before and during the upload: 503, the object is removed, and again when it is back", async () => {
  const [before, rows] = [await keys(), await api.db.$count(builds)];
  const bytes = await large();
  const body = new ReadableStream({
    async pull(controller) {
      controller.enqueue(bytes.subarray(0, 12 * 2 ** 20));
      await new Promise((resolve) => setTimeout(resolve, 300));
      await stores.kill("postgres");
      controller.enqueue(bytes.subarray(12 * 2 ** 20));
      controller.close();
    },
  });
  const cut = await send(body);
  assert.equal(cut.body.code, "database_unavailable", JSON.stringify(cut.body));
  assert.equal(cut.status, 503);
  assert.deepEqual(await keys(), before, "the object is removed");
  const none = await send(await small());
  assert.equal(none.body.code, "database_unavailable");
  assert.ok(none.tookMs < 10_000);
  await stores.start("postgres");
  await until("the database answers", async () => (await api.call("GET", "/v1/whoami", { token })).status === 200);
  assert.equal(await api.db.$count(builds), rows);
  assert.equal((await send(await small())).status, 202);
});
