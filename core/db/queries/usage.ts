/** The ledger of one tenant, as it is read. */
import { and, eq, sql, type SQL } from "drizzle-orm";
import type { AppId, TenantId } from "../../contract/ids.ts";
import type { UsageItem, UsageStep } from "../../contract/usage.ts";
import type { Db } from "../client.ts";
import { usage } from "../schema.ts";
import { toAppUsage } from "../usage-figures.ts";

export interface UsageRange {
  since: Date;
  /** Hours that begin before. */
  until: Date;
  step: UsageStep;
  appId?: AppId | undefined;
  /** Of apps that were destroyed, too. */
  appName?: string | undefined;
}

/** Where a page ended. */
export interface UsagePlace {
  from: Date;
  appId: string;
}

/** One item for an app and hour, day or month, UTC; in the order of time, then of apps' ids. */
export async function readUsage(db: Db, tenantId: TenantId, range: UsageRange, limit: number, after: UsagePlace | undefined): Promise<UsageItem[]> {
  const time = (date: Date) => sql`${date.toISOString()}::timestamptz`;
  const from = sql`date_trunc(${sql.raw(`'${range.step}'`)}, u.hour, 'UTC')`;
  const where: SQL[] = [sql`u.tenant_id = ${tenantId}`, sql`u.hour >= ${time(range.since)}`, sql`u.hour < ${time(range.until)}`];
  if (range.appId !== undefined) where.push(sql`u.app_id = ${range.appId}`);
  if (range.appName !== undefined) where.push(sql`u.app_name = ${range.appName}`);
  if (after !== undefined) where.push(sql`u.hour >= ${time(after.from)}`, sql`(${from}, u.app_id) > (${time(after.from)}, ${after.appId})`);
  const { rows } = await db.execute<Record<string, string> & { from: Date | string; app_id: AppId | "" }>(sql`
    select ${from} as "from", u.app_id, (array_agg(u.app_name order by u.hour desc))[1] as app_name,
      sum(u.cpu_micros)::text as cpu, sum(u.memory_byte_seconds)::text as memory, sum(u.storage_byte_seconds)::text as storage,
      sum(u.requests)::text as requests, sum(u.ingress_bytes)::text as ingress, sum(u.egress_bytes)::text as egress, sum(u.build_millis)::text as build
    from ${usage} u where ${sql.join(where, sql` and `)}
    group by 1, 2 order by 1, 2 limit ${limit}`);
  return rows.map((row) => {
    const sum = (name: string) => BigInt(row[name] ?? 0);
    const figures = { cpuMicros: sum("cpu"), memoryByteSeconds: sum("memory"), storageByteSeconds: sum("storage"), requests: sum("requests"), ingressBytes: sum("ingress"), egressBytes: sum("egress"), buildMillis: sum("build") };
    return { from: new Date(row.from).toISOString(), ...toAppUsage({ appId: row.app_id, appName: row["app_name"] ?? "", ...figures }) };
  });
}

/** Whether an app of this name has ever used something. */
export async function hasUsage(db: Db, tenantId: TenantId, appName: string): Promise<boolean> {
  const rows = await db.select({ hour: usage.hour }).from(usage).where(and(eq(usage.tenantId, tenantId), eq(usage.appName, appName))).limit(1);
  return rows.length > 0;
}
