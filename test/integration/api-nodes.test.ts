// needs no root
/** Nodes as operators change them: cordon, uncordon, drain; who may, what it leaves in the log, what it moves. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eq } from "drizzle-orm";
import { openMemoryBlobStore } from "../../core/blob-store/memory.ts";
import { newId, type NodeId } from "../../core/contract/ids.ts";
import { audit, instances, nodes, volumes } from "../../core/db/schema.ts";
import { ensureNode, ensureOperatorToken } from "../../core/db/system-queries/bootstrap.ts";
import { appsToReconcile } from "../../core/db/system-queries/rollout.ts";
import { createToken } from "../../core/tokens.ts";
import { reconcileApp } from "../../workers/reconcile/pass.ts";
import { randomName, seedApp, seedInstance, startTestApi, type TestApi } from "../support/api.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let api: TestApi;
const operator = createToken();
const ask = (method: string, path: string, options: { body?: unknown; headers?: Record<string, string> } = {}) => api.call(method, `/v1/operator/nodes/${path}`, { token: operator, ...options });
const one: { name: string; id: NodeId } = { name: randomName("node"), id: "" as NodeId };
const two: { name: string; id: NodeId } = { name: randomName("node"), id: "" as NodeId };
const up = (id: NodeId) => api.db.update(nodes).set({ lastSeenAt: new Date() }).where(eq(nodes.id, id));

before(async () => {
  stores = await startStores({ only: ["postgres", "redis"] });
  api = await startTestApi({ ...stores, blobs: openMemoryBlobStore() }, { redisPrefix: stores.redisPrefix, migrate: false });
  await ensureOperatorToken(api.db, operator);
  one.id = await ensureNode(api.db, one.name, randomName("token"));
  await up(one.id);
});
after(async () => {
  await api?.close();
  await stores?.stop();
});

test("a node is cordoned once, under the version that was read, and each change is in the log", async () => {
  const read = await ask("GET", one.name);
  const etag = read.headers.get("etag") ?? "";
  assert.deepEqual([read.body.schedulable, read.body.draining], [true, false]);
  assert.equal((await ask("GET", one.id, { headers: { "if-none-match": etag } })).status, 304);
  const cordoned = await ask("PATCH", one.name, { body: { schedulable: false }, headers: { "if-match": etag } });
  assert.deepEqual([cordoned.status, cordoned.body.schedulable, cordoned.body.draining], [200, false, false]);
  assert.deepEqual([(await ask("PATCH", one.name, { body: { schedulable: true }, headers: { "if-match": etag } })).body.code], ["version_mismatch"]);
  assert.equal((await ask("PATCH", one.name, { body: { schedulable: false } })).status, 200);
  assert.equal((await ask("PATCH", one.name, { body: { schedulable: "no" } })).status, 400);
  assert.equal((await ask("PATCH", one.name, { body: { schedulable: true } })).body.schedulable, true);
  const written = await api.db.select().from(audit).where(eq(audit.target, one.id)).orderBy(audit.id);
  assert.deepEqual(written.filter(({ actor }) => actor !== "system").map(({ verb, tenantId, before: was, after: is }) => [verb, tenantId, was, is]), [
    ["node.cordon", null, { placement: "open" }, { placement: "cordoned" }],
    ["node.uncordon", null, { placement: "cordoned" }, { placement: "open" }],
  ]);
});

test("only operators change nodes", async () => {
  const { token } = await api.tenant();
  for (const [method, path] of [["GET", one.name], ["PATCH", one.name], ["POST", `${one.name}/drain`], ["GET", `${one.name}/apps`]] as const) {
    assert.equal((await api.call(method, `/v1/operator/nodes/${path}`, { token, ...(method === "PATCH" ? { body: { schedulable: false } } : {}) })).status, 403, method);
  }
});

test("a drain is refused without another node, and moves with one what has no volume there", async () => {
  const tenant = await api.tenant();
  const plain = await seedApp(api.db, tenant.id);
  const keeper = await seedApp(api.db, tenant.id, { settings: { mounts: [{ volume: "data", path: "/data", readOnly: false, shared: false }] } });
  const stays: Record<string, unknown> = {};
  for (const app of [plain, keeper]) {
    const id = await seedInstance(api.db, { tenantId: tenant.id, appId: app.id, releaseId: app.releaseIds[0]!, nodeId: one.id });
    await api.db.update(instances).set({ phase: "ready", readyAt: new Date() }).where(eq(instances.id, id));
    stays[app.id] = id;
  }
  await api.db.insert(volumes).values({ id: newId("volume"), tenantId: tenant.id, appId: keeper.id, name: "data", sizeBytes: 2 ** 24, nodeId: one.id, version: 1 });
  const refused = await ask("POST", `${one.name}/drain`);
  assert.deepEqual([refused.status, refused.body.code], [409, "conflict"]);
  assert.match(refused.body.detail, /nowhere to move to: there is no other node/);
  assert.equal((await ask("GET", one.name)).body.schedulable, true);

  two.id = await ensureNode(api.db, two.name, randomName("token"));
  await up(two.id);
  const drained = await ask("POST", `${one.name}/drain`);
  assert.deepEqual([drained.status, drained.body.schedulable, drained.body.draining], [200, false, true]);
  assert.equal((await ask("POST", `${one.name}/drain`)).status, 200, "twice");
  const { items } = (await ask("GET", `${one.name}/apps`)).body;
  assert.deepEqual(items.map(({ app, moves, stays: pinned, volumes: names }: Record<string, unknown>) => [app, moves, pinned, names]), [[plain.name, 1, 0, []], [keeper.name, 0, 1, ["data"]]]);
  const first = (await ask("GET", `${one.name}/apps?limit=1`)).body;
  assert.deepEqual([first.items.length, (await ask("GET", `${one.name}/apps?limit=1&cursor=${first.nextCursor}`)).body.items[0].app], [1, keeper.name]);

  assert.ok((await appsToReconcile(api.db, new Date())).includes(plain.id), "the timer finds it");
  const pass = async (app: typeof plain) => (await reconcileApp(api.db, app.id, () => new Date())).actions;
  assert.deepEqual(await pass(plain), [{ kind: "place", releaseId: plain.releaseIds[0], nodeId: two.id }]);
  assert.deepEqual(await pass(plain), [], "the other one is not ready yet");
  await api.db.update(instances).set({ phase: "ready", readyAt: new Date() }).where(eq(instances.nodeId, two.id));
  assert.deepEqual(await pass(plain), [{ kind: "drain", instanceId: stays[plain.id] }]);
  assert.deepEqual(await pass(keeper), []);
  const events = (await api.call("GET", `/v1/apps/${plain.name}/events`, { token: tenant.token })).body.items;
  assert.deepEqual(events.map(({ kind, cause }: { kind: string; cause: string }) => `${kind} ${cause}`).toSorted(), ["draining node-drained", "placed node-drained"]);
});

test("nothing is taken to a cordoned node by name either", async () => {
  const { body } = await ask("PATCH", one.name, { body: { schedulable: false } });
  assert.deepEqual([body.schedulable, body.draining], [false, false], "a drain ends with that");
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id);
  await api.db.insert(volumes).values({ id: newId("volume"), tenantId: tenant.id, appId: app.id, name: "data", sizeBytes: 2 ** 24, nodeId: two.id, version: 1 });
  const moved = await api.call("POST", `/v1/apps/${app.name}/volumes/data/operations`, { token: tenant.token, body: { kind: "move", node: one.name } });
  assert.deepEqual([moved.status, moved.body.code], [409, "conflict"]);
  assert.match(moved.body.detail, /is cordoned/);
});
