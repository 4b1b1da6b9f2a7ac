// needs no root
/** Whose build is next, across workers: the real queue and database, with builds that end when the test says so. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { and, eq, inArray, sql } from "drizzle-orm";
import { newId, type AppId, type BuildId, type TenantId } from "../../core/contract/ids.ts";
import { builds, deployments, tenants } from "../../core/db/schema.ts";
import { claimNextBuild, countTakeable, type ClaimedBuild } from "../../core/db/system-queries/build-claims.ts";
import { endBuild } from "../../core/db/system-queries/builds.ts";
import type { Limits } from "../../core/domain/limits.ts";
import { openLog } from "../../core/log.ts";
import { openRedisPatient } from "../../core/redis.ts";
import type { BuildDeps, StopReason } from "../../workers/build/run-build.ts";
import { startBuildWorker, type BuildWorker } from "../../workers/build/worker.ts";
import { seedApp, startTestApi, testBlobs, type TestApi } from "../support/api.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let api: TestApi;
const dir = mkdtempSync(join(tmpdir(), "berth-fair-"));
before(async () => {
  stores = await startStores({ only: ["postgres", "redis"] });
  api = await startTestApi({ ...stores, blobs: testBlobs }, { redisPrefix: stores.redisPrefix, migrate: false });
});
after(async () => {
  await api?.close();
  await stores?.stop();
  rmSync(dir, { recursive: true, force: true });
});

interface Owner {
  id: TenantId;
  token: string;
  appId: AppId;
}

async function owner(limits: Partial<Limits> = {}): Promise<Owner> {
  const tenant = await api.tenant();
  await api.db.update(tenants).set({ limits }).where(eq(tenants.id, tenant.id));
  return { ...tenant, appId: (await seedApp(api.db, tenant.id)).id };
}

async function queue({ id: tenantId, appId }: Owner, count = 1): Promise<BuildId[]> {
  const rows = Array.from({ length: count }, () => ({ id: newId("build"), tenantId, appId, contextKey: "x", contextFormat: "tar" as const, contextBytes: 1 }));
  await api.db.insert(builds).values(rows);
  await api.db.insert(deployments).values(rows.map(({ id: buildId }) => ({ id: newId("deployment"), tenantId, appId, state: "building" as const, buildId, reason: "deploy" })));
  return rows.map(({ id }) => id);
}

const clear = (...owners: Owner[]) => api.db.delete(builds).where(inArray(builds.tenantId, owners.map(({ id }) => id)));
const claim = (worker = "w", now = new Date()) => claimNextBuild(api.db, { worker, leaseMs: 60_000, busyWith: [] }, now);
const finish = (id: BuildId, attempt = 1) => endBuild(api.db, { id, attempt }, "failed", { code: "build_failed", detail: "x" }, {}, new Date());

test("one slot: 200 builds of one tenant delay another's first by one build, and both take turns then", async () => {
  const [flood, other] = [await owner(), await owner()];
  await queue(flood, 200);
  const first: ClaimedBuild | undefined = await claim();
  assert.equal(first?.build.tenantId, flood.id);
  await queue(other, 3);
  const order: string[] = [];
  for (let last: ClaimedBuild | undefined = first; order.length < 7; ) {
    assert.ok(last);
    await finish(last.build.id);
    last = await claim();
    order.push(last?.build.tenantId === other.id ? "other" : "flood");
  }
  assert.deepEqual(order, ["other", "flood", "other", "flood", "other", "flood", "flood"]);
  await clear(flood, other);
});

test("many slots: the tenant with the fewest running is next", async () => {
  const [a, b, c] = [await owner({ buildsAtOnce: 10 }), await owner({ buildsAtOnce: 10 }), await owner({ buildsAtOnce: 10 })];
  await queue(a, 20);
  for (let i = 0; i < 4; i++) await claim();
  await queue(b, 20);
  await queue(c, 1);
  const taken = [];
  for (let i = 0; i < 5; i++) taken.push((await claim())?.build.tenantId);
  assert.deepEqual(taken, [b.id, c.id, b.id, b.id, b.id]);
  await clear(a, b, c);
});

test("50 claims at once neither pass a tenant's limit nor take a build twice", async () => {
  const [a, b] = [await owner({ buildsAtOnce: 3 }), await owner({ buildsAtOnce: 1 })];
  await queue(a, 20);
  await queue(b, 20);
  assert.equal(await countTakeable(api.db, 100, new Date()), 4);
  assert.equal(await countTakeable(api.db, 2, new Date()), 2);
  const claimed = (await Promise.all(Array.from({ length: 50 }, (_, index) => claim(`w${index}`)))).flatMap((one) => one?.build ?? []);
  assert.deepEqual([claimed.filter(({ tenantId }) => tenantId === a.id).length, claimed.filter(({ tenantId }) => tenantId === b.id).length], [3, 1]);
  assert.equal(new Set(claimed.map(({ id }) => id)).size, 4);
  assert.equal(await countTakeable(api.db, 100, new Date()), 0);
  await clear(a, b);
});

test("what is cancelled, of a suspended tenant, given up or in its worker's hands is not taken; a lost one is", async () => {
  const [a, suspended] = [await owner(), await owner()];
  const [cancelled, spent, held, lost] = await queue(a, 4);
  await queue(suspended, 1);
  await api.db.update(tenants).set({ suspendedAt: new Date() }).where(eq(tenants.id, suspended.id));
  const past = new Date(Date.now() - 1000);
  await api.db.update(builds).set({ cancelRequestedAt: past }).where(eq(builds.id, cancelled!));
  await api.db.update(builds).set({ state: "running", attempt: 3, leaseUntil: past }).where(eq(builds.id, spent!));
  await api.db.update(builds).set({ state: "running", attempt: 1, leaseUntil: past }).where(inArray(builds.id, [held!, lost!]));
  const next = await claimNextBuild(api.db, { worker: "w", leaseMs: 1000, busyWith: [held!] }, new Date());
  assert.deepEqual([next?.build.id, next?.build.attempt], [lost, 2]);
  await clear(a, suspended);
});

/** A worker whose builds last until the test ends them. */
class FakeWorker {
  readonly running = new Map<BuildId, { tenantId: TenantId; end: () => void }>();
  /** Every tenant whose build began here, in order. */
  readonly began: TenantId[] = [];
  #worker: BuildWorker | undefined;
  #redis = [openRedisPatient(stores.redisUrl, "q"), openRedisPatient(stores.redisUrl, "w")] as const;

  async start(name: string, concurrency: number): Promise<this> {
    const { db, redis, bells, clock, blobs } = api.deps;
    const config = { concurrency, leaseMs: 60_000, workerData: join(dir, name), crun: "true", netPrefix: "fair" };
    const deps = { db, redis, bells, clock, blobs, redisPrefix: stores.redisPrefix, log: openLog("test", "silent"), config } as unknown as BuildDeps;
    const build = async (_deps: BuildDeps, { build: { id, tenantId, attempt } }: ClaimedBuild, stop: AbortSignal) => {
      this.began.push(tenantId);
      await new Promise<void>((resolve) => {
        this.running.set(id, { tenantId, end: resolve });
        stop.addEventListener("abort", () => resolve());
      });
      this.running.delete(id);
      const reason = stop.aborted ? (stop.reason as StopReason) : "failed";
      if (reason === "drained") return reason;
      await endBuild(db, { id, attempt }, reason === "cancelled" ? "cancelled" : "failed", { code: "build_failed", detail: "x" }, {}, clock());
      return reason;
    };
    this.#worker = await startBuildWorker({ deps, name, queueRedis: this.#redis[0], workerRedis: this.#redis[1], build });
    return this;
  }

  async stop(): Promise<void> {
    await this.#worker?.close(0);
    for (const redis of this.#redis) redis.disconnect();
  }
}

async function until(what: string, done: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 30_000; !(await done()); await sleep(10)) if (Date.now() > deadline) throw new Error(`not within 30 s: ${what}`);
}

/** Queues builds as the API does: rows, then a bell each. */
async function send(of: Owner, count: number): Promise<BuildId[]> {
  const ids = await queue(of, count);
  await Promise.all(ids.map((id) => api.deps.queue.add(id)));
  return ids;
}

test("two workers, 200 queued: the limit holds across them, another tenant's build begins when the next slot is free, and all end", async () => {
  const [flood, other] = [await owner({ buildsAtOnce: 3 }), await owner()];
  const workers = [await new FakeWorker().start("one", 2), await new FakeWorker().start("two", 2)] as const;
  const running = () => workers.flatMap((worker) => [...worker.running.values()]);
  const began = () => workers.flatMap((worker) => worker.began);
  try {
    await send(flood, 200);
    await until("three builds", () => running().length === 3);
    // The fourth slot is not the flood's, whoever looks for work.
    await send(other, 1);
    await until("the other tenant's build begins at once", () => running().some(({ tenantId }) => tenantId === other.id));
    assert.equal(running().length, 4);
    await send(other, 1);
    assert.equal(began().length, 4, "all slots are taken");
    running().find(({ tenantId }) => tenantId === flood.id)?.end();
    await until("the next build begins", () => began().length === 5);
    assert.equal(began().filter((id) => id === other.id).length, 2, "the slot went to the other tenant");

    let most = 0;
    await until("all have ended", async () => {
      most = Math.max(most, running().filter(({ tenantId }) => tenantId === flood.id).length);
      for (const { end } of running()) end();
      return (await api.db.$count(builds, and(inArray(builds.tenantId, [flood.id, other.id]), inArray(builds.state, ["queued", "running"])))) === 0;
    });
    assert.ok(most <= 3, `${most} of one tenant at once`);
    assert.equal(began().length, 202, "none was built twice");
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()));
  }
});

test("a build that waits for its tenant's slot is taken when one is free: after a build, a cancel, or a larger plan", async () => {
  const tenant = await owner({ buildsAtOnce: 1 });
  const worker = await new FakeWorker().start("three", 3);
  try {
    const [first, second, third, fourth] = await send(tenant, 4);
    await until("the first runs", () => worker.running.has(first!));
    const cancelled = await api.call("POST", `/v1/builds/${second}/cancel`, { token: tenant.token });
    assert.deepEqual([cancelled.status, cancelled.body.state], [200, "cancelled"], "one that waits ends at once");
    assert.equal((await api.call("POST", `/v1/builds/${first}/cancel`, { token: tenant.token })).status, 200);
    await until("the third runs", () => worker.running.has(third!));
    assert.equal(worker.running.size, 1);
    await api.db.update(tenants).set({ limits: { buildsAtOnce: 2 } }).where(eq(tenants.id, tenant.id));
    await until("the fourth runs beside it", () => worker.running.size === 2 && worker.running.has(fourth!));
    const states = await api.db.select({ id: builds.id, state: builds.state }).from(builds).where(eq(builds.tenantId, tenant.id)).orderBy(sql`id`);
    assert.deepEqual(states.map(({ state }) => state), ["cancelled", "cancelled", "running", "running"]);
  } finally {
    await worker.stop();
  }
  const returned = await api.db.select({ state: builds.state, attempt: builds.attempt }).from(builds).where(and(eq(builds.tenantId, tenant.id), eq(builds.state, "queued")));
  assert.deepEqual(returned, [{ state: "queued", attempt: 0 }, { state: "queued", attempt: 0 }], "what a worker had that ended is another's");
  await clear(tenant);
});
