// needs no root
/** People sign in at an OIDC provider, with a browser and for the CLI; sessions and what is forged of them. */
import assert from "node:assert/strict";
import { createHash, createHmac, createPublicKey, generateKeyPairSync, randomBytes } from "node:crypto";
import { after, before, beforeEach, test } from "node:test";
import { and, eq, sql } from "drizzle-orm";
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, importJWK, jwtVerify, SignJWT, type JWK, type JWTHeaderParameters } from "jose";
import { audit, identities, invites, logins, members, sessions, signingKeys, tokens, users } from "../../core/db/schema.ts";
import { bindingOf, forgetKeys, signJwt } from "../../core/db/signing-keys.ts";
import { signRegistryToken } from "../../core/registry/token.ts";
import { randomName, startTestApi, testBlobs, type TestApi } from "../support/api.ts";
import { Browser, startIssuer, type IssuerUser, type TestIssuer } from "../support/issuer.ts";
import { seedMember, seedOperator, seedSession } from "../support/people.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let api: TestApi;
let issuer: TestIssuer;
before(async () => {
  [stores, issuer] = await Promise.all([startStores({ only: ["postgres", "redis"] }), startIssuer()]);
  const oidc = { issuer: new URL(issuer.url), clientId: issuer.clientId, clientSecret: issuer.clientSecret, scopes: "openid email profile" };
  api = await startTestApi({ databaseUrl: stores.databaseUrl, redisUrl: stores.redisUrl, blobs: testBlobs }, { oidc, signUp: true });
});
after(async () => {
  await api.close();
  await stores.stop();
  await issuer.close();
});
beforeEach(() => {
  issuer.tamper = (claims) => claims;
  issuer.user = undefined;
  api.deps.config.hasSignUp = true;
});

const somebody = (more: Partial<IssuerUser> = {}): IssuerUser => ({ sub: randomName("s"), email: `${randomName("p")}@example.test`, name: "A Person", ...more });
const isApp = (location: URL) => location.origin === api.url && !location.pathname.startsWith("/auth/");

/** Signs in; where the browser ends up. */
async function signIn(user: IssuerUser | undefined, path = "/auth/login", browser = new Browser()) {
  issuer.user = user;
  return { browser, ...(await browser.follow(api.url + path, isApp)) };
}

const sessionOf = async (browser: Browser) => (await (await browser.ask(`${api.url}/v1/session`)).json()) as any;
const send = async (browser: Browser, method: string, path: string, csrf: string | undefined, body?: object, headers: Record<string, string> = {}) => {
  const response = await browser.ask(api.url + path, { method, headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...(csrf === undefined ? {} : { "x-csrf-token": csrf }), ...headers }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  const text = await response.text();
  return { status: response.status, body: text === "" ? undefined : (JSON.parse(text) as any) };
};

test("somebody signs in, makes a tenant, works with a session in place of a token, and signs out", async () => {
  const user = somebody();
  const { browser, location } = await signIn(user, "/auth/login?return_to=%2Fapps%3Fa%3Db");
  assert.equal(location?.href, `${api.url}/apps?a=b`);
  const session = await sessionOf(browser);
  assert.deepEqual([session.user.email, session.tenant, session.tenants, session.canCreateTenant], [user.email, null, [], true]);
  assert.equal((await send(browser, "GET", "/v1/apps", undefined)).status, 403, "no tenant yet");
  const name = randomName("own");
  assert.equal((await send(browser, "POST", "/v1/session/tenants", undefined, { name })).status, 403, "without the page's token");
  const made = await send(browser, "POST", "/v1/session/tenants", session.csrfToken, { name });
  assert.deepEqual([made.status, made.body.tenant, made.body.tenants], [201, name, [{ name, role: "owner" }]]);
  assert.equal((await send(browser, "POST", "/v1/session/tenants", session.csrfToken, { name: randomName("two") })).body.code, "conflict");

  const me = await send(browser, "GET", "/v1/whoami", undefined);
  assert.deepEqual([me.body.tenant.name, me.body.token, me.body.user.role], [name, null, "owner"]);
  const create = (csrf: string | undefined, headers: Record<string, string> = {}) => send(browser, "POST", "/v1/apps", csrf, { name: randomName("app") }, headers);
  assert.equal((await create(session.csrfToken)).status, 201);
  assert.equal((await create(undefined)).status, 403);
  assert.equal((await create("x".repeat(session.csrfToken.length))).status, 403);
  assert.equal((await create(session.csrfToken, { origin: "https://evil.example" })).status, 403);
  assert.equal((await create(session.csrfToken, { "sec-fetch-site": "same-site" })).status, 403, "an app of a tenant may live beside us");
  assert.equal((await create(session.csrfToken, { origin: api.url, "sec-fetch-site": "same-origin" })).status, 201);
  const [row] = await api.db.select().from(audit).where(and(eq(audit.verb, "app.create"), eq(audit.actor, `user:${session.user.id}`)));
  assert.equal(row?.actorName, user.email);

  const before = browser.cookie("berth_session");
  assert.equal((await send(browser, "POST", "/v1/session/refresh", undefined, undefined, { origin: "https://evil.example" })).status, 403);
  assert.equal((await send(browser, "POST", "/v1/session/refresh", undefined)).status, 200);
  assert.notEqual(browser.cookie("berth_session"), before);
  const copied = new Browser();
  for (const [key, value] of browser.jar) copied.jar.set(key, value);
  assert.equal((await send(browser, "DELETE", "/v1/session", session.csrfToken)).status, 204);
  assert.equal(browser.cookie("berth_session"), undefined);
  assert.equal((await send(copied, "GET", "/v1/apps", undefined)).status, 401, "a copy of its cookies ends with it");
  assert.equal((await send(copied, "POST", "/v1/session/refresh", undefined)).status, 401);
});

test("cookies are out of scripts' reach, and of other hosts' and sites'", async () => {
  issuer.user = somebody();
  const browser = new Browser();
  const begun = await browser.ask(`${api.url}/auth/login`);
  assert.match(begun.headers.get("set-cookie") ?? "", /^berth_login=[^;]+; Max-Age=600; Path=\/auth; HttpOnly; SameSite=Lax$/);
  const back = await browser.ask((await browser.ask(begun.headers.get("location") ?? "")).headers.get("location") ?? "");
  const set = back.headers.getSetCookie();
  assert.ok(set.some((line) => /^berth_session=[^;]+; Max-Age=(600|599); Path=\/; HttpOnly; SameSite=Strict$/.test(line)), set.join("\n"));
  assert.ok(set.some((line) => /^berth_renewal=[^;]+; Max-Age=60\d{4}; Path=\/v1\/session\/refresh; HttpOnly; SameSite=Strict$/.test(line)), set.join("\n"));
  const dump = JSON.stringify([await api.db.select().from(sessions), await api.db.select().from(logins), await api.db.select().from(audit)]);
  for (const value of browser.jar.values()) assert.ok(!dump.includes(value));
  api.deps.config.publicUrl = new URL("https://berth.example");
  const secure = await fetch(`${api.url}/auth/login`, { redirect: "manual" });
  api.deps.config.publicUrl = new URL(api.url);
  assert.match(secure.headers.get("set-cookie") ?? "", /^__Secure-berth_login=.*; Secure; /);
});

test("nobody is led to another site after signing in", async () => {
  for (const path of ["//evil.example", "/\\evil.example", "https://evil.example", "/%09/evil.example", "/\t/evil.example", "javascript:alert(1)"]) {
    const { location } = await signIn(somebody(), `/auth/login?return_to=${encodeURIComponent(path)}`);
    assert.equal(location?.origin, api.url, path);
    assert.ok(!location.pathname.startsWith("//"), path);
  }
});

test("what comes back must have been begun in this browser, once, and be meant for it", async () => {
  const user = somebody();
  const refused = async (url: string, browser: Browser) => {
    const response = await browser.ask(url);
    assert.equal(response.status, 401, await response.text());
    assert.equal(browser.cookie("berth_session"), undefined);
  };
  issuer.user = user;
  const browser = new Browser();
  const atProvider = (await browser.ask(`${api.url}/auth/login`)).headers.get("location") ?? "";
  const asked = new URL(atProvider).searchParams;
  assert.deepEqual([asked.get("code_challenge_method"), asked.get("response_type"), asked.get("redirect_uri")], ["S256", "code", `${api.url}/auth/callback`]);
  const callback = (await browser.ask(atProvider)).headers.get("location") ?? "";
  await refused(callback, new Browser());
  const forged = new URL(callback);
  forged.searchParams.set("state", randomBytes(32).toString("base64url"));
  await refused(forged.href, browser);
  assert.equal((await browser.ask(callback)).status, 302);
  await refused(callback, Object.assign(new Browser(), { jar: new Map([...browser.jar].filter(([key]) => key.startsWith("berth_login"))) }));

  const wrong: Record<string, (claims: Record<string, unknown>) => Record<string, unknown>> = {
    nonce: (claims) => ({ ...claims, nonce: "another" }),
    audience: (claims) => ({ ...claims, aud: "another" }),
    issuer: (claims) => ({ ...claims, iss: "https://another.example" }),
    expired: (claims) => ({ ...claims, exp: Math.floor(Date.now() / 1000) - 60 }),
  };
  for (const [what, tamper] of Object.entries(wrong)) {
    issuer.tamper = tamper;
    const { response, browser: other } = await signIn(user);
    assert.equal(response.status, 401, `${what}: ${await response.text()}`);
    assert.equal(other.cookie("berth_session"), undefined);
  }
  issuer.tamper = (claims) => claims;
  const denied = await signIn(undefined);
  assert.equal(denied.response.status, 401);
  for (const more of [{ email_verified: false }, { email: "" }]) assert.equal((await signIn(somebody(more))).response.status, 403);
  issuer.user = user;
  const late = new Browser();
  const { location: back } = await late.follow(`${api.url}/auth/login`, (location) => location.pathname === "/auth/callback");
  issuer.isBroken = true;
  const away = await late.ask(back?.href ?? "");
  issuer.isBroken = false;
  assert.equal(away.status, 503, "the code cannot be redeemed");
  assert.equal(((await away.json()) as { code: string }).code, "issuer_unavailable");
  const page = await fetch(`${api.url}/auth/callback?state=x`, { headers: { accept: "text/html" } });
  assert.match(page.headers.get("content-security-policy") ?? "", /default-src 'none'/);
  assert.match(await page.text(), /Begin again/);
});

test("where tenants are made by the operator, only the invited come in", async () => {
  api.deps.config.hasSignUp = false;
  const tenant = await api.tenant();
  const owner = await seedMember(api, tenant.id, "owner");
  const user = somebody();
  const uninvited = await signIn(user);
  assert.equal(uninvited.response.status, 403);
  assert.equal(await api.db.$count(users, eq(users.email, user.email)), 0);
  const invite = async (email: string) => (await api.call("POST", "/v1/invites", { token: owner.token, body: { email, role: "developer" } })).body as { link: string; id: string };
  const { link } = await invite(user.email);
  const thief = await signIn(somebody(), link.slice(api.url.length));
  assert.equal(thief.response.status, 403);
  const { browser } = await signIn(user, link.slice(api.url.length));
  const session = await sessionOf(browser);
  assert.deepEqual([session.tenant, session.tenants, session.canCreateTenant], [tenant.name, [{ name: tenant.name, role: "developer" }], false]);
  assert.equal((await send(browser, "POST", "/v1/session/tenants", session.csrfToken, { name: randomName("x") })).status, 403);
  assert.equal((await signIn(user, link.slice(api.url.length))).response.status, 404, "used already");
  const [seen] = await api.db.select().from(audit).where(and(eq(audit.tenantId, tenant.id), eq(audit.verb, "member.add")));
  assert.equal(seen?.actor, `user:${session.user.id}`);
  assert.equal(await api.db.$count(invites, eq(invites.tenantId, tenant.id)), 1);
});

test("a person is who the provider's subject says, whatever the address", async () => {
  const user = somebody();
  const first = await sessionOf((await signIn(user)).browser);
  const moved = { ...user, email: `${randomName("new")}@example.test` };
  const second = await sessionOf((await signIn(moved)).browser);
  assert.deepEqual([second.user.id, second.user.email], [first.user.id, moved.email]);
  const impostor = await signIn({ ...moved, sub: randomName("other") });
  assert.equal(impostor.response.status, 403, "the same address with another subject");
  const both = somebody();
  const results = await Promise.all([signIn(both), signIn(both)]);
  assert.ok(results.every(({ browser }) => browser.cookie("berth_session") !== undefined));
  assert.equal(await api.db.$count(identities, eq(identities.subject, both.sub)), 1);
  await api.db.update(users).set({ disabledAt: new Date() }).where(eq(users.id, second.user.id));
  assert.equal((await signIn(moved)).response.status, 403, "shut out");
});

test("a session goes where its person is a member, and ends with the membership", async () => {
  const [a, b] = [await api.tenant(), await api.tenant()];
  const person = await seedMember(api, a.id, "viewer");
  await api.db.insert(members).values({ tenantId: b.id, userId: person.id, role: "owner" });
  const seeded = await seedSession(api, person.id, a.id);
  const browser = new Browser();
  browser.jar.set("berth_session /", seeded.jwt);
  assert.equal((await send(browser, "POST", "/v1/apps", seeded.csrf, { name: "x" })).status, 403, "a viewer here");
  const moved = await send(browser, "PUT", "/v1/session", seeded.csrf, { tenant: b.name });
  assert.deepEqual([moved.status, moved.body.tenant], [200, b.name]);
  assert.equal((await send(browser, "POST", "/v1/apps", seeded.csrf, { name: "x" })).status, 201);
  assert.equal((await send(browser, "PUT", "/v1/session", seeded.csrf, { tenant: (await api.tenant()).name })).status, 404);
  await api.db.delete(members).where(and(eq(members.tenantId, b.id), eq(members.userId, person.id)));
  await new Promise((resolve) => setTimeout(resolve, 1050));
  assert.equal((await send(browser, "GET", "/v1/apps", undefined)).status, 403);
});

test("forged sessions are refused; each kind of token opens its own door alone", async () => {
  const tenant = await api.tenant();
  const person = await seedMember(api, tenant.id, "owner");
  const { jwt: good } = await seedSession(api, person.id, tenant.id);
  const status = async (jwt: string) => (await api.call("GET", "/v1/whoami", { headers: { cookie: `berth_session=${jwt}` } })).status;
  assert.equal(await status(good), 200);
  const header = decodeProtectedHeader(good) as JWTHeaderParameters & { kid: string };
  const claims = decodeJwt(good);
  assert.ok((claims.exp ?? 0) - (claims.iat ?? 0) <= 15 * 60);
  const [row] = await api.db.select().from(signingKeys).where(eq(signingKeys.kid, header.kid));
  assert.ok(row?.sealedWith);
  const key = await importJWK(JSON.parse(String(await api.deps.secrets.open({ sealed: row.privateJwk, keyId: row.sealedWith }, bindingOf(row.kid)))) as JWK, "ES256");
  const sign = (change: object, headerChange: object = {}, signer: Parameters<SignJWT["sign"]>[0] = key) => new SignJWT({ ...claims, ...change }).setProtectedHeader({ ...header, ...headerChange }).sign(signer);
  assert.equal(await status(await sign({})), 200, "signed like this it is good");
  const now = Math.floor(Date.now() / 1000);
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const [head, payload, signature] = good.split(".");
  const stranger = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const pem = createPublicKey({ key: row.publicJwk as never, format: "jwk" }).export({ type: "spki", format: "pem" });
  const hmac = (material: string | Buffer) => {
    const text = `${encode({ ...header, alg: "HS256" })}.${payload}`;
    return `${text}.${createHmac("sha256", material).update(text).digest("base64url")}`;
  };
  const forged: Record<string, string> = {
    none: `${encode({ ...header, alg: "none" })}.${payload}.`,
    "no signature": `${head}.${payload}.`,
    "other claims": `${head}.${encode({ ...claims, sub: "usr_x" })}.${signature}`,
    "HS256 with the public key": hmac(pem),
    "another key": await sign({}, {}, stranger),
    "a key of its own": await sign({}, { kid: undefined, jwk: createPublicKey(stranger).export({ format: "jwk" }) }, stranger),
    "unknown kid": await sign({}, { kid: "11111111-1111-4111-8111-111111111111" }),
    "no kid": await sign({}, { kid: undefined }),
    "kid of another kind": await sign({}, { kid: "' or 1=1 --" }),
    "other audience": await sign({ aud: "berth-registry" }),
    "no audience": await sign({ aud: undefined }),
    "other issuer": await sign({ iss: "somebody" }),
    "other type": await sign({}, { typ: "JWT" }),
    "no type": await sign({}, { typ: undefined }),
    expired: await sign({ exp: now - 1 }),
    "without an end": await sign({ exp: undefined }),
    "not yet": await sign({ nbf: now + 60 }),
    "without a beginning": await sign({ nbf: undefined }),
    "unknown critical part": `${encode({ ...header, crit: ["x"], x: 1 })}.${payload}.${signature}`,
    "another's session": await sign({ sid: "ses_01k0000000000000000000000a" }),
    "claims of another shape": await sign({ sid: 5 }),
    "the registry's": await signRegistryToken(api.db, { subject: `token:${person.tokenId}`, access: [] }),
    "of another kind, signed by us": await signJwt(api.db, { audience: "berth-session", typ: "JWT" }, { ...claims, sub: person.id }, new Date(), 60_000),
    "a Berth token": person.token,
    "a session's id": String(claims["sid"]),
    "no JWT": "a.b.c",
  };
  for (const [what, jwt] of Object.entries(forged)) assert.equal(await status(jwt), 401, what);
  assert.equal((await api.call("GET", "/v1/whoami", { token: good })).status, 401, "a session is no bearer token");
  assert.equal((await fetch(`${api.url}/v2/`, { headers: { authorization: `Bearer ${good}` } })).status, 401, "nor the registry's");
});

test("published keys verify; a new one is published before it signs; with revoke the old ones end", async () => {
  const operator = await seedOperator(api);
  const published = async () => (await api.call("GET", "/.well-known/jwks.json")).body as { keys: (JWK & { kid: string })[] };
  const tenant = await api.tenant();
  const person = await seedMember(api, tenant.id, "owner");
  const { jwt } = await seedSession(api, person.id, tenant.id);
  const before = await published();
  assert.ok(before.keys.every((key) => key.alg === "ES256" && key.d === undefined), "public parts alone");
  const verified = await jwtVerify(jwt, createLocalJWKSet(before as never), { issuer: "berth", audience: "berth-session" });
  const rotated = await api.call("POST", "/v1/operator/signing-keys/rotate", { token: operator, body: {} });
  assert.equal(rotated.status, 200);
  assert.ok((await published()).keys.some(({ kid }) => kid === rotated.body.kid));
  const kidOf = (token: string) => decodeProtectedHeader(token).kid;
  assert.equal(kidOf((await seedSession(api, person.id, tenant.id)).jwt), verified.protectedHeader.kid, "known first, signs later");
  // Ten minutes on.
  await api.db.update(signingKeys).set({ createdAt: sql`${signingKeys.createdAt} - interval '11 minutes'` });
  forgetKeys(api.db);
  assert.equal(kidOf((await seedSession(api, person.id, tenant.id)).jwt), rotated.body.kid);
  const status = async (token: string) => (await api.call("GET", "/v1/whoami", { headers: { cookie: `berth_session=${token}` } })).status;
  assert.equal(await status(jwt), 200, "the old one still verifies");
  await api.db.update(signingKeys).set({ retiredAt: sql`now() - interval '2 hours'` }).where(eq(signingKeys.kid, verified.protectedHeader.kid ?? ""));
  forgetKeys(api.db);
  assert.equal(await status(jwt), 401, "until all that it signed has ended");
  const fresh = (await seedSession(api, person.id, tenant.id)).jwt;
  const revoked = await api.call("POST", "/v1/operator/signing-keys/rotate", { token: operator, body: { revoke: true } });
  assert.ok(revoked.body.retired >= 1);
  assert.deepEqual((await published()).keys.map(({ kid }) => kid), [revoked.body.kid]);
  assert.equal(await status(fresh), 401);
  assert.equal(await status((await seedSession(api, person.id, tenant.id)).jwt), 200);
});

test("the CLI's code: for whoever began, once, with PKCE; several tenants are chosen from", async () => {
  const user = somebody();
  const verifier = randomBytes(32).toString("base64url");
  const challenge = createHash("sha256").update(verifier).digest("base64url");
  const begin = (redirect = "http://127.0.0.1:9/callback") => `/auth/login?${new URLSearchParams({ cli_redirect: redirect, cli_state: "state-of-cli", cli_challenge: challenge })}`;
  const isCli = (location: URL) => location.port === "9";
  issuer.user = user;
  const code = async () => {
    const { location } = await new Browser().follow(api.url + begin(), isCli);
    assert.equal(location?.searchParams.get("state"), "state-of-cli");
    return location.searchParams.get("code") ?? "";
  };
  const exchange = (more: object) => api.call("POST", "/v1/login/token", { body: { verifier, tokenName: "laptop", ...more } });
  for (const redirect of ["https://evil.example/", "http://127.0.0.1.evil.example:9/", "http://localhost:9/x", "http://127.0.0.1:9@evil.example/"]) assert.equal((await api.call("GET", begin(redirect))).status, 400, redirect);
  const first = await code();
  assert.equal((await exchange({ code: first, verifier: "x".repeat(43) })).status, 401);
  const none = await exchange({ code: first });
  assert.deepEqual([none.status, none.body.token, none.body.tenants, none.body.canCreateTenant], [200, null, [], true]);
  const name = randomName("cli");
  const made = await exchange({ code: first, tenant: name, create: true });
  assert.equal(made.status, 200, JSON.stringify(made.body));
  const me = await api.call("GET", "/v1/whoami", { token: made.body.token.token });
  assert.deepEqual([me.body.tenant.name, me.body.token.kind, me.body.user.role], [name, "personal", "owner"]);
  assert.equal((await exchange({ code: first })).status, 401, "once");
  const other = await api.tenant();
  await api.db.insert(members).values({ tenantId: other.id, userId: me.body.user.id, role: "viewer" });
  const second = await code();
  const choice = await exchange({ code: second });
  assert.equal(choice.body.token, null);
  assert.deepEqual(choice.body.tenants.map((one: { name: string }) => one.name), [name, other.name].toSorted());
  const parallel = await Promise.all([exchange({ code: second, tenant: other.name }), exchange({ code: second, tenant: other.name })]);
  assert.deepEqual(parallel.map(({ status }) => status).toSorted(), [200, 401]);
  const late = await code();
  await api.db.update(logins).set({ expiresAt: new Date() }).where(sql`${logins.codeHash} is not null`);
  assert.equal((await exchange({ code: late })).status, 401);
  assert.equal(await api.db.$count(tokens, eq(tokens.userId, me.body.user.id)), 2);
});

test("without a provider, people are told to use tokens", async () => {
  const { oidc } = api.deps.config;
  const plain = await startTestApi({ databaseUrl: stores.databaseUrl, redisUrl: stores.redisUrl, blobs: testBlobs }, { migrate: false });
  const refused = await plain.call("GET", "/auth/login");
  assert.deepEqual([refused.status, refused.body.code], [404, "not_found"]);
  await plain.close();
  assert.ok(oidc);
});
