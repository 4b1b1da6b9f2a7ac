/** Where things lie in the blob store. */

/** Key of a blob of the registry; `digest` is `sha256:<hex>`. */
export function blobKey(digest: string): string {
  const hex = digest.slice("sha256:".length);
  return `blobs/sha256/${hex.slice(0, 2)}/${hex}`;
}

/** All that tries to store a snapshot of a volume have left. */
export function snapshotPrefix(tenantId: string, snapshotId: string): string {
  return `volumes/${tenantId}/${snapshotId}/`;
}
