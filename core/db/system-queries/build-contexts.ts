/** Which uploaded contexts are still needed. */
import { and, gt, inArray, isNull, or } from "drizzle-orm";
import type { Db } from "../client.ts";
import { builds } from "../schema.ts";

/** Of these keys, those of builds that have not ended, or ended after that moment. */
export async function neededContexts(db: Db, keys: readonly string[], endedAfter: Date): Promise<Set<string>> {
  if (keys.length === 0) return new Set();
  const rows = await db
    .select({ key: builds.contextKey })
    .from(builds)
    .where(and(inArray(builds.contextKey, [...keys]), or(isNull(builds.finishedAt), gt(builds.finishedAt, endedAfter))));
  return new Set(rows.map(({ key }) => key));
}

/** They are stored no more: nobody pays for them from now on. */
export async function forgetContexts(db: Db, keys: readonly string[]): Promise<void> {
  await db.update(builds).set({ contextBytes: 0 }).where(inArray(builds.contextKey, [...keys]));
}
