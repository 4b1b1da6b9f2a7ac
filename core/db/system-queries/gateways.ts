/** What gateways say, written down. */
import { and, eq, gt, inArray, lt, ne, sql } from "drizzle-orm";
import type { AppCounts } from "../../contract/gateway-channel.ts";
import type { AppId, Id, InstanceId } from "../../contract/ids.ts";
import type { Db, Tx } from "../client.ts";
import { appCounts, apps, gateways, instances } from "../schema.ts";

export type GatewayId = Id<"gateway">;

export async function findGatewayByTokenHash(db: Db, tokenHash: string): Promise<{ id: GatewayId; name: string } | undefined> {
  const [row] = await db.select({ id: gateways.id, name: gateways.name }).from(gateways).where(eq(gateways.tokenHash, tokenHash));
  return row;
}

/** A gateway that was silent for longer is waited for no more. */
const LOST_AFTER_MS = 15_000;

/** Ids of the gateways that have spoken lately. */
export async function connectedGateways(db: Db | Tx, now: Date): Promise<GatewayId[]> {
  const rows = await db.select({ id: gateways.id }).from(gateways).where(gt(gateways.lastSeenAt, new Date(now.getTime() - LOST_AFTER_MS)));
  return rows.map((row) => row.id);
}

export async function touchGateway(db: Db, id: GatewayId, now: Date): Promise<void> {
  await db.update(gateways).set({ lastSeenAt: now }).where(eq(gateways.id, id));
}

/** Notes that this gateway holds no request for these. Gives the apps whose instances drain. */
export async function writeDrained(db: Db, id: GatewayId, instanceIds: readonly InstanceId[]): Promise<AppId[]> {
  if (instanceIds.length === 0) return [];
  const rows = await db
    .update(instances)
    .set({ drainedBy: sql`case when ${instances.drainedBy} ? ${id} then ${instances.drainedBy} else ${instances.drainedBy} || to_jsonb(${id}::text) end` })
    .where(and(inArray(instances.id, [...instanceIds]), eq(instances.state, "draining")))
    .returning({ appId: instances.appId });
  return [...new Set(rows.map((row) => row.appId))];
}

/** Adds up one `counts` message, once: false when its sequence was seen before. */
export async function addCounts(db: Db, id: GatewayId, sequence: number, counts: readonly AppCounts[], now: Date): Promise<boolean> {
  const minute = new Date(Math.floor(now.getTime() / 60_000) * 60_000);
  return db.transaction(async (tx) => {
    const taken = await tx
      .update(gateways)
      .set({ countsSequence: sequence, lastSeenAt: now })
      // A controller that was started again begins at 1.
      .where(and(eq(gateways.id, id), sequence === 1 ? ne(gateways.countsSequence, 1) : lt(gateways.countsSequence, sequence)))
      .returning({ id: gateways.id });
    if (taken.length === 0) return false;
    const known = await tx.select({ id: apps.id }).from(apps).where(inArray(apps.id, [...new Set(counts.map((c) => c.appId))])).for("key share");
    const values = addUp(counts, new Set(known.map((app) => app.id))).map(({ inFlight: _inFlight, ...count }) => ({ ...count, minute }));
    if (values.length === 0) return true;
    const sum = (name: string) => sql.raw(`app_counts.${name} + excluded.${name}`);
    await tx
      .insert(appCounts)
      .values(values)
      .onConflictDoUpdate({
        target: [appCounts.appId, appCounts.minute],
        set: {
          requests: sum("requests"),
          responses2xx: sum("responses_2xx"),
          responses4xx: sum("responses_4xx"),
          responses5xx: sum("responses_5xx"),
          bytesIn: sum("bytes_in"),
          bytesOut: sum("bytes_out"),
        },
      });
    return true;
  });
}

/** One entry an app, without apps that are gone and without entries that say nothing; in id order, so that writers do not deadlock. */
function addUp(counts: readonly AppCounts[], known: ReadonlySet<AppId>): AppCounts[] {
  const sums = new Map<AppId, AppCounts>();
  for (const count of counts) {
    if (!known.has(count.appId) || (count.requests === 0 && count.bytesIn === 0 && count.bytesOut === 0)) continue;
    const sum = sums.get(count.appId);
    if (sum === undefined) sums.set(count.appId, { ...count });
    else for (const key of Object.keys(count) as (keyof AppCounts)[]) if (key !== "appId") sum[key] += count[key];
  }
  return [...sums.values()].toSorted((a, b) => (a.appId < b.appId ? -1 : 1));
}
