/**
 * Room within a tenant's limits. A write that uses some of a limit asks here first, in its own transaction: the lock
 * lasts until that ends, so requests at the same time are counted one after the other and cannot pass together.
 * Lock order: the app's lock (`lockApp`) before the tenant's, never the other way round.
 */
import { eq, sql, type SQL } from "drizzle-orm";
import { AppError } from "../../contract/errors.ts";
import type { AppId, TenantId } from "../../contract/ids.ts";
import type { Settings } from "../../contract/release-config.ts";
import { limitsOf, type LimitName, type Limits } from "../../domain/limits.ts";
import { exceeded, grows, NO_DEMAND, sizeOf, type Demand } from "../../domain/quota.ts";
import type { Db, Tx } from "../client.ts";
import { plans, tenants } from "../schema.ts";

/** Limits whose use is counted from rows. The others bound a single request or a rate. */
export const COUNTED_LIMITS = [
  "apps", "instances", "cpuMillis", "memoryBytes", "storageBytes", "volumeBytes", "buildsAtOnce", "buildsQueued", "buildMinutesMonth",
  "egressBytesMonth", "domains", "tokens", "members", "secrets",
] as const satisfies readonly LimitName[];
export type CountedLimit = (typeof COUNTED_LIMITS)[number];

/** The limits that hold for the tenant now. */
export async function readLimits(db: Db | Tx, tenantId: TenantId): Promise<Limits> {
  return (await readPlan(db, tenantId)).limits;
}

/** The tenant's plan, null without one, and the limits that come of it. */
export async function readPlan(db: Db | Tx, tenantId: TenantId): Promise<{ name: string | null; limits: Limits }> {
  const [row] = await db
    .select({ name: plans.name, plan: plans.limits, own: tenants.limits })
    .from(tenants)
    .leftJoin(plans, eq(plans.name, tenants.plan))
    .where(eq(tenants.id, tenantId));
  return { name: row?.name ?? null, limits: limitsOf(row?.plan ?? null, row?.own ?? {}) };
}

/**
 * Asks for room before a write: `requireRoom(tx, tenantId, "domains", 1)`, then insert, in the same transaction.
 * What has none to spare in a month (`buildMinutesMonth`, `egressBytesMonth`) is asked with 1.
 * @throws AppError quota_exceeded, with `quota` naming the limit, what is used and what was asked
 */
export async function requireRoom(tx: Tx, tenantId: TenantId, limit: CountedLimit, asked: number): Promise<void> {
  await requireRooms(tx, tenantId, { [limit]: asked });
}

/** The same for several limits at once, with one query. */
export async function requireRooms(tx: Tx, tenantId: TenantId, asked: Partial<Record<CountedLimit, number>>): Promise<void> {
  const names = COUNTED_LIMITS.filter((name) => asked[name] !== undefined);
  await lockTenant(tx, tenantId);
  const limits = await readLimits(tx, tenantId);
  const used = await readUse(tx, tenantId, names);
  for (const name of names) refuse(name, limits[name], used[name] ?? 0, asked[name] ?? 0);
}

/**
 * Asks for the instances that an app may have with these settings, before a release is made with them. What the app
 * has now is its own already; what does not grow is never refused, so that one can always make an app smaller.
 */
export async function requireRoomForApp(tx: Tx, tenantId: TenantId, appId: AppId, settings: Settings): Promise<void> {
  const wanted = sizeOf(settings);
  // Of this app alone: its lock is held, so nothing changes it.
  if (!grows(wanted, await readDemand(tx, sql`a.id = ${appId}`))) return;
  await lockTenant(tx, tenantId);
  const limits = await readLimits(tx, tenantId);
  const own = await readDemand(tx, sql`a.id = ${appId}`);
  const all = await readDemand(tx, sql`a.tenant_id = ${tenantId}`, true);
  for (const name of ["instances", "cpuMillis", "memoryBytes"] as const) {
    if (wanted[name] > own[name]) refuse(name, limits[name], all[name], wanted[name] - own[name]);
  }
}

/** The same for bytes that a repository of the registry is about to hold; the platform's own have no limit. */
export async function requireRoomInRegistry(tx: Tx, repository: string, askedBytes: number): Promise<void> {
  const [owner] = await tx.select({ id: tenants.id }).from(tenants).where(eq(tenants.name, repository.split("/", 1)[0] ?? ""));
  if (owner !== undefined) await requireRoom(tx, owner.id, "storageBytes", askedBytes);
}

/** What is used of each counted limit, without a lock: for people to read. */
export function readAllUse(db: Db | Tx, tenantId: TenantId): Promise<Partial<Record<CountedLimit, number>>> {
  return readUse(db, tenantId, COUNTED_LIMITS);
}

function refuse(limit: CountedLimit, max: number, used: number, asked: number): void {
  const quota = exceeded(limit, max, used, asked);
  if (quota !== undefined) throw new AppError("quota_exceeded", quota.detail, { quota: quota.quota });
}

async function lockTenant(tx: Tx, tenantId: TenantId): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`quota:${tenantId}`}, 0))`);
}

async function readUse(db: Db | Tx, tenantId: TenantId, names: readonly CountedLimit[]): Promise<Partial<Record<CountedLimit, number>>> {
  const counted = names.filter((name) => COUNTS[name] !== undefined);
  const used: Partial<Record<CountedLimit, number>> = {};
  if (counted.length > 0) {
    const columns = counted.map((name) => sql`(${COUNTS[name]?.(tenantId)})::text as ${sql.identifier(name)}`);
    const { rows } = await db.execute<Record<string, string | null>>(sql`select ${sql.join(columns, sql`, `)}`);
    for (const name of counted) used[name] = Number(rows[0]?.[name] ?? 0);
  }
  if (names.some((name) => name in NO_DEMAND)) Object.assign(used, await readDemand(db, sql`a.tenant_id = ${tenantId}`, true));
  return used;
}

const THIS_MONTH = sql`u.hour >= date_trunc('month', now(), 'UTC')`;

/** Repositories are named `<tenant>/<app>`. */
const ofTenant = (table: "r" | "u" | "m", id: TenantId) => sql`split_part(${sql.raw(table)}.repository, '/', 1) = (select t.name from tenants t where t.id = ${id})`;

/** One number each, of a tenant. */
const COUNTS: Partial<Record<CountedLimit, (tenantId: TenantId) => SQL>> = {
  apps: (id) => sql`select count(*) from apps a where a.tenant_id = ${id} and a.deleted_at is null`,
  // Blobs that several of its repositories hold are stored once. What was begun and not ended takes room, too.
  // «offset 0»: its own blobs are looked up one by one; the planner would rather read everybody's.
  storageBytes: (id) => sql`select
    coalesce((select sum(b.size_bytes) from (select distinct r.digest from repository_blobs r where ${ofTenant("r", id)}) own
      cross join lateral (select size_bytes from blobs where digest = own.digest offset 0) b), 0)
    + coalesce((select sum(octet_length(m.content)) from manifests m where ${ofTenant("m", id)}), 0)
    + coalesce((select sum(u.offset_bytes) from uploads u where ${ofTenant("u", id)}), 0)
    + coalesce((select sum(s.size_bytes) from volume_snapshots s where s.tenant_id = ${id}), 0)`,
  volumeBytes: (id) => sql`select sum(v.size_bytes) from volumes v where v.tenant_id = ${id}`,
  buildsAtOnce: (id) => sql`select count(*) from builds b where b.tenant_id = ${id} and b.state = 'running'`,
  buildsQueued: (id) => sql`select count(*) from builds b where b.tenant_id = ${id} and b.state = 'queued'`,
  buildMinutesMonth: (id) => sql`select ceil(sum(u.build_millis) / 60000.0) from usage u where u.tenant_id = ${id} and ${THIS_MONTH}`,
  egressBytesMonth: (id) => sql`select sum(u.egress_bytes) from usage u where u.tenant_id = ${id} and ${THIS_MONTH}`,
  domains: (id) => sql`select count(*) from domains d where d.tenant_id = ${id}`,
  tokens: (id) => sql`select count(*) from tokens t where t.tenant_id = ${id} and t.revoked_at is null and (t.expires_at is null or t.expires_at > now())`,
  // An invitation keeps a place.
  members: (id) => sql`select (select count(*) from members m where m.tenant_id = ${id})
    + (select count(*) from invites i where i.tenant_id = ${id} and i.accepted_at is null and i.expires_at > now())`,
  secrets: (id) => sql`select count(*) from secrets s where s.tenant_id = ${id} and s.version > 0`,
};

/** `instanceSize` of `core/domain/pods.ts`, of one of the settings `s.settings`. */
function sizeInSql(name: "cpuMillis" | "memoryBytes"): SQL {
  const of = (value: "s.settings" | "c") => sql`(${sql.raw(value)}->>${sql.raw(`'${name}'`)})::bigint`;
  return sql`greatest(${of("s.settings")} + coalesce((select sum(${of("c")}) from jsonb_array_elements(s.settings->'sidecars') c), 0),
    (select max(${of("c")}) from jsonb_array_elements(s.settings->'init') c))`;
}

/**
 * What apps may run at most. Of an app the largest of its next, its live and its target configuration counts: a rollout
 * that is given up returns to the live one. A destroyed app counts until its instances are gone.
 */
async function readDemand(db: Db | Tx, which: SQL, withRuns = false): Promise<Demand> {
  const { rows } = await db.execute<Record<keyof Demand, string | null>>(sql`
    select sum(most.n)::text as "instances", sum(most.cpu)::text as "cpuMillis", sum(most.memory)::text as "memoryBytes" from (
    select most.n, most.cpu, most.memory
    from apps a cross join lateral (
      select max(n) as n, max(n * ${sizeInSql("cpuMillis")}) as cpu, max(n * ${sizeInSql("memoryBytes")}) as memory
      from (
        select a.settings where a.deleted_at is null and coalesce(a.live_release_id, a.target_release_id) is not null
        union all
        select r.settings from releases r where r.id in (a.live_release_id, a.target_release_id)
      ) s cross join lateral (
        select coalesce((s.settings->'scaling'->>'max')::bigint, (s.settings->>'replicas')::bigint) as n
      ) size
    ) most
    where ${which}
    ${withRuns ? demandOfRuns(which) : sql``}
    ) most`);
  const [row] = rows;
  return { instances: Number(row?.instances ?? 0), cpuMillis: Number(row?.cpuMillis ?? 0), memoryBytes: Number(row?.memoryBytes ?? 0) };
}

/** Of runs that have not ended; a release's own is a part of its rollout, which has room already. */
const demandOfRuns = (which: SQL) => sql`union all
    select size.n, size.n * (r.spec->>'cpuMillis')::bigint, size.n * (r.spec->>'memoryBytes')::bigint
    from runs r join apps a on a.id = r.app_id
    cross join lateral (select least((r.spec->>'tasks')::bigint, (r.spec->>'parallelism')::bigint) as n) size
    where ${which} and r.state in ('pending', 'running') and r.trigger <> 'release'`;
