import type { Volume, VolumeOperation, VolumeSnapshot } from "../../core/contract/volumes.ts";
import type { OperationRow, SnapshotRow, VolumeDetails } from "../../core/db/queries/volumes.ts";
import { NODE_LOST_AFTER_MS } from "../../core/domain/rollout-instances.ts";

export function toVolume(details: VolumeDetails, app: string, now: Date): Volume {
  const { volume, image, node, operation, liveSettings } = details;
  const mounts = (liveSettings?.mounts ?? []).filter((mount) => mount.volume === volume.name);
  return {
    id: volume.id,
    app,
    name: volume.name,
    sizeBytes: volume.sizeBytes,
    actualSizeBytes: image?.sizeBytes ?? null,
    usedBytes: image?.usedBytes ?? null,
    node: node?.name ?? null,
    state: stateOf(details, now),
    problem: image?.failure ?? null,
    operation: operation && { id: operation.id, kind: operation.kind, state: operation.state },
    mounts: mounts.map(({ path, readOnly }) => ({ path, readOnly })),
    lastSnapshotAt: details.lastSnapshotAt === null ? null : new Date(details.lastSnapshotAt).toISOString(),
    createdAt: volume.createdAt.toISOString(),
  };
}

export function isNodeLost({ node }: Pick<VolumeDetails, "node">, now: Date): boolean {
  return node !== null && now.getTime() - (node.lastSeenAt?.getTime() ?? 0) > NODE_LOST_AFTER_MS;
}

function stateOf(details: VolumeDetails, now: Date): Volume["state"] {
  const { volume, image } = details;
  if (volume.deletedAt !== null) return "deleting";
  if (isNodeLost(details, now)) return "node-lost";
  return image?.state === "whole" ? "ready" : "new";
}

export function toSnapshot(row: SnapshotRow, volume: string): VolumeSnapshot {
  return {
    id: row.id,
    volume,
    state: row.state,
    reason: row.reason,
    sizeBytes: row.sizeBytes,
    volumeSizeBytes: row.volumeBytes,
    digest: row.digest,
    failure: row.failure,
    createdAt: row.createdAt.toISOString(),
    expiresAt: row.expiresAt?.toISOString() ?? null,
  };
}

export function toOperation({ operation, toNode }: { operation: OperationRow; toNode: string | null }, volume: string): VolumeOperation {
  return {
    id: operation.id,
    volume,
    kind: operation.kind,
    state: operation.state,
    snapshot: operation.snapshotId,
    toNode,
    failure: operation.failure,
    createdAt: operation.createdAt.toISOString(),
    finishedAt: operation.finishedAt?.toISOString() ?? null,
  };
}
