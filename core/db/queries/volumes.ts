/** Volumes of one tenant's apps. */
import { and, asc, desc, eq, gt, inArray, isNull, lt, or, sql } from "drizzle-orm";
import { AppError } from "../../contract/errors.ts";
import { newId, type AppId, type Id, type NodeId, type TenantId } from "../../contract/ids.ts";
import type { Settings } from "../../contract/release-config.ts";
import type { Placement } from "../../domain/states.ts";
import type { OperationKind } from "../../domain/volume-states.ts";
import type { Db, Tx } from "../client.ts";
import { apps, instances, nodes, releases, volumeImages, volumeOperations, volumes, volumeSnapshots } from "../schema.ts";
import { requireRoom } from "./quota.ts";

export type VolumeRow = typeof volumes.$inferSelect;
export type SnapshotRow = typeof volumeSnapshots.$inferSelect;
export type OperationRow = typeof volumeOperations.$inferSelect;

/** A volume and what is shown with it. */
export interface VolumeDetails {
  volume: VolumeRow;
  image: typeof volumeImages.$inferSelect | null;
  node: { name: string; lastSeenAt: Date | null } | null;
  operation: OperationRow | null;
  liveSettings: Settings | null;
  lastSnapshotAt: string | null;
}

function details(db: Db | Tx) {
  return db
    .select({
      volume: volumes,
      image: volumeImages,
      node: { name: nodes.name, lastSeenAt: nodes.lastSeenAt },
      operation: volumeOperations,
      liveSettings: releases.settings,
      lastSnapshotAt: sql<string | null>`(select to_json(max(s.created_at))#>>'{}' from ${volumeSnapshots} s where s.volume_id = ${volumes.id} and s.state = 'ready')`,
    })
    .from(volumes)
    .innerJoin(apps, eq(apps.id, volumes.appId))
    .leftJoin(releases, eq(releases.id, apps.liveReleaseId))
    .leftJoin(nodes, eq(nodes.id, volumes.nodeId))
    .leftJoin(volumeImages, and(eq(volumeImages.volumeId, volumes.id), eq(volumeImages.version, volumes.version)))
    .leftJoin(volumeOperations, and(eq(volumeOperations.volumeId, volumes.id), isNull(volumeOperations.finishedAt)))
    .$dynamic();
}

const ofApp = (tenantId: TenantId, appId: AppId) => and(eq(volumes.tenantId, tenantId), eq(volumes.appId, appId));

/** Oldest first; those on their way out, too. */
export function listVolumes(db: Db | Tx, tenantId: TenantId, appId: AppId, page?: { limit: number; after: Id<"volume"> | undefined }): Promise<VolumeDetails[]> {
  const found = details(db).where(and(ofApp(tenantId, appId), page?.after === undefined ? undefined : gt(volumes.id, page.after))).orderBy(asc(volumes.id));
  return page === undefined ? found : found.limit(page.limit);
}

/** One that was not deleted. */
export async function findVolume(db: Db | Tx, tenantId: TenantId, appId: AppId, name: string): Promise<VolumeDetails | undefined> {
  const [row] = await details(db).where(and(ofApp(tenantId, appId), eq(volumes.name, name), isNull(volumes.deletedAt)));
  return row;
}

/** Asks for room first. Undefined when the app has one of the name. @throws AppError quota_exceeded */
export async function insertVolume(tx: Tx, row: { tenantId: TenantId; appId: AppId; name: string; sizeBytes: number }): Promise<Id<"volume"> | undefined> {
  await requireRoom(tx, row.tenantId, "volumeBytes", row.sizeBytes);
  const [made] = await tx.insert(volumes).values({ id: newId("volume"), ...row }).onConflictDoNothing().returning({ id: volumes.id });
  return made?.id;
}

/**
 * Before a release: the app has what these settings mount, on one node. What is missing is made where its size is named.
 * `isTrial`: only asks. @throws AppError volume_missing, conflict, quota_exceeded
 */
export async function requireVolumes(tx: Tx, tenantId: TenantId, appId: AppId, { mounts = [] }: Pick<Settings, "mounts">, { isTrial = false } = {}): Promise<void> {
  if (mounts.length === 0) return;
  const rows = await tx
    .select({ name: volumes.name, node: nodes.name })
    .from(volumes)
    .leftJoin(nodes, eq(nodes.id, volumes.nodeId))
    .where(and(ofApp(tenantId, appId), isNull(volumes.deletedAt)));
  const known = new Map(rows.map((row) => [row.name, row]));
  for (const { volume: name, sizeBytes } of mounts) {
    if (known.has(name)) continue;
    if (sizeBytes === undefined) throw new AppError("volume_missing", `There is no volume «${name}». Make it first (berth volumes create ${name} --size 1g), or name a size in the mount (--mount ${name}:/path:1g).`);
    if (!isTrial) await insertVolume(tx, { tenantId, appId, name, sizeBytes });
  }
  const placed = mounts.flatMap(({ volume }) => known.get(volume) ?? []).filter(({ node }) => node !== null);
  const other = placed.find(({ node }) => node !== placed[0]?.node);
  if (other !== undefined) throw new AppError("conflict", `The volume «${placed[0]?.name}» is on the node ${placed[0]?.node}, «${other.name}» on ${other.node}: no instance can mount both. Move one of them while nothing mounts it.`);
}

/** Names of the volumes that the app's next, live or target configuration mounts. */
export async function mountedVolumes(tx: Db | Tx, tenantId: TenantId, appId: AppId): Promise<Set<string>> {
  const { rows } = await tx.execute<{ name: string }>(sql`
    select distinct m->>'volume' as name from (
      select a.settings from ${apps} a where a.id = ${appId} and a.tenant_id = ${tenantId}
      union all
      select r.settings from ${releases} r join ${apps} a on a.id = ${appId} and r.id in (a.live_release_id, a.target_release_id) where r.tenant_id = ${tenantId}
      union all
      select r.settings from ${instances} i join ${releases} r on r.id = i.release_id where i.app_id = ${appId} and i.tenant_id = ${tenantId} and i.state <> 'gone'
    ) s cross join lateral jsonb_array_elements(coalesce(s.settings->'mounts', '[]'::jsonb)) m`);
  return new Set(rows.map(({ name }) => name));
}

export async function growVolume(tx: Tx, tenantId: TenantId, id: Id<"volume">, sizeBytes: number): Promise<void> {
  await tx.update(volumes).set({ sizeBytes }).where(and(eq(volumes.tenantId, tenantId), eq(volumes.id, id)));
}

/** They go with their images and snapshots; what is being done with them ends. Returns the nodes that must look. */
export async function deleteVolumes(tx: Tx, tenantId: TenantId, ids: readonly Id<"volume">[], now: Date): Promise<NodeId[]> {
  if (ids.length === 0) return [];
  const these = [...ids];
  await tx.update(volumes).set({ deletedAt: now }).where(and(eq(volumes.tenantId, tenantId), inArray(volumes.id, these), isNull(volumes.deletedAt)));
  await tx.update(volumeSnapshots).set({ state: "removing" }).where(and(eq(volumeSnapshots.tenantId, tenantId), inArray(volumeSnapshots.volumeId, these)));
  await tx
    .update(volumeOperations)
    .set({ state: "failed", failure: { code: "conflict", detail: "The volume was deleted." }, finishedAt: now })
    .where(and(eq(volumeOperations.tenantId, tenantId), inArray(volumeOperations.volumeId, these), isNull(volumeOperations.finishedAt)));
  const images = await tx.update(volumeImages).set({ state: "removing" }).where(inArray(volumeImages.volumeId, these)).returning({ nodeId: volumeImages.nodeId });
  const touched = [...new Set(images.map(({ nodeId }) => nodeId))].toSorted();
  for (const nodeId of touched) await tx.update(nodes).set({ generation: sql`${nodes.generation} + 1` }).where(eq(nodes.id, nodeId));
  return touched;
}

/** Undefined when something is being done with the volume already. */
export async function insertOperation(
  tx: Tx,
  row: { tenantId: TenantId; appId: AppId; volumeId: Id<"volume">; kind: OperationKind; snapshotId?: Id<"snapshot">; toNodeId?: NodeId; createdAt: Date },
): Promise<OperationRow | undefined> {
  const [made] = await tx.insert(volumeOperations).values({ id: newId("operation"), ...row }).onConflictDoNothing().returning();
  return made;
}

/** Newest first. */
export function listOperations(db: Db | Tx, tenantId: TenantId, volumeId: Id<"volume">, limit: number, before: Id<"operation"> | undefined): Promise<{ operation: OperationRow; toNode: string | null }[]> {
  return operations(db)
    .where(and(eq(volumeOperations.tenantId, tenantId), eq(volumeOperations.volumeId, volumeId), before === undefined ? undefined : lt(volumeOperations.id, before)))
    .orderBy(desc(volumeOperations.id))
    .limit(limit);
}

export async function findOperation(db: Db | Tx, tenantId: TenantId, volumeId: Id<"volume">, id: Id<"operation">): Promise<{ operation: OperationRow; toNode: string | null } | undefined> {
  const [row] = await operations(db).where(and(eq(volumeOperations.tenantId, tenantId), eq(volumeOperations.volumeId, volumeId), eq(volumeOperations.id, id)));
  return row;
}

function operations(db: Db | Tx) {
  return db.select({ operation: volumeOperations, toNode: nodes.name }).from(volumeOperations).leftJoin(nodes, eq(nodes.id, volumeOperations.toNodeId)).$dynamic();
}

/** Newest first. */
export function listSnapshots(db: Db | Tx, tenantId: TenantId, volumeId: Id<"volume">, limit: number, before: Id<"snapshot"> | undefined): Promise<SnapshotRow[]> {
  return db
    .select()
    .from(volumeSnapshots)
    .where(and(eq(volumeSnapshots.tenantId, tenantId), eq(volumeSnapshots.volumeId, volumeId), before === undefined ? undefined : lt(volumeSnapshots.id, before)))
    .orderBy(desc(volumeSnapshots.id))
    .limit(limit);
}

export async function findSnapshot(db: Db | Tx, tenantId: TenantId, volumeId: Id<"volume">, id: Id<"snapshot">): Promise<SnapshotRow | undefined> {
  const [row] = await db.select().from(volumeSnapshots).where(and(eq(volumeSnapshots.tenantId, tenantId), eq(volumeSnapshots.volumeId, volumeId), eq(volumeSnapshots.id, id)));
  return row;
}

/** False when something needs it: it is being taken, or an open operation restores it. */
export async function removeSnapshot(tx: Tx, tenantId: TenantId, id: Id<"snapshot">): Promise<boolean> {
  const marked = await tx
    .update(volumeSnapshots)
    .set({ state: "removing" })
    .where(
      and(
        eq(volumeSnapshots.tenantId, tenantId),
        eq(volumeSnapshots.id, id),
        or(eq(volumeSnapshots.state, "ready"), eq(volumeSnapshots.state, "failed")),
        sql`not exists (select 1 from ${volumeOperations} o where o.snapshot_id = ${id} and o.finished_at is null)`,
      ),
    )
    .returning({ id: volumeSnapshots.id });
  return marked.length > 0;
}

/** A node by name or id, whoever it serves. */
export async function findNodeNamed(db: Db | Tx, name: string): Promise<{ id: NodeId; name: string; lastSeenAt: Date | null; placement: Placement } | undefined> {
  const [row] = await db.select({ id: nodes.id, name: nodes.name, lastSeenAt: nodes.lastSeenAt, placement: nodes.placement }).from(nodes).where(or(eq(nodes.name, name), eq(nodes.id, name as NodeId)));
  return row;
}
