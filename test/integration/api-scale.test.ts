// needs no root
/** What the API asks of the database: so many queries whatever the length of a list, each by an index, at 100,000 rows. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { sql } from "drizzle-orm";
import pg from "pg";
import { SettingsSchema } from "../../core/contract/release-config.ts";
import { claimNextBuild } from "../../core/db/system-queries/build-claims.ts";
import type { InstanceId, NodeId, TenantId } from "../../core/contract/ids.ts";
import { openDb } from "../../core/db/client.ts";
import { createToken } from "../../core/db/system-queries/bootstrap.ts";
import { countInstances } from "../../core/db/system-queries/usage.ts";
import { startTestApi, testImage, type TestApi } from "../support/api.ts";
import { startStores, type Stores } from "../support/stores.ts";

const ROWS = 100_000;
const TENANTS = 100;
/** Of the tenant that is looked at. */
const BUSY_APP_ROWS = 2000;

let stores: Stores;
let api: TestApi;
let token: string;
let explain: pg.Pool;
/** What the process asked, with its values, while `recording`. */
let recorded: { text: string; values: unknown[] }[] | undefined;

before(async () => {
  const blobs = { put: async (_key: string, body: AsyncIterable<unknown>) => void (await Array.fromAsync(body)), delete: async () => {} };
  stores = await startStores({ only: ["postgres", "redis"] });
  api = await startTestApi({ ...stores, blobs: blobs as never }, { redisPrefix: stores.redisPrefix, migrate: false });
  await seed();
  explain = new pg.Pool({ connectionString: stores.databaseUrl, max: 1 });
  token = (await createToken(api.db, id("ten", 1) as TenantId, { name: "t" })).token;
  const query = pg.Client.prototype.query as (...args: unknown[]) => unknown;
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    const [config, values] = args as [string | { text: string; values?: unknown[] }, unknown[] | undefined];
    const text = typeof config === "string" ? config : config.text;
    recorded?.push({ text, values: (typeof config === "string" ? undefined : config.values) ?? (Array.isArray(values) ? values : []) });
    return Reflect.apply(query, this, args);
  } as typeof pg.Client.prototype.query;
});
after(async () => {
  await explain?.end();
  await api?.close();
  await stores?.stop();
});

/** An id whose number is its order. */
const id = (prefix: string, number: number) => `${prefix}_0${String(number).padStart(25, "0")}`;
const idSql = (prefix: string, number: string) => sql.raw(`'${prefix}_0' || lpad((${number})::text, 25, '0')`);

/** 100 tenants with a thousand apps each; their rows, and one app with many of its own. */
async function seed(): Promise<void> {
  // Without the API's limit on the time of a query: the machine may be busy.
  const { db, close } = openDb(stores.databaseUrl, { name: "seed", max: 1 });
  const settings = JSON.stringify(SettingsSchema.parse({}));
  const image = JSON.stringify(testImage());
  const series = sql.raw(`generate_series(1, ${ROWS}) n`);
  const tenant = idSql("ten", `n % ${TENANTS} + 1`);
  // App 100 is of tenant 1, as 100 % 100 + 1 is 1: every fiftieth row is one of its own.
  const app = idSql("app", `case when n % ${ROWS / BUSY_APP_ROWS} = 0 then ${TENANTS} else n end`);
  const tenantOfApp = idSql("ten", `case when n % ${ROWS / BUSY_APP_ROWS} = 0 then 1 else n % ${TENANTS} + 1 end`);
  await db.execute(sql`insert into tenants (id, name) select ${idSql("ten", "n")}, 'tenant' || n from generate_series(1, ${sql.raw(String(TENANTS))}) n`);
  await db.execute(sql`insert into apps (id, tenant_id, name, settings, labels, live_release_id, target_release_id)
    select ${idSql("app", "n")}, ${tenant}, 'app' || n, ${settings}::jsonb,
      case when n % 1000 = 0 then '{"env": "prod", "tier": "web"}'::jsonb else '{"env": "dev"}'::jsonb end, ${idSql("rel", "n")}, ${idSql("rel", "n")} from ${series}`);
  await db.execute(sql`insert into releases (id, tenant_id, app_id, number, repository, image, settings, env, reason)
    select ${idSql("rel", "n")}, ${tenantOfApp}, ${app}, n, 'x/y', ${image}::jsonb, ${settings}::jsonb, '{}', 'deploy' from ${series}`);
  await db.execute(sql`insert into builds (id, tenant_id, app_id, state, context_key, context_format, context_bytes, build_key, started_at, finished_at)
    select ${idSql("bld", "n")}, ${tenantOfApp}, ${app}, case when n % 20 = 1 then 'queued' else 'succeeded' end, 'k', 'tar', 1, 'key' || n, now(), now() from ${series}`);
  await db.execute(sql`insert into deployments (id, tenant_id, app_id, state, build_id, release_id, reason)
    select ${idSql("dep", "n")}, ${tenantOfApp}, ${app}, 'live', ${idSql("bld", "n")}, ${idSql("rel", "n")}, 'deploy' from ${series}`);
  await db.execute(sql`insert into nodes (id, name, token_hash) values (${id("nod", 1)}, 'node', 'x')`);
  await db.execute(sql`insert into instances (id, tenant_id, app_id, release_id, node_id, state, phase)
    select ${idSql("ins", "n")}, ${tenantOfApp}, ${app}, ${idSql("rel", "n")}, ${id("nod", 1)}, case when n % 2 = 0 then 'gone' else 'wanted' end, 'ready' from ${series}`);
  await db.execute(sql`insert into tokens (id, tenant_id, name, scopes, hash) select ${idSql("tok", "n")}, ${tenant}, 't', '[]', 'hash' || n from ${series}`);
  await db.execute(sql`insert into blobs (digest, size_bytes, storage_key) select 'd' || n, 10, 'k' from ${series}`);
  await db.execute(sql`insert into repository_blobs (repository, digest) select 'tenant' || (n % ${sql.raw(String(TENANTS))} + 1) || '/app', 'd' || n from ${series}`);
  await db.execute(sql`insert into usage (tenant_id, app_id, app_name, hour) select ${tenant}, ${idSql("app", "n")}, 'a', date_trunc('hour', now()) - n % 1000 * interval '1 hour' from ${series}`);
  await db.execute(sql`insert into idempotency (tenant_id, key, holder, locked_until) select ${tenant}, 'key' || n, 'h', now() from ${series}`);
  await db.execute(sql`insert into audit (id, tenant_id, actor, verb, target) select ${idSql("aud", "n")}, ${tenant}, 'system', 'app.create', ${idSql("app", "n")} from ${series}`);
  await db.execute(sql`insert into secrets (id, tenant_id, app_id, name, kind, version) select ${idSql("sec", "n")}, ${tenantOfApp}, case when n % 3 = 0 then null else ${app} end, 'S' || n, 'env', 1 from ${series}`);
  await db.execute(sql`insert into volumes (id, tenant_id, app_id, name, size_bytes) select ${idSql("vol", "n")}, ${tenantOfApp}, ${app}, 'v' || n, 1 from ${series}`);
  // Of volume 50, which is of the busy app, every fiftieth.
  const volume = idSql("vol", `case when n % ${ROWS / BUSY_APP_ROWS} = 0 then 50 else n end`);
  await db.execute(sql`insert into volume_snapshots (id, tenant_id, volume_id, state, reason, version, node_id, volume_bytes)
    select ${idSql("snp", "n")}, ${tenantOfApp}, ${volume}, 'ready', 'manual', 1, ${id("nod", 1)}, 1 from ${series}`);
  await db.execute(sql`insert into volume_operations (id, tenant_id, app_id, volume_id, kind, state, finished_at)
    select ${idSql("opn", "n")}, ${tenantOfApp}, ${app}, ${volume}, 'snapshot', 'done', now() from ${series}`);
  await db.execute(sql`insert into jobs (id, tenant_id, app_id, name, time_zone, spec, concurrency_policy, missed_runs, starting_deadline_ms, history_keep, decided_until)
    values (${id("job", 1)}, ${id("ten", 1)}, ${BUSY}, 'nightly', 'UTC', '{"retries": 0, "backoffMs": 0, "deadlineMs": 1000, "tasks": 1, "parallelism": 1}', 'allow', 'skip', 60000, 50, now())`);
  await db.execute(sql`insert into runs (id, tenant_id, app_id, job_id, job_name, release_id, trigger, spec, state, finished_at)
    select ${idSql("run", "n")}, ${tenantOfApp}, ${app}, case when n % ${ROWS / BUSY_APP_ROWS} = 0 then ${id("job", 1)} end, 'nightly', ${idSql("rel", "n")}, 'manual', '{"tasks": 1, "memoryBytes": 1, "cpuMillis": 1, "deadlineMs": 1000}'::jsonb, 'succeeded', now() from ${series}`);
  await db.execute(sql`analyze`);
  await close();
}

async function record(work: () => Promise<unknown>): Promise<{ text: string; values: unknown[] }[]> {
  recorded = [];
  try {
    await work();
    return recorded;
  } finally {
    recorded = undefined;
  }
}

async function get(path: string) {
  const answer = await api.call("GET", path, { token });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body;
}

const BUSY = id("app", TENANTS);
const LISTS: Record<string, (limit: number) => string> = {
  apps: (limit) => `/v1/apps?limit=${limit}`,
  "apps, a later page": (limit) => `/v1/apps?limit=${limit}&cursor=${id("app", 5000)}`,
  "apps by a label": (limit) => `/v1/apps?limit=${limit}&label=env=prod`,
  "apps by labels": (limit) => `/v1/apps?limit=${limit}&label=env=prod,tier=web,!old,env!=dev`,
  deployments: (limit) => `/v1/apps/${BUSY}/deployments?limit=${limit}`,
  "deployments, a later page": (limit) => `/v1/apps/${BUSY}/deployments?limit=${limit}&cursor=${id("dep", 50_000)}`,
  releases: (limit) => `/v1/apps/${BUSY}/releases?limit=${limit}`,
  usage: (limit) => `/v1/usage?since=2020-01-01&by=hour&limit=${limit}`,
  "usage, a later page": (limit) => `/v1/usage?since=2020-01-01&by=hour&limit=${limit}&cursor=${Buffer.from(`2020-01-01T00:00:00.000Z ${id("app", 1)}`).toString("base64url")}`,
  audit: (limit) => `/v1/audit?limit=${limit}`,
  "audit, a later page": (limit) => `/v1/audit?limit=${limit}&verb=app.*&cursor=${id("aud", 50_000)}`,
  "releases, a later page": (limit) => `/v1/apps/${BUSY}/releases?limit=${limit}&cursor=50000`,
  instances: (limit) => `/v1/apps/${BUSY}/instances?limit=${limit}`,
  "an app's secrets": (limit) => `/v1/apps/${BUSY}/secrets?limit=${limit}`,
  "shared secrets": (limit) => `/v1/secrets?limit=${limit}`,
  "an app's domains": (limit) => `/v1/apps/${BUSY}/domains?limit=${limit}`,
  volumes: (limit) => `/v1/apps/${BUSY}/volumes?limit=${limit}`,
  "a volume's snapshots": (limit) => `/v1/apps/${BUSY}/volumes/v50/snapshots?limit=${limit}`,
  "what was done with a volume": (limit) => `/v1/apps/${BUSY}/volumes/v50/operations?limit=${limit}`,
  runs: (limit) => `/v1/apps/${BUSY}/runs?limit=${limit}`,
  jobs: (limit) => `/v1/apps/${BUSY}/jobs?limit=${limit}`,
  "a job's runs": (limit) => `/v1/apps/${BUSY}/jobs/nightly/runs?limit=${limit}`,
  previews: (limit) => `/v1/apps/${BUSY}/previews?limit=${limit}`,
  events: (limit) => `/v1/apps/${BUSY}/events?limit=${limit}`,
  tokens: (limit) => `/v1/tokens?limit=${limit}`,
  members: (limit) => `/v1/members?limit=${limit}`,
  invites: (limit) => `/v1/invites?limit=${limit}`,
  trusts: (limit) => `/v1/trusts?limit=${limit}`,
};
/** Of these there are not enough rows here for a page. */
const SPARSE = /label|jobs|previews|instances|domains|events|tokens|members|invites|trusts|secrets|usage/;
/** With one for the token, when it is not in the cache. */
const MOST_QUERIES = 4;

test("every list of a tenant's that the API describes is looked at here", () => {
  const described = JSON.parse(readFileSync(new URL("../../api/openapi.json", import.meta.url), "utf8")) as { paths: Record<string, { get?: { parameters?: { name?: string }[] } }> };
  const isList = (path: string) => described.paths[path]?.get?.parameters?.some(({ name }) => name === "limit") === true;
  const lists = Object.keys(described.paths).filter((path) => isList(path) && !path.startsWith("/v1/operator/"));
  const looked = new Set(Object.values(LISTS).map((path) => path(1).replace(/\?.*/, "").replace(BUSY, "{app}").replace("/v50/", "/{volume}/").replace("/nightly/", "/{job}/")));
  assert.ok(lists.length > 10);
  assert.deepEqual(lists.filter((path) => !looked.has(path)), []);
});

test("a longer list asks no more queries than a short one", async () => {
  for (const [name, path] of Object.entries(LISTS)) {
    await get("/v1/whoami");
    const counts = [];
    for (const limit of [2, 100]) {
      let items = 0;
      const queries = await record(async () => (items = (await get(path(limit))).items.length));
      assert.ok(items === limit || SPARSE.test(name), `${name}: ${items}`);
      counts.push(queries.filter(({ text }) => !/from "tokens"|update "tokens"/.test(text)).length);
    }
    assert.ok((counts[1] ?? 0) <= (counts[0] ?? 0) && (counts[1] ?? 0) < MOST_QUERIES, `${name}: ${counts.join(" and ")} queries`);
  }
});

interface Plan {
  "Node Type": string;
  "Relation Name"?: string;
  Plans?: Plan[];
}
const scans = (plan: Plan): string[] => [
  ...(plan["Node Type"] === "Seq Scan" && plan["Relation Name"] !== undefined ? [plan["Relation Name"]] : []),
  ...(plan.Plans ?? []).flatMap(scans),
];
/** So few rows here that reading all of them is right. */
const SMALL = new Set(["tenants", "plans", "nodes", "gateways", "uploads", "domains", "members", "invites", "secrets", "users", "tags", "manifests", "trusts", "app_events", "volume_images", "jobs"]);

async function byIndex(name: string, work: () => Promise<unknown>): Promise<void> {
  const queries = await record(work);
  assert.ok(queries.length > 0, name);
  for (const { text, values } of queries) {
    if (!/^\s*(select|with|update|delete|insert)\b/i.test(text)) continue;
    const { rows } = await explain.query<{ "QUERY PLAN": { Plan: Plan }[] }>(`explain (format json) ${text}`, values);
    const whole = scans(rows[0]!["QUERY PLAN"][0]!.Plan).filter((table) => !SMALL.has(table));
    assert.deepEqual(whole, [], `${name} reads all of ${whole.join(", ")}:\n${text}`);
  }
}

test("every list, at 100,000 rows, finds its rows by an index", async () => {
  for (const [name, path] of Object.entries(LISTS)) await byIndex(name, () => get(path(50)));
});

test("so does what is asked with each request, and when a build is chosen", async () => {
  await byIndex("an app", () => get("/v1/apps/app100"));
  await byIndex("its status", () => get("/v1/apps/app100/status"));
  await byIndex("its instances", () => get("/v1/apps/app100/instances"));
  await byIndex("a deployment", () => get(`/v1/deployments/${id("dep", 50)}`));
  await byIndex("the quota", () => get("/v1/quota"));
  await byIndex("the next build", () => claimNextBuild(api.db, { worker: "w", leaseMs: 1000, busyWith: [] }, new Date()));
  const said = [10_001, 10_003].map((number) => ({ id: id("ins", number) as InstanceId, since: 1, cpuMicros: 5, memoryByteSeconds: 5, egressBytes: 5, ingressBytes: 5, ended: false }));
  await byIndex("a node's sums", () => api.db.transaction((tx) => countInstances(tx, id("nod", 1) as NodeId, said, new Date())));
  const call = (method: string, path: string, body: unknown, headers = {}) => async () => {
    const answer = await api.call(method, path, { token, body, headers });
    assert.ok(answer.status < 300, JSON.stringify(answer.body));
  };
  await api.db.execute(sql`update tenants set limits = '{"apps": 100000, "instances": 100000, "cpuMillis": 1000000000, "memoryBytes": 1000000000000000, "buildsQueued": 100000}'`);
  await byIndex("a new app", call("POST", "/v1/apps", { name: "new" }, { "idempotency-key": "scale" }));
  await byIndex("a change", call("PATCH", "/v1/apps/app100", { settings: { replicas: 2 } }));
  await byIndex("an upload", call("POST", "/v1/apps/up/deployments", "FROM scratch\n", { "content-type": "text/x-dockerfile" }));
  await byIndex("a rollback", call("POST", "/v1/apps/app100/rollback", { release: "v50" }));
});
