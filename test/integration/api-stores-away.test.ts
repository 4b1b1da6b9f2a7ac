// needs no root
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connectGateway, connectNode, isDesired, seedApp, seedInstance, startTestApi, testBlobs, type TestApi } from "../support/api.ts";
import { startStores, type Stores } from "../support/stores.ts";
import { newId } from "../../core/contract/ids.ts";

const RECOVER_WITHIN_MS = 10_000;
let stores: Stores;
let api: TestApi;

before(async () => {
  stores = await startStores({ only: ["postgres", "redis"] });
  api = await startTestApi({ ...stores, blobs: testBlobs }, { redisPrefix: stores.redisPrefix });
});
after(async () => {
  await api?.close();
  await stores?.stop();
});

async function until(what: string, check: () => Promise<boolean>): Promise<number> {
  const startedAt = performance.now();
  while (!(await check())) {
    if (performance.now() - startedAt > RECOVER_WITHIN_MS) assert.fail(`not within ${RECOVER_WITHIN_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return performance.now() - startedAt;
}

test("PostgreSQL away: 503 with its code, channels stay, and all comes back by itself", async () => {
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id);
  const node = await connectNode(api);
  const gateway = await connectGateway(api);
  await node.client.next(isDesired);
  const instanceId = await seedInstance(api.db, { tenantId: tenant.id, appId: app.id, releaseId: app.releaseIds[0]!, nodeId: node.id });
  await node.client.next((m) => isDesired(m) && m.generation === 1);

  await stores.kill("postgres");
  await new Promise((resolve) => setTimeout(resolve, 1100));
  const away = await api.call("GET", "/v1/whoami", { token: tenant.token });
  assert.deepEqual([away.status, away.body.code], [503, "database_unavailable"]);
  assert.ok(away.headers.get("retry-after"));
  assert.equal((await api.call("GET", "/healthz")).status, 200);
  const ready = await api.call("GET", "/readyz");
  assert.deepEqual([ready.status, ready.body.database, ready.body.queue], [503, false, true]);
  // Said while the database is away: written when it is back.
  node.client.send({ type: "report", generation: 1, instances: [{ id: instanceId, phase: "ready", address: "10.201.0.9", port: 8000, restarts: 0 }] });
  await new Promise((resolve) => setTimeout(resolve, 300));

  await stores.start("postgres");
  await until("the API answers", async () => (await api.call("GET", "/v1/whoami", { token: tenant.token })).status === 200);
  const { route } = (await gateway.client.next((m) => m.type === "route" && m.route.appId === app.id && m.route.endpoints.length === 1, { withinMs: RECOVER_WITHIN_MS })) as { route: { endpoints: unknown[] } };
  assert.equal(route.endpoints.length, 1);
  assert.equal(node.client.socket.readyState, node.client.socket.OPEN);
  await Promise.all([node.client.close(), gateway.client.close()]);
});

test("PostgreSQL hangs: requests end with 503 instead of waiting for ever", async () => {
  const tenant = await api.tenant();
  stores.pause("postgres");
  try {
    const startedAt = performance.now();
    const { status, body } = await api.call("GET", "/v1/whoami", { token: tenant.token });
    assert.deepEqual([status, body.code], [503, "database_unavailable"]);
    assert.ok(performance.now() - startedAt < 20_000);
  } finally {
    stores.resume("postgres");
  }
  await until("the API answers", async () => (await api.call("GET", "/v1/whoami", { token: tenant.token })).status === 200);
});

test("Redis away: reads and writes of apps go on, the queue says 503, bells come back", async () => {
  const tenant = await api.tenant();
  await stores.kill("redis");
  await until("it is noticed", async () => api.deps.redis.status !== "ready");
  await assert.rejects(api.deps.queue.add(newId("build")), { code: "queue_unavailable" });
  const made = await api.call("POST", "/v1/apps", { token: tenant.token, body: { name: "calm" } });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const ready = await api.call("GET", "/readyz");
  assert.deepEqual([ready.status, ready.body.database, ready.body.queue], [503, true, false]);
  // Without bells the timers carry changes to the nodes.
  const node = await connectNode(api);
  await node.client.next(isDesired);
  const app = await seedApp(api.db, tenant.id);
  await seedInstance(api.db, { tenantId: tenant.id, appId: app.id, releaseId: app.releaseIds[0]!, nodeId: node.id });
  await node.client.next((m) => isDesired(m) && m.generation === 1);

  await stores.start("redis");
  await until("the queue takes builds", async () => api.deps.queue.add(newId("build")).then(() => true, () => false));
  const heard: string[] = [];
  const stop = api.deps.bells.listen("route", (id) => heard.push(id));
  await until("bells are heard", async () => {
    api.deps.bells.ring("route", app.id);
    return heard.includes(app.id);
  });
  stop();
  await node.client.close();
});

test("an API that starts while every store is away answers 503, and works once they are there", async () => {
  const tenant = await api.tenant();
  await Promise.all([stores.kill("postgres"), stores.kill("redis")]);
  const late = await startTestApi({ ...stores, blobs: testBlobs }, { redisPrefix: stores.redisPrefix, migrate: false });
  try {
    assert.equal((await late.call("GET", "/healthz")).status, 200);
    const { status, body } = await late.call("GET", "/v1/whoami", { token: tenant.token });
    assert.deepEqual([status, body.code], [503, "database_unavailable"]);
    await Promise.all([stores.start("postgres"), stores.start("redis")]);
    await until("the late API answers", async () => (await late.call("GET", "/v1/whoami", { token: tenant.token })).status === 200);
    await until("its queue takes builds", async () => late.deps.queue.add(newId("build")).then(() => true, () => false));
  } finally {
    await late.close();
  }
});
