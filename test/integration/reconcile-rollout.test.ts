/** The rollout loop's passes against a real PostgreSQL: what is written, what is rung, and that two workers never do it twice. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import { and, eq, ne } from "drizzle-orm";
import { newId, type AppId, type NodeId, type ReleaseId, type TenantId } from "../../core/contract/ids.ts";
import { SettingsSchema, type Image } from "../../core/contract/release-config.ts";
import type { Strategy } from "../../core/contract/strategy.ts";
import type { Phase } from "../../core/contract/node-channel.ts";
import type { Bells } from "../../core/bells.ts";
import { openDb, type Db } from "../../core/db/client.ts";
import { appsToReconcile } from "../../core/db/system-queries/rollout.ts";
import { readScaledApps } from "../../core/db/system-queries/scaling.ts";
import { touchNode } from "../../core/db/system-queries/node-reports.ts";
import { ensureGateway, ensureNode, ensureTenant } from "../../core/db/system-queries/bootstrap.ts";
import { writeDrained, writeServed } from "../../core/db/system-queries/gateways.ts";
import { readRoutes } from "../../core/db/system-queries/routes.ts";
import { appEvents, apps, audit, deployments, gateways, instances, nodes, releases } from "../../core/db/schema.ts";
import { NODE_LOST_AFTER_MS } from "../../core/domain/rollout-instances.ts";
import { openLog } from "../../core/log.ts";
import { startAutoscale } from "../../workers/autoscale/loop.ts";
import { reconcileApp } from "../../workers/reconcile/pass.ts";
import { until } from "../support/node.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let db: Db;
let close: () => Promise<void>;
let tenantId: TenantId;
let nodeId: NodeId;
const clock = () => new Date();
const image: Image = {
  manifestDigest: `sha256:${"a".repeat(64)}`,
  layers: [],
  entrypoint: [],
  cmd: ["true"],
  env: [],
  workingDir: "/",
  user: "",
  exposedPorts: [],
  volumes: [],
  stopSignal: "SIGTERM",
};

before(async () => {
  stores = await startStores({ only: ["postgres"] });
  ({ db, close } = openDb(stores.databaseUrl, { name: "test" }));
  tenantId = (await ensureTenant(db, "acme")).id;
  nodeId = await ensureNode(db, "n1", "node-token");
  await db.update(nodes).set({ lastSeenAt: new Date() });
});
after(async () => {
  await close?.();
  await stores?.stop();
});

async function makeApp(name: string): Promise<AppId> {
  const id = newId("app");
  await db.insert(apps).values({ id, tenantId, name, settings: SettingsSchema.parse({}) });
  return id;
}

async function release(appId: AppId, number: number, replicas = 1, strategy?: Strategy): Promise<ReleaseId> {
  const id = newId("release");
  await db.insert(releases).values({ id, tenantId, appId, number, repository: "acme/web", image, settings: SettingsSchema.parse({ replicas, ...(strategy && { strategy }) }), env: {}, reason: "deploy" });
  await db.insert(deployments).values({ id: newId("deployment"), tenantId, appId, state: "releasing", releaseId: id, reason: "deploy", releasedAt: new Date() });
  await db.update(apps).set({ targetReleaseId: id }).where(eq(apps.id, appId));
  return id;
}

const living = (appId: AppId) => db.select().from(instances).where(and(eq(instances.appId, appId), ne(instances.state, "gone")));
const setPhase = (releaseId: ReleaseId, phase: Phase) => db.update(instances).set({ phase }).where(eq(instances.releaseId, releaseId));
const kinds = async (appId: AppId) => (await reconcileApp(db, appId, clock)).actions.map((a) => a.kind);

test("a release is placed, goes live, takes over from the former one, which drains and stops", async () => {
  const appId = await makeApp("web");
  const first = await release(appId, 1, 2);
  const [before] = await db.select().from(nodes);
  const placed = await reconcileApp(db, appId, clock);
  assert.deepEqual(placed.actions.map((a) => a.kind), ["place", "place"]);
  assert.deepEqual(placed.bells, [{ bell: "node", id: nodeId }]);
  const [bumped] = await db.select().from(nodes);
  assert.ok(bumped!.generation > before!.generation, "the node's generation grows with what it must run");

  await setPhase(first, "ready");
  assert.deepEqual(await kinds(appId), ["go-live"]);
  assert.deepEqual(await kinds(appId), []);
  const [done] = await db.select().from(deployments).where(eq(deployments.releaseId, first));
  assert.equal(done?.state, "live");
  assert.ok(done.timingsMs["total"]! >= 0);

  const second = await release(appId, 2, 1);
  assert.deepEqual(await kinds(appId), ["place"]);
  await setPhase(second, "ready");
  assert.deepEqual(await kinds(appId), ["go-live"]);
  const gatewayId = await ensureGateway(db, "g1", "gateway-token");
  await db.update(gateways).set({ lastSeenAt: new Date() });
  assert.deepEqual(await kinds(appId), ["drain", "drain"]);
  assert.deepEqual(await kinds(appId), [], "waits for the gateway");
  await db.update(instances).set({ drainedBy: [gatewayId] }).where(eq(instances.releaseId, first));
  assert.deepEqual(await kinds(appId), ["keep", "keep"]);
  assert.ok(!(await appsToReconcile(db, new Date())).includes(appId), "kept for a while");
  await db.update(apps).set({ formerUntil: new Date() }).where(eq(apps.id, appId));
  assert.ok((await appsToReconcile(db, new Date())).includes(appId), "its time is over");
  assert.deepEqual(await kinds(appId), ["stop", "stop"]);
  const [app] = await db.select().from(apps).where(eq(apps.id, appId));
  assert.equal(app?.liveReleaseId, second);
});

test("a release that cannot start is given up: its deployment keeps the reason and the live release stays", async () => {
  const appId = await makeApp("crashing");
  const good = await release(appId, 1);
  await kinds(appId);
  await setPhase(good, "ready");
  await kinds(appId);
  const bad = await release(appId, 2);
  await kinds(appId);
  const [broken] = await db.select().from(instances).where(eq(instances.releaseId, bad));
  await db.update(instances).set({
    phase: "failed",
    report: { id: broken!.id, phase: "failed", restarts: 0, lastExit: { code: 3, oomKilled: false, at: new Date().toISOString() }, problem: { code: "app_exited", detail: "It exited.", logTail: ["boom"] } },
  }).where(eq(instances.releaseId, bad));
  assert.deepEqual(await kinds(appId), ["give-up"]);
  assert.deepEqual(await kinds(appId), ["stop"]);
  const [failed] = await db.select().from(deployments).where(eq(deployments.releaseId, bad));
  assert.equal(failed?.state, "failed");
  assert.deepEqual(failed?.failure, { code: "app_exited", detail: "It exited.", logTail: ["boom"], exitCode: 3 });
  const [app] = await db.select().from(apps).where(eq(apps.id, appId));
  assert.equal(app?.targetReleaseId, good);
  const [entry] = await db.select().from(audit).where(eq(audit.target, failed!.id));
  assert.equal(entry?.verb, "deployment.failed");
});

/** A release that is live with its instances, and one before it that is warm. */
async function withFormer(name: string) {
  const appId = await makeApp(name);
  const former = await release(appId, 1);
  await kinds(appId);
  await setPhase(former, "ready");
  await kinds(appId);
  const live = await release(appId, 2);
  await kinds(appId);
  await setPhase(live, "ready");
  assert.deepEqual(await kinds(appId), ["go-live"]);
  await kinds(appId);
  const gatewayId = await ensureGateway(db, "g1", "gateway-token");
  await db.update(gateways).set({ lastSeenAt: new Date() });
  await writeDrained(db, gatewayId, (await living(appId)).filter((one) => one.releaseId === former).map(({ id }) => id));
  assert.deepEqual(await kinds(appId), ["keep"]);
  return { appId, former, live, gatewayId };
}

test("a release that fails after it went live is taken back by itself, once, and to instances that are warm", async () => {
  const { appId, former, live, gatewayId } = await withFormer("failing");
  const [bad] = (await living(appId)).filter((one) => one.releaseId === live);
  const [warm] = (await living(appId)).filter((one) => one.releaseId === former);
  const served = (requests: number, errors: number) => writeServed(db, gatewayId, { type: "served", process: "p1", instances: [{ instanceId: bad!.id, requests, errors }] });
  assert.deepEqual(await served(30, 15), [appId]);
  assert.deepEqual(await served(30, 15), [], "no news");
  assert.deepEqual(await kinds(appId), []);
  await served(40, 25);
  assert.deepEqual(await kinds(appId), ["roll-back"]);
  const [back] = await db.select().from(deployments).where(and(eq(deployments.appId, appId), eq(deployments.releaseId, former), eq(deployments.state, "releasing")));
  assert.match(back!.reason, /^automatic rollback to v1: 25 of 40 requests to v2 failed/);
  assert.deepEqual(await kinds(appId), ["revive"]);
  assert.deepEqual(await kinds(appId), ["go-live"], "as far as is known it was not frozen yet");
  const [app] = await db.select().from(apps).where(eq(apps.id, appId));
  assert.deepEqual([app?.liveReleaseId, app?.watch], [former, null]);
  assert.equal((await living(appId)).find(({ id }) => id === warm!.id)?.state, "wanted");
  const told = await db.select().from(appEvents).where(and(eq(appEvents.appId, appId), eq(appEvents.kind, "rolled-back")));
  assert.deepEqual(told.map(({ cause, detail }) => [cause, detail["from"], detail["to"]]), [["too_many_errors", "v2", "v1"]]);
});

test("a canary goes from step to step by its time, and its instances become the live ones", async () => {
  const appId = await makeApp("canary");
  const first = await release(appId, 1, 2);
  await kinds(appId);
  await setPhase(first, "ready");
  await kinds(appId);
  const second = await release(appId, 2, 2, { kind: "canary", steps: [{ percent: 10, holdMs: 60_000 }, { percent: 60, holdMs: 0 }] });
  const shares = async () => (await readRoutes(db, "berth.test", [appId]))[0]?.canary?.percent;
  assert.deepEqual(await kinds(appId), ["place"]);
  assert.equal(await shares(), undefined);
  await setPhase(second, "ready");
  assert.deepEqual(await kinds(appId), ["step"]);
  assert.equal(await shares(), 10);
  const isScaled = async () => (await readScaledApps(db)).some(({ id }) => id === appId);
  assert.equal(await isScaled(), false, "its number is fixed");
  await db.update(releases).set({ settings: SettingsSchema.parse({ scaling: { min: 2, max: 4 } }) }).where(eq(releases.id, first));
  assert.equal(await isScaled(), true, "the live release follows demand while the canary is held");
  await db.update(releases).set({ settings: SettingsSchema.parse({ replicas: 2 }) }).where(eq(releases.id, first));
  assert.deepEqual(await kinds(appId), []);
  await db.update(deployments).set({ stepAt: new Date(Date.now() - 60_000) }).where(eq(deployments.releaseId, second));
  assert.deepEqual(await kinds(appId), ["place"]);
  await setPhase(second, "ready");
  assert.deepEqual(await kinds(appId), ["step"]);
  assert.equal(await shares(), 60);
  assert.deepEqual(await kinds(appId), ["go-live"]);
});

test("two workers at once place each instance once", async () => {
  const appId = await makeApp("twice");
  await release(appId, 1, 3);
  await Promise.all([1, 2, 3, 4].map(() => reconcileApp(db, appId, clock)));
  assert.equal((await living(appId)).length, 3);
});

test("the timer finds what the bells may have missed, and nothing that is settled", async () => {
  const appId = await makeApp("settled");
  const only = await release(appId, 1);
  assert.ok((await appsToReconcile(db, new Date())).includes(appId), "a rollout");
  await kinds(appId);
  assert.ok((await appsToReconcile(db, new Date())).includes(appId), "an instance that is not ready");
  await setPhase(only, "ready");
  await kinds(appId);
  assert.ok(!(await appsToReconcile(db, new Date())).includes(appId), "settled");
  await db.delete(instances).where(eq(instances.releaseId, only));
  assert.ok((await appsToReconcile(db, new Date())).includes(appId), "an instance is missing");
});

test("the autoscaler reads what instances used, of apps that scale by cpu or memory alone", async () => {
  const used = { since: 1, at: 2, cpuMicros: 3, memoryByteSeconds: 4, egressBytes: 0, ingressBytes: 0 };
  const scaled = async (name: string, scaling: object) => {
    const appId = await makeApp(name);
    const releaseId = await release(appId, 1);
    await db.update(releases).set({ settings: SettingsSchema.parse({ scaling }) }).where(eq(releases.id, releaseId));
    await kinds(appId);
    await setPhase(releaseId, "ready");
    await kinds(appId);
    await db.update(instances).set({ usage: used }).where(eq(instances.releaseId, releaseId));
    const [found] = (await readScaledApps(db)).filter(({ id }) => id === appId);
    return { ready: found?.ready, used: found?.used.map(({ usage }) => usage) };
  };
  assert.deepEqual(await scaled("by-cpu", { cpuPercent: 60 }), { ready: 1, used: [used] });
  assert.deepEqual(await scaled("by-requests", {}), { ready: 1, used: [] });
});

test("the autoscaler's loop: what nodes counted of cpu becomes more instances", async () => {
  const appId = await makeApp("hot");
  const releaseId = await release(appId, 1);
  await db.update(releases).set({ settings: SettingsSchema.parse({ cpuMillis: 1000, scaling: { min: 1, max: 5, cpuPercent: 50 } }) }).where(eq(releases.id, releaseId));
  await kinds(appId);
  await setPhase(releaseId, "ready");
  await kinds(appId);
  const counted = (at: number, cpuMicros: number) =>
    db.update(instances).set({ usage: { since: 1, at, cpuMicros, memoryByteSeconds: 0, egressBytes: 0, ingressBytes: 0 } }).where(eq(instances.releaseId, releaseId));
  const rung: string[] = [];
  const bells = { ring: (bell: string, id: string) => void rung.push(`${bell} ${id}`) } as unknown as Bells;
  const startedAt = Date.now();
  await counted(startedAt - 15_000, 0);
  // No gateway is connected: nobody asks Redis.
  await db.update(gateways).set({ lastSeenAt: null });
  const stop = startAutoscale({ db, redis: {} as Redis, redisPrefix: "", bells, log: openLog("worker", "silent"), clock, everyMs: 100 });
  try {
    await sleep(300);
    await counted(startedAt, 15_000_000);
    const app = async () => (await db.select().from(apps).where(eq(apps.id, appId)))[0];
    await until(async () => (await app())?.scaledTo === 2);
    assert.equal((await app())?.scaledBy, "cpu");
    // Told when it is written.
    await until(async () => rung.includes(`reconcile ${appId}`));
    assert.deepEqual(await kinds(appId), ["place"]);
  } finally {
    await stop();
  }
});

test("a destroyed app stops what runs, then leaves without a trace in the tables", async () => {
  const appId = await makeApp("gone");
  await release(appId, 1);
  await kinds(appId);
  await db.update(apps).set({ deletedAt: new Date() }).where(eq(apps.id, appId));
  assert.deepEqual(await kinds(appId), ["stop"]);
  await db.update(instances).set({ state: "gone", goneAt: new Date() }).where(eq(instances.appId, appId));
  assert.deepEqual(await kinds(appId), ["remove-app"]);
  assert.equal((await db.select().from(apps).where(eq(apps.id, appId))).length, 0);
});

test("after an outage of the API the node that speaks first gets nothing of those that speak a moment later", async () => {
  const appId = await makeApp("outage");
  const releaseId = await release(appId, 1, 2);
  const other = await ensureNode(db, "n2", "other-token");
  let now = Date.now();
  const pass = async () => (await reconcileApp(db, appId, () => new Date(now))).actions.map(({ kind }) => kind);
  const speak = (...ids: NodeId[]) => Promise.all(ids.map((id) => touchNode(db, id, new Date(now))));
  await speak(nodeId, other);
  assert.deepEqual(await pass(), ["place", "place"]);
  await setPhase(releaseId, "ready");
  await pass();
  now += 60_000;
  await speak(nodeId);
  now += 2000;
  assert.deepEqual(await pass(), []);
  await speak(nodeId, other);
  assert.deepEqual(await pass(), []);
  // One that is silent while the other one is heard all the time is another matter.
  for (let silentMs = 0; silentMs <= NODE_LOST_AFTER_MS; silentMs += 5000) {
    now += 5000;
    await speak(nodeId);
  }
  assert.deepEqual(await pass(), ["place"]);
  await db.update(apps).set({ deletedAt: new Date() }).where(eq(apps.id, appId));
  await db.delete(instances).where(eq(instances.appId, appId));
  await db.delete(nodes).where(eq(nodes.id, other));
  await db.update(nodes).set({ lastSeenAt: new Date(), silentFrom: null, silentUntil: null });
});
