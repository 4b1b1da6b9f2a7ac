/** The ledger: whatever adds to it does so here, in the transaction of what was counted. */
import { sql } from "drizzle-orm";
import type { AppId, InstanceId, NodeId, TenantId } from "../../contract/ids.ts";
import type { InstanceUsage } from "../../contract/node-channel.ts";
import { advance, amountsOf, spreadOverHours, USAGE_FIELDS, type Advance, type CountedUsage, type UsageAmounts } from "../../domain/usage.ts";
import type { Tx } from "../client.ts";
import { apps, instances, usage } from "../schema.ts";

/** What an app used between two moments (ms since 1970). */
export interface Used {
  tenantId: TenantId;
  /** Empty: of repositories that no app has. */
  appId: AppId | "";
  appName: string;
  amounts: UsageAmounts;
  fromMs: number;
  toMs: number;
}

type LedgerRow = typeof usage.$inferInsert;

/**
 * Adds to the hours. The last statement of its transaction: rows of the ledger are locked by all parts, so nobody may
 * wait for anything else while he has them. In one order, so that nobody waits in a circle.
 */
export async function addUsage(tx: Tx, used: readonly Used[], now: Date): Promise<void> {
  const rows = addUp(used, now.getTime());
  if (rows.length === 0) return;
  const columns = { cpuMicros: usage.cpuMicros, memoryByteSeconds: usage.memoryByteSeconds, storageByteSeconds: usage.storageByteSeconds, requests: usage.requests, ingressBytes: usage.ingressBytes, egressBytes: usage.egressBytes, buildMillis: usage.buildMillis };
  const sums = Object.fromEntries(USAGE_FIELDS.map((field) => [field, sql.raw(`usage.${columns[field].name} + excluded.${columns[field].name}`)]));
  // Bounded by what one statement may have of parameters.
  for (let at = 0; at < rows.length; at += ROWS_AT_ONCE) {
    await tx
      .insert(usage)
      .values(rows.slice(at, at + ROWS_AT_ONCE))
      .onConflictDoUpdate({ target: [usage.tenantId, usage.hour, usage.appId], set: { ...sums, appName: sql`excluded.app_name` } });
  }
}

const ROWS_AT_ONCE = 2000;

/** One row for an app and hour, in the order of their keys; what adds nothing is left out. */
function addUp(used: readonly Used[], nowMs: number): LedgerRow[] {
  const rows = new Map<string, LedgerRow & { sums: Record<string, bigint> }>();
  for (const { tenantId, appId, appName, amounts, fromMs, toMs } of used) {
    if (!USAGE_FIELDS.some((field) => (amounts[field] ?? 0n) > 0n)) continue;
    for (const part of spreadOverHours(amounts, fromMs, toMs, nowMs)) {
      const key = `${tenantId} ${part.hour.toISOString()} ${appId}`;
      const row = rows.get(key) ?? { tenantId, appId, appName, hour: part.hour, sums: {} };
      for (const field of USAGE_FIELDS) row.sums[field] = (row.sums[field] ?? 0n) + (part.amounts[field] ?? 0n);
      rows.set(key, row);
    }
  }
  return [...rows]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { sums, ...row }]) => ({
      ...row,
      memoryByteSeconds: sums["memoryByteSeconds"] ?? 0n,
      storageByteSeconds: sums["storageByteSeconds"] ?? 0n,
      cpuMicros: Number(sums["cpuMicros"]),
      requests: Number(sums["requests"]),
      ingressBytes: Number(sums["ingressBytes"]),
      egressBytes: Number(sums["egressBytes"]),
      buildMillis: Number(sums["buildMillis"]),
    }));
}

/**
 * Takes a node's sums: what is new in them goes to the ledger and becomes what was counted. A row that somebody else
 * changes just now is left for the next report. Gives the ended ones that the node need not name again.
 */
export async function countInstances(tx: Tx, nodeId: NodeId, said: readonly InstanceUsage[], now: Date): Promise<InstanceId[]> {
  const byId = new Map(said.map((one) => [one.id, one]));
  const known = await readCounted(tx, nodeId, [...byId.keys()], "all");
  const news = known.filter((row) => stepOf(row, byId, now) !== undefined);
  const locked = news.length === 0 ? [] : await readCounted(tx, nodeId, news.map(({ id }) => id), "lock");
  const taken: { id: InstanceId; usage: CountedUsage }[] = [];
  const used: Used[] = [];
  for (const row of locked) {
    const step = stepOf(row, byId, now);
    if (step === undefined) continue;
    taken.push({ id: row.id, usage: step.counted });
    used.push({ ...row, amounts: amountsOf(step.added), fromMs: step.fromMs, toMs: now.getTime() });
  }
  if (taken.length > 0) {
    await tx.execute(sql`
      update ${instances} i set usage = t.usage
      from jsonb_to_recordset(${JSON.stringify(taken)}::jsonb) as t(id text, usage jsonb) where i.id = t.id`);
    await addUsage(tx, used, now);
  }
  const skipped = new Set(news.map(({ id }) => id));
  for (const { id } of locked) skipped.delete(id);
  return said.filter(({ id, ended }) => ended && !skipped.has(id)).map(({ id }) => id);
}

interface CountedRow {
  id: InstanceId;
  tenantId: TenantId;
  appId: AppId;
  appName: string;
  usage: CountedUsage | null;
  createdMs: number;
}

function stepOf(row: CountedRow, said: ReadonlyMap<InstanceId, InstanceUsage>, now: Date): Advance | undefined {
  const word = said.get(row.id);
  return word === undefined ? undefined : advance(row.usage, word, row.createdMs, now.getTime());
}

async function readCounted(tx: Tx, nodeId: NodeId, ids: readonly InstanceId[], how: "all" | "lock"): Promise<CountedRow[]> {
  const { rows } = await tx.execute<{ id: InstanceId; tenant_id: TenantId; app_id: AppId; name: string; usage: CountedUsage | null; created_ms: number }>(sql`
    select i.id, i.tenant_id, i.app_id, a.name, i.usage, (extract(epoch from i.created_at) * 1000)::float8 as created_ms
    from ${instances} i join ${apps} a on a.id = i.app_id
    where i.node_id = ${nodeId} and i.id = any(${sql.param(ids)}::text[])
    order by i.id ${how === "lock" ? sql`for no key update of i skip locked` : sql``}`);
  return rows.map((row) => ({ id: row.id, tenantId: row.tenant_id, appId: row.app_id, appName: row.name, usage: row.usage, createdMs: row.created_ms }));
}
