/** Snapshots by the clock: which are due, which are over. */
import { and, eq, inArray, lt, sql } from "drizzle-orm";
import { newId, type AppId, type Id, type TenantId } from "../../contract/ids.ts";
import { NODE_LOST_AFTER_MS } from "../../domain/rollout-instances.ts";
import type { Db } from "../client.ts";
import { volumeOperations, volumeSnapshots } from "../schema.ts";
import { KEPT_SNAPSHOT_MS } from "./volumes.ts";

const DAY_MS = 86_400_000;
/** One that failed is not tried at once again. */
const RETRY_AFTER_MS = 3_600_000;
const KEPT_OPERATIONS_MS = 90 * DAY_MS;

/** Begins a snapshot of volumes that have none of the last day, longest without one first. Returns their apps. */
export async function startDailySnapshots(db: Db, now: Date, limit: number): Promise<AppId[]> {
  const since = (ms: number) => sql`${new Date(now.getTime() - ms).toISOString()}::timestamptz`;
  const { rows } = await db.execute<{ id: Id<"volume">; tenant_id: TenantId; app_id: AppId }>(sql`
    select v.id, v.tenant_id, v.app_id from volumes v
    join volume_images i on i.volume_id = v.id and i.version = v.version and i.state = 'whole'
    join nodes n on n.id = v.node_id and n.last_seen_at > ${since(NODE_LOST_AFTER_MS)}
    join tenants t on t.id = v.tenant_id and t.suspended_at is null
    where v.deleted_at is null and v.created_at < ${since(DAY_MS)}
      and not exists (select 1 from volume_operations o where o.volume_id = v.id and (o.finished_at is null or o.created_at > ${since(RETRY_AFTER_MS)}))
      and not exists (select 1 from volume_snapshots s where s.volume_id = v.id and s.state in ('taking', 'ready') and s.created_at > ${since(DAY_MS)})
    order by (select max(s.created_at) from volume_snapshots s where s.volume_id = v.id) nulls first, v.id limit ${limit}`);
  const begun: AppId[] = [];
  for (const { id, tenant_id: tenantId, app_id: appId } of rows) {
    const made = await db
      .insert(volumeOperations)
      .values({ id: newId("operation"), tenantId, appId, volumeId: id, kind: "snapshot", reason: "daily", createdAt: now })
      .onConflictDoNothing()
      .returning({ appId: volumeOperations.appId });
    begun.push(...made.map((row) => row.appId));
  }
  return begun;
}

const isNotNeeded = sql`not exists (select 1 from volume_operations o where o.snapshot_id = volume_snapshots.id and o.finished_at is null)
  and not exists (select 1 from volume_images i where i.snapshot_id = volume_snapshots.id and i.state = 'making')`;

/** What failed is kept as long, for people to read. */
export async function expireSnapshots(db: Db, now: Date): Promise<void> {
  const { ready, failed } = { ready: lt(volumeSnapshots.expiresAt, now), failed: lt(volumeSnapshots.createdAt, new Date(now.getTime() - KEPT_SNAPSHOT_MS)) };
  for (const [state, isOver] of [["ready", ready], ["failed", failed]] as const) {
    await db.update(volumeSnapshots).set({ state: "removing" }).where(and(eq(volumeSnapshots.state, state), isOver, isNotNeeded));
  }
}

export function snapshotsToRemove(db: Db, limit: number): Promise<{ id: Id<"snapshot">; tenantId: TenantId }[]> {
  return db.select({ id: volumeSnapshots.id, tenantId: volumeSnapshots.tenantId }).from(volumeSnapshots).where(eq(volumeSnapshots.state, "removing")).limit(limit);
}

/** Its bytes are gone. */
export async function forgetSnapshot(db: Db, id: Id<"snapshot">): Promise<void> {
  await db.delete(volumeSnapshots).where(and(eq(volumeSnapshots.id, id), eq(volumeSnapshots.state, "removing")));
}

export async function forgetOperations(db: Db, now: Date): Promise<void> {
  await db.delete(volumeOperations).where(and(inArray(volumeOperations.state, ["done", "failed"]), lt(volumeOperations.finishedAt, new Date(now.getTime() - KEPT_OPERATIONS_MS))));
}
