/** `PUT /v1/node/snapshots/{id}`: a snapshot is there whole, and as its node hashed it, or it is not there. */
import { createHash, randomUUID } from "node:crypto";
import { Transform, type Readable } from "node:stream";
import { AppError } from "../../core/contract/errors.ts";
import type { Id, NodeId } from "../../core/contract/ids.ts";
import { snapshotPrefix } from "../../core/blob-store/keys.ts";
import { findTaking, writeSnapshot } from "../../core/db/system-queries/node-volumes.ts";
import type { Deps } from "../deps.ts";

/** @throws AppError not_found, invalid_request */
export async function storeSnapshot(deps: Deps, nodeId: NodeId, id: Id<"snapshot">, said: { digest: string; imageBytes: number }, body: Readable): Promise<void> {
  const unwanted = () => new AppError("not_found", `No snapshot ${id} is to be taken on this node.`);
  const taking = await findTaking(deps.db, nodeId, id);
  if (taking === undefined) throw unwanted();
  // A name of its own for each try: none writes over what another has stored.
  const blobKey = snapshotPrefix(taking.tenantId, id) + randomUUID();
  const hash = createHash("sha256");
  const hashed = body.compose(
    new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk);
        done(null, chunk);
      },
    }),
  ) as unknown as Readable;
  let isStored = false;
  try {
    const sizeBytes = await deps.blobs.put(blobKey, hashed);
    const digest = `sha256:${hash.digest("hex")}`;
    if (digest !== said.digest) throw new AppError("invalid_request", `What came has the digest ${digest}, not ${said.digest}.`);
    const appId = await writeSnapshot(deps.db, nodeId, id, { blobKey, digest, sizeBytes, imageBytes: said.imageBytes });
    if (appId === undefined) throw unwanted();
    isStored = true;
    deps.bells.ring("reconcile", appId);
    deps.bells.ring("node", nodeId);
  } finally {
    // What cannot be deleted now is found by the sweep.
    if (!isStored) await deps.blobs.delete([blobKey]).catch(() => {});
  }
}
