// needs no root
/** Tokens: made with no more than one has, bound, rotated, revoked everywhere within a second. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eq, sql } from "drizzle-orm";
import { newId, type AppId, type TenantId } from "../../core/contract/ids.ts";
import { audit, builds, members, tokens } from "../../core/db/schema.ts";
import { SCOPES } from "../../core/domain/access.ts";
import { isToken } from "../../core/tokens.ts";
import { connectNode, seedApp, seedInstance, startTestApi, testBlobs, type TestApi } from "../support/api.ts";
import { seedMember, seedSession } from "../support/people.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let api: TestApi;
/** Another API process on the same stores: it shares nothing else with the first. */
let other: TestApi;
before(async () => {
  stores = await startStores({ only: ["postgres", "redis"] });
  const common = { databaseUrl: stores.databaseUrl, redisUrl: stores.redisUrl, blobs: testBlobs };
  api = await startTestApi(common, { redisPrefix: "tokens:" });
  other = await startTestApi(common, { redisPrefix: "tokens:", migrate: false, secrets: api.deps.secrets });
});
after(async () => {
  await other.close();
  await api.close();
  await stores.stop();
});

const make = (token: string, body: object) => api.call("POST", "/v1/tokens", { token, body: { name: "test", scopes: ["read"], ...body } });
const works = async (at: TestApi, token: string) => (await at.call("GET", "/v1/whoami", { token })).status === 200;

test("a token is shown once, kept as its hash, listed without it", async () => {
  const tenant = await api.tenant();
  const made = await make(tenant.token, { name: "ci", scopes: ["deploy", "read", "deploy"], expiresInSeconds: 3600 });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.ok(isToken(made.body.token));
  assert.equal(made.headers.get("cache-control"), "no-store");
  assert.deepEqual([made.body.kind, made.body.scopes], ["deploy", ["read", "deploy"]]);
  assert.ok(await works(api, made.body.token));
  const first = await api.call("GET", "/v1/tokens?limit=1", { token: tenant.token });
  const second = await api.call("GET", `/v1/tokens?limit=1&cursor=${first.body.nextCursor}`, { token: tenant.token });
  assert.deepEqual([second.body.items[0].id, second.body.nextCursor], [made.body.id, null]);
  assert.ok(second.body.items[0].lastUsedAt);
  assert.ok(!("token" in second.body.items[0]));
  const { rows } = await api.db.execute<{ text: string }>(sql`select string_agg(t::text, ' ') || (select string_agg(a::text, ' ') from audit a) as text from tokens t`);
  assert.ok(!rows[0]?.text.includes(made.body.token.slice(6)));
  const [row] = await api.db.select().from(audit).where(eq(audit.target, made.body.id));
  assert.deepEqual([row?.verb, row?.after?.["scopes"]], ["token.create", ["read", "deploy"]]);
  const again = await api.call("POST", "/v1/tokens", { token: tenant.token, body: { name: "x", scopes: ["read"] }, headers: { "idempotency-key": "one" } });
  assert.equal(again.status, 201);
  const { rows: kept } = await api.db.execute<{ text: string | null }>(sql`select string_agg(i::text, ' ') as text from idempotency i`);
  assert.ok(!kept[0]?.text?.includes(again.body.token));
});

test("nobody gives more than they have: scopes, app, time", async () => {
  const tenant = await api.tenant();
  const [one, two] = [await seedApp(api.db, tenant.id), await seedApp(api.db, tenant.id)];
  const developer = await seedMember(api, tenant.id, "developer");
  const refused = async (token: string, body: object) => assert.equal((await make(token, body)).status, 403, JSON.stringify(body));
  await refused(developer.token, { scopes: ["read"] });
  await refused(developer.token, { kind: "personal", scopes: ["read", "admin"] });
  await refused(tenant.token, { kind: "personal" });
  const mine = await make(developer.token, { kind: "personal", scopes: ["read", "deploy"], app: one.name });
  assert.deepEqual([mine.status, mine.body.app, mine.body.user], [201, one.name, developer.email]);
  // A token of one app makes none for another, nor for all.
  await refused(mine.body.token, { kind: "personal", scopes: ["read", "logs"] });
  assert.equal((await make(mine.body.token, { kind: "personal", app: two.name })).status, 404);
  assert.equal((await make(mine.body.token, { kind: "personal" })).body.app, one.name);
  const short = await make(tenant.token, { scopes: [...SCOPES], expiresInSeconds: 600 });
  await refused(short.body.token, { expiresInSeconds: 1200 });
  assert.equal((await make(short.body.token, {})).body.expiresAt, short.body.expiresAt, "without an end it gets its maker's");
  // A person decides how long machines of the tenant work, and not how long a lost token of theirs lives.
  const owner = await seedMember(api, tenant.id, "owner");
  await api.db.update(tokens).set({ expiresAt: new Date(Date.now() + 600_000) }).where(eq(tokens.id, owner.tokenId));
  assert.equal((await make(owner.token, { expiresInSeconds: 1200 })).status, 201);
  await refused(owner.token, { kind: "personal", expiresInSeconds: 1200 });
  for (const body of [{ scopes: [] }, { scopes: ["root"] }, { name: "" }, { name: "a\nb" }, { expiresInSeconds: 1 }, { kind: "operator" }, { tenantId: "x" }]) assert.equal((await make(tenant.token, body)).status, 400, JSON.stringify(body));
});

test("a token of one app sees that app alone", async () => {
  const tenant = await api.tenant();
  const [one, two] = [await seedApp(api.db, tenant.id), await seedApp(api.db, tenant.id)];
  const { body } = await make(tenant.token, { scopes: [...SCOPES], app: one.id });
  const ask = (method: string, path: string, more: object = {}) => api.call(method, path, { token: body.token, ...more });
  assert.equal((await ask("GET", `/v1/apps/${one.name}`)).status, 200);
  assert.deepEqual((await ask("GET", "/v1/apps")).body.items.map((app: { name: string }) => app.name), [one.name]);
  for (const path of ["", "/status", "/instances", "/env", "/releases", "/deployments", "/secrets", "/logs"]) assert.equal((await ask("GET", `/v1/apps/${two.name}${path}`)).status, 404, path);
  assert.equal((await ask("PATCH", `/v1/apps/${two.id}`, { body: { labels: { a: "b" } } })).status, 404);
  assert.equal((await ask("DELETE", `/v1/apps/${two.id}`)).status, 404);
  assert.equal((await ask("POST", "/v1/apps", { body: { name: "new" } })).status, 403);
  assert.equal((await ask("POST", "/v1/apps/new/deployments", { body: { image: "busybox" } })).status, 404);
  assert.equal((await ask("POST", `/v1/apps/${two.name}/deployments`, { body: { image: "busybox" } })).status, 404);
  for (const path of ["/v1/members", "/v1/invites", "/v1/trusts", "/v1/secrets"]) assert.equal((await ask("GET", path)).status, 403, path);
  assert.deepEqual((await ask("GET", "/v1/tokens")).body.items.map((token: { id: string }) => token.id), [body.id], "of its app alone");
  const reach = async (repository: string) => {
    const response = await fetch(`${api.url}/v2/token?scope=repository:${repository}:pull,push`, { headers: { authorization: `Basic ${Buffer.from(`x:${body.token}`).toString("base64")}` } });
    const { token } = (await response.json()) as { token: string };
    return (JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as { access: { actions: string[] }[] }).access.flatMap(({ actions }) => actions);
  };
  assert.deepEqual(await reach(`${tenant.name}/${one.name}`), ["pull", "push"]);
  assert.deepEqual(await reach(`${tenant.name}/${two.name}`), []);
});

test("a rotation leaves both until the overlap has passed; then the old one has expired", async () => {
  const tenant = await api.tenant();
  const { body: old } = await make(tenant.token, { scopes: ["read"], expiresInSeconds: 86_400 });
  const rotate = (id: string, body: object, token = tenant.token) => api.call("POST", `/v1/tokens/${id}/rotate`, { token, body });
  const { status, body: fresh } = await rotate(old.id, { overlapSeconds: 2 });
  assert.equal(status, 201, JSON.stringify(fresh));
  assert.notEqual(fresh.token, old.token);
  assert.ok(Math.abs(Date.parse(fresh.expiresAt) - Date.now() - 86_400_000) < 10_000, "as long as the old one was given");
  assert.ok((await works(api, old.token)) && (await works(other, fresh.token)));
  const again = await rotate(old.id, {});
  assert.deepEqual([again.status, again.body.code], [409, "conflict"]);
  await new Promise((resolve) => setTimeout(resolve, 2100));
  const ended = await other.call("GET", "/v1/whoami", { token: old.token });
  assert.deepEqual([ended.status, ended.body.code], [401, "token_expired"]);
  assert.ok(await works(other, fresh.token));
  // By itself: without more time than it has.
  const self = await rotate(fresh.id, { overlapSeconds: 0 }, fresh.token);
  assert.deepEqual([self.status, self.body.expiresAt], [201, fresh.expiresAt]);
  const [row] = await api.db.select().from(audit).where(sql`${audit.target} = ${fresh.id} and ${audit.verb} = 'token.rotate'`);
  assert.equal(row?.detail["replacedBy"], self.body.id);
  assert.equal((await rotate(old.id, {}, (await api.tenant()).token)).status, 404);
});

test("an owner revokes a developer's personal token, and does not become the developer", async () => {
  const tenant = await api.tenant();
  const [owner, developer] = [await seedMember(api, tenant.id, "owner"), await seedMember(api, tenant.id, "developer")];
  assert.deepEqual((await api.call("GET", "/v1/tokens", { token: developer.token })).body.items.map((token: { id: string }) => token.id), [developer.tokenId]);
  assert.equal((await api.call("POST", `/v1/tokens/${developer.tokenId}/rotate`, { token: owner.token, body: {} })).status, 403);
  assert.equal((await api.call("DELETE", `/v1/tokens/${owner.tokenId}`, { token: developer.token })).status, 404);
  assert.equal((await api.call("DELETE", `/v1/tokens/${developer.tokenId}`, { token: owner.token })).status, 204);
  assert.ok(!(await works(api, developer.token)));
});

/** Opens the stream at the other process, and says how long after `act` it ended. */
async function cutAfterMs(path: string, headers: Record<string, string>, act: () => Promise<unknown>): Promise<number> {
  const response = await fetch(`${other.url}${path}`, { headers });
  assert.equal(response.status, 200);
  const reader = response.body!.getReader();
  await reader.read();
  await act();
  const startedMs = performance.now();
  while (!(await reader.read()).done);
  return performance.now() - startedMs;
}

test("streams end within a second when their token, session or role ends in another process, also without Redis", async () => {
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id);
  const node = await connectNode(other);
  await seedInstance(api.db, { tenantId: tenant.id, appId: app.id, releaseId: app.releaseIds[0]!, nodeId: node.id });
  const build = await seedBuild(tenant.id, app.id);
  const logs = `/v1/apps/${app.name}/logs?follow=true`;
  const buildLog = `/v1/builds/${build}/logs`;
  const owner = await seedMember(api, tenant.id, "owner");
  const sse = (token: string) => ({ authorization: `Bearer ${token}`, accept: "text/event-stream" });
  const token = async () => (await make(tenant.token, { scopes: ["read", "logs"] })).body as { id: string; token: string };
  const revoke = (id: string) => () => api.call("DELETE", `/v1/tokens/${id}`, { token: tenant.token });

  const [a, b] = [await token(), await token()];
  assert.ok((await cutAfterMs(logs, sse(a.token), revoke(a.id))) < 1000, "logs of an app");
  assert.ok((await cutAfterMs(buildLog, sse(b.token), revoke(b.id))) < 1000, "log of a build");
  const session = await seedSession(api, owner.id, tenant.id);
  assert.ok((await cutAfterMs(buildLog, { cookie: session.headers["cookie"] ?? "", accept: "text/event-stream" }, () => api.call("DELETE", "/v1/session", { headers: session.headers }))) < 1000, "signed out");
  const developer = await seedMember(api, tenant.id, "developer");
  assert.ok((await cutAfterMs(logs, sse(developer.token), () => api.call("PUT", `/v1/members/${developer.id}/role`, { token: owner.token, body: { role: "viewer" } }))) < 1000, "another role");
  const brief = await token();
  await api.db.update(tokens).set({ expiresAt: new Date(Date.now() + 1500) }).where(eq(tokens.id, brief.id as never));
  assert.ok((await cutAfterMs(buildLog, sse(brief.token), async () => {})) < 2500, "expired");
  // Nobody rings: the table alone says it.
  const silent = await token();
  assert.ok((await cutAfterMs(buildLog, sse(silent.token), () => api.db.update(tokens).set({ revokedAt: new Date() }).where(eq(tokens.id, silent.id as never)))) < 1000, "without a bell");
  await stores.kill("redis");
  const last = await token();
  assert.ok((await cutAfterMs(buildLog, sse(last.token), revoke(last.id))) < 1000, "without Redis");
  const requests = await token();
  assert.ok(await works(other, requests.token));
  await revoke(requests.id)();
  assert.ok(!(await works(api, requests.token)), "at once where it was revoked");
  await new Promise((resolve) => setTimeout(resolve, 1000));
  assert.ok(!(await works(other, requests.token)), "within a second elsewhere");
  const gone = await seedMember(api, tenant.id, "viewer");
  assert.ok(await works(other, gone.token));
  await api.db.delete(members).where(eq(members.userId, gone.id));
  await new Promise((resolve) => setTimeout(resolve, 1000));
  assert.ok(!(await works(other, gone.token)), "no member any more");
  await stores.start("redis");
  await node.client.close();
});

async function seedBuild(tenantId: TenantId, appId: AppId): Promise<string> {
  const id = newId("build");
  await api.db.insert(builds).values({ id, tenantId, appId, contextKey: "x", contextFormat: "tar", contextBytes: 1 });
  return id;
}
