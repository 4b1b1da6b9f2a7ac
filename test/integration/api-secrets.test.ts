// needs no root
/** Secrets and shared variables through the API: what is released, what nodes get, and that nothing else says a value. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eq, sql } from "drizzle-orm";
import type { ReleaseSecret } from "../../core/contract/release-config.ts";
import { audit, releases, secrets, secretVersions, tenants } from "../../core/db/schema.ts";
import { createToken } from "../../core/db/system-queries/bootstrap.ts";
import { pruneSecretVersions, resealSecrets } from "../../core/db/system-queries/secrets.ts";
import { keysOf } from "../../core/secrets/key-file.ts";
import { secretsOf } from "../../core/secrets/secrets.ts";
import { connectNode, isDesired, randomName, seedApp, seedInstance, startTestApi, testBlobs, type TestApi } from "../support/api.ts";
import { startStores, type Stores } from "../support/stores.ts";

const key = (id: string, fill: number) => ({ id, key: Buffer.alloc(32, fill).toString("base64") });
const oldKeys = secretsOf(keysOf({ keys: [key("old", 1)] }));

let stores: Stores;
let api: TestApi;
before(async () => {
  stores = await startStores({ only: ["postgres", "redis"] });
  api = await startTestApi({ databaseUrl: stores.databaseUrl, redisUrl: stores.redisUrl, blobs: testBlobs }, { secrets: oldKeys });
});
after(async () => {
  await api.close();
  await stores.stop();
});

const put = (token: string, path: string, value: string, kind = "env", more = {}) => api.call("PUT", path, { token, body: { kind, value, ...more } });
const newest = async (appId: string) => {
  const [row] = await api.db.select().from(releases).where(eq(releases.appId, appId as never)).orderBy(sql`number desc`).limit(1);
  if (row === undefined) throw new Error("no release");
  return row;
};
const named = (held: readonly ReleaseSecret[]) => held.map(({ name, kind, version }) => `${name} ${kind} ${version}`).toSorted();

test("a secret is listed without its value, and makes a release that holds its version", async () => {
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id);
  const set = await put(tenant.token, `/v1/apps/${app.name}/secrets/PASSWORD`, "hunter2");
  assert.equal(set.status, 202, JSON.stringify(set.body));
  assert.equal(set.body.secret.version, 1);
  assert.deepEqual(set.body.deployments.map((one: { app: string }) => one.app), [app.name]);
  const file = await put(tenant.token, `/v1/apps/${app.name}/secrets/tls.key`, Buffer.from([0, 1, 255]).toString("base64"), "file", { encoding: "base64" });
  assert.equal(file.status, 202);
  const release = await newest(app.id);
  assert.equal(release.reason, "secrets");
  assert.deepEqual(named(release.secrets), ["PASSWORD env 1", "tls.key file 1"]);
  const listed = await api.call("GET", `/v1/apps/${app.id}/secrets?limit=1`, { token: tenant.token });
  assert.deepEqual(Object.keys(listed.body.items[0]).toSorted(), ["createdAt", "kind", "name", "shared", "updatedAt", "version"]);
  const rest = await api.call("GET", `/v1/apps/${app.id}/secrets?cursor=${listed.body.nextCursor}`, { token: tenant.token });
  assert.deepEqual([listed.body.items[0].name, ...rest.body.items.map((one: { name: string }) => one.name)], ["PASSWORD", "tls.key"]);
  assert.equal(rest.body.nextCursor, null);
  const shown = await api.call("GET", `/v1/apps/${app.name}/releases`, { token: tenant.token });
  assert.deepEqual(shown.body.items[0].secrets, [{ name: "PASSWORD", kind: "env", version: 1 }, { name: "tls.key", kind: "file", version: 1 }]);
});

test("a node gets the values, opened, and nobody else does", async () => {
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id, { env: { A: "own" } });
  const value = `s3cr3t-${randomName("")}`;
  await put(tenant.token, "/v1/secrets/A", "shared and hidden");
  await put(tenant.token, "/v1/secrets/B", "shared");
  await put(tenant.token, `/v1/apps/${app.name}/secrets/PASSWORD`, value);
  await put(tenant.token, `/v1/apps/${app.name}/secrets/id_rsa`, "line 1\nline 2\n", "file");
  await api.call("PATCH", "/v1/env", { token: tenant.token, body: { A: "shared", REGION: "eu" } });
  const { id: releaseId } = await newest(app.id);
  const node = await connectNode(api);
  await node.client.next(isDesired);
  const from = node.client.received.length;
  await seedInstance(api.db, { tenantId: tenant.id, appId: app.id, releaseId, nodeId: node.id });
  api.deps.bells.ring("node", node.id);
  const desired = await node.client.next(isDesired, { from });
  const [instance] = desired.instances;
  assert.deepEqual(instance?.secrets, { kind: "values", env: ["B=shared", `PASSWORD=${value}`], files: [{ name: "id_rsa", content: Buffer.from("line 1\nline 2\n").toString("base64") }] });
  assert.ok(instance?.env.includes("A=own") && instance.env.includes("REGION=eu"));
  await node.client.close();
  for (const path of ["", "/env", "/secrets", "/releases", "/status"]) {
    const { body } = await api.call("GET", `/v1/apps/${app.name}${path}`, { token: tenant.token });
    assert.ok(!JSON.stringify(body).includes(value), path);
  }
  const { rows } = await api.db.execute<{ text: string }>(sql`select string_agg(a::text, ' ') as text from audit a`);
  assert.ok(!rows[0]?.text.includes(value));
});

test("another tenant's, and what is not there, is not found", async () => {
  const [a, b] = [await api.tenant(), await api.tenant()];
  const app = await seedApp(api.db, a.id);
  await put(a.token, `/v1/apps/${app.name}/secrets/X`, "x");
  for (const [method, path] of [["GET", ""], ["PUT", "/X"], ["DELETE", "/X"]] as const) {
    const body = method === "PUT" ? { kind: "env", value: "y" } : undefined;
    for (const name of [app.name, app.id]) assert.equal((await api.call(method, `/v1/apps/${name}/secrets${path}`, { token: b.token, body })).status, 404, `${method} ${path}`);
  }
  assert.equal((await api.call("DELETE", `/v1/apps/${app.name}/secrets/Y`, { token: a.token })).status, 404);
  assert.equal((await api.call("DELETE", "/v1/secrets/X", { token: b.token })).status, 404);
  assert.deepEqual((await api.call("GET", "/v1/secrets", { token: b.token })).body.items, []);
});

test("a version of another tenant's secret in a release is not opened", async () => {
  const [a, b] = [await api.tenant(), await api.tenant()];
  await put(a.token, "/v1/secrets/X", "belongs to a");
  const [theirs] = await api.db.select().from(secrets).where(eq(secrets.tenantId, a.id));
  const app = await seedApp(api.db, b.id);
  const [releaseId] = app.releaseIds;
  if (releaseId === undefined || theirs === undefined) throw new Error("not seeded");
  await api.db.update(releases).set({ secrets: [{ id: theirs.id, name: "X", kind: "env", version: 1 }] }).where(eq(releases.id, releaseId));
  const node = await connectNode(api);
  await seedInstance(api.db, { tenantId: b.id, appId: app.id, releaseId, nodeId: node.id });
  api.deps.bells.ring("node", node.id);
  const desired = await node.client.next((message) => isDesired(message) && message.instances.length > 0);
  assert.ok(isDesired(desired));
  assert.equal(desired.instances[0]?.secrets?.kind, "unavailable");
  await node.client.close();
});

test("what is wrong with a value is said without it", async () => {
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id);
  const cases: [string, string, object, string][] = [
    ["a-b", "env", { value: "v4lue" }, "invalid_name"],
    ["PORT", "env", { value: "v4lue" }, "invalid_name"],
    ["-x", "file", { value: "v4lue" }, "invalid_request"],
    ["..", "file", { value: "v4lue" }, "not_found"],
    ["X", "env", { value: "v4lue\0" }, "invalid_config"],
    ["X", "env", { value: Buffer.from([255, 254]).toString("base64"), encoding: "base64" }, "invalid_config"],
    ["X", "file", { value: "v4lue!!", encoding: "base64" }, "invalid_config"],
    ["X", "env", { value: `v4lue${"x".repeat(40_000)}` }, "invalid_config"],
    ["X", "build", { value: "abc" }, "invalid_config"],
    ["X", "other", { value: "v4lue" }, "invalid_request"],
    ["X", "env", {}, "invalid_request"],
  ];
  for (const [name, kind, more, code] of cases) {
    const answer = await api.call("PUT", `/v1/apps/${app.name}/secrets/${name}`, { token: tenant.token, body: { kind, ...more } });
    assert.equal(answer.body.code, code, `${name} ${kind} ${JSON.stringify(answer.body)}`);
    assert.ok(!JSON.stringify(answer.body).includes("v4lue"), JSON.stringify(answer.body));
  }
  const big = "x".repeat(60_000);
  assert.equal((await put(tenant.token, `/v1/apps/${app.name}/secrets/a`, big, "file")).status, 202);
  assert.equal((await put(tenant.token, `/v1/apps/${app.name}/secrets/b`, big, "file")).status, 202);
  assert.equal((await put(tenant.token, `/v1/apps/${app.name}/secrets/c`, big, "file")).body.code, "invalid_config");
  assert.equal((await api.call("GET", `/v1/apps/${app.name}/secrets`, { token: tenant.token })).body.items.length, 2);
});

test("shared secrets and variables release every app that gets them, and no other", async () => {
  const tenant = await api.tenant();
  const [plain, own, ownVariable] = [await seedApp(api.db, tenant.id), await seedApp(api.db, tenant.id), await seedApp(api.db, tenant.id, { env: { KEY: "mine" } })];
  const idle = (await api.call("POST", "/v1/apps", { token: tenant.token, body: { name: randomName("idle") } })).body;
  await put(tenant.token, `/v1/apps/${own.name}/secrets/KEY`, "mine");
  const set = await put(tenant.token, "/v1/secrets/KEY", "ours");
  assert.deepEqual(set.body.deployments.map((one: { app: string }) => one.app), [plain.name]);
  assert.deepEqual(named((await newest(plain.id)).secrets), ["KEY env 1"]);
  const env = await api.call("PATCH", "/v1/env", { token: tenant.token, body: { KEY: "shared", NEW: "1" } });
  assert.equal(env.status, 202);
  assert.equal(env.body.deployments.length, 3);
  assert.deepEqual((await newest(ownVariable.id)).sharedEnv, { KEY: "shared", NEW: "1" });
  assert.deepEqual((await api.call("GET", "/v1/env", { token: tenant.token })).body, { KEY: "shared", NEW: "1" });
  assert.equal((await api.call("PATCH", "/v1/env", { token: tenant.token, body: { NEW: "1" } })).body.deployments.length, 0, "no news");
  const build = await put(tenant.token, "/v1/secrets/NPM_TOKEN", "npm_12345", "build");
  assert.deepEqual([build.status, build.body.deployments], [200, []]);
  const gone = await api.call("DELETE", "/v1/secrets/KEY", { token: tenant.token });
  assert.deepEqual([gone.status, gone.body.secret, gone.body.deployments.length], [202, null, 1]);
  assert.deepEqual((await newest(plain.id)).secrets, []);
  assert.equal(idle.liveRelease, null);
});

test("shared configuration needs «admin» and a token of the whole tenant", async () => {
  const tenant = await api.tenant();
  const { token } = await createToken(api.db, tenant.id, { name: "ci", scopes: ["read", "config"] });
  assert.equal((await put(token, "/v1/secrets/X", "x")).body.code, "forbidden");
  assert.equal((await api.call("PATCH", "/v1/env", { token, body: { A: "1" } })).body.code, "forbidden");
  assert.equal((await api.call("DELETE", "/v1/secrets/X", { token })).body.code, "forbidden");
  assert.equal((await api.call("GET", "/v1/secrets", { token })).status, 200);
});

test("a rollback returns to the versions of that release; versions are kept while a release names them", async () => {
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id);
  const path = `/v1/apps/${app.name}/secrets`;
  await put(tenant.token, `${path}/A`, "a1");
  const first = await newest(app.id);
  await put(tenant.token, `${path}/A`, "a2");
  await put(tenant.token, `${path}/B`, "b1");
  await put(tenant.token, `${path}/TOOL`, "tool-1", "build");
  await put(tenant.token, `${path}/TOOL`, "tool-2", "build");
  await api.db.update(releases).set({ liveAt: new Date() }).where(eq(releases.appId, app.id));
  const back = await api.call("POST", `/v1/apps/${app.name}/rollback`, { token: tenant.token, body: { release: `v${first.number}` } });
  assert.equal(back.status, 202);
  const list = async () => (await api.call("GET", path, { token: tenant.token })).body.items.map((one: { name: string; version: number }) => `${one.name} ${one.version}`);
  assert.deepEqual(await list(), ["A 1", "TOOL 2"]);
  await api.call("PATCH", `/v1/apps/${app.name}/env`, { token: tenant.token, body: { X: "1" } });
  assert.deepEqual(named((await newest(app.id)).secrets), ["A env 1"]);

  await api.db.update(secrets).set({ updatedAt: new Date(Date.now() - 2 * 3_600_000) }).where(eq(secrets.tenantId, tenant.id));
  await pruneSecretVersions(api.db);
  const kept = await api.db.select({ name: secrets.name, number: secretVersions.number }).from(secretVersions).innerJoin(secrets, eq(secrets.id, secretVersions.secretId)).where(eq(secrets.tenantId, tenant.id));
  // B is removed, but a release names it; the tool's first version is named by nothing.
  assert.deepEqual(kept.map(({ name, number }) => `${name} ${number}`).toSorted(), ["A 1", "A 2", "B 1", "TOOL 2"]);
  const again = await put(tenant.token, `${path}/A`, "a3");
  assert.equal(again.body.secret.version, 3, "a number is never used twice");
});

test("parallel changes lose nothing", async () => {
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id);
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, at) => (at % 3 === 0 ? put(tenant.token, `/v1/secrets/S${at % 2}`, `v${at}`) : put(tenant.token, `/v1/apps/${app.name}/secrets/A${at % 2}`, `v${at}`))),
  );
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [202]);
  assert.deepEqual(named((await newest(app.id)).secrets), ["A0 env 4", "A1 env 4", "S0 env 2", "S1 env 2"]);
});

test("the quota of secrets holds", async () => {
  const tenant = await api.tenant();
  await api.db.update(tenants).set({ limits: { secrets: 2 } }).where(eq(tenants.id, tenant.id));
  for (const name of ["A", "B", "A"]) assert.equal((await put(tenant.token, `/v1/secrets/${name}`, "x")).status, 200);
  assert.equal((await put(tenant.token, "/v1/secrets/C", "x")).body.code, "quota_exceeded");
  await api.call("DELETE", "/v1/secrets/A", { token: tenant.token });
  assert.equal((await put(tenant.token, "/v1/secrets/C", "x")).status, 200);
});

test("a rotation seals anew what an older key sealed, may be broken off, and then needs the older key no more", async () => {
  const tenant = await api.tenant();
  for (let at = 0; at < 3; at++) await put(tenant.token, `/v1/secrets/R${at}`, `value ${at}`);
  const both = secretsOf(keysOf({ keys: [key("new", 2), key("old", 1)] }));
  const broken = { ...both, seal: async (...args: Parameters<typeof both.seal>) => (args[1].name === "R1" ? Promise.reject(new Error("broken off")) : both.seal(...args)) };
  const first = await resealSecrets(api.db, broken);
  assert.equal(first.failed.length, 1);
  assert.ok(first.resealed >= 2);
  const second = await resealSecrets(api.db, both);
  assert.deepEqual([second.resealed, second.failed], [1, []]);
  assert.equal((await resealSecrets(api.db, both)).resealed, 0);
  const only = secretsOf(keysOf({ keys: [key("new", 2)] }));
  const rows = await api.db.select({ secret: secrets, sealed: secretVersions.sealed, keyId: secretVersions.keyId }).from(secretVersions).innerJoin(secrets, eq(secrets.id, secretVersions.secretId)).where(eq(secrets.tenantId, tenant.id));
  const opened = await Promise.all(rows.map(({ secret, ...sealed }) => only.open(sealed, { tenantId: tenant.id, secretId: secret.id, name: secret.name, version: 1 })));
  assert.deepEqual(opened.map(String).toSorted(), ["value 0", "value 1", "value 2"]);
});

test("every change is in the audit log, by name alone", async () => {
  const tenant = await api.tenant();
  await put(tenant.token, "/v1/secrets/A", "unsaid-1");
  await put(tenant.token, "/v1/secrets/A", "unsaid-2", "file");
  await api.call("DELETE", "/v1/secrets/A", { token: tenant.token });
  await api.call("PATCH", "/v1/env", { token: tenant.token, body: { B: "unsaid-3" } });
  await api.call("PATCH", "/v1/env", { token: tenant.token, body: { B: null } });
  const rows = await api.db.select().from(audit).where(eq(audit.tenantId, tenant.id)).orderBy(audit.id);
  const written = rows.filter(({ actor }) => actor !== "system").map(({ verb, detail, before: was, after: is }) => ({ verb, detail, was, is }));
  assert.deepEqual(written, [
    { verb: "secret.set", detail: { name: "A", app: null }, was: null, is: { kind: "env", version: 1 } },
    { verb: "secret.set", detail: { name: "A", app: null }, was: { kind: "env", version: 1 }, is: { kind: "file", version: 2 } },
    { verb: "secret.unset", detail: { name: "A", app: null }, was: { kind: "file", version: 2 }, is: null },
    { verb: "tenant.env", detail: { env: { set: ["B"], unset: [] } }, was: null, is: null },
    { verb: "tenant.env", detail: { env: { set: [], unset: ["B"] } }, was: null, is: null },
  ]);
  assert.ok(!JSON.stringify(rows).includes("unsaid"));
});
