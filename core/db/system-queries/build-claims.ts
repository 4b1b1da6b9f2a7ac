/**
 * Which build is next. PostgreSQL decides, not the queue: a worker that has room asks for a build, whichever it is.
 * Of the tenants with a build to take, the one with the fewest running is served, then the one whose last build began
 * longest ago, with its oldest build: however many one tenant queues, another's first waits for one build at most.
 */
import { and, eq, inArray, lt, or, sql } from "drizzle-orm";
import type { BuildId } from "../../contract/ids.ts";
import { PLATFORM_LIMITS } from "../../domain/limits.ts";
import type { Db, Tx } from "../client.ts";
import { apps, builds, tenants } from "../schema.ts";
import { countAttempts } from "./build-usage.ts";
import { BUILD_ATTEMPTS_MAX, type BuildRow } from "./builds.ts";

export interface ClaimedBuild {
  build: BuildRow;
  tenantName: string;
  tenantOrdinal: number;
  appName: string;
}

export interface Claimant {
  /** Name of the worker. */
  worker: string;
  leaseMs: number;
  /** Builds that it has still in its hands, though their lease may have run out. */
  busyWith: readonly BuildId[];
}

/** Takes the next build that is queued, or whose worker's lease has run out. Undefined when there is nothing to take. */
export async function claimNextBuild(db: Db, claimant: Claimant, now: Date): Promise<ClaimedBuild | undefined> {
  const build = await db.transaction(async (tx) => {
    // One claim at a time: what another has just taken counts for its tenant.
    await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended('claim-build', 0))`);
    const [id] = await nextBuilds(tx, claimant.busyWith, 1, now);
    return id === undefined ? undefined : take(tx, id, claimant, now);
  });
  if (build === undefined) return undefined;
  const [owner] = await db
    .select({ tenantName: tenants.name, tenantOrdinal: tenants.ordinal, appName: apps.name })
    .from(apps)
    .innerJoin(tenants, eq(tenants.id, apps.tenantId))
    .where(eq(apps.id, build.appId));
  return owner === undefined ? undefined : { build, ...owner };
}

async function take(tx: Tx, id: BuildId, { worker, leaseMs }: Claimant, now: Date): Promise<BuildRow | undefined> {
  const [former] = await tx.select().from(builds).where(eq(builds.id, id)).for("update");
  const [build] = await tx
    .update(builds)
    .set({
      state: "running",
      attempt: sql`${builds.attempt} + 1`,
      worker,
      leaseUntil: new Date(now.getTime() + leaseMs),
      claimedAt: now,
      startedAt: sql`coalesce(${builds.startedAt}, ${now.toISOString()}::timestamptz)`,
    })
    // Looked at again: it may have been cancelled, or its worker may have woken up.
    .where(and(eq(builds.id, id), lt(builds.attempt, BUILD_ATTEMPTS_MAX), or(eq(builds.state, "queued"), and(eq(builds.state, "running"), lt(builds.leaseUntil, now)))))
    .returning();
  // Whoever had it was lost: what it did until then counts, too.
  if (build !== undefined && former?.state === "running") await countAttempts(tx, [{ ...former, endedAt: former.leaseUntil }], now);
  return build;
}

/** How many builds could be taken now, up to `most`: so many bells are worth ringing. */
export async function countTakeable(db: Db, most: number, now: Date): Promise<number> {
  return (await nextBuilds(db, [], most, now)).length;
}

/** In the order in which they should be taken. Of each tenant only as many as it may run beside those that do. */
async function nextBuilds(db: Db | Tx, except: readonly BuildId[], most: number, now: Date): Promise<BuildId[]> {
  const expired = and(eq(builds.state, "running"), lt(builds.leaseUntil, now));
  const open = db
    .select({
      id: builds.id,
      tenantId: builds.tenantId,
      takeable: sql<boolean>`((${builds.state} = 'queued' and ${builds.cancelRequestedAt} is null) or ${expired}) and ${builds.attempt} < ${BUILD_ATTEMPTS_MAX}
        and ${except.length === 0 ? sql`true` : sql`${builds.id} not in ${[...except]}`}`.as("takeable"),
      runs: sql<boolean>`${builds.state} = 'running' and not (${expired})`.as("runs"),
    })
    .from(builds)
    .where(inArray(builds.state, ["queued", "running"]));
  const { rows } = await db.execute<{ id: BuildId }>(sql`
    with open as (${open}),
    waiting as (
      select tenant_id, count(*) filter (where runs) as running, array_agg(id order by id) filter (where takeable) as ids
      from open group by tenant_id having bool_or(takeable)
    )
    select turn.id
    from waiting w
    join tenants t on t.id = w.tenant_id and t.suspended_at is null
    left join plans p on p.name = t.plan
    cross join lateral (select max(b.started_at) as last_at from builds b where b.tenant_id = w.tenant_id) began
    cross join lateral unnest(w.ids[1:${most}]) with ordinality as turn (id, number)
    where w.running + turn.number <= coalesce((t.limits->>'buildsAtOnce')::int, (p.limits->>'buildsAtOnce')::int, ${PLATFORM_LIMITS.buildsAtOnce})
    order by w.running + turn.number, began.last_at nulls first, turn.id
    limit ${most}`);
  return rows.map((row) => row.id);
}
