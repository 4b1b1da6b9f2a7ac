// needs no root
/** Pipelines exchange the identity that their provider gives them for a deploy token, as a tenant's trust says. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, beforeEach, test } from "node:test";
import { and, eq } from "drizzle-orm";
import { exportJWK, generateKeyPair } from "jose";
import { audit, tokens } from "../../core/db/schema.ts";
import { randomName, seedApp, startTestApi, testBlobs, type TestApi } from "../support/api.ts";
import { startIssuer, type TestIssuer } from "../support/issuer.ts";
import { seedOperator } from "../support/people.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let api: TestApi;
let issuer: TestIssuer;
let tenant: Awaited<ReturnType<TestApi["tenant"]>>;
before(async () => {
  [stores, issuer] = await Promise.all([startStores({ only: ["postgres", "redis"] }), startIssuer()]);
  api = await startTestApi({ databaseUrl: stores.databaseUrl, redisUrl: stores.redisUrl, blobs: testBlobs });
});
after(async () => {
  await api.close();
  await stores.stop();
  await issuer.close();
});
beforeEach(async () => {
  tenant = await api.tenant();
});

const MAIN = { sub: "repo:acme/shop:ref:refs/heads/main", repository: "acme/shop" };
const trust = (more: object = {}) =>
  api.call("POST", "/v1/trusts", { token: tenant.token, body: { name: randomName("ci"), issuer: issuer.url, audience: "berth", claims: { sub: "repo:acme/*:ref:refs/heads/main" }, scopes: ["read", "deploy"], ...more } });
const form = (subjectToken: string, more: Record<string, string> = {}) => ({
  grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
  subject_token: subjectToken,
  subject_token_type: "urn:ietf:params:oauth:token-type:id_token",
  audience: tenant.name,
  ...more,
});
const exchange = (subjectToken: string, more: Record<string, string> = {}) => api.call("POST", "/v1/token-exchange", { body: form(subjectToken, more) });

test("a pipeline gets a deploy token for an hour, by form and by JSON", async () => {
  const made = await trust({ name: "shop" });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const subject = await issuer.sign({ ...MAIN, aud: "berth" });
  const response = await fetch(`${api.url}/v1/token-exchange`, { method: "POST", body: new URLSearchParams({ ...form(subject), resource: "https://ignored.example" }) });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("cache-control"), "no-store");
  const given = (await response.json()) as Record<string, string>;
  assert.deepEqual({ ...given, access_token: "" }, { access_token: "", issued_token_type: "urn:ietf:params:oauth:token-type:access_token", token_type: "Bearer", expires_in: 3600, scope: "read deploy" });
  const me = await api.call("GET", "/v1/whoami", { token: given["access_token"] });
  assert.deepEqual([me.body.tenant.name, me.body.token.kind, me.body.scopes], [tenant.name, "deploy", ["read", "deploy"]]);
  assert.ok(Math.abs(Date.parse(me.body.token.expiresAt) - Date.now() - 3_600_000) < 10_000);
  const [row] = await api.db.select().from(audit).where(and(eq(audit.tenantId, tenant.id), eq(audit.verb, "token.exchange")));
  assert.deepEqual([row?.actor, row?.actorName, row?.detail], [`trust:${made.body.id}`, "shop", { issuer: issuer.url, subject: MAIN.sub }]);
  assert.ok(!JSON.stringify(row).includes(subject));
  const less = await exchange(subject, { scope: "deploy" });
  assert.deepEqual([less.status, less.body.scope], [200, "deploy"]);
  assert.equal((await exchange(subject, { scope: "admin" })).status, 401);
  assert.equal((await exchange(subject, { scope: "root" })).status, 400);
  for (const more of [{ grant_type: "password" }, { subject_token_type: "x" }, { unknown: "x" }]) assert.equal((await exchange(subject, more)).status, 400, JSON.stringify(more));
  // It makes nothing that outlives it.
  const child = await api.call("POST", "/v1/tokens", { token: given["access_token"], body: { name: "child", scopes: ["read"] } });
  assert.equal(child.status, 403);
});

test("a trust for one app gives a token of that app; with the trust its tokens end", async () => {
  const app = await seedApp(api.db, tenant.id);
  const made = await trust({ app: app.name });
  const { body } = await exchange(await issuer.sign({ ...MAIN, aud: "berth" }));
  assert.equal((await api.call("GET", "/v1/whoami", { token: body.access_token })).body.app, app.name);
  const stranger = await api.tenant();
  assert.equal((await api.call("DELETE", `/v1/trusts/${made.body.id}`, { token: stranger.token })).status, 404);
  assert.equal((await api.call("DELETE", `/v1/trusts/${made.body.name}`, { token: tenant.token })).status, 204);
  assert.equal((await api.call("GET", "/v1/whoami", { token: body.access_token })).status, 401);
  assert.equal((await exchange(await issuer.sign({ ...MAIN, aud: "berth" }))).status, 401);
});

test("trusts are listed, have names of their own, and give no more than their maker has", async () => {
  const first = await trust({ name: "one" });
  await trust({ name: "two" });
  assert.equal((await trust({ name: "one" })).body.code, "name_taken");
  const page = await api.call("GET", "/v1/trusts?limit=1", { token: tenant.token });
  assert.deepEqual([page.body.items[0].id, page.body.nextCursor], [first.body.id, first.body.id]);
  assert.equal((await api.call("GET", `/v1/trusts?cursor=${page.body.nextCursor}`, { token: tenant.token })).body.items[0].name, "two");
  const admin = (await api.call("POST", "/v1/tokens", { token: tenant.token, body: { name: "a", scopes: ["admin", "read"] } })).body.token as string;
  const body = { name: "x", issuer: issuer.url, audience: "berth", claims: { sub: "a" }, scopes: ["deploy"] };
  assert.equal((await api.call("POST", "/v1/trusts", { token: admin, body })).status, 403);
  for (const wrong of [
    { claims: {} },
    { claims: { sub: "*" } },
    { claims: { sub: "*:*" } },
    { issuer: "not a url" },
    { issuer: "ftp://x.example" },
    { issuer: "https://x.example?a" },
    { issuer: "http://x.example" },
    { issuer: "http://10.0.0.1" },
    { scopes: [] },
    { audience: "" },
  ]) assert.equal((await trust(wrong)).status, 400, JSON.stringify(wrong));
});

test("other claims, other issuers, other tenants and forged tokens get nothing", async () => {
  await trust();
  const refused = async (what: string, token: string | Promise<string>, more: Record<string, string> = {}) => {
    const { status, body } = await exchange(await token, more);
    assert.deepEqual([status, body.code], [401, "unauthenticated"], `${what}: ${JSON.stringify(body)}`);
  };
  const good = { ...MAIN, aud: "berth" };
  assert.equal((await exchange(await issuer.sign(good))).status, 200);
  const now = Math.floor(Date.now() / 1000);
  const stranger = await generateKeyPair("RS256", { extractable: true });
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const [head = "", payload = "", signature] = (await issuer.sign(good)).split(".");
  const header = JSON.parse(Buffer.from(head, "base64url").toString()) as Record<string, unknown>;
  await refused("another branch", issuer.sign({ ...good, sub: "repo:acme/shop:ref:refs/heads/evil" }));
  await refused("another owner", issuer.sign({ ...good, sub: "repo:evil/shop:ref:refs/heads/main" }));
  await refused("the star does not reach across", issuer.sign({ ...good, sub: "repo:acme/x:y/z:ref:refs/heads/main" }));
  await refused("another audience", issuer.sign({ ...good, aud: "sts.example" }));
  await refused("no audience", issuer.sign(MAIN));
  await refused("expired", issuer.sign({ ...good, exp: now - 60 }));
  await refused("without an end", issuer.sign({ ...good, exp: undefined }));
  await refused("not yet", issuer.sign({ ...good, nbf: now + 600 }));
  await refused("too old", issuer.sign({ ...good, iat: now - 2 * 86_400, exp: now + 600 }));
  await refused("another key", issuer.sign(good, {}, stranger.privateKey));
  await refused("a key of its own", issuer.sign(good, { jwk: await exportJWK(stranger.publicKey) } as never, stranger.privateKey));
  await refused("an unknown kid", issuer.sign(good, { kid: "other" }));
  await refused("none", `${encode({ ...header, alg: "none" })}.${payload}.`);
  const confused = `${encode({ ...header, alg: "HS256" })}.${payload}`;
  await refused("HS256 with the public key", `${confused}.${createHmac("sha256", JSON.stringify(issuer.keys[0])).update(confused).digest("base64url")}`);
  await refused("an unknown critical part", `${encode({ ...header, crit: ["x"], x: 1 })}.${payload}.${signature}`);
  await refused("an issuer that nobody trusts", issuer.sign({ ...good, iss: "https://evil.example" }));
  await refused("no JWT", "x");
  await refused("a Berth token", tenant.token);
  await refused("of another tenant", issuer.sign(good), { audience: (await api.tenant()).name });
  await refused("of no tenant", issuer.sign(good), { audience: "nobody" });
  // Not even asked: the token's word alone leads nowhere.
  assert.ok(!issuer.asked.includes("/evil"));
});

test("keys are kept, and never fetched from inside the network", async () => {
  await trust();
  assert.equal((await exchange(await issuer.sign({ ...MAIN, aud: "berth" }))).status, 200);
  const before = issuer.asked.length;
  for (let i = 0; i < 5; i++) assert.equal((await exchange(await issuer.sign({ ...MAIN, aud: "berth" }))).status, 200);
  assert.equal(issuer.asked.length, before, "kept");
  for (let i = 0; i < 5; i++) await exchange(await issuer.sign({ ...MAIN, aud: "berth" }, { kid: `made-up-${i}` }));
  assert.ok(issuer.asked.length <= before + 2, "made-up keys are no flood of fetches");

  const other = await startIssuer();
  const guarded = await startTestApi({ databaseUrl: stores.databaseUrl, redisUrl: stores.redisUrl, blobs: testBlobs }, { migrate: false, fetchAllow: "" });
  const strict = await guarded.call("POST", "/v1/trusts", { token: tenant.token, body: { name: "inside", issuer: other.url, audience: "berth", claims: { sub: "a" }, scopes: ["read"] } });
  assert.equal(strict.status, 400, "no plain http out of private networks");
  // It was made when the operator allowed it.
  await trust({ name: "inside", issuer: other.url, claims: { sub: "a" } });
  const token = await other.sign({ sub: "a", aud: "berth" });
  const refused = await guarded.call("POST", "/v1/token-exchange", { body: form(token) });
  assert.deepEqual([refused.status, refused.body.code], [503, "issuer_unavailable"]);
  assert.deepEqual(other.asked, [], "not even asked");
  await guarded.close();

  other.metadata = { jwks_uri: "http://169.254.169.254/latest/meta-data" };
  assert.equal((await exchange(token)).body.code, "issuer_unavailable", "keys at the cloud's metadata");
  await other.close();
  const impostor = await startIssuer();
  impostor.metadata = { issuer: issuer.url };
  await trust({ name: "impostor", issuer: impostor.url, claims: { sub: "a" } });
  assert.equal((await exchange(await impostor.sign({ sub: "a", aud: "berth" }))).body.code, "issuer_unavailable", "it says that it is another");
  await impostor.close();
});

test("a suspended tenant gives none; a tenant without room neither", async () => {
  await trust();
  const subject = await issuer.sign({ ...MAIN, aud: "berth" });
  const operator = await seedOperator(api);
  await api.call("POST", `/v1/operator/tenants/${tenant.name}/suspend`, { token: operator });
  assert.equal((await exchange(subject)).body.code, "tenant_suspended");
  await api.call("POST", `/v1/operator/tenants/${tenant.name}/resume`, { token: operator });
  await api.call("PUT", `/v1/operator/tenants/${tenant.name}/plan`, { token: operator, body: { plan: null, limits: { tokens: 2 } } });
  assert.equal((await exchange(subject)).status, 200);
  assert.equal((await exchange(subject)).body.code, "quota_exceeded");
  await api.db.update(tokens).set({ expiresAt: new Date() }).where(and(eq(tokens.tenantId, tenant.id), eq(tokens.kind, "deploy"), eq(tokens.createdBy, `trust:${(await api.call("GET", "/v1/trusts", { token: tenant.token })).body.items[0].id}`)));
  assert.equal((await exchange(subject)).status, 200, "what has expired takes no room");
});
