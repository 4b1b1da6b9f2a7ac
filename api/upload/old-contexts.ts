/** Contexts of builds that ended a while ago, and of uploads that left no build: nothing reads them again. */
import type { BlobStore } from "../../core/blob-store/blob-store.ts";
import type { Db } from "../../core/db/client.ts";
import { forgetContexts, neededContexts } from "../../core/db/system-queries/build-contexts.ts";

export const CONTEXTS_PREFIX = "contexts/";
/** Longer than an upload may take: until then its build need not have a row. */
const KEEP_MS = 2 * 3_600_000;
const BATCH = 500;

/** Returns how many were removed. */
export async function removeOldContexts({ db, blobs }: { db: Db; blobs: BlobStore }, now: Date): Promise<number> {
  const before = new Date(now.getTime() - KEEP_MS);
  let removed = 0;
  let batch: string[] = [];
  const flush = async () => {
    const needed = await neededContexts(db, batch, before);
    const old = batch.filter((key) => !needed.has(key));
    batch = [];
    if (old.length === 0) return;
    await blobs.delete(old);
    await forgetContexts(db, old);
    removed += old.length;
  };
  for await (const { key, modifiedAt } of blobs.list(CONTEXTS_PREFIX)) {
    if (modifiedAt < before && batch.push(key) === BATCH) await flush();
  }
  await flush();
  return removed;
}
