// needs no root
/**
 * Every route, read from the description of the API, as a stranger would ask it: without a token, without the scope,
 * with ids and names of others, with fields that are not for it. What each operation needs is in `test/support/strangers.ts`.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "drizzle-orm";
import pg from "pg";
import { createApp, describe } from "../../api/app.ts";
import { REGISTRY_ROUTES } from "../../api/registry/registry.ts";
import { openMemoryBlobStore } from "../../core/blob-store/memory.ts";
import { tags } from "../../core/db/schema.ts";
import type { TenantId } from "../../core/contract/ids.ts";
import { createToken } from "../../core/db/system-queries/bootstrap.ts";
import type { Scope } from "../../core/domain/access.ts";
import { startTestApi, type TestApi } from "../support/api.ts";
import { makeOwned, RECIPES, REGISTRY_RECIPES, tokenOfOtherApp, tokenWithout, type Owned, type Recipe } from "../support/strangers.ts";
import { undescribed, type Document } from "../support/conforms.ts";
import { startStores, type Stores } from "../support/stores.ts";

interface Operation {
  id: string;
  method: string;
  path: string;
  scope: Scope | undefined;
  isForOperators: boolean;
  isForNodes: boolean;
  /** A browser's, where somebody has signed in. */
  isForSessions: boolean;
  isPublic: boolean;
  /** Its JSON body refuses what it does not know. */
  isStrict: boolean;
  recipe: Recipe;
}

let stores: Stores;
let api: TestApi;
let document: Document;
let operations: Operation[];
/** What answers said that the description does not. */
const surprises = new Set<string>();
let owner: Owned;
let stranger: Owned;

before(async () => {
  stores = await startStores({ only: ["postgres", "redis"] });
  api = await startTestApi({ ...stores, blobs: openMemoryBlobStore() }, { redisPrefix: stores.redisPrefix, migrate: false });
  operations = readOperations();
  await api.db.insert(tags).values({ repository: "library/busybox", tag: "latest", digest: `sha256:${"1".repeat(64)}` });
  owner = await makeOwned(api);
  stranger = await makeOwned(api);
});
after(async () => {
  await api?.close();
  await stores?.stop();
});

function readOperations(): Operation[] {
  document = describe(createApp(api.deps)) as unknown as Document;
  return Object.entries(document.paths as Record<string, Record<string, any>>).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId: id, security, requestBody }]) => {
      const body = /\/(\w+)$/.exec(requestBody?.content["application/json"]?.schema.$ref ?? "")?.[1] ?? "";
      const isStrict = document.components.schemas[body]?.additionalProperties === false;
      const recipe = RECIPES[id] ?? assert.fail(`${id} (${method.toUpperCase()} ${path}) is not asked as a stranger would: add it to RECIPES in test/support/strangers.ts`);
      return { id, method: method.toUpperCase(), path, scope: security[0]?.token?.[0], isForOperators: security[0]?.operator !== undefined, isForSessions: security[0]?.session !== undefined, isForNodes: security[0]?.node !== undefined, isPublic: security.length === 0, isStrict, recipe };
    }),
  );
}

interface Answer {
  status: number;
  code: unknown;
  /** All that tells one answer from another. */
  text: string;
}

/** Asks without waiting for a stream's end. What was asked for is «…» in the answer, so that two can be compared. */
async function ask(operation: Operation, params: Record<string, string>, token: string | undefined, json?: object): Promise<Answer> {
  const body = json ?? operation.recipe.body;
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => params[name] ?? assert.fail(`${operation.id}: its recipe says nothing for {${name}}`));
  const cut = new AbortController();
  const response = await fetch(api.url + path, {
    method: operation.method,
    headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...(body === undefined ? {} : { "content-type": typeof body === "string" ? (operation.recipe.contentType ?? "") : "application/json" }) },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    signal: cut.signal,
  });
  const isStream = !/^application\/(problem\+)?json\b/.test(response.headers.get("content-type") ?? "application/json");
  const raw = isStream ? "" : await response.text();
  cut.abort();
  if (!response.headers.has("x-request-id")) surprises.add(`${operation.id}: no X-Request-Id`);
  const contentType = response.headers.get("content-type");
  for (const each of undescribed(document, operation.path, operation.method, { status: response.status, contentType, text: raw })) surprises.add(`${operation.id}: ${each}`);
  let text = raw;
  for (const each of Object.values(params)) text = text.replaceAll(each, "…");
  const headers = [...response.headers.keys()].filter((name) => !["date", "content-length", "keep-alive"].includes(name)).join(" ");
  const value = raw === "" ? {} : (JSON.parse(raw) as { code?: string });
  return { status: response.status, code: value.code, text: `${response.status} ${headers} ${text.replaceAll(/"requestId":"[^"]+"/g, "")}` };
}

/** Opened by tenants' tokens. */
const isForTenants = ({ isForOperators, isForSessions, isForNodes, isPublic }: Operation) => !isForOperators && !isForSessions && !isForNodes && !isPublic;
const named = ({ recipe }: Operation, owned: Owned) => recipe.thing?.names(owned) ?? [{}];
const missing = ({ recipe }: Operation) => recipe.thing?.missing() ?? [{}];

/** All that a tenant has, as it is now. */
async function belongings({ tenantId, tenantName }: Owned): Promise<string> {
  const tables = ["apps", "builds", "deployments", "releases", "secrets", "secret_versions", "audit", "instances", "members", "invites", "trusts", "domains", "volumes", "volume_snapshots", "volume_operations"];
  const rows = await Promise.all(tables.map((table) => api.db.execute(sql`select * from ${sql.identifier(table)} t where to_jsonb(t) @> ${JSON.stringify({ tenant_id: tenantId })}::jsonb order by to_jsonb(t)::text`)));
  const images = await Promise.all(["tags", "manifests", "repository_blobs"].map((table) => api.db.execute(sql`select * from ${sql.identifier(table)} t where repository like ${`${tenantName}/%`} order by to_jsonb(t)::text`)));
  return JSON.stringify([...rows, ...images].map((result) => result.rows));
}

test("every operation has a recipe, and no recipe is left of one that is gone", () => {
  assert.deepEqual(Object.keys(RECIPES).toSorted(), operations.map(({ id }) => id).toSorted());
  const registry = REGISTRY_ROUTES.flatMap(({ name, methods }) => Object.keys(methods).map((method) => `${method} ${name}`));
  assert.deepEqual(Object.keys(REGISTRY_RECIPES).toSorted(), registry.toSorted(), "REGISTRY_RECIPES in test/support/strangers.ts");
});

test("the recipes are right: whoever owns the thing gets through", async () => {
  for (const operation of operations.filter(isForTenants)) {
    const own = await makeOwned(api);
    for (const params of named(operation, own)) {
      const { status, code, text } = await ask(operation, params, own.token);
      // There is no node in this test.
      assert.ok((status < 500 || code === "node_unavailable") && ![400, 401, 403, 405].includes(status), `${operation.id}: ${text}`);
      // What is asked by its second name may be gone after it was asked by the first.
      if (params === named(operation, own)[0] || !["DELETE", "POST"].includes(operation.method)) assert.notEqual(status, 404, `${operation.id}: ${text}`);
    }
  }
});

test("without a token every route answers 401, whether or not the thing is there", async () => {
  for (const operation of operations.filter(({ isPublic }) => !isPublic)) {
    const [params = {}] = named(operation, owner);
    const [other = {}] = missing(operation);
    const there = await ask(operation, params, undefined);
    assert.deepEqual([there.status, there.code], [401, "unauthenticated"], operation.id);
    assert.equal((await ask(operation, other, undefined)).text, there.text, operation.id);
  }
});

test("without the scope every route answers 403, and does nothing", async () => {
  const before = await belongings(owner);
  for (const operation of operations) {
    if (operation.scope === undefined && !operation.isForOperators) continue;
    const token = operation.scope === undefined ? owner.token : await tokenWithout(api, owner, operation.scope);
    const [params = {}] = named(operation, owner);
    const { status, code } = await ask(operation, params, token);
    assert.deepEqual([status, code], [403, "forbidden"], operation.id);
  }
  const rows = (text: string) => (JSON.parse(text) as { verb?: string }[][]).map((table) => table.filter((row) => row.verb !== "token.create"));
  assert.deepEqual(rows(await belongings(owner)), rows(before));
});

test("what belongs to another tenant is answered like what is not there, and stays as it was", async () => {
  const before = await belongings(owner);
  let asked = 0;
  // What makes the stranger a thing of the same name goes last.
  const naming = operations.filter((each) => each.recipe.thing !== undefined && isForTenants(each)).toSorted((a, b) => Number(a.recipe.makesNew ?? false) - Number(b.recipe.makesNew ?? false));
  for (const operation of naming) {
    const others = missing(operation);
    for (const [at, params] of named(operation, owner).entries()) {
      const foreign = await ask(operation, params, stranger.token);
      const none = await ask(operation, others[at] ?? assert.fail("as many as names"), stranger.token);
      assert.equal(foreign.status, none.status, `${operation.id} ${JSON.stringify(params)}: ${foreign.text} / ${none.text}`);
      if (operation.recipe.makesNew === true && foreign.status < 300) continue;
      assert.deepEqual([foreign.status, foreign.code], [404, "not_found"], `${operation.id} ${JSON.stringify(params)}: ${foreign.text}`);
      assert.equal(foreign.text, none.text, operation.id);
      asked++;
      if (operation.recipe.thing?.isOfApp !== true) continue;
      const below = await ask(operation, { ...params, app: stranger.app.name }, stranger.token);
      assert.deepEqual([below.status, below.text], [404, (await ask(operation, { ...others[at], app: stranger.app.name }, stranger.token)).text], `${operation.id} below an app of the stranger's own`);
    }
  }
  assert.ok(asked > 25, `${asked} routes were asked`);
  assert.equal(await belongings(owner), before);
});

/** What the API asked PostgreSQL meanwhile: the fewest of some runs, as its timers ask as well. */
async function fewestQueries(work: () => Promise<unknown>): Promise<number> {
  const original = pg.Client.prototype.query;
  let fewest = Infinity;
  for (let run = 0; run < 4; run++) {
    let count = 0;
    pg.Client.prototype.query = function (this: pg.Client, ...args: any[]) {
      count++;
      return original.apply(this, args as never);
    } as never;
    await work().finally(() => (pg.Client.prototype.query = original));
    fewest = Math.min(fewest, count);
  }
  return fewest;
}

test("nor does the time of an answer tell: a foreign thing and one that is not there take the same questions to the database", async () => {
  let compared = 0;
  for (const operation of operations.filter((each) => each.recipe.thing !== undefined && each.recipe.makesNew !== true && isForTenants(each))) {
    const others = missing(operation);
    for (const [at, params] of named(operation, owner).entries()) {
      const foreign = await fewestQueries(() => ask(operation, params, stranger.token));
      const none = await fewestQueries(() => ask(operation, others[at] ?? {}, stranger.token));
      assert.equal(foreign, none, `${operation.id} ${JSON.stringify(params)}`);
      assert.ok(foreign > 0);
      compared++;
    }
  }
  assert.ok(compared > 20, `${compared} were compared`);
});

test("a token of one app sees no other app of its tenant, and nothing that all of them share", async () => {
  const own = await makeOwned(api);
  const token = await tokenOfOtherApp(api, own);
  const before = await belongings(own);
  for (const operation of operations.filter((each) => isForTenants(each) && each.id !== "createToken")) {
    const { thing, ofOtherApp } = operation.recipe;
    const others = missing(operation);
    for (const [at, params] of named(operation, own).entries()) {
      const asked = await ask(operation, params, token);
      const where = `${operation.id} ${JSON.stringify(params)}: ${asked.text}`;
      if (ofOtherApp !== undefined) assert.deepEqual([asked.status, asked.code], [403, ofOtherApp], where);
      else if (thing === undefined) assert.ok(asked.status === 200 && ![own.app.name, own.app.id, own.deploymentId, own.buildId].some((each) => asked.text.includes(each)), where);
      else {
        assert.deepEqual([asked.status, asked.code], [404, "not_found"], where);
        assert.equal(asked.text, (await ask(operation, others[at] ?? {}, token)).text, operation.id);
      }
    }
  }
  assert.equal(await belongings(own), before);
});

test("fields that a route does not know are refused: nobody sets what is not for him", async () => {
  const smuggled = { tenantId: stranger.tenantId, id: "app_01k0000000000000000000000a", version: 99, liveReleaseId: "x", scopes: ["admin"], isSuspended: false };
  let asked = 0;
  for (const operation of operations.filter((each) => each.isStrict && isForTenants(each))) {
    const own = await makeOwned(api);
    const before = await belongings(own);
    const [params = {}] = named(operation, own);
    for (const [field, value] of Object.entries(smuggled)) {
      const json = operation.recipe.json ?? (operation.recipe.body as object);
      if (Object.hasOwn(json, field)) continue;
      const { status, code, text } = await ask(operation, params, own.token, { ...json, [field]: value });
      assert.ok([400, 422].includes(status) && String(code).startsWith("invalid_"), `${operation.id} took «${field}»: ${text}`);
    }
    assert.equal(await belongings(own), before, operation.id);
    asked++;
  }
  assert.ok(asked >= 5, `${asked} bodies`);
});

test("the registry answers a stranger alike, whatever is there", async () => {
  const lesser = { "without any scope": (await createToken(api.db, owner.tenantId as TenantId, { name: "none", scopes: ["usage"] })).token, "of another app": await tokenOfOtherApp(api, owner) };
  const before = await belongings(owner);
  const bodyOf = async (method: string, path: string, token: string | undefined, body: string | undefined) => {
    const response = await fetch(api.url + path, { method, headers: token === undefined ? {} : { authorization: `Bearer ${token}` }, ...(body === undefined ? {} : { body }) });
    return { status: response.status, text: `${response.status} ${response.headers.get("www-authenticate")} ${await response.text()}` };
  };
  for (const [route, { reference, body }] of Object.entries(REGISTRY_RECIPES)) {
    const [method = "", name = ""] = route.split(" ");
    const path = (repository: string) => name.replace("{repository}", repository).replace("{reference}", reference?.(owner) ?? "");
    const there = `${owner.tenantName}/${owner.app.name}`;
    for (const [why, token] of Object.entries(lesser)) {
      const { status, text } = await bodyOf(method, path(there), token, body);
      assert.equal(status, 401, `${route} ${why}: ${text}`);
    }
    const none = `${owner.tenantName}/${"n".repeat(owner.app.name.length)}`;
    for (const token of [undefined, stranger.token]) {
      const foreign = await bodyOf(method, path(there), token, body);
      assert.equal(foreign.status, 401, `${route}: ${foreign.text}`);
      assert.equal((await bodyOf(method, path(none), token, body)).text.replaceAll(none, there), foreign.text, route);
    }
    const own = await bodyOf(method, path(`${stranger.tenantName}/${stranger.app.name}`), stranger.token, body);
    // A blob of others is not there for somebody who knows its digest.
    if (name.endsWith("/blobs/{reference}")) assert.equal(own.status, 404, `${route}: ${own.text}`);
    assert.notEqual(own.status, 401, `${route}: ${own.text}`);
  }
  assert.equal(await belongings(owner), before);
});

test("all that was answered above is as the description says: statuses, types, every field", () => {
  assert.deepEqual([...surprises], []);
});
