/** Volumes as the rollout loop sees them: what pins an app, and the steps of what is being done with its volumes. */
import { and, eq, inArray, isNull, ne, sql } from "drizzle-orm";
import type { Failure } from "../../contract/errors.ts";
import { newId, type AppId, type Id, type NodeId, type ReleaseId } from "../../contract/ids.ts";
import type { Settings } from "../../contract/release-config.ts";
import { isExclusive } from "../../domain/mounts.ts";
import { NODE_LOST_AFTER_MS } from "../../domain/rollout-instances.ts";
import type { Pinning } from "../../domain/rollout-volumes.ts";
import { holdsApp } from "../../domain/volume-states.ts";
import { nextStep, type OperationStep } from "../../domain/volume-plan.ts";
import type { Tx } from "../client.ts";
import { writeSystemAudit } from "../queries/audit.ts";
import { deployments, instances, nodes, volumeImages, volumeOperations, volumes, volumeSnapshots } from "../schema.ts";

type OperationRow = typeof volumeOperations.$inferSelect;
type VolumeRow = typeof volumes.$inferSelect;

/** Snapshots that nobody asked for are kept so long. */
export const KEPT_SNAPSHOT_MS = 5 * 86_400_000;

export interface AppVolumes {
  /** Those on their way out, too. */
  count: number;
  /** One of them is being switched. */
  isHeld: boolean;
  pinning(settings: Pick<Settings, "mounts">): Pinning | undefined;
}

export async function readAppVolumes(tx: Tx, appId: AppId): Promise<AppVolumes> {
  const rows = await tx
    .select({ name: volumes.name, nodeId: volumes.nodeId, deletedAt: volumes.deletedAt, kind: volumeOperations.kind, state: volumeOperations.state })
    .from(volumes)
    .leftJoin(volumeOperations, and(eq(volumeOperations.volumeId, volumes.id), isNull(volumeOperations.finishedAt)))
    .where(eq(volumes.appId, appId));
  const nodeOf = new Map(rows.filter(({ deletedAt }) => deletedAt === null).map(({ name, nodeId }) => [name, nodeId]));
  return {
    count: rows.length,
    isHeld: rows.some(({ kind, state }) => kind !== null && state !== null && holdsApp(kind, state)),
    pinning: ({ mounts = [] }) =>
      mounts.length === 0 ? undefined : { nodeId: mounts.map(({ volume }) => nodeOf.get(volume)).find((id) => id) ?? null, isExclusive: mounts.some(isExclusive) },
  };
}

/** What the release mounts and is nowhere yet begins, empty, on the node of its first instance. */
export async function bindVolumes(tx: Tx, appId: AppId, releaseId: ReleaseId, nodeId: NodeId): Promise<void> {
  await tx.execute(sql`
    with bound as (
      update ${volumes} v set node_id = ${nodeId}, version = 1
      from releases r cross join lateral jsonb_array_elements(coalesce(r.settings->'mounts', '[]'::jsonb)) m
      where r.id = ${releaseId} and v.app_id = ${appId} and v.name = m->>'volume' and v.deleted_at is null and v.node_id is null
      returning v.id
    )
    insert into ${volumeImages} (volume_id, version, node_id) select id, 1, ${nodeId} from bound order by id`);
}

/** Takes each open operation of the app as far as it goes now. Under the app's lock. Returns the nodes that must look. */
export async function stepOperations(tx: Tx, appId: AppId, now: Date): Promise<NodeId[]> {
  const rung = new Set<NodeId>();
  const open = await tx.select().from(volumeOperations).where(and(eq(volumeOperations.appId, appId), isNull(volumeOperations.finishedAt))).orderBy(volumeOperations.id);
  for (const { id } of open) {
    // A step may make the next one possible at once.
    for (let more = true; more; ) {
      const [operation] = await tx.select().from(volumeOperations).where(and(eq(volumeOperations.id, id), isNull(volumeOperations.finishedAt)));
      const [volume] = operation === undefined ? [] : await tx.select().from(volumes).where(eq(volumes.id, operation.volumeId));
      if (operation === undefined || volume === undefined) break;
      const step = await planStep(tx, operation, volume, now);
      more = step !== undefined;
      if (step === undefined) break;
      for (const nodeId of await takeStep(tx, operation, volume, step, now)) rung.add(nodeId);
    }
  }
  for (const nodeId of [...rung].toSorted()) await tx.update(nodes).set({ generation: sql`${nodes.generation} + 1` }).where(eq(nodes.id, nodeId));
  return [...rung];
}

async function planStep(tx: Tx, operation: OperationRow, volume: VolumeRow, now: Date): Promise<OperationStep | undefined> {
  const target = operation.toNodeId ?? volume.nodeId;
  const lost = await lostNodes(tx, [volume.nodeId, target], now);
  const images = await tx.select().from(volumeImages).where(eq(volumeImages.volumeId, volume.id));
  const [snapshot] = operation.snapshotId === null ? [] : await tx.select().from(volumeSnapshots).where(eq(volumeSnapshots.id, operation.snapshotId));
  const current = images.find(({ version }) => version === volume.version);
  const made = images.find(({ version }) => version === operation.version);
  if (current === undefined) return { kind: "fail", failure: { code: "volume_empty", detail: "Nothing was stored in it yet." } };
  const running = await tx.select({ nodeId: instances.nodeId }).from(instances).where(and(eq(instances.appId, operation.appId), ne(instances.state, "gone")));
  const isAway = volume.nodeId !== target && lost.has(volume.nodeId);
  return nextStep(
    {
      kind: operation.kind,
      state: operation.state,
      createdAt: operation.createdAt.getTime(),
      current,
      snapshot: snapshot ?? null,
      made: made ?? null,
      isNodeLost: lost.has(volume.nodeId),
      isTargetLost: lost.has(target),
      // What may still run on a lost node writes to an image that is given up.
      running: running.filter(({ nodeId }) => !(isAway && nodeId === volume.nodeId)).length,
    },
    now.getTime(),
  );
}

async function lostNodes(tx: Tx, ids: readonly (NodeId | null)[], now: Date): Promise<Set<NodeId | null>> {
  const named = ids.filter((id) => id !== null);
  const rows = named.length === 0 ? [] : await tx.select({ id: nodes.id, lastSeenAt: nodes.lastSeenAt }).from(nodes).where(inArray(nodes.id, named));
  return new Set(rows.filter(({ lastSeenAt }) => lastSeenAt === null || now.getTime() - lastSeenAt.getTime() > NODE_LOST_AFTER_MS).map(({ id }) => id));
}

/** Returns the nodes that must look. */
async function takeStep(tx: Tx, operation: OperationRow, volume: VolumeRow, step: OperationStep, now: Date): Promise<NodeId[]> {
  const here = volume.nodeId as NodeId;
  const target = operation.toNodeId ?? here;
  switch (step.kind) {
    case "stop-app":
      await advance(tx, operation, { state: "stopping" });
      return [];
    case "take-snapshot": {
      const id = newId("snapshot");
      const reason = operation.kind === "move" ? "move" : operation.reason;
      const expiresAt = reason === "manual" ? null : new Date(now.getTime() + KEPT_SNAPSHOT_MS);
      const { tenantId, version } = volume;
      await tx.insert(volumeSnapshots).values({ id, tenantId, volumeId: volume.id, reason, version, nodeId: here, isStopped: step.isStopped, volumeBytes: volume.sizeBytes, createdAt: now, expiresAt });
      await advance(tx, operation, { state: "snapshotting", snapshotId: id });
      return [here];
    }
    case "make-image":
      await advance(tx, operation, { state: "fetching", version: await makeImage(tx, volume, target, operation.snapshotId) });
      return [target];
    case "begin-elsewhere":
      await switchTo(tx, volume, await makeImage(tx, volume, target, null), target);
      await end(tx, operation, null, now);
      return [here, target];
    case "switch":
      if (operation.version === null) throw new Error(`${operation.id} has no image to switch to`);
      await switchTo(tx, volume, operation.version, target);
      await end(tx, operation, null, now);
      return [here, target];
    case "finish":
      await end(tx, operation, null, now);
      return [];
    case "fail":
      await giveUp(tx, operation);
      await end(tx, operation, step.failure, now);
      return [here, target];
  }
}

async function advance(tx: Tx, { id, state: from }: OperationRow, to: Partial<OperationRow>): Promise<void> {
  await tx.update(volumeOperations).set(to).where(and(eq(volumeOperations.id, id), eq(volumeOperations.state, from), isNull(volumeOperations.finishedAt)));
}

/** A number that no image of the volume ever had: a node that comes back with an old one is not taken for right. */
async function makeImage(tx: Tx, volume: VolumeRow, nodeId: NodeId, snapshotId: Id<"snapshot"> | null): Promise<number> {
  const { rows } = await tx.execute<{ next: number }>(sql`
    select greatest(${volume.version}, (select max(version) from ${volumeImages} where volume_id = ${volume.id}), (select max(version) from ${volumeOperations} where volume_id = ${volume.id})) + 1 as next`);
  const version = rows[0]?.next ?? volume.version + 1;
  await tx.insert(volumeImages).values({ volumeId: volume.id, version, nodeId, snapshotId });
  return version;
}

/** From here on the volume is the new image; the former one goes. */
async function switchTo(tx: Tx, volume: VolumeRow, version: number, nodeId: NodeId): Promise<void> {
  await tx.update(volumes).set({ version, nodeId }).where(and(eq(volumes.id, volume.id), eq(volumes.version, volume.version)));
  await tx.update(volumeImages).set({ state: "removing" }).where(and(eq(volumeImages.volumeId, volume.id), eq(volumeImages.version, volume.version)));
}

/** What it had begun goes; the volume stays as it is. */
async function giveUp(tx: Tx, { volumeId, version, snapshotId }: OperationRow): Promise<void> {
  if (version !== null) await tx.update(volumeImages).set({ state: "removing" }).where(and(eq(volumeImages.volumeId, volumeId), eq(volumeImages.version, version)));
  if (snapshotId !== null) {
    const failure: Failure = { code: "volume_failed", detail: "It was given up." };
    await tx.update(volumeSnapshots).set({ state: "failed", failure }).where(and(eq(volumeSnapshots.id, snapshotId), eq(volumeSnapshots.state, "taking")));
  }
}

async function end(tx: Tx, operation: OperationRow, failure: Failure | null, now: Date): Promise<void> {
  const state = failure === null ? "done" : "failed";
  await tx.update(volumeOperations).set({ state, failure, finishedAt: now }).where(and(eq(volumeOperations.id, operation.id), isNull(volumeOperations.finishedAt)));
  // A deployment that waited while the app was held has all of its time before it.
  if (holdsApp(operation.kind, operation.state)) await tx.update(deployments).set({ releasedAt: now }).where(and(eq(deployments.appId, operation.appId), eq(deployments.state, "releasing")));
  await writeSystemAudit(tx, operation.tenantId, `volume.${operation.kind}-${state}`, operation.volumeId, { operation: operation.id, ...(failure === null ? {} : { code: failure.code }) });
}

/** Volumes that were deleted leave when nothing of them is left, on nodes and in the blob store. */
export async function removeEmptyVolumes(tx: Tx, appId: AppId): Promise<void> {
  await tx.execute(sql`
    delete from ${volumes} v where v.app_id = ${appId} and v.deleted_at is not null
      and not exists (select 1 from ${volumeImages} i where i.volume_id = v.id)
      and not exists (select 1 from ${volumeSnapshots} s where s.volume_id = v.id)`);
}
