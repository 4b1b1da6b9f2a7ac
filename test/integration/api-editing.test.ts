// needs no root
/** Two people at one app (`ETag`, `If-Match`), labels, and pages of what is listed by them. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eq } from "drizzle-orm";
import { apps, audit } from "../../core/db/schema.ts";
import { readRoutes } from "../../core/db/system-queries/routes.ts";
import { seedApp, startTestApi, testBlobs, type TestApi } from "../support/api.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let api: TestApi;
before(async () => {
  stores = await startStores({ only: ["postgres", "redis"] });
  api = await startTestApi({ ...stores, blobs: testBlobs }, { redisPrefix: stores.redisPrefix, migrate: false });
});
after(async () => {
  await api?.close();
  await stores?.stop();
});

type Tenant = Awaited<ReturnType<TestApi["tenant"]>>;
const etagOf = async ({ token }: Tenant, path: string) => (await api.call("GET", path, { token })).headers.get("etag") ?? "";

test("an app that has not changed is not sent again", async () => {
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id, { env: { A: "1" } });
  for (const path of [`/v1/apps/${app.name}`, `/v1/apps/${app.name}/env`]) {
    const get = (etag: string) => api.call("GET", path, { token: tenant.token, headers: { "if-none-match": etag } });
    const etag = await etagOf(tenant, path);
    assert.match(etag, /^"1\.[\w-]{16}"$/);
    const same = await get(etag);
    assert.deepEqual([same.status, same.body, same.headers.get("etag")], [304, "", etag]);
    for (const known of [`"x", W/${etag}`, "*"]) assert.equal((await get(known)).status, 304, known);
    for (const other of ['"x"', '"1.AAAAAAAAAAAAAAAA"', "nonsense"]) assert.equal((await get(other)).status, 200, other);
  }
  const before = await etagOf(tenant, `/v1/apps/${app.name}`);
  await api.db.update(apps).set({ liveReleaseId: null }).where(eq(apps.id, app.id));
  const after = await etagOf(tenant, `/v1/apps/${app.name}`);
  assert.notEqual(after, before, "what changes by itself is seen, too");
  assert.equal(after.split(".")[0], before.split(".")[0], "but is no change that a person made");
});

test("two people at the shared variables do not overwrite each other", async () => {
  const tenant = await api.tenant();
  const patch = (body: object, etag: string) => api.call("PATCH", "/v1/env", { token: tenant.token, body, headers: { "if-match": etag } });
  const read = await etagOf(tenant, "/v1/env");
  const first = await patch({ B: "1", A: "2" }, read);
  assert.deepEqual([first.status, first.body.env], [200, { A: "2", B: "1" }]);
  const late = await patch({ A: "3" }, read);
  assert.deepEqual([late.status, late.body.code], [412, "version_mismatch"]);
  const seen = await api.call("GET", "/v1/env", { token: tenant.token });
  assert.deepEqual([seen.body, seen.headers.get("cache-control")], [{ A: "2", B: "1" }, "no-store"]);
  const same = await api.call("GET", "/v1/env", { token: tenant.token, headers: { "if-none-match": seen.headers.get("etag") ?? "" } });
  assert.deepEqual([same.status, same.body], [304, ""]);
  // Either the answer of the read or that of the change names the version.
  assert.equal((await patch({ A: null }, seen.headers.get("etag") ?? "")).status, 200);
  assert.equal((await patch({ A: "4" }, first.headers.get("etag") ?? "")).status, 412);
});

test("a change that did not see the last one is refused, and changes nothing", async () => {
  const tenant = await api.tenant();
  const { token } = tenant;
  const { name } = await seedApp(api.db, tenant.id);
  const path = `/v1/apps/${name}`;
  const read = await etagOf(tenant, path);
  const change = (method: string, to: string, body: unknown, etag?: string) => api.call(method, to, { token, body, ...(etag === undefined ? {} : { headers: { "if-match": etag } }) });
  assert.equal((await change("PATCH", path, { settings: { replicas: 2 } }, read)).status, 202);
  for (const [method, to, body] of [["PATCH", path, { settings: { replicas: 3 } }], ["PATCH", `${path}/env`, { A: "1" }], ["PATCH", path, { labels: { a: "b" } }], ["DELETE", path, undefined]] as const) {
    const late = await change(method, to, body, read);
    assert.deepEqual([late.status, late.body.code], [412, "version_mismatch"], `${method} ${to}`);
  }
  const now = await api.call("GET", path, { token });
  assert.deepEqual([now.body.settings.replicas, now.body.version], [2, 2]);
  // Either of the two answers has the version of both.
  assert.equal((await change("PATCH", path, { settings: { replicas: 3 } }, await etagOf(tenant, `${path}/env`))).status, 202);
  assert.equal((await change("PATCH", `${path}/env`, { A: "1" }, `"0.x", W/${await etagOf(tenant, path)}`)).status, 202);
  assert.equal((await change("PATCH", `${path}/env`, { A: "2" }, "*")).status, 202);
  assert.equal((await change("PATCH", `${path}/env`, { A: "3" })).status, 202);
  assert.deepEqual([(await change("PATCH", path, {}, "7")).status, (await change("PATCH", path, {}, '"7"')).status], [400, 412]);
  assert.equal((await change("DELETE", path, undefined, await etagOf(tenant, path))).status, 204);
});

test("50 changes at once that saw the same: one is made", async () => {
  const tenant = await api.tenant();
  const { name } = await seedApp(api.db, tenant.id);
  const etag = await etagOf(tenant, `/v1/apps/${name}`);
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, index) => api.call("PATCH", `/v1/apps/${name}/env`, { token: tenant.token, body: { N: String(index) }, headers: { "if-match": etag } })),
  );
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [202, ...Array.from({ length: 49 }, () => 412)]);
});

test("a release, a rollback and labels each make a version; an upload that changes no configuration makes none", async () => {
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id, { releases: 2 });
  const version = async () => (await api.call("GET", `/v1/apps/${app.name}`, { token: tenant.token })).body.version;
  const patch = (body: unknown) => api.call("PATCH", `/v1/apps/${app.name}`, { token: tenant.token, body });
  assert.equal((await patch({ labels: { env: "prod" } })).status, 200);
  assert.equal(await version(), 2);
  await patch({ labels: { env: "prod" } });
  assert.equal(await version(), 2, "that was so already");
  await patch({ settings: { replicas: 2 }, labels: { env: null } });
  assert.equal(await version(), 4);
  await api.call("POST", `/v1/apps/${app.name}/rollback`, { token: tenant.token, body: {} });
  assert.equal(await version(), 5);
});

test("labels: set with an app, changed, refused when they are none, listed by", async () => {
  const tenant = await api.tenant();
  const { token } = tenant;
  const make = (name: string, labels: Record<string, string>) => api.call("POST", "/v1/apps", { token, body: { name, labels } });
  assert.deepEqual((await make("a", { env: "prod", tier: "web" })).body.labels, { env: "prod", tier: "web" });
  await make("b", { env: "prod", "example.com/old": "" });
  await make("c", { env: "dev" });
  await make("d", {});
  const list = async (query: string) => (await api.call("GET", `/v1/apps?${query}`, { token })).body.items?.map((app: { name: string }) => app.name).join("");
  const cases = { "label=env=prod": "ab", "label=env%3Dprod&label=!example.com/old": "a", "label=env": "abc", "label=!env": "d", "label=env!=prod": "cd", "label=env=prod,tier=web": "a", "label=env=a&label=env=b": "", "label=example.com/old=": "b" };
  for (const [query, names] of Object.entries(cases)) assert.equal(await list(query), names, query);
  const first = await api.call("GET", "/v1/apps?label=env=prod&limit=1", { token });
  assert.equal(await list(`label=env=prod&limit=1&cursor=${first.body.nextCursor}`), "b");
  for (const bad of ["label=a=b=c", "label=", `${"label=a&".repeat(21)}`]) assert.equal((await api.call("GET", `/v1/apps?${bad}`, { token })).body.code, "invalid_request", bad);

  const patched = await api.call("PATCH", "/v1/apps/a", { token, body: { labels: { env: "dev", tier: null } } });
  assert.deepEqual([patched.status, patched.body.labels], [200, { env: "dev" }]);
  for (const labels of [{ "-": "x" }, { a: "b c" }, { a: 1 }, Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`l${index}`, ""]))]) {
    const refused = await api.call("PATCH", "/v1/apps/a", { token, body: { labels } });
    assert.deepEqual([refused.status, refused.body.code], [422, "invalid_config"], JSON.stringify(labels).slice(0, 60));
  }
  const [row] = (await api.db.select().from(audit).where(eq(audit.tenantId, tenant.id))).filter(({ verb }) => verb === "app.labels");
  assert.deepEqual([row?.before, row?.after], [{ labels: { env: "prod", tier: "web" } }, { labels: { env: "dev" } }]);
  const stranger = await api.tenant();
  assert.deepEqual((await api.call("GET", "/v1/apps?label=env", { token: stranger.token })).body.items, []);
});

test("maintenance is a switch of the app: no release, told to gateways, kept in the audit; features are settings", async () => {
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id, {});
  const call = (method: string, body?: object) => api.call(method, `/v1/apps/${app.name}/maintenance`, { token: tenant.token, ...(body && { body }) });
  const on = await call("PUT", { retryAfterS: 60 });
  assert.deepEqual([on.status, on.body.maintenance], [200, { retryAfterS: 60 }]);
  const [route] = await readRoutes(api.db, "berth.test", [app.id]);
  assert.deepEqual(route?.maintenance, { retryAfterS: 60 });
  assert.equal((await call("PUT", { retryAfterS: 60 })).body.version, on.body.version, "no change");
  assert.deepEqual((await call("PUT", {})).body.maintenance, { retryAfterS: 300 });
  assert.deepEqual([(await call("PUT", { retryAfterS: 0 })).status, (await call("PUT", { other: 1 })).status], [400, 400]);
  assert.equal((await call("DELETE")).body.maintenance, null);
  const [ended] = await readRoutes(api.db, "berth.test", [app.id]);
  assert.equal("maintenance" in (ended ?? {}), false);
  const verbs = (await api.db.select().from(audit).where(eq(audit.tenantId, tenant.id))).filter(({ verb }) => verb === "app.maintenance");
  assert.deepEqual(verbs.map(({ after }) => (after as { maintenance: unknown }).maintenance), [{ retryAfterS: 60 }, { retryAfterS: 300 }, null]);
  const basicAuth = { user: "anna", passwordHash: `sha256:${"0".repeat(32)}:${"0".repeat(64)}` };
  const patch = (settings: object) => api.call("PATCH", `/v1/apps/${app.name}`, { token: tenant.token, body: { settings } });
  assert.equal((await patch({ http: { basicAuth, compression: true } })).status, 202);
  assert.equal((await patch({ http: { compression: null } })).status, 202);
  const { body } = await api.call("GET", `/v1/apps/${app.name}`, { token: tenant.token });
  assert.deepEqual(body.settings.http, { basicAuth });
  assert.equal((await patch({ http: { basicAuth: { user: "anna", password: "plain text" } } })).status, 422);
});
