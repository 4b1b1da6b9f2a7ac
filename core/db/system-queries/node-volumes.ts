/** Volumes of one node: what it must have, and what it says of them. */
import { and, eq, sql } from "drizzle-orm";
import type { AppId, Id, NodeId } from "../../contract/ids.ts";
import type { DesiredMount, DesiredVolume, VolumesReport } from "../../contract/node-volumes.ts";
import type { Settings } from "../../contract/release-config.ts";
import { tenantUidBase } from "../../domain/id-ranges.ts";
import type { ImageState } from "../../domain/volume-states.ts";
import type { Db } from "../client.ts";
import { nodes, volumeImages, volumes, volumeSnapshots } from "../schema.ts";

/** An image that a node has or must have, as a query of its desired state reads it. */
export interface NodeVolumeRow {
  id: Id<"volume">;
  appId: AppId;
  name: string;
  tenantOrdinal: number;
  version: number;
  state: ImageState;
  /** It is the volume now. */
  isCurrent: boolean;
  sizeBytes: number;
  source: { key: string; digest: string; sizeBytes: number; imageBytes: number } | null;
  snapshot: { id: Id<"snapshot">; isStopped: boolean } | null;
}

/** All images of the node, as one JSON value: a part of the statement that reads its instances. */
export const nodeVolumesSql = (nodeId: NodeId) => sql<NodeVolumeRow[] | null>`(
  select json_agg(json_build_object(
    'id', v.id, 'appId', v.app_id, 'name', v.name, 'tenantOrdinal', t.ordinal, 'version', i.version, 'state', i.state,
    'isCurrent', v.version = i.version and v.deleted_at is null, 'sizeBytes', v.size_bytes,
    'source', (select json_build_object('key', s.blob_key, 'digest', s.digest, 'sizeBytes', s.size_bytes, 'imageBytes', s.image_bytes)
      from ${volumeSnapshots} s where s.id = i.snapshot_id and s.blob_key is not null and i.state = 'making'),
    'snapshot', (select json_build_object('id', s.id, 'isStopped', s.is_stopped)
      from ${volumeSnapshots} s where s.volume_id = v.id and s.version = i.version and s.state = 'taking' order by s.id limit 1)
  ) order by v.id, i.version)
  from ${volumeImages} i join ${volumes} v on v.id = i.volume_id join tenants t on t.id = v.tenant_id where i.node_id = ${nodeId})`;

const WANTS = { making: "make", whole: "keep", removing: "gone" } as const satisfies Record<ImageState, DesiredVolume["want"]>;

export function renderVolumes(rows: readonly NodeVolumeRow[], urlOf: (key: string) => string): DesiredVolume[] {
  return rows.map(({ id, version, tenantOrdinal, sizeBytes, state, source, snapshot }) => ({
    id,
    version,
    uidBase: tenantUidBase(tenantOrdinal),
    sizeBytes,
    want: WANTS[state],
    ...(source === null ? {} : { source: { url: urlOf(source.key), digest: source.digest, sizeBytes: source.sizeBytes, imageBytes: source.imageBytes } }),
    ...(snapshot === null ? {} : { snapshot }),
  }));
}

/** What an instance of the app mounts. */
export function renderMounts({ mounts = [] }: Pick<Settings, "mounts">, appId: AppId, volumesOfNode: readonly NodeVolumeRow[]): DesiredMount[] {
  return mounts.map(({ volume, path, readOnly }) => {
    const found = volumesOfNode.find((row) => row.appId === appId && row.name === volume && row.isCurrent);
    return { volume, image: found === undefined ? null : { id: found.id, version: found.version }, path, readOnly };
  });
}

/** Writes what a node says of its volumes; returns the apps that are concerned. */
export async function writeVolumes(db: Db, nodeId: NodeId, generation: number, { images, failedSnapshots }: VolumesReport): Promise<AppId[]> {
  const { rows } = await db.execute<{ app_id: AppId }>(sql`
    with said as (
      select r->>'id' as id, (r->>'version')::int as version, r->>'state' as state, (r->>'sizeBytes')::bigint as size_bytes, (r->>'usedBytes')::bigint as used_bytes, r->>'problem' as problem
      from jsonb_array_elements(${JSON.stringify(images)}::jsonb) r
    ), next as (
      select i.volume_id, i.version, said.id is null as is_absent, said.state as said, said.size_bytes, said.used_bytes, i.state = 'making' and said.state = 'whole' as is_made,
        case when said.problem is not null then jsonb_build_object('code', 'volume_failed', 'detail', said.problem)
          when said.state = 'missing' and i.state = 'whole' then jsonb_build_object('code', 'volume_failed', 'detail', 'Its node does not have it any more: restore a snapshot.') end as failure
      from ${volumeImages} i join ${nodes} node on node.id = i.node_id left join said on said.id = i.volume_id and said.version = i.version
      where i.node_id = ${nodeId} and (said.id is not null or (i.state = 'removing' and ${generation} >= node.generation))
      order by i.volume_id, i.version for update of i
    ), gone as (
      delete from ${volumeImages} i using next where i.volume_id = next.volume_id and i.version = next.version and i.state = 'removing' and (next.is_absent or next.said = 'missing')
      returning i.volume_id, true as changed
    ), written as (
      update ${volumeImages} i set
        state = case when next.is_made then 'whole' else i.state end,
        size_bytes = coalesce(next.size_bytes, i.size_bytes), used_bytes = coalesce(next.used_bytes, i.used_bytes), failure = next.failure
      from next where i.volume_id = next.volume_id and i.version = next.version and not next.is_absent and not (i.state = 'removing' and next.said = 'missing')
        and (next.is_made or i.failure is distinct from next.failure or i.size_bytes is distinct from coalesce(next.size_bytes, i.size_bytes) or i.used_bytes is distinct from coalesce(next.used_bytes, i.used_bytes))
      returning i.volume_id, next.is_made or next.failure is not null as changed
    )
    select distinct v.app_id from (select * from gone union all select * from written) c join ${volumes} v on v.id = c.volume_id where c.changed`);
  const touched = new Set(rows.map((row) => row.app_id));
  for (const { id, problem } of failedSnapshots) {
    const marked = await db
      .update(volumeSnapshots)
      .set({ state: "failed", failure: { code: "volume_failed", detail: problem } })
      .where(and(eq(volumeSnapshots.id, id), eq(volumeSnapshots.nodeId, nodeId), eq(volumeSnapshots.state, "taking")))
      .returning({ volumeId: volumeSnapshots.volumeId });
    for (const { volumeId } of marked) for (const { appId } of await db.select({ appId: volumes.appId }).from(volumes).where(eq(volumes.id, volumeId))) touched.add(appId);
  }
  return [...touched];
}

/** A snapshot that the node is to take now. */
export async function findTaking(db: Db, nodeId: NodeId, id: Id<"snapshot">): Promise<{ tenantId: string } | undefined> {
  const [row] = await db.select({ tenantId: volumeSnapshots.tenantId }).from(volumeSnapshots).where(and(eq(volumeSnapshots.id, id), eq(volumeSnapshots.nodeId, nodeId), eq(volumeSnapshots.state, "taking")));
  return row;
}

/** It is whole in the blob store: from now on it can be restored. Returns its app; undefined when it was given up meanwhile. */
export async function writeSnapshot(db: Db, nodeId: NodeId, id: Id<"snapshot">, stored: { blobKey: string; digest: string; sizeBytes: number; imageBytes: number }): Promise<AppId | undefined> {
  return db.transaction(async (tx) => {
    const [row] = await tx
      .update(volumeSnapshots)
      .set({ ...stored, state: "ready" })
      .where(and(eq(volumeSnapshots.id, id), eq(volumeSnapshots.nodeId, nodeId), eq(volumeSnapshots.state, "taking")))
      .returning({ volumeId: volumeSnapshots.volumeId });
    if (row === undefined) return undefined;
    // The node forgets it.
    await tx.update(nodes).set({ generation: sql`${nodes.generation} + 1` }).where(eq(nodes.id, nodeId));
    const [volume] = await tx.select({ appId: volumes.appId }).from(volumes).where(eq(volumes.id, row.volumeId));
    return volume?.appId;
  });
}
