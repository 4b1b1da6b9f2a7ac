/** Where things lie in the blob store. */

/** Key of a blob of the registry; `digest` is `sha256:<hex>`. */
export function blobKey(digest: string): string {
  const hex = digest.slice("sha256:".length);
  return `blobs/sha256/${hex.slice(0, 2)}/${hex}`;
}

export const SNAPSHOTS_PREFIX = "volumes/";
/** Key of a snapshot of a volume, as one try stored it. */
export function snapshotKey(tenantId: string, snapshotId: string, unique: string): string {
  return `${SNAPSHOTS_PREFIX}${tenantId}/${snapshotId}/${unique}`;
}
