/** What volumes need by the clock: daily snapshots, the end of those that expire, bytes that nobody wants any more. One worker at a time does it. */
import type { Bells } from "../../core/bells.ts";
import type { BlobStore } from "../../core/blob-store/blob-store.ts";
import { snapshotPrefix } from "../../core/blob-store/keys.ts";
import type { Db } from "../../core/db/client.ts";
import { openLeader } from "../../core/db/leader.ts";
import { expireSnapshots, forgetOperations, forgetSnapshot, snapshotsToRemove, startDailySnapshots } from "../../core/db/system-queries/volume-upkeep.ts";
import type { Log } from "../../core/log.ts";
import { repeat } from "../repeat.ts";

/** Of one pass: a fleet does not copy all of its volumes at the same moment. */
const BATCH = 20;

export interface VolumeDeps {
  db: Db;
  bells: Bells;
  blobs: BlobStore;
  log: Log;
  clock: () => Date;
  everyMs: number;
}

/** Starts the loop; the function it gives back stops it after the pass under way. */
export function startVolumes(deps: VolumeDeps): () => Promise<void> {
  const leader = openLeader(deps.db, "volumes");
  const stop = repeat(deps.everyMs, async () => {
    try {
      if (await leader.isLeader()) await keepUpVolumes(deps);
    } catch (error) {
      deps.log.warn({ err: error }, "volumes were not looked after");
    }
  });
  return async () => {
    await stop();
    await leader.close();
  };
}

/** One pass. */
export async function keepUpVolumes({ db, bells, blobs, clock }: Omit<VolumeDeps, "everyMs">): Promise<void> {
  const now = clock();
  for (const appId of await startDailySnapshots(db, now, BATCH)) bells.ring("reconcile", appId);
  await expireSnapshots(db, now);
  for (const { id, tenantId } of await snapshotsToRemove(db, BATCH)) {
    // What tries that were broken off have left goes, too.
    const keys: string[] = [];
    for await (const { key } of blobs.list(snapshotPrefix(tenantId, id))) keys.push(key);
    await blobs.delete(keys);
    await forgetSnapshot(db, id);
  }
  await forgetOperations(db, now);
}
