// needs no root
/** Volumes as the API, the rollout loop and nodes see them together: every operation, and what is left when each of its steps fails. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { eq, sql } from "drizzle-orm";
import { openMemoryBlobStore } from "../../core/blob-store/memory.ts";
import { newId } from "../../core/contract/ids.ts";
import type { Volume, VolumeOperation, VolumeSnapshot } from "../../core/contract/volumes.ts";
import { apps, deployments, gateways, instances, nodes, tenants, volumeImages, volumes, volumeSnapshots } from "../../core/db/schema.ts";
import { ensureGateway } from "../../core/db/system-queries/bootstrap.ts";
import { countStorage } from "../../core/db/system-queries/storage-usage.ts";
import { startReconcile } from "../../workers/reconcile/loop.ts";
import { keepUpVolumes } from "../../workers/volumes/loop.ts";
import { randomName, seedApp, startTestApi, type TestApi } from "../support/api.ts";
import { FakeNode } from "../support/fake-node.ts";
import { until } from "../support/node.ts";
import { startStores, type Stores } from "../support/stores.ts";

const MIB = 2 ** 20;
const DAY_MS = 86_400_000;
let stores: Stores;
let api: TestApi;
let stopLoop: () => Promise<void>;
let gateway: NodeJS.Timeout;
const fleet = new Set<FakeNode>();
/** Nobody has heard of them for long. */
const lost = new Set<FakeNode>();
const blobs = openMemoryBlobStore();
const keys = async () => (await Array.fromAsync(blobs.list("volumes/"))).map(({ key }) => key);

before(async () => {
  stores = await startStores({ only: ["postgres", "redis"] });
  api = await startTestApi({ ...stores, blobs }, { redisPrefix: stores.redisPrefix, migrate: false });
  const { bells, log } = api.deps;
  stopLoop = startReconcile({ db: api.db, bells, log, clock: () => new Date() });
  const gatewayId = await ensureGateway(api.db, randomName("gw"), randomName("token"));
  // It holds no request, ever.
  gateway = setInterval(() => {
    for (const node of lost) void api.db.update(nodes).set({ lastSeenAt: new Date(0) }).where(eq(nodes.id, node.id)).catch(() => {});
    void api.db.update(gateways).set({ lastSeenAt: new Date() }).where(eq(gateways.id, gatewayId)).then(async () => {
      const drained = await api.db.update(instances).set({ drainedBy: [gatewayId] }).where(sql`state = 'draining' and drained_by = '[]'`).returning({ appId: instances.appId });
      for (const { appId } of drained) bells.ring("reconcile", appId);
    }).catch(() => {});
  }, 20);
});
after(async () => {
  clearInterval(gateway);
  await stopLoop?.();
  for (const node of fleet) await node.disconnect();
  await api?.close();
  await stores?.stop();
});
afterEach(async () => {
  for (const node of fleet) {
    await node.disconnect();
    lost.add(node);
  }
  fleet.clear();
});

async function startNode(): Promise<FakeNode> {
  const node = await FakeNode.start(api);
  fleet.add(node);
  await until(async () => (await api.db.select().from(nodes).where(eq(nodes.id, node.id)))[0]?.lastSeenAt instanceof Date);
  return node;
}

/** An app that runs with the volume `data` on the node. */
async function world(mount: object = {}) {
  const home = await startNode();
  const tenant = await api.tenant();
  // Nothing runs before the volume is mounted.
  const app = await seedApp(api.db, tenant.id, { settings: { replicas: 0 } });
  const ask = (method: string, path = "", body?: unknown) => api.call(method, `/v1/apps/${app.name}${path}`, { token: tenant.token, ...(body === undefined ? {} : { body }) });
  const patched = await ask("PATCH", "", { settings: { replicas: 1, mounts: [{ volume: "data", path: "/data", sizeBytes: 64 * MIB, ...mount }] } });
  assert.equal(patched.status, 202, JSON.stringify(patched.body));
  const volume = async () => (await ask("GET", "/volumes/data")).body as Volume;
  const operation = async (id: string) => (await ask("GET", `/volumes/data/operations/${id}`)).body as VolumeOperation;
  const begin = async (body: object) => {
    const { status, body: made } = await ask("POST", "/volumes/data/operations", body);
    assert.equal(status, 202, JSON.stringify(made));
    return made as VolumeOperation;
  };
  const ended = async (id: string) => {
    await until(async () => (await operation(id)).finishedAt !== null, 15_000, () => JSON.stringify(home.story));
    return operation(id);
  };
  await until(async () => (await volume()).state === "ready" && (await ask("GET", "/status")).body.lastDeployment?.state === "live", 15_000);
  const snapshots = async () => (await ask("GET", "/volumes/data/snapshots")).body.items as VolumeSnapshot[];
  return { home, tenant, app, ask, volume, operation, begin, ended, snapshots };
}
type World = Awaited<ReturnType<typeof world>>;

const runsOn = (node: FakeNode) => until(() => node.instances.length === 1, 15_000, () => `it does not run on ${node.name}: ${node.story.join(", ")}`);
/** The volume is where it was, its app runs, and nothing is left of what was begun. */
async function assertUntouched({ home, app, volume, ask }: World, other?: FakeNode): Promise<void> {
  await runsOn(home);
  const [row] = await api.db.select().from(volumes).where(eq(volumes.appId, app.id));
  assert.equal((await volume()).node, home.name);
  assert.deepEqual(home.mounts.map(({ image }) => image), [{ id: row?.id, version: row?.version }]);
  await until(async () => (await api.db.select().from(volumeImages).where(eq(volumeImages.volumeId, row!.id))).length === 1, 15_000);
  assert.ok(home.images.has(`${row?.id}/${row?.version}`));
  if (other) assert.deepEqual([other.images.size, other.instances.length], [0, 0]);
  assert.equal((await ask("GET", "/status")).body.app.instances.wanted, 1);
}

test("a mount with a size makes its volume; it comes to be where the first instance is, and stays there", async () => {
  const other = await startNode();
  const { home, ask, volume, app } = await world();
  const where = (await volume()).node === home.name ? home : other;
  assert.deepEqual(where.story.slice(0, 2).toSorted(), ["make 1", "start"]);
  assert.deepEqual((await volume()).mounts, [{ path: "/data", readOnly: false }]);
  for (let round = 0; round < 3; round++) {
    await ask("PATCH", "/env", { ROUND: String(round) });
    await until(async () => (await ask("GET", "/status")).body.lastDeployment.state === "live", 15_000);
  }
  assert.deepEqual(where.story.filter((each) => each !== "make 1"), ["start", "stop", "start", "stop", "start", "stop", "start"], "one at a time: the former is gone before the next one comes");
  const placed = await api.db.selectDistinct({ nodeId: instances.nodeId }).from(instances).where(sql`app_id = ${app.id} and state <> 'gone'`);
  assert.deepEqual(placed.map(({ nodeId }) => nodeId), [where.id]);
});

test("a volume that is missing, on another node, or for one writer of several is refused before anything is built", async () => {
  const { ask, app, tenant } = await world();
  const missing = await ask("PATCH", "", { settings: { mounts: [{ volume: "nope", path: "/nope" }] } });
  assert.deepEqual([missing.status, missing.body.code], [422, "volume_missing"]);
  const several = await ask("PATCH", "", { settings: { replicas: 3 } });
  assert.deepEqual([several.status, several.body.code], [422, "invalid_config"]);
  const upload = await fetch(`${api.url}/v1/apps/${app.name}/deployments`, {
    method: "POST",
    headers: { authorization: `Bearer ${tenant.token}`, "content-type": "text/x-dockerfile", "berth-config": JSON.stringify({ settings: { mounts: [{ volume: "nope", path: "/nope" }] } }) },
    body: "FROM library/busybox\n",
  });
  assert.equal(((await upload.json()) as { code: string }).code, "volume_missing");
  const elsewhere = newId("volume");
  const far = await startNode();
  await api.db.insert(volumes).values({ id: elsewhere, tenantId: tenant.id, appId: app.id, name: "far", sizeBytes: 16 * MIB, nodeId: far.id, version: 1 });
  const apart = await ask("PATCH", "", { settings: { mounts: [{ volume: "data", path: "/data" }, { volume: "far", path: "/far" }] } });
  assert.deepEqual([apart.status, apart.body.code], [409, "conflict"]);
  assert.match(apart.body.detail, /no instance can mount both/);
});

test("sizes: they only grow, and the tenant's limit holds", async () => {
  const { ask, tenant, volume } = await world();
  assert.equal((await ask("POST", "/volumes/data/resize", { sizeBytes: 32 * MIB })).body.code, "invalid_request");
  assert.equal((await ask("POST", "/volumes/data/resize", { sizeBytes: 128 * MIB })).status, 200);
  await until(async () => (await volume()).actualSizeBytes === 128 * MIB);
  await api.db.update(tenants).set({ limits: { volumeBytes: 200 * MIB } }).where(eq(tenants.id, tenant.id));
  const { status, body } = await ask("POST", "/volumes", { name: "more", sizeBytes: 100 * MIB });
  assert.deepEqual([status, body.code, body.quota.limit, body.quota.used], [403, "quota_exceeded", "volumeBytes", 128 * MIB]);
  assert.equal((await ask("POST", "/volumes/data/resize", { sizeBytes: 256 * MIB })).body.code, "quota_exceeded");
});

test("a snapshot is there when its bytes are, whole and as they were hashed, and from its own node alone", async () => {
  const { home, begin, ended, snapshots, operation } = await world();
  const stranger = await startNode();
  home.onSnapshot = () => "later";
  const taking = await begin({ kind: "snapshot" });
  await until(async () => (await operation(taking.id)).snapshot !== null);
  const id = (await operation(taking.id)).snapshot ?? "";
  assert.equal((await stranger.store(id, "forged")).status, 404);
  assert.equal((await home.store(id, "content", `sha256:${"0".repeat(64)}`)).status, 400);
  assert.equal((await home.store(newId("snapshot"), "content")).status, 404);
  assert.deepEqual((await snapshots()).map(({ state, digest }) => [state, digest]), [["taking", null]]);
  assert.deepEqual(await keys(), [], "nothing is left of what was refused");
  home.onSnapshot = undefined;
  assert.equal((await ended(taking.id)).state, "done");
  const [taken] = await snapshots();
  assert.equal(taken?.state, "ready");
  assert.equal((await keys()).length, 1);
  assert.equal((await home.store(id, "again")).status, 404);
  assert.ok(!home.story.includes("stop"), "the app ran on");
});

test("a move stops the app, takes the volume along and starts it there; the former image goes last", async () => {
  const moved = await world();
  const { home, begin, ended, volume, ask } = moved;
  const away = await startNode();
  const { id } = await begin({ kind: "move", node: away.name });
  assert.equal((await ask("POST", "/volumes/data/operations", { kind: "snapshot" })).body.code, "volume_busy");
  assert.equal((await ask("DELETE", "/volumes/data")).body.code, "volume_in_use");
  const done = await ended(id);
  assert.deepEqual([done.state, done.failure, done.toNode], ["done", null, away.name]);
  await runsOn(away);
  assert.equal((await volume()).node, away.name);
  await until(() => home.images.size === 0);
  assert.deepEqual(home.story, ["make 1", "start", "stop", "snapshot 1 stopped", "remove 1"]);
  assert.deepEqual(away.story, ["make 2 of 16777216 bytes", "start"]);
  assert.equal((await ask("POST", "/volumes/data/operations", { kind: "move", node: away.name })).body.code, "conflict");
  assert.equal((await ask("POST", "/volumes/data/operations", { kind: "move", node: "nowhere" })).body.code, "not_found");
});

test("whatever step of a move fails, the volume is where it was and its app runs again", async () => {
  const moved = await world();
  const { home, begin, ended, operation } = moved;
  const away = await startNode();
  home.onSnapshot = () => "the disk is full";
  const first = await ended((await begin({ kind: "move", node: away.name })).id);
  assert.deepEqual([first.state, first.failure?.code, first.failure?.detail], ["failed", "volume_failed", "the disk is full"]);
  await assertUntouched(moved, away);
  home.onSnapshot = undefined;
  away.onImage = () => "the snapshot is damaged";
  const second = await ended((await begin({ kind: "move", node: away.name })).id);
  assert.equal(second.failure?.detail, "the snapshot is damaged");
  await assertUntouched(moved, away);
  away.onImage = () => "later";
  const third = await begin({ kind: "move", node: away.name });
  await until(async () => (await operation(third.id)).state === "fetching");
  await away.disconnect();
  lost.add(away);
  assert.equal((await ended(third.id)).failure?.code, "volume_node_lost");
  await runsOn(home);
  // What it had begun there is forgotten only when it has said that it is gone.
  away.onImage = undefined;
  lost.delete(away);
  await away.connect();
  await assertUntouched(moved, away);
});

test("a deployment that comes during a move waits for it, and goes live there", async () => {
  const { home, begin, ended, ask, operation } = await world();
  const away = await startNode();
  away.onImage = () => "later";
  const { id } = await begin({ kind: "move", node: away.name });
  await until(async () => (await operation(id)).state === "fetching");
  const deployed = await ask("PATCH", "/env", { A: "1" });
  await api.db.update(deployments).set({ releasedAt: new Date(Date.now() - 1_000_000) }).where(eq(deployments.id, deployed.body.id));
  assert.equal(home.instances.length + away.instances.length, 0);
  away.onImage = undefined;
  assert.equal((await ended(id)).state, "done");
  await until(async () => (await ask("GET", "/status")).body.lastDeployment.state === "live", 15_000);
  await runsOn(away);
});

test("a restore makes the new image beside the old one, and switches while nothing runs; a failed one leaves all as it was", async () => {
  const restored = await world();
  const { home, begin, ended, snapshots, ask } = restored;
  await ended((await begin({ kind: "snapshot" })).id);
  const [snapshot] = await snapshots();
  home.onImage = () => "the snapshot is damaged";
  const failed = await ended((await begin({ kind: "restore", snapshot: snapshot!.id })).id);
  assert.deepEqual([failed.state, failed.failure?.detail], ["failed", "the snapshot is damaged"]);
  assert.ok(!home.story.includes("stop"), "the app never stopped");
  await assertUntouched(restored);
  home.onImage = undefined;
  home.story.length = 0;
  assert.equal((await ended((await begin({ kind: "restore", snapshot: snapshot!.id })).id)).state, "done");
  await assertUntouched(restored);
  assert.deepEqual(home.story.filter((each) => !each.startsWith("remove 2")), ["make 3 of 16777216 bytes", "stop", "remove 1", "start"]);
  assert.equal((await ask("POST", "/volumes/data/operations", { kind: "restore", snapshot: newId("snapshot") })).body.code, "not_found");
});

test("with its node lost an app stays down and says why; its last snapshot brings it up on another, for good", async () => {
  const { home, begin, ended, snapshots, volume, ask } = await world();
  await ended((await begin({ kind: "snapshot" })).id);
  const away = await startNode();
  await home.disconnect();
  lost.add(home);
  await until(async () => (await volume()).state === "node-lost");
  assert.match((await ask("GET", "/explain")).body.sentences.join(" "), /which has its volume data, is away/);
  const deployed = await ask("PATCH", "/env", { A: "1" });
  await api.db.update(deployments).set({ releasedAt: new Date(Date.now() - 60_000) }).where(eq(deployments.id, deployed.body.id));
  await until(async () => (await ask("GET", "/status")).body.lastDeployment.state === "failed", 15_000);
  const { body } = await ask("GET", "/status");
  assert.equal(body.lastDeployment.failure.code, "volume_node_lost");
  assert.equal(away.instances.length, 0);
  const move = await ended((await begin({ kind: "move", node: away.name })).id);
  assert.equal(move.failure?.code, "volume_node_lost");
  assert.equal((await ended((await begin({ kind: "restore", snapshot: (await snapshots())[0]!.id, node: away.name })).id)).state, "done");
  await runsOn(away);
  assert.deepEqual([(await volume()).node, (await volume()).state], [away.name, "ready"]);
  // The lost node comes back with an image that is the volume no more.
  lost.delete(home);
  await home.connect();
  await until(() => home.images.size === 0 && home.instances.length === 0, 15_000, () => JSON.stringify([home.story, [...home.images]]));
  await runsOn(away);
});

test("what goes is asked for: a volume in use stays, an app with volumes says which, and then nothing is left of either", async () => {
  const { home, ask, begin, ended, app, snapshots } = await world();
  await ended((await begin({ kind: "snapshot" })).id);
  assert.equal((await ask("DELETE", "/volumes/data")).body.code, "volume_in_use");
  assert.equal((await ask("POST", "/volumes", { name: "spare", sizeBytes: 16 * MIB })).status, 201);
  assert.equal((await ask("DELETE", "/volumes/spare")).status, 204);
  const [snapshot] = await snapshots();
  await ask("DELETE", `/volumes/data/snapshots/${snapshot!.id}`);
  await ended((await begin({ kind: "snapshot" })).id);
  const refused = await ask("DELETE");
  assert.deepEqual([refused.status, refused.body.code], [409, "volumes_exist"]);
  assert.match(refused.body.detail, /«data»/);
  await runsOn(home);
  assert.equal((await ask("DELETE", "?volumes=delete")).status, 204);
  const { db, deps: { bells, log } } = api;
  await until(async () => {
    await keepUpVolumes({ db, bells, blobs, log, clock: () => new Date() });
    bells.ring("reconcile", app.id);
    return (await db.select().from(apps).where(eq(apps.id, app.id))).length === 0;
  }, 15_000);
  assert.equal(home.images.size, 0);
  assert.deepEqual((await keys()).filter((key) => key.includes(snapshot!.id)), []);
  assert.ok(home.story.indexOf("stop") < home.story.indexOf("remove 1"));
});

test("a volume has a snapshot of each day, which goes after five; those that people take stay", async () => {
  const { app, begin, ended, snapshots, volume } = await world();
  const { db, deps: { bells, log } } = api;
  const at = (days: number) => keepUpVolumes({ db, bells, blobs, log, clock: () => new Date(Date.now() + days * DAY_MS) });
  const [{ id } = { id: "" }] = await db.select({ id: volumes.id }).from(volumes).where(eq(volumes.appId, app.id));
  await at(0);
  assert.deepEqual(await snapshots(), []);
  await ended((await begin({ kind: "snapshot" })).id);
  await db.update(volumes).set({ createdAt: new Date(Date.now() - 2 * DAY_MS) }).where(eq(volumes.id, id as never));
  await at(0);
  assert.equal((await snapshots()).length, 1, "there is one of today");
  await db.update(volumeSnapshots).set({ createdAt: new Date(Date.now() - 2 * DAY_MS) }).where(eq(volumeSnapshots.volumeId, id as never));
  await db.execute(sql`update volume_operations set created_at = now() - interval '2 days' where volume_id = ${id}`);
  await at(0);
  await until(async () => (await snapshots()).some(({ reason, state }) => reason === "daily" && state === "ready"), 15_000);
  await until(async () => (await volume()).operation === null);
  const before = await keys();
  await db.execute(sql`update volume_snapshots set expires_at = now() - interval '1 minute' where volume_id = ${id} and reason = 'daily'`);
  await at(0);
  assert.deepEqual((await snapshots()).map(({ reason, expiresAt }) => [reason, expiresAt]), [["manual", null]]);
  assert.equal((await keys()).length, before.length - 1);
  const later = new Date(Date.now() + 3_600_000);
  await countStorage(db, new Date());
  await countStorage(db, later);
  const { rows } = await db.execute<{ sum: string }>(sql`select sum(storage_byte_seconds)::text from usage where app_id = ${app.id}`);
  assert.ok(Number(rows[0]?.sum) >= 64 * MIB * 3590, "a volume is paid for at its size");
});
