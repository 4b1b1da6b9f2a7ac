// needs no root
/** Limits of tenants: requests at the same time do not pass them together. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eq, sql } from "drizzle-orm";
import { newId, type TenantId } from "../../core/contract/ids.ts";
import { apps, builds, deployments, domains, plans, releases, repositoryBlobs, tenants, usage } from "../../core/db/schema.ts";
import { requireRoom } from "../../core/db/queries/quota.ts";
import { mountBlob, publishBlob } from "../../core/db/system-queries/registry.ts";
import { publishRelease } from "../../core/db/system-queries/publish-release.ts";
import type { Limits } from "../../core/domain/limits.ts";
import { randomName, seedApp, startTestApi, testImage, type TestApi } from "../support/api.ts";
import { startStores, type Stores } from "../support/stores.ts";

const MIB = 2 ** 20;
const AT_ONCE = 50;

let stores: Stores;
let api: TestApi;
before(async () => {
  stores = await startStores({ only: ["postgres", "redis"] });
  const taken = { put: async (_key: string, body: AsyncIterable<unknown>) => void (await Array.fromAsync(body)), delete: async () => {} };
  api = await startTestApi({ ...stores, blobs: taken as never }, { redisPrefix: stores.redisPrefix, migrate: false });
});
after(async () => {
  await api?.close();
  await stores?.stop();
});

type Answer = Awaited<ReturnType<TestApi["call"]>>;

async function tenantWith(limits: Partial<Limits>) {
  const tenant = await api.tenant();
  await api.db.update(tenants).set({ limits }).where(eq(tenants.id, tenant.id));
  return tenant;
}

/** Sends all at the same time and counts the answers: so many are taken, the others find the limit. */
async function race(limit: keyof Limits, taken: number, send: (index: number) => Promise<Answer>): Promise<void> {
  const answers = await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => send(index)));
  const refused = answers.filter(({ status }) => status >= 400);
  for (const { status, body } of refused) {
    assert.deepEqual([status, body.code, body.quota?.limit], [403, "quota_exceeded", limit], JSON.stringify(body));
    assert.ok(body.quota.used + body.quota.asked > body.quota.max);
  }
  assert.equal(answers.length - refused.length, taken);
}

const upload = (token: string, app: string, config = {}, text = "FROM scratch\n") =>
  api.call("POST", `/v1/apps/${app}/deployments`, { token, body: text, headers: { "content-type": "text/x-dockerfile", "berth-config": JSON.stringify(config) } });

test("apps: of 50 at once, as many are made as there is room for, by either way", async () => {
  const tenant = await tenantWith({ apps: 7, buildsQueued: 100 });
  await race("apps", 7, (index) =>
    index % 2 === 0 ? api.call("POST", "/v1/apps", { token: tenant.token, body: { name: `a${index}` } }) : upload(tenant.token, `a${index}`),
  );
  assert.equal(await api.db.$count(apps, eq(apps.tenantId, tenant.id)), 7);
  const [one] = (await api.call("GET", "/v1/apps", { token: tenant.token })).body.items;
  assert.equal((await api.call("DELETE", `/v1/apps/${one.name}`, { token: tenant.token })).status, 204);
  assert.equal((await api.call("POST", "/v1/apps", { token: tenant.token, body: { name: "again" } })).status, 201, "a destroyed app gives its place back");
});

test("50 first uploads of one app at once make one app, also in its last place", async () => {
  const tenant = await tenantWith({ apps: 1, buildsQueued: 100 });
  const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => upload(tenant.token, "same")));
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [202], JSON.stringify(answers.find(({ status }) => status !== 202)?.body));
  assert.equal(await api.db.$count(builds, eq(builds.tenantId, tenant.id)), AT_ONCE);
});

test("builds that wait: 50 uploads at once do not pass the limit", async () => {
  const tenant = await tenantWith({ buildsQueued: 4 });
  await race("buildsQueued", 4, (index) => upload(tenant.token, `b${index % 3}`));
  assert.equal(await api.db.$count(builds, eq(builds.tenantId, tenant.id)), 4);
  assert.equal(await api.db.$count(deployments, eq(deployments.tenantId, tenant.id)), 4);
});

test("instances, cpu and memory: 50 changes at once do not pass the limit; what shrinks is never refused", async () => {
  const tenant = await tenantWith({ instances: 1000, cpuMillis: 1_000_000, memoryBytes: 20 * 64 * MIB });
  const small = { memoryBytes: 64 * MIB, cpuMillis: 100, replicas: 1 };
  const seeded = await Promise.all(Array.from({ length: 10 }, () => seedApp(api.db, tenant.id, { settings: small })));
  // All fit: five times the same change of ten apps is one of each.
  await race("memoryBytes", AT_ONCE, (index) => api.call("PATCH", `/v1/apps/${seeded[index % 10]?.name}`, { token: tenant.token, body: { settings: { replicas: 2 } } }));
  const more = await api.call("PATCH", `/v1/apps/${seeded[0]?.name}`, { token: tenant.token, body: { settings: { replicas: 3 } } });
  assert.deepEqual([more.status, more.body.quota], [403, { limit: "memoryBytes", max: 20 * 64 * MIB, used: 20 * 64 * MIB, asked: 64 * MIB }]);
  // The plan shrinks under what runs: smaller is fine, the same is fine.
  await api.db.update(tenants).set({ limits: { instances: 3 } }).where(eq(tenants.id, tenant.id));
  assert.equal((await api.call("PATCH", `/v1/apps/${seeded[1]?.name}`, { token: tenant.token, body: { settings: { replicas: 1 } } })).status, 202);
  assert.equal((await api.call("PATCH", `/v1/apps/${seeded[2]?.name}/env`, { token: tenant.token, body: { A: "1" } })).status, 202);
});

test("instances: 50 apps that grow at once do not pass the limit", async () => {
  const tenant = await tenantWith({ instances: 60, memoryBytes: 2 ** 45, cpuMillis: 1e9 });
  const seeded = await Promise.all(Array.from({ length: AT_ONCE }, () => seedApp(api.db, tenant.id)));
  await race("instances", 10, (index) => api.call("PATCH", `/v1/apps/${seeded[index]?.name}`, { token: tenant.token, body: { settings: { replicas: 2 } } }));
  const quota = await api.call("GET", "/v1/quota", { token: tenant.token });
  assert.equal(quota.body.items.find(({ name }: { name: string }) => name === "instances").used, 60);
});

test("an app that scales counts with its maximum, a release that is live counts while the next one fails", async () => {
  const tenant = await tenantWith({ instances: 10 });
  const app = await seedApp(api.db, tenant.id, { settings: { replicas: 8 } });
  const patch = (name: string, settings: object) => api.call("PATCH", `/v1/apps/${name}`, { token: tenant.token, body: { settings } });
  assert.equal((await patch(app.name, { replicas: 1 })).status, 202);
  const other = await seedApp(api.db, tenant.id);
  assert.equal((await patch(other.name, { replicas: 3 })).body.quota?.used, 9, "eight are live until the rollout has ended");
  await seedApp(api.db, tenant.id, { settings: { scaling: { min: 0, max: 5, idleMs: 1000 } } as object });
  assert.equal((await patch(other.name, { replicas: 2 })).body.quota?.used, 14);
});

test("a rollback and a finished build find the limit, too", async () => {
  const tenant = await tenantWith({ instances: 3 });
  const app = await seedApp(api.db, tenant.id, { releases: 2 });
  await api.db.update(releases).set({ settings: sql`${releases.settings} || '{"replicas": 9}'` }).where(eq(releases.id, app.releaseIds[0]!));
  const back = await api.call("POST", `/v1/apps/${app.name}/rollback`, { token: tenant.token, body: {} });
  assert.deepEqual([back.status, back.body.quota?.limit], [403, "instances"]);

  const early = await upload(tenant.token, app.name, { settings: { replicas: 9 } });
  assert.deepEqual([early.status, early.body.quota?.limit], [403, "instances"], "said before it is built");
  const accepted = await upload(tenant.token, app.name, { settings: { replicas: 3 } });
  assert.equal(accepted.status, 202, JSON.stringify(accepted.body));
  await api.db.update(tenants).set({ limits: { instances: 2 } }).where(eq(tenants.id, tenant.id));
  const source = { image: testImage(), repository: "x/y", buildId: null, buildKey: null };
  await assert.rejects(api.db.transaction((tx) => publishRelease(tx, accepted.body.id, source, new Date())), { code: "quota_exceeded" });
  assert.equal(await api.db.$count(releases, eq(releases.appId, app.id)), 2, "no release came of it");
});

test("the upload's size is refused before it is sent, and while it comes", async () => {
  const tenant = await tenantWith({ uploadBytes: 1000 });
  const declared = await upload(tenant.token, "large", {}, `FROM scratch\n#${"x".repeat(2000)}\n`);
  assert.deepEqual([declared.status, declared.body.code, declared.body.quota?.limit], [403, "quota_exceeded", "uploadBytes"]);
  const body = new ReadableStream({
    pull: (controller) => controller.enqueue(new TextEncoder().encode(`#${"x".repeat(500)}\n`)),
  });
  const response = await fetch(`${api.url}/v1/apps/large/deployments`, { method: "POST", headers: { authorization: `Bearer ${tenant.token}`, "content-type": "text/x-dockerfile" }, body, duplex: "half" } as RequestInit);
  assert.deepEqual([response.status, ((await response.json()) as { quota?: { limit: string } }).quota?.limit], [403, "uploadBytes"]);
  assert.equal(await api.db.$count(apps, eq(apps.tenantId, tenant.id)), 0);
});

test("storage: what a tenant's repositories hold, each blob once", async () => {
  const tenant = await tenantWith({ storageBytes: 1000 });
  const row = (repository: string) => ({ id: newId("upload"), repository, offsetBytes: 0 }) as never;
  const digest = (of: string) => `sha256:${Buffer.from(of).toString("hex").padEnd(64, "0")}`;
  const publish = (repository: string, of: string, sizeBytes: number) => publishBlob(api.db, row(repository), { digest: digest(of), sizeBytes, storageKey: of });
  const tag = tenant.name;
  const done = await Promise.allSettled(Array.from({ length: AT_ONCE }, (_, index) => publish(`${tag}/a`, `${tag}${index}`, 100)));
  assert.equal(done.filter(({ status }) => status === "fulfilled").length, 10);
  const [held] = await api.db.select().from(repositoryBlobs).where(eq(repositoryBlobs.repository, `${tag}/a`)).limit(1);
  assert.ok(await mountBlob(api.db, `${tag}/a`, `${tag}/b`, held?.digest ?? ""), "what the tenant holds costs no more elsewhere");
  await publish("library/x", `${tag}lib`, 500);
  await assert.rejects(mountBlob(api.db, "library/x", `${tag}/b`, digest(`${tag}lib`)), { code: "quota_exceeded" });
  const other = await api.tenant();
  await publish(`${other.name}/a`, `${tag}0`, 100);
  const { body } = await upload(tenant.token, "full");
  assert.deepEqual([body.code, body.quota?.limit, body.quota?.used], ["quota_exceeded", "storageBytes", 1000]);
});

test("minutes and bytes of a month: this month's count, the last one's do not", async () => {
  const tenant = await tenantWith({ buildMinutesMonth: 10, egressBytesMonth: 1000 });
  const use = (hour: Date, of: { buildMillis?: number; egressBytes?: number }) =>
    api.db.insert(usage).values({ tenantId: tenant.id as TenantId, appId: newId("app"), appName: "x", hour, ...of });
  const now = new Date();
  await use(new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 0)), { buildMillis: 60 * 60_000, egressBytes: 1e9 });
  assert.equal((await upload(tenant.token, "m")).status, 202);
  await use(now, { buildMillis: 9.5 * 60_000 });
  const minutes = await upload(tenant.token, "m");
  assert.deepEqual(minutes.body.quota, { limit: "buildMinutesMonth", max: 10, used: 10, asked: 1 });
  await api.db.update(tenants).set({ limits: { egressBytesMonth: 1000 } }).where(eq(tenants.id, tenant.id));
  await use(now, { egressBytes: 1000 });
  assert.equal((await upload(tenant.token, "m")).body.quota?.limit, "egressBytesMonth");
});

test("a limit that others ask for: domains, with a plan and an exception from it", async () => {
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id);
  const plan = randomName("plan");
  await api.db.insert(plans).values({ name: plan, limits: { domains: 2, secrets: 5 } });
  await api.db.update(tenants).set({ plan, limits: { domains: 3 } }).where(eq(tenants.id, tenant.id));
  const claim = (index: number) =>
    api.db.transaction(async (tx) => {
      await requireRoom(tx, tenant.id, "domains", 1);
      await tx.insert(domains).values({ id: newId("domain"), tenantId: tenant.id, appId: app.id, host: `${index}.${tenant.name}.test`, challenge: "x" });
    });
  const done = await Promise.allSettled(Array.from({ length: AT_ONCE }, (_, index) => claim(index)));
  assert.equal(done.filter(({ status }) => status === "fulfilled").length, 3);
  const { status, body } = await api.call("GET", "/v1/quota", { token: tenant.token });
  assert.equal(status, 200);
  assert.equal(body.plan, plan);
  const found = Object.fromEntries(body.items.map((item: { name: string; limit: number; used: number | null }) => [item.name, [item.limit, item.used]]));
  assert.deepEqual([found.domains, found.secrets, found.apps, found.tokens, found.uploadBytes], [[3, 3], [5, 0], [100, 1], [200, 1], [4 * 2 ** 30, null]]);
});
