// needs no root
/** `GET /v1/usage`, and the limits of a month that read the same ledger. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openMemoryBlobStore } from "../../core/blob-store/memory.ts";
import { UsageItemSchema, type UsageItem } from "../../core/contract/usage.ts";
import { newId, type AppId, type TenantId } from "../../core/contract/ids.ts";
import { tenants, tokens, usage } from "../../core/db/schema.ts";
import { createToken } from "../../core/db/system-queries/bootstrap.ts";
import { eq } from "drizzle-orm";
import { seedApp, startTestApi, type TestApi } from "../support/api.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let api: TestApi;
before(async () => {
  stores = await startStores({ only: ["postgres", "redis"] });
  api = await startTestApi({ ...stores, blobs: openMemoryBlobStore() }, { redisPrefix: stores.redisPrefix });
});
after(async () => {
  await api?.close();
  await stores?.stop();
});

const add = (tenantId: TenantId, appId: AppId | "", appName: string, hour: string, more: Partial<typeof usage.$inferInsert> = {}) =>
  api.db.insert(usage).values({ tenantId, appId, appName, hour: new Date(hour), ...more });

async function seeded() {
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id, { name: "shop" });
  const gone = newId("app");
  await add(tenant.id, app.id, "shop", "2026-01-31T23:00:00Z", { cpuMicros: 1_000_000, requests: 1 });
  await add(tenant.id, app.id, "shop", "2026-02-01T00:00:00Z", { cpuMicros: 2_500_000, requests: 2, memoryByteSeconds: 2n ** 40n, storageByteSeconds: 7200n, buildMillis: 1500, ingressBytes: 3, egressBytes: 4 });
  await add(tenant.id, app.id, "shop", "2026-02-01T13:00:00Z", { requests: 5 });
  await add(tenant.id, gone, "gone", "2026-02-01T13:00:00Z", { requests: 7 });
  await add(tenant.id, "", "", "2026-02-02T00:00:00Z", { storageByteSeconds: 3600n * 10n });
  return { tenant, app, gone };
}

const SPAN = "since=2026-01-01&until=2026-03-01";

test("by hour, day and month; in pages; of one app, also of one that is gone", async () => {
  const { tenant, app, gone } = await seeded();
  const ask = async (query: string) => {
    const { status, body } = await api.call("GET", `/v1/usage?${query}`, { token: tenant.token });
    assert.equal(status, 200, JSON.stringify(body));
    return body as { items: UsageItem[]; nextCursor: string | null };
  };
  const shown = (items: readonly UsageItem[]) => items.map((item) => [item.from.slice(0, 13), item.app?.name ?? null, item.requests]);
  const days = await ask(SPAN);
  assert.deepEqual(shown(days.items), [["2026-01-31T00", "shop", 1], ...[["2026-02-01T00", "shop", 7] as const, ["2026-02-01T00", "gone", 7] as const].toSorted((a, b) => ((a[1] === "shop" ? app.id : gone) < (b[1] === "shop" ? app.id : gone) ? -1 : 1)), ["2026-02-02T00", null, 0]]);
  const day = days.items.find((item) => item.app?.name === "shop" && item.from.startsWith("2026-02-01"));
  assert.deepEqual(UsageItemSchema.parse(day), { from: "2026-02-01T00:00:00.000Z", app: { id: app.id, name: "shop" }, cpuSeconds: 2.5, memoryByteSeconds: 2 ** 40, storageByteHours: 2, requests: 7, ingressBytes: 3, egressBytes: 4, buildSeconds: 1.5 });
  assert.deepEqual(shown((await ask(`${SPAN}&by=month&app=shop`)).items), [["2026-01-01T00", "shop", 1], ["2026-02-01T00", "shop", 7]]);
  assert.deepEqual(shown((await ask(`${SPAN}&by=hour&app=${app.id}`)).items), [["2026-01-31T23", "shop", 1], ["2026-02-01T00", "shop", 2], ["2026-02-01T13", "shop", 5]]);
  assert.deepEqual(shown((await ask(`${SPAN}&app=gone`)).items), [["2026-02-01T00", "gone", 7]]);
  // The end is not in the span; its beginning is.
  assert.deepEqual(shown((await ask("since=2026-01-31T23:00:00Z&until=2026-02-01T00:00:00Z&by=hour")).items), [["2026-01-31T23", "shop", 1]]);
  assert.deepEqual((await ask("")).items, [], "without a span, the present month");

  const paged: UsageItem[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const page = await ask(`${SPAN}&by=hour&limit=2${cursor === "" ? "" : `&cursor=${cursor}`}`);
    assert.ok(page.items.length <= 2);
    paged.push(...page.items);
    cursor = page.nextCursor;
  }
  assert.deepEqual(paged, (await ask(`${SPAN}&by=hour`)).items);

  const csv = { accept: "text/csv" };
  const first = await api.call("GET", `/v1/usage?${SPAN}&by=month&limit=2`, { token: tenant.token, headers: csv });
  assert.match(first.headers.get("content-type") ?? "", /^text\/csv/);
  assert.deepEqual((first.body as string).split("\r\n").slice(0, 2), ["from,app_id,app,cpu_seconds,memory_byte_seconds,storage_byte_hours,requests,ingress_bytes,egress_bytes,build_seconds", `2026-01-01T00:00:00.000Z,${app.id},shop,1,0,0,1,0,0,0`]);
  const next = /^<(.+)>; rel="next"$/.exec(first.headers.get("link") ?? "")?.[1] ?? assert.fail("no next page");
  const second = await api.call("GET", next, { token: tenant.token, headers: csv });
  assert.equal((second.body as string).trimEnd().split("\r\n").length, 3);
});

test("nobody sees another's; a token of one app sees that app; what is wrong is said", async () => {
  const { tenant, app, gone } = await seeded();
  const stranger = await api.tenant();
  assert.deepEqual((await api.call("GET", `/v1/usage?${SPAN}`, { token: stranger.token })).body, { items: [], nextCursor: null });
  assert.equal((await api.call("GET", `/v1/usage?${SPAN}&app=shop`, { token: stranger.token })).status, 404);
  assert.deepEqual((await api.call("GET", `/v1/usage?${SPAN}&app=${app.id}`, { token: stranger.token })).body.items, []);

  const { id, token } = await createToken(api.db, tenant.id, { name: "one app", scopes: ["usage"] });
  await api.db.update(tokens).set({ appId: app.id }).where(eq(tokens.id, id));
  const names = async (query: string) => new Set(((await api.call("GET", `/v1/usage?${SPAN}${query}`, { token })).body.items as UsageItem[]).map((item) => item.app?.name));
  assert.deepEqual(await names(""), new Set(["shop"]));
  assert.deepEqual(await names("&app=gone"), new Set());
  assert.deepEqual(await names(`&app=${gone}`), new Set());

  for (const query of ["since=yesterday", "until=2026-13-01", "by=week", "limit=0", "limit=1001", "cursor=x", `cursor=${Buffer.from("2026-01-01 x").toString("base64url")}`, "since=2026-02-01&until=2026-02-01", "since=2026-02-02&until=2026-02-01"]) {
    const { status, body } = await api.call("GET", `/v1/usage?${query}`, { token: tenant.token });
    assert.deepEqual([status, body.code], [400, "invalid_request"], query);
  }
});

test("limits of a month read the ledger: this month's hours alone", async () => {
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id);
  const now = new Date();
  const month = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth()));
  await add(tenant.id, app.id, app.name, new Date(month.getTime() - 3_600_000).toISOString(), { buildMillis: 600_000_000, egressBytes: 1000 });
  await add(tenant.id, app.id, app.name, month.toISOString(), { buildMillis: 90_000, egressBytes: 4096 });
  const used = async () => Object.fromEntries(((await api.call("GET", "/v1/quota", { token: tenant.token })).body.items as { name: string; used: number }[]).map((item) => [item.name, item.used]));
  assert.deepEqual([(await used())["buildMinutesMonth"], (await used())["egressBytesMonth"]], [2, 4096]);
  await api.db.update(tenants).set({ limits: { egressBytesMonth: 4096 } }).where(eq(tenants.id, tenant.id));
  const refused = await fetch(`${api.url}/v1/apps/${app.name}/deployments`, { method: "POST", headers: { authorization: `Bearer ${tenant.token}`, "content-type": "text/x-dockerfile" }, body: "FROM scratch\n" });
  const problem = (await refused.json()) as { code: string; quota: { limit: string } };
  assert.deepEqual([refused.status, problem.code, problem.quota.limit], [403, "quota_exceeded", "egressBytesMonth"]);
});
