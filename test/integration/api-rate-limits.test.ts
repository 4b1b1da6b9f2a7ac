// needs no root
/** How often one may ask, who counts as whom, and what happens without Redis. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eq } from "drizzle-orm";
import { createToken as newToken } from "../../core/tokens.ts";
import { createToken } from "../../core/db/system-queries/bootstrap.ts";
import { audit, tenants } from "../../core/db/schema.ts";
import { openRedisFailFast } from "../../core/redis.ts";
import { openRateLimits } from "../../api/rate-limits.ts";
import { startTestApi, testBlobs, type TestApi } from "../support/api.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let api: TestApi;
before(async () => {
  stores = await startStores({ only: ["postgres", "redis"] });
  api = await startTestApi({ ...stores, blobs: testBlobs }, { redisPrefix: stores.redisPrefix, migrate: false, rateLimits: true, trustedProxies: ["127.0.0.0/8"] });
});
after(async () => {
  await api?.close();
  await stores?.stop();
});

async function tenantWith(requestsMinute: number) {
  const tenant = await api.tenant();
  await api.db.update(tenants).set({ limits: { requestsMinute } }).where(eq(tenants.id, tenant.id));
  return tenant;
}
const ask = (token: string, from?: string, path = "/v1/whoami") => api.call("GET", path, { token, headers: from === undefined ? {} : { "x-forwarded-for": from } });
const statuses = async (count: number, token: string) => (await Promise.all(Array.from({ length: count }, () => ask(token)))).map(({ status }) => status);
const count = (all: number[], status: number) => all.filter((one) => one === status).length;

test("every answer says what is left; a token gets half of its tenant's share, refused requests do not use up the rest", async () => {
  const tenant = await tenantWith(20);
  const first = await ask(tenant.token);
  assert.equal(first.headers.get("ratelimit-policy"), '"token";q=10;w=60, "tenant";q=20;w=60');
  assert.match(first.headers.get("ratelimit") ?? "", /^"token";r=9;t=\d+, "tenant";r=19;t=\d+$/);
  const flood = await statuses(50, tenant.token);
  assert.deepEqual([count(flood, 200), count(flood, 429)], [9, 41]);
  const over = await ask(tenant.token);
  assert.deepEqual([over.status, over.body.code], [429, "rate_limited"]);
  const wait = Number(over.headers.get("retry-after"));
  assert.ok(wait >= 1 && wait <= 60, String(wait));
  assert.match(over.headers.get("ratelimit") ?? "", /^"token";r=0;t=\d+$/);
  assert.ok(over.headers.get("x-request-id"));

  const second = (await createToken(api.db, tenant.id, { name: "two" })).token;
  assert.equal(count(await statuses(10, second), 200), 10, "the other half");
  const third = (await createToken(api.db, tenant.id, { name: "three" })).token;
  const tenantOver = await ask(third);
  assert.equal(tenantOver.status, 429);
  assert.match(tenantOver.body.detail, /This tenant may ask 20 times/);
  const other = await api.tenant();
  assert.equal((await ask(other.token)).status, 200);
  const refused = await api.call("GET", "/v1/apps/none", { token: other.token });
  assert.match(refused.headers.get("ratelimit") ?? "", /"tenant";r=\d+/, "errors say it, too");
});

test("wrong tokens are counted by address, IPv6 by network; whom it knows it still serves", async () => {
  const tenant = await api.tenant();
  const from = "2001:db8:7:7::1";
  assert.equal((await ask(tenant.token, from)).status, 200);
  const wrong = [];
  for (let i = 0; i < 70; i++) wrong.push((await ask(newToken(), `2001:db8:7:7::${i + 2}`, i % 2 === 0 ? "/v1/whoami" : "/v2/")).status);
  assert.deepEqual([count(wrong, 401), count(wrong, 429)], [60, 10]);
  const again = await ask(newToken(), from);
  assert.deepEqual([again.status, again.body.code], [429, "rate_limited"]);
  assert.ok(Number(again.headers.get("retry-after")) >= 1);
  assert.equal((await ask(tenant.token, from)).status, 200, "a token that it knows");
  const unknown = await api.tenant();
  assert.equal((await ask(unknown.token, from)).status, 429, "not even looked up");
  assert.equal((await ask(unknown.token, "2001:db8:7:8::1")).status, 200, "another network");
  assert.equal((await ask(newToken(), `6.6.6.6, ${from}`)).status, 429, "what a client writes before the proxy's word is no disguise");
});

test("the client's address is in the audit log as the trusted proxy says it", async () => {
  const tenant = await api.tenant();
  await api.call("POST", "/v1/apps", { token: tenant.token, body: { name: "a" }, headers: { "x-forwarded-for": "6.6.6.6, 203.0.113.9" } });
  const rows = await api.db.select().from(audit).where(eq(audit.tenantId, tenant.id));
  assert.equal(rows.find(({ verb }) => verb === "app.create")?.ip, "203.0.113.9");
});

test("limits hold over several processes", async () => {
  const redis = openRedisFailFast(stores.redisUrl, "other");
  await new Promise((resolve) => redis.once("ready", resolve));
  const limits = [openRateLimits(redis, "several:"), openRateLimits(redis, "several:")] as const;
  const who = { tenantId: "t", tokenId: "k", requestsMinute: 20 };
  const all = await Promise.allSettled(Array.from({ length: 30 }, (_, index) => limits[index % 2 === 0 ? 0 : 1].countRequest(who)));
  assert.equal(all.filter(({ status }) => status === "fulfilled").length, 10);
  redis.disconnect();
});

test("a Redis that hangs or is gone stops nobody; each process has a bound of its own then", async () => {
  const tenant = await tenantWith(40);
  stores.pause("redis");
  try {
    assert.deepEqual([...new Set(await statuses(10, tenant.token))], [200]);
  } finally {
    stores.resume("redis");
  }
  await stores.kill("redis");
  try {
    const all = await statuses(30, tenant.token);
    assert.ok(count(all, 200) >= 1 && count(all, 429) >= 1 && count(all, 200) + count(all, 429) === 30, all.join());
    assert.ok(count(all, 200) <= 20, all.join());
  } finally {
    await stores.start("redis");
  }
});
