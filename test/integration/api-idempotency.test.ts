// needs no root
/** `Idempotency-Key`: what is sent again is done once, whatever happens in between. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { and, eq, inArray } from "drizzle-orm";
import { openS3BlobStore } from "../../core/blob-store/s3.ts";
import type { BlobStore } from "../../core/blob-store/blob-store.ts";
import { removeOldKeys, takeKey } from "../../core/db/queries/idempotency.ts";
import { apps, audit, builds, deployments, idempotency, tenants } from "../../core/db/schema.ts";
import { seedApp, startTestApi, type TestApi } from "../support/api.ts";
import { startApiProcess } from "../support/api-process.ts";
import { gzip, tarOf, type Entry } from "../support/contexts.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let blobs: BlobStore;
let api: TestApi;
before(async () => {
  stores = await startStores();
  blobs = openS3BlobStore(stores.env as never);
  api = await startTestApi({ databaseUrl: stores.databaseUrl, redisUrl: stores.redisUrl, blobs }, { migrate: false, redisPrefix: stores.redisPrefix });
});
after(async () => {
  await api?.close();
  await stores?.stop();
});

const DOCKERFILE: Entry = ["Dockerfile", "FROM busybox\nCMD [\"true\"]\n"];
const AT_ONCE = 50;

// oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of every shape
type Answer = { status: number; body: any; headers: Headers };

async function send(path: string, key: string, token: string, body: NonNullable<RequestInit["body"]>, headers: Record<string, string> = {}, base = api.url): Promise<Answer> {
  const response = await fetch(base + path, { method: "POST", body, headers: { authorization: `Bearer ${token}`, "idempotency-key": key, ...headers } });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === "" ? "" : JSON.parse(text) };
}
const JSON_TYPE = { "content-type": "application/json" };
const TAR_TYPE = { "content-type": "application/x-tar" };
const contexts = async (): Promise<string[]> => (await Array.fromAsync(blobs.list("contexts/"))).map(({ key }) => key);

test("the same key and body get the first answer; another body, path or tenant does not", async () => {
  const [tenant, other] = [await api.tenant(), await api.tenant()];
  const key = randomUUID();
  const first = await send("/v1/apps", key, tenant.token, '{"name":"once"}', JSON_TYPE);
  assert.equal(first.status, 201);
  assert.equal(first.headers.get("idempotency-replayed"), null);
  const again = await send("/v1/apps", key, tenant.token, '{"name":"once"}', JSON_TYPE);
  assert.deepEqual([again.status, again.body], [201, first.body]);
  assert.deepEqual([again.headers.get("location"), again.headers.get("idempotency-replayed")], ["/v1/apps/once", "true"]);
  assert.equal(again.headers.get("content-type"), first.headers.get("content-type"));
  const rows = await api.db.select().from(audit).where(and(eq(audit.tenantId, tenant.id), eq(audit.verb, "app.create")));
  assert.equal(rows.length, 1);

  const mismatch = await send("/v1/apps", key, tenant.token, '{"name":"twice"}', JSON_TYPE);
  assert.deepEqual([mismatch.status, mismatch.body.code], [422, "idempotency_mismatch"]);
  const elsewhere = await send("/v1/apps/once/rollback", key, tenant.token, '{"name":"once"}', JSON_TYPE);
  assert.deepEqual([elsewhere.status, elsewhere.body.code], [422, "idempotency_mismatch"]);
  assert.equal((await send("/v1/apps", key, other.token, '{"name":"mine"}', JSON_TYPE)).status, 201, "keys belong to their tenant");
  for (const bad of ["x".repeat(256), "a b"]) {
    const refused = await send("/v1/apps", bad, tenant.token, '{"name":"bad"}', JSON_TYPE);
    assert.deepEqual([refused.status, refused.body.code], [400, "invalid_request"]);
  }
});

test("a request that was refused keeps nothing: with the cause gone the same key works", async () => {
  const tenant = await api.tenant();
  const key = randomUUID();
  await api.db.update(tenants).set({ limits: { apps: 0 } }).where(eq(tenants.id, tenant.id));
  assert.equal((await send("/v1/apps", key, tenant.token, '{"name":"later"}', JSON_TYPE)).body.code, "quota_exceeded");
  assert.equal((await send("/v1/apps", key, tenant.token, "{", JSON_TYPE)).status, 400);
  const large = await send("/v1/apps", key, tenant.token, JSON.stringify({ name: "x".repeat(2 ** 20) }), JSON_TYPE);
  assert.deepEqual([large.status, large.body.code], [413, "payload_too_large"]);
  assert.equal(await api.db.$count(idempotency, eq(idempotency.tenantId, tenant.id)), 0);
  await api.db.update(tenants).set({ limits: {} }).where(eq(tenants.id, tenant.id));
  assert.equal((await send("/v1/apps", key, tenant.token, '{"name":"later"}', JSON_TYPE)).status, 201);
});

test("an upload with the same bytes gets the first deployment; nothing is stored or built twice", async () => {
  const tenant = await api.tenant();
  const key = randomUUID();
  const context = await tarOf(DOCKERFILE);
  const first = await send("/v1/apps/up/deployments", key, tenant.token, context, TAR_TYPE);
  assert.equal(first.status, 202, JSON.stringify(first.body));
  const kept = await contexts();
  const again = await send("/v1/apps/up/deployments", key, tenant.token, context, TAR_TYPE);
  assert.deepEqual([again.status, again.body, again.headers.get("location")], [202, first.body, `/v1/deployments/${first.body.id}`]);
  assert.deepEqual(await contexts(), kept);
  assert.equal(await api.db.$count(builds, eq(builds.tenantId, tenant.id)), 1);

  const others: [string, Buffer | string, Record<string, string>][] = [
    ["other bytes", await tarOf(DOCKERFILE, ["a", "b"]), TAR_TYPE],
    ["another packing", await gzip(context), TAR_TYPE],
    ["another configuration", context, { ...TAR_TYPE, "berth-config": '{"env":{"A":"1"}}' }],
    ["an image", '{"image":"busybox"}', JSON_TYPE],
  ];
  for (const [what, body, headers] of others) {
    const { status, body: problem } = await send("/v1/apps/up/deployments", key, tenant.token, body as never, headers);
    assert.deepEqual([status, problem.code], [422, "idempotency_mismatch"], what);
  }
  assert.equal(await api.db.$count(deployments, eq(deployments.tenantId, tenant.id)), 1);

  // A form's boundary is another one each time: its parts count.
  const form = () => {
    const data = new FormData();
    data.set("config", '{"env":{}}');
    data.set("context", new Blob([new Uint8Array(context)]));
    return data;
  };
  const formKey = randomUUID();
  const one = await send("/v1/apps/form/deployments", formKey, tenant.token, form());
  const two = await send("/v1/apps/form/deployments", formKey, tenant.token, form());
  assert.deepEqual([one.status, two.status, two.body.id], [202, 202, one.body.id]);
  assert.equal(two.headers.get("idempotency-replayed"), "true");
});

test("an upload that broke off leaves its key free", async () => {
  const tenant = await api.tenant();
  const key = randomUUID();
  const context = await tarOf(DOCKERFILE);
  const cut = await send("/v1/apps/cut/deployments", key, tenant.token, context.subarray(0, 600), TAR_TYPE);
  assert.equal(cut.body.code, "context_truncated", JSON.stringify(cut.body));
  assert.equal((await send("/v1/apps/cut/deployments", key, tenant.token, context, TAR_TYPE)).status, 202);
});

test("50 posts at once with one key: one build; the others hear that it is under way, then its answer", async () => {
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id, { releases: 2 });
  const context = await tarOf(DOCKERFILE);
  const kinds: [string, string | Buffer, Record<string, string>][] = [
    ["/v1/apps/race/deployments", context, TAR_TYPE],
    ["/v1/apps", '{"name":"raced"}', JSON_TYPE],
    [`/v1/apps/${app.name}/rollback`, "{}", JSON_TYPE],
  ];
  for (const [path, body, headers] of kinds) {
    const key = randomUUID();
    const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => send(path, key, tenant.token, body as never, headers)));
    const done = answers.filter(({ status }) => status < 300);
    assert.ok(done.length > 0);
    assert.equal(new Set(done.map((answer) => answer.body.id)).size, 1, path);
    for (const { status, body: problem, headers: more } of answers.filter((answer) => answer.status >= 300)) {
      assert.deepEqual([status, problem.code, more.get("retry-after")], [409, "idempotency_in_flight", "1"]);
    }
    assert.equal((await send(path, key, tenant.token, body as never, headers)).body.id, done[0]?.body.id);
  }
  assert.equal(await api.db.$count(builds, eq(builds.tenantId, tenant.id)), 1);
  assert.equal(await api.db.$count(deployments, eq(deployments.tenantId, tenant.id)), 2);
});

test("the API killed between: what was promised is done once", async () => {
  const tenant = await api.tenant();
  const context = await tarOf(DOCKERFILE);
  const ROUNDS = 6;
  const keys = Array.from({ length: ROUNDS }, () => randomUUID());
  for (const [round, key] of keys.entries()) {
    const { child, port, ended } = await startApiProcess({ ...stores.env, BERTH_LOG_LEVEL: "info" });
    const base = `http://127.0.0.1:${port}`;
    const path = `/v1/apps/killed${round}/deployments`;
    // Warm, so that the kill falls into the work itself.
    await fetch(`${base}/v1/whoami`, { headers: { authorization: `Bearer ${tenant.token}` } });
    const sent = Array.from({ length: 10 }, () => send(path, key, tenant.token, context as never, TAR_TYPE, base).catch(() => undefined));
    await Promise.race([Promise.all(sent), sleep(10 + round * 15)]);
    child.kill("SIGKILL");
    await ended;
    const seen = (await Promise.all(sent)).flatMap((answer) => (answer !== undefined && answer.status < 300 ? [answer.body.id as string] : []));
    // Its lock runs out.
    await api.db.update(idempotency).set({ lockedUntil: new Date(0) }).where(eq(idempotency.key, key));
    const last = await send(path, key, tenant.token, context as never, TAR_TYPE);
    assert.equal(last.status, 202, JSON.stringify(last.body));
    for (const id of seen) assert.equal(last.body.id, id);
    const [app] = await api.db.select().from(apps).where(and(eq(apps.tenantId, tenant.id), eq(apps.name, `killed${round}`)));
    assert.ok(app);
    assert.equal(await api.db.$count(deployments, eq(deployments.appId, app.id)), 1);
    assert.equal(await api.db.$count(builds, eq(builds.appId, app.id)), 1);
  }
});

test("a holder that lost its key to another changes nothing", async () => {
  const tenant = await api.tenant();
  const key = randomUUID();
  const context = await tarOf(DOCKERFILE);
  // The first half waits; meanwhile its lock is taken to have run out, and another request does the work.
  const { promise: go, resolve } = Promise.withResolvers<void>();
  const slow = new ReadableStream({
    start: async (controller) => {
      controller.enqueue(new Uint8Array(context.subarray(0, 512)));
      await go;
      controller.enqueue(new Uint8Array(context.subarray(512)));
      controller.close();
    },
  });
  const first = fetch(`${api.url}/v1/apps/lost/deployments`, {
    method: "POST", body: slow, duplex: "half", headers: { authorization: `Bearer ${tenant.token}`, "idempotency-key": key, ...TAR_TYPE },
  } as RequestInit);
  while ((await api.db.$count(idempotency, eq(idempotency.key, key))) === 0) await sleep(5);
  const waiting = await send("/v1/apps/lost/deployments", key, tenant.token, context as never, TAR_TYPE);
  assert.equal(waiting.body.code, "idempotency_in_flight");
  await api.db.update(idempotency).set({ lockedUntil: new Date(0) }).where(eq(idempotency.key, key));
  const second = await send("/v1/apps/lost/deployments", key, tenant.token, context as never, TAR_TYPE);
  assert.equal(second.status, 202);
  resolve();
  const late = await first;
  assert.deepEqual([late.status, ((await late.json()) as { code: string }).code], [409, "idempotency_in_flight"]);
  const rows = await api.db.select().from(deployments).where(eq(deployments.tenantId, tenant.id));
  assert.deepEqual(rows.map(({ id }) => id), [second.body.id]);
  assert.equal((await send("/v1/apps/lost/deployments", key, tenant.token, context as never, TAR_TYPE)).body.id, second.body.id);
});

test("an answer is kept for a day, then the key is free and its row goes", async () => {
  const tenant = await api.tenant();
  const hold = (key: string) => ({ tenantId: tenant.id, key, holder: randomUUID() });
  const now = new Date();
  const dayAgo = new Date(now.getTime() - 24 * 3_600_000 - 1000);
  for (const key of ["old", "older", "young"]) assert.equal((await takeKey(api.db, hold(key), key === "young" ? now : dayAgo)).kind, "mine");
  const answer = { status: 201, headers: {}, body: "{}" };
  await api.db.update(idempotency).set({ answer, fingerprint: "x" }).where(eq(idempotency.tenantId, tenant.id));
  assert.equal((await takeKey(api.db, hold("young"), now)).kind, "answered");
  assert.equal((await takeKey(api.db, hold("old"), now)).kind, "mine");
  await removeOldKeys(api.db, now);
  const rows = await api.db.select({ key: idempotency.key }).from(idempotency).where(and(eq(idempotency.tenantId, tenant.id), inArray(idempotency.key, ["old", "older", "young"])));
  assert.deepEqual(rows.map(({ key }) => key).toSorted(), ["old", "young"]);
});
