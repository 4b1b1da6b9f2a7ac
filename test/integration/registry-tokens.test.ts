// needs no root
/** Tokens of the registry: what is forged, too old, revoked or of somebody else opens nothing. */
import assert from "node:assert/strict";
import { createHmac, createPublicKey, generateKeyPairSync } from "node:crypto";
import { after, before, test } from "node:test";
import { decodeJwt, decodeProtectedHeader, importJWK, SignJWT, type JWK, type JWTHeaderParameters } from "jose";
import { eq } from "drizzle-orm";
import { openS3BlobStore } from "../../core/blob-store/s3.ts";
import { openDb } from "../../core/db/client.ts";
import { signingKeys, tokens } from "../../core/db/schema.ts";
import { bindingOf, sealSigningKeys } from "../../core/db/signing-keys.ts";
import { signRegistryToken, verifyRegistryToken } from "../../core/registry/token.ts";
import { startTestApi, type TestApi } from "../support/api.ts";
import { basic, errorCode, registryClient, type Tenant } from "../support/registry.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let api: TestApi;
let alice: Tenant;
let client: ReturnType<typeof registryClient>;

before(async () => {
  stores = await startStores();
  api = await startTestApi({ databaseUrl: stores.databaseUrl, redisUrl: stores.redisUrl, blobs: openS3BlobStore(stores.s3 as never) }, { migrate: false });
  client = registryClient(api.url);
  alice = await api.tenant();
});
after(async () => {
  await api?.close();
  await stores?.stop();
});

const status = async (token: string) => (await client.ask("GET", "/v2/", { token })).status;
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

test("the first tokens of many processes are signed with one key", async () => {
  const databases = Array.from({ length: 5 }, () => openDb(stores.databaseUrl, { name: "test", max: 2 }));
  for (const { db } of databases) sealSigningKeys(db, api.deps.secrets);
  try {
    const signed = await Promise.all(databases.flatMap(({ db }) => [signRegistryToken(db, { subject: "x", access: [] }), signRegistryToken(db, { subject: "x", access: [] })]));
    assert.equal(new Set(signed.map((token) => decodeProtectedHeader(token).kid)).size, 1);
    assert.equal(await api.db.$count(signingKeys), 1);
    for (const { db } of databases) for (const token of signed) assert.equal((await verifyRegistryToken(db, token))?.subject, "x");
  } finally {
    await Promise.all(databases.map(({ close }) => close()));
  }
});

test("forged tokens are refused", async () => {
  const good = await client.tokenFor(alice, `repository:${alice.name}/web:pull`);
  assert.equal(await status(good), 200);
  const header = decodeProtectedHeader(good) as JWTHeaderParameters & { kid: string };
  const claims = decodeJwt(good);
  assert.ok((claims.exp ?? 0) - (claims.iat ?? 0) <= 15 * 60);
  const [row] = await api.db.select().from(signingKeys);
  assert.ok(row?.sealedWith && !row.privateJwk.includes('"d"'), "the private key is sealed");
  const privateJwk = JSON.parse(String(await api.deps.secrets.open({ sealed: row.privateJwk, keyId: row.sealedWith }, bindingOf(row.kid)))) as JWK;
  const key = await importJWK(privateJwk, "ES256");
  const sign = (change: object, headerChange: object = {}, signer: Parameters<SignJWT["sign"]>[0] = key) => new SignJWT({ ...claims, ...change }).setProtectedHeader({ ...header, ...headerChange }).sign(signer);
  assert.equal(await status(await sign({})), 200, "signed like this it is good");
  const now = Math.floor(Date.now() / 1000);
  const stranger = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const publicPem = createPublicKey({ key: row.publicJwk as never, format: "jwk" }).export({ type: "spki", format: "pem" });
  const hmac = (material: string | Buffer) => {
    const text = `${encode({ ...header, alg: "HS256" })}.${encode(claims)}`;
    return `${text}.${createHmac("sha256", material).update(text).digest("base64url")}`;
  };
  const [head, payload, signature] = good.split(".");
  const forged: Record<string, string> = {
    none: `${encode({ ...header, alg: "none" })}.${payload}.`,
    "none, in capitals": `${encode({ ...header, alg: "NONE" })}.${payload}.`,
    "no signature": `${head}.${payload}.`,
    "other claims": `${head}.${encode({ ...claims, access: [{ type: "repository", name: "bob/*", actions: ["pull"] }] })}.${signature}`,
    "HS256 with the public key": hmac(publicPem),
    "HS256 with the key's id": hmac(header.kid),
    "another key": await sign({}, {}, stranger),
    "unknown kid": await sign({}, { kid: "11111111-1111-4111-8111-111111111111" }),
    "kid of another kind": await sign({}, { kid: "../../etc/passwd\0" }),
    "no kid": await sign({}, { kid: undefined }),
    "a key of its own": await sign({}, { kid: undefined, jwk: createPublicKey(stranger).export({ format: "jwk" }) }, stranger),
    "other audience": await sign({ aud: "other" }),
    "no audience": await sign({ aud: undefined }),
    "other issuer": await sign({ iss: "somebody" }),
    expired: await sign({ exp: now - 1 }),
    "without an end": await sign({ exp: undefined }),
    "not yet": await sign({ nbf: now + 60 }),
    "claims of another shape": await sign({ access: [{ type: "repository", name: 5, actions: "all" }] }),
    "no claims": await sign({ access: undefined }),
  };
  for (const [what, token] of Object.entries(forged)) assert.equal(await status(token), 401, what);
  await assert.rejects(sign({}, { crit: ["unknown"], unknown: true }), "jose does not sign it either");
  const critical = `${encode({ ...header, crit: ["unknown"], unknown: true })}.${payload}.${signature}`;
  for (const text of [critical, "a.b.c", "..", `${good}.x`, `${good.slice(0, -4)}AAAA`, "."]) assert.equal(await status(text), 401, text);
});

test("when a Berth token is revoked, what was given for it ends within a second", async () => {
  const carol = await api.tenant();
  const token = await client.tokenFor(carol, `repository:${carol.name}/web:pull,push`);
  assert.equal(await status(token), 200);
  await api.db.update(tokens).set({ revokedAt: new Date() }).where(eq(tokens.tenantId, carol.id));
  await new Promise((resolve) => setTimeout(resolve, 1100));
  assert.equal(await status(token), 401);
  assert.equal(await status(carol.token), 401);
  const refused = await client.ask("GET", "/v2/token", { headers: { authorization: basic(carol.token) } });
  assert.equal(refused.status, 401);
  assert.match(refused.headers.get("www-authenticate") ?? "", /^Basic /);
});

test("the OAuth form gives the same token; other grants and large forms are refused", async () => {
  const post = (fields: Record<string, string>) =>
    client.ask("POST", "/v2/token", { body: new URLSearchParams(fields).toString(), headers: { "content-type": "application/x-www-form-urlencoded" } });
  const form = { grant_type: "password", service: "berth-registry", client_id: "test", username: "any", password: alice.token };
  const response = await post({ ...form, scope: `repository:${alice.name}/web:pull,push repository:bob/web:pull` });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("cache-control"), "no-store");
  const { access_token: token } = (await response.json()) as { access_token: string };
  assert.deepEqual(decodeJwt(token)["access"], [{ type: "repository", name: `${alice.name}/web`, actions: ["pull", "push"] }]);
  const refresh = await post({ ...form, grant_type: "refresh_token", refresh_token: "x" });
  assert.equal(await errorCode(refresh), "UNSUPPORTED");
  assert.equal((await post({ ...form, password: "berth_wrong" })).status, 401);
  assert.equal((await post({ ...form, filler: "x".repeat(100_000) })).status, 413);
  assert.equal((await client.ask("PUT", "/v2/token")).status, 405);
});

test("a token lists the repositories that it may read, and pages them", async () => {
  const repositories = ["one", "two", "three"].map((name) => `${alice.name}/${name}`).toSorted();
  const manifest = '{"schemaVersion":2,"manifests":[]}';
  const put = (repository: string, token: string) => client.ask("PUT", `/v2/${repository}/manifests/v1`, { token, body: manifest, headers: { "content-type": "application/vnd.oci.image.index.v1+json" } });
  for (const repository of repositories) assert.equal((await put(repository, alice.token)).status, 201);
  const dave = await api.tenant();
  assert.equal((await put(`${dave.name}/secret`, dave.token)).status, 201);
  const list = async (path: string, token: string) => {
    const response = await client.ask("GET", path, { token });
    return { names: ((await response.json()) as { repositories: string[] }).repositories, next: /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1] };
  };
  for (const token of [alice.token, await client.tokenFor(alice, "registry:catalog:*")]) {
    assert.deepEqual((await list("/v2/_catalog", token)).names, repositories);
    const first = await list("/v2/_catalog?n=2", token);
    assert.deepEqual(first.names, repositories.slice(0, 2));
    assert.deepEqual((await list(first.next ?? "", token)).names, repositories.slice(2));
    assert.deepEqual((await list("/v2/_catalog?last=%00", token)).names, repositories);
  }
  assert.deepEqual((await list("/v2/_catalog", await client.tokenFor(undefined, "registry:catalog:*"))).names, []);
  assert.deepEqual((await list("/v2/_catalog", await client.tokenFor(alice, `repository:${alice.name}/two:pull`))).names, [`${alice.name}/two`]);
  assert.equal((await client.ask("GET", "/v2/_catalog")).status, 401);
});
