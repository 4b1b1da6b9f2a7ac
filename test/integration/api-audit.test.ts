// needs no root
/**
 * The audit log: every operation that changes something, read from the description of the API, leaves one entry of whoever
 * asked when it succeeds and none when it does not. What each operation needs is in `test/support/strangers.ts`.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eq, sql } from "drizzle-orm";
import { createApp, describe } from "../../api/app.ts";
import { openMemoryBlobStore } from "../../core/blob-store/memory.ts";
import { AuditEntrySchema, type AuditEntry } from "../../core/contract/audit.ts";
import { audit, apps, tags, tenants } from "../../core/db/schema.ts";
import { createToken } from "../../core/db/system-queries/bootstrap.ts";
import { newId } from "../../core/contract/ids.ts";
import type { Scope } from "../../core/domain/access.ts";
import { startTestApi, type TestApi } from "../support/api.ts";
import { makeOwned, RECIPES, tokenWithout, type Owned, type Recipe } from "../support/strangers.ts";
import { startStores, type Stores } from "../support/stores.ts";

/** In every value of a variable and a secret that this test sends. */
const SENTINEL = "SENTINEL-4f1c9a";
/** What it wants to be told when there is something to lose. */
const QUERIES: Record<string, string> = { destroyApp: "?volumes=delete" };
const BODIES: Record<string, unknown> = {
  createApp: { name: "made", env: { A: SENTINEL } },
  updateEnv: { A: SENTINEL },
  updateSharedEnv: { A: SENTINEL },
  setMemberRole: { role: "owner" },
  putSecret: { kind: "env", value: SENTINEL },
  putSharedSecret: { kind: "env", value: SENTINEL },
};

/** What changes nothing here: the domain's record is not there, so that the look proves nothing; the app is in no maintenance. */
const NOTHING = new Set(["checkDomain", "endMaintenance"]);

/** Looked at where two apps have images: `deploy-image.test.ts`. */
const ELSEWHERE = new Set(["promoteApp"]);

interface Change {
  id: string;
  method: string;
  path: string;
  scope: Scope | undefined;
  recipe: Recipe;
}

let stores: Stores;
let api: TestApi;
let changes: Change[];
before(async () => {
  stores = await startStores({ only: ["postgres", "redis"] });
  api = await startTestApi({ ...stores, blobs: openMemoryBlobStore() }, { redisPrefix: stores.redisPrefix, migrate: false });
  await api.db.insert(tags).values({ repository: "library/busybox", tag: "latest", digest: `sha256:${"1".repeat(64)}` });
  const { paths } = describe(createApp(api.deps)) as unknown as { paths: Record<string, Record<string, { operationId: string; security?: Record<string, string[]>[] }>> };
  changes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { operationId: id, security = [] }]) => {
      // Of tenants: what operators and people who sign in do has tests of its own.
      if (method === "get" || security[0]?.["token"] === undefined) return [];
      return [{ id, method: method.toUpperCase(), path, scope: security[0]["token"][0] as Scope | undefined, recipe: RECIPES[id] ?? assert.fail(id) }];
    }),
  );
});
after(async () => {
  await api?.close();
  await stores?.stop();
});

async function ask({ id, method, path, recipe }: Change, params: Record<string, string>, token: string, body = BODIES[id] ?? recipe.body) {
  const type = typeof body === "string" ? (recipe.contentType ?? "text/plain") : "application/json";
  const response = await fetch(api.url + path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => params[name] ?? assert.fail(name)) + (QUERIES[id] ?? ""), {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { "content-type": type }) },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const requestId = response.headers.get("x-request-id") ?? assert.fail("no request id");
  return { status: response.status, text: await response.text(), entries: await api.db.select().from(audit).where(eq(audit.requestId, requestId)) };
}

const countOf = async ({ tenantId }: Owned) => Number((await api.db.execute<{ n: string }>(sql`select count(*) as n from audit where tenant_id = ${tenantId}`)).rows[0]?.n);

test("every change leaves one entry of who asked, with when, from where, and what it was", async () => {
  assert.ok(changes.length >= 13);
  for (const change of changes) {
    if (ELSEWHERE.has(change.id)) continue;
    const owner = await makeOwned(api);
    const [params = {}] = change.recipe.thing?.names(owner) ?? [{}];
    const { status, text, entries } = await ask(change, params, owner.token);
    assert.ok(status < 300, `${change.id}: ${status} ${text}`);
    if (NOTHING.has(change.id)) {
      assert.deepEqual(entries, [], change.id);
      continue;
    }
    assert.equal(entries.length, 1, `${change.id} leaves ${entries.length} entries: ${JSON.stringify(entries)}`);
    const [entry] = entries;
    assert.match(entry?.actor ?? "", /^token:tok_/, change.id);
    assert.deepEqual([entry?.tenantId, entry?.actorName, entry?.ip], [owner.tenantId, "test", "127.0.0.1"], change.id);
    assert.ok(entry && entry.target !== "" && /^[a-z]+(-[a-z]+)*\.[a-z-]+$/.test(entry.verb), change.id);
  }
});

test("what fails leaves none: nothing there, not allowed, not valid", async () => {
  const owner = await makeOwned(api);
  for (const change of changes) {
    const [params = {}] = change.recipe.thing?.names(owner) ?? [{}];
    const before = await countOf(owner);
    const failures = [
      ...(change.recipe.thing === undefined || change.recipe.makesNew ? [] : [await ask(change, change.recipe.thing.missing()[0] ?? {}, owner.token)]),
      ...(change.scope === undefined ? [] : [await ask(change, params, await tokenWithout(api, owner, change.scope))]),
      await ask(change, params, "berth_0000000000000000000000000000000000000"),
      ...(change.recipe.body === undefined ? [] : [await ask(change, params, owner.token, { "\u0000": 1 })]),
    ];
    for (const { status, entries, text } of failures) {
      assert.ok(status >= 400 && status < 500, `${change.id}: ${status} ${text}`);
      assert.deepEqual(entries, [], change.id);
    }
    // Making the token without the scope is Berth's own entry.
    assert.equal(await countOf(owner), before + (change.scope === undefined ? 0 : 1), change.id);
  }
});

test("what is undone at its end leaves none; what changes nothing leaves none; a deployment that makes its app leaves two", async () => {
  const owner = await makeOwned(api);
  const of = (id: string) => changes.find((change) => change.id === id) ?? assert.fail(id);
  const app = { app: owner.app.name };
  await api.db.update(tenants).set({ limits: { instances: 4 } }).where(eq(tenants.id, owner.tenantId as never));
  const refused = await ask(of("updateApp"), app, owner.token, { settings: { replicas: 50 }, labels: { tier: "web" } });
  assert.deepEqual([refused.status, refused.entries], [403, []]);
  assert.deepEqual((await api.db.select().from(apps).where(eq(apps.id, owner.app.id)))[0]?.labels, {});

  const both = await ask(of("updateApp"), app, owner.token, { settings: { replicas: 2 }, labels: { tier: "web" } });
  assert.deepEqual([both.entries.length, both.entries[0]?.before, both.entries[0]?.after], [1, { replicas: 1, labels: {} }, { replicas: 2, labels: { tier: "web" } }]);
  assert.equal((await ask(of("updateApp"), app, owner.token, { labels: { tier: "web" } })).entries.length, 0);
  const env = await ask(of("updateEnv"), app, owner.token, { A: SENTINEL, B: null });
  assert.deepEqual(env.entries[0]?.detail["env"], { set: ["A"], unset: [] });
  assert.equal((await ask(of("updateEnv"), app, owner.token, { A: SENTINEL })).entries.length, 0);
  const made = await ask(of("deployApp"), { app: "made-here" }, owner.token);
  assert.deepEqual(made.entries.map(({ verb }) => verb).toSorted(), ["app.create", "deployment.create"]);
  const secret = await ask(of("putSecret"), { ...app, name: "PASSWORD" }, owner.token);
  assert.deepEqual([secret.entries[0]?.before, secret.entries[0]?.after], [{ kind: "env", version: 1 }, { kind: "env", version: 2 }]);
  const back = await ask(of("rollbackApp"), app, owner.token, { release: "v1" });
  assert.deepEqual([back.entries[0]?.verb, back.entries[0]?.after], ["app.rollback", { release: "v1" }]);
});

test("the registry: pushes and removals by people, once; not what changes nothing", async () => {
  const owner = await makeOwned(api);
  const repository = `${owner.tenantName}/${owner.app.name}`;
  const index = JSON.stringify({ schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [] });
  const call = async (method: string, path: string, body?: string) => {
    const response = await fetch(`${api.url}/v2/${repository}/${path}`, { method, headers: { authorization: `Bearer ${owner.token}`, "content-type": "application/vnd.oci.image.index.v1+json" }, ...(body === undefined ? {} : { body }) });
    const entries = await api.db.select().from(audit).where(eq(audit.requestId, response.headers.get("x-request-id") ?? assert.fail("no request id")));
    return [response.status, ...entries.map(({ verb, target }) => `${verb} ${target}`)];
  };
  assert.deepEqual(await call("PUT", "manifests/v1", index), [201, `image.push ${repository}`]);
  assert.deepEqual(await call("PUT", "manifests/v1", index), [201]);
  assert.deepEqual(await call("PUT", "manifests/latest", index), [201, `image.push ${repository}`]);
  assert.deepEqual(await call("PUT", "manifests/v2", "{}"), [400]);
  assert.deepEqual(await call("DELETE", "manifests/v1"), [202, `image.delete ${repository}`]);
  assert.deepEqual(await call("DELETE", "manifests/v1"), [404]);
  assert.deepEqual(await call("DELETE", `manifests/${owner.digest}`), [202, `image.delete ${repository}`]);
  assert.deepEqual(await call("DELETE", `blobs/${owner.digest}`), [202, `image.delete-blob ${repository}`]);
  assert.deepEqual(await call("DELETE", `blobs/${owner.digest}`), [404]);
});

test("no value of a variable or a secret is in it", async () => {
  const { rows } = await api.db.execute<{ whole: string }>(sql`select to_jsonb(a)::text as whole from audit a`);
  assert.ok(rows.length > 50);
  assert.deepEqual(rows.filter(({ whole }) => whole.includes(SENTINEL)), []);
});

test("reading: newest first, filters, pages, lines of JSON; another tenant's entries are nobody's", async () => {
  const tenant = await api.tenant();
  const evil = await createToken(api.db, tenant.id, { name: "ci\r\n\u001b[2J\u202e" });
  const write = async (verb: string, target: string, detail: object, seconds: number, more: Partial<typeof audit.$inferInsert> = {}) =>
    api.db.insert(audit).values({ id: newId("audit"), tenantId: tenant.id, actor: "token:tok_a", actorName: "ci", verb, target, detail: detail as Record<string, unknown>, at: new Date(Date.now() + seconds * 1000), ...more });
  await write("app.create", "app_1", { name: "shop" }, 0);
  await new Promise((resolve) => setTimeout(resolve, 5));
  const middle = new Date().toISOString();
  await new Promise((resolve) => setTimeout(resolve, 5));
  await write("app.settings", "app_1", { name: "shop" }, 1);
  await write("secret.set", "sec_1", { name: "KEY", app: "shop" }, 2, { actor: "system", actorName: "" });
  const ask = async (query: string) => {
    const { status, body } = await api.call("GET", `/v1/audit?${query}`, { token: tenant.token });
    assert.equal(status, 200, JSON.stringify(body));
    return (body as { items: AuditEntry[] }).items.map((entry) => AuditEntrySchema.parse(entry).verb);
  };
  assert.deepEqual((await ask("")).slice(0, 3), ["secret.set", "app.settings", "app.create"]);
  assert.deepEqual(await ask("verb=app.create"), ["app.create"]);
  assert.deepEqual(await ask("verb=app.*"), ["app.settings", "app.create"]);
  assert.deepEqual(await ask("actor=tok_a"), ["app.settings", "app.create"]);
  assert.deepEqual(await ask("actor=ci&verb=app.settings"), ["app.settings"]);
  assert.deepEqual(await ask("target=shop"), ["secret.set", "app.settings", "app.create"]);
  assert.deepEqual(await ask("target=sec_1"), ["secret.set"]);
  assert.deepEqual(await ask(`since=${middle}`), ["secret.set", "app.settings"]);
  assert.deepEqual((await ask(`until=${middle}&verb=app.*`)), ["app.create"]);

  const paged: string[] = [];
  for (let cursor = ""; ; ) {
    const { body } = await api.call("GET", `/v1/audit?limit=2${cursor === "" ? "" : `&cursor=${cursor}`}`, { token: tenant.token });
    const page = body as { items: AuditEntry[]; nextCursor: string | null };
    paged.push(...page.items.map(({ id }) => id));
    if (page.nextCursor === null) break;
    cursor = page.nextCursor;
  }
  const lines = ((await api.call("GET", "/v1/audit", { token: tenant.token, headers: { accept: "application/x-ndjson" } })).body as string).trimEnd().split("\n");
  const entries = lines.map((line) => AuditEntrySchema.parse(JSON.parse(line)));
  assert.deepEqual(entries.map(({ id }) => id), paged);
  assert.equal(new Set(paged).size, paged.length);
  // Names from outside were written out before they were stored.
  const named = entries.find(({ target }) => target === evil.id);
  assert.equal(named?.detail["name"], "ci\\x0d\\x0a\\x1b[2J\\u202e");

  assert.deepEqual((await api.call("GET", "/v1/audit?target=shop", { token: (await api.tenant()).token })).body.items, []);
  for (const query of ["verb=%25", "verb=App", "limit=0", "since=x", "cursor=x", "cursor=app_01h2xcejqtf2nbrexx3vqjhp41", "since=2026-02-02&until=2026-02-01"]) {
    const { status, body } = await api.call("GET", `/v1/audit?${query}`, { token: tenant.token });
    assert.deepEqual([status, body.code], [400, "invalid_request"], query);
  }
});
