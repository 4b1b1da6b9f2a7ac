/** What gateways say, written down. */
import { and, eq, gt, inArray, lt, ne, sql } from "drizzle-orm";
import type { AppCounts, FromGateway } from "../../contract/gateway-channel.ts";
import type { AppId, Id, InstanceId } from "../../contract/ids.ts";
import type { Db, Tx } from "../client.ts";
import { appCounts, apps, gatewayCounts, gateways, instances } from "../schema.ts";
import { addUsage, type Used } from "./usage.ts";

export type GatewayId = Id<"gateway">;
type CountsMessage = Extract<FromGateway, { type: "counts" }>;

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

/** Sums of what instances answered, as one process of a gateway counted. Gives the apps of those that have news. */
export async function writeServed(db: Db, id: GatewayId, { process, instances: said }: Extract<FromGateway, { type: "served" }>): Promise<AppId[]> {
  if (said.length === 0) return [];
  const sums = JSON.stringify(said.map(({ instanceId, requests, errors }) => ({ id: instanceId, sum: [requests, errors] })));
  const { rows } = await db.execute<{ app_id: AppId }>(sql`
    update ${instances} i set served = i.served || jsonb_build_object(${`${id} ${process}`}::text, said.sum)
    from (
      select i.id, s.sum from jsonb_to_recordset(${sums}::jsonb) as s(id text, sum jsonb) join ${instances} i on i.id = s.id
      where i.state <> 'gone' and i.served->${`${id} ${process}`}::text is distinct from s.sum
      order by i.id for no key update of i
    ) said where i.id = said.id
    returning i.app_id`);
  return [...new Set(rows.map((row) => row.app_id))];
}

/** Sequences of an incarnation that was silent for so long are not remembered. */
const INCARNATION_KEPT_MS = 90 * 86_400_000;

/** The last `counts` message of this incarnation that was added up; 0: none. Forgets what is long over. */
export async function lastCounted(db: Db, id: GatewayId, incarnation: string, now: Date): Promise<number> {
  await db
    .delete(gatewayCounts)
    .where(and(eq(gatewayCounts.gatewayId, id), ne(gatewayCounts.incarnation, incarnation), lt(gatewayCounts.updatedAt, new Date(now.getTime() - INCARNATION_KEPT_MS))));
  const [row] = await db.select({ sequence: gatewayCounts.sequence }).from(gatewayCounts).where(and(eq(gatewayCounts.gatewayId, id), eq(gatewayCounts.incarnation, incarnation)));
  return row?.sequence ?? 0;
}

/** Adds up one `counts` message, once: false when its sequence was seen before. */
export async function addCounts(db: Db, id: GatewayId, message: CountsMessage, now: Date): Promise<boolean> {
  const { incarnation, sequence } = message;
  return db.transaction(async (tx) => {
    const taken = await tx
      .insert(gatewayCounts)
      .values({ gatewayId: id, incarnation, sequence, updatedAt: now })
      .onConflictDoUpdate({ target: [gatewayCounts.gatewayId, gatewayCounts.incarnation], set: { sequence, updatedAt: now }, setWhere: lt(gatewayCounts.sequence, sequence) })
      .returning({ sequence: gatewayCounts.sequence });
    if (taken.length === 0) return false;
    const appIds = [...new Set(message.apps.map((count) => count.appId))];
    const known = await tx.select({ id: apps.id, tenantId: apps.tenantId, name: apps.name }).from(apps).where(inArray(apps.id, appIds)).for("key share");
    const owners = new Map(known.map((app) => [app.id, app]));
    const counts = addUp(message.apps, owners);
    if (counts.length === 0) return true;
    await addMinute(tx, counts, now);
    // Bytes are counted where they leave and reach instances: these here went the same way.
    const used = counts.flatMap(({ appId, requests }): Used[] => {
      const owner = owners.get(appId);
      return owner === undefined ? [] : [{ tenantId: owner.tenantId, appId, appName: owner.name, amounts: { requests: BigInt(requests) }, fromMs: now.getTime() - message.periodMs, toMs: now.getTime() }];
    });
    await addUsage(tx, used, now);
    return true;
  });
}

async function addMinute(tx: Tx, counts: readonly AppCounts[], now: Date): Promise<void> {
  const minute = new Date(Math.floor(now.getTime() / 60_000) * 60_000);
  const sum = (name: string) => sql.raw(`app_counts.${name} + excluded.${name}`);
  await tx
    .insert(appCounts)
    .values(counts.map(({ inFlight: _inFlight, ...count }) => ({ ...count, minute })))
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
}

/** One entry an app, without apps that are gone and without entries that say nothing; in id order, so that writers do not deadlock. */
function addUp(counts: readonly AppCounts[], known: { has(id: AppId): boolean }): AppCounts[] {
  const sums = new Map<AppId, AppCounts>();
  for (const count of counts) {
    if (!known.has(count.appId) || (count.requests === 0 && count.bytesIn === 0 && count.bytesOut === 0)) continue;
    const sum = sums.get(count.appId);
    if (sum === undefined) sums.set(count.appId, { ...count });
    else for (const key of Object.keys(count) as (keyof AppCounts)[]) if (key !== "appId") sum[key] += count[key];
  }
  return [...sums.values()].toSorted((a, b) => (a.appId < b.appId ? -1 : 1));
}
