/** Build time, from a worker's claim to its end, however that came: added where an attempt ends, so once for each. */
import { inArray } from "drizzle-orm";
import type { AppId, TenantId } from "../../contract/ids.ts";
import type { Tx } from "../client.ts";
import { apps } from "../schema.ts";
import { addUsage, type Used } from "./usage.ts";

/** An attempt that has just ended. */
export interface EndedAttempt {
  tenantId: TenantId;
  appId: AppId;
  claimedAt: Date | null;
  /** Of an app that has just been removed. */
  appName?: string;
  /** Of one that was lost: nobody worked on it for longer. */
  endedAt?: Date | null;
}

/** At the end of the transaction that ended them. */
export async function countAttempts(tx: Tx, attempts: readonly EndedAttempt[], now: Date): Promise<void> {
  const counted = attempts.filter(({ claimedAt }) => claimedAt !== null);
  if (counted.length === 0) return;
  const names = new Map((await tx.select({ id: apps.id, name: apps.name }).from(apps).where(inArray(apps.id, counted.map(({ appId }) => appId)))).map(({ id, name }) => [id, name]));
  const used = counted.map(({ tenantId, appId, appName, claimedAt, endedAt }): Used => {
    const fromMs = claimedAt?.getTime() ?? 0;
    const toMs = Math.max(fromMs, Math.min((endedAt ?? now).getTime(), now.getTime()));
    return { tenantId, appId, appName: appName ?? names.get(appId) ?? "", amounts: { buildMillis: BigInt(toMs - fromMs) }, fromMs, toMs };
  });
  await addUsage(tx, used, now);
}
