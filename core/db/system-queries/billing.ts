/** Which complete hours the billing hook has not taken yet. */
import { and, asc, eq, gte, lt, sql } from "drizzle-orm";
import type { TenantId } from "../../contract/ids.ts";
import type { BilledHour } from "../../contract/usage.ts";
import type { Db } from "../client.ts";
import { tenants, usage, usageExports, usagePasses } from "../schema.ts";
import { toAppUsage } from "../usage-figures.ts";

const PASS = "billing";

export interface OpenHour {
  tenantId: TenantId;
  tenantName: string;
  hour: Date;
}

/** Oldest first, of those before `complete`: what is in them does not change any more. */
export async function unbilledHours(db: Db, complete: Date, limit: number): Promise<OpenHour[]> {
  const [pass] = await db.select({ at: usagePasses.at }).from(usagePasses).where(eq(usagePasses.name, PASS));
  return db
    .selectDistinct({ tenantId: usage.tenantId, tenantName: tenants.name, hour: usage.hour })
    .from(usage)
    .innerJoin(tenants, eq(tenants.id, usage.tenantId))
    .where(
      and(
        pass === undefined ? undefined : gte(usage.hour, pass.at),
        lt(usage.hour, complete),
        sql`not exists (select from ${usageExports} e where e.tenant_id = ${usage.tenantId} and e.hour = ${usage.hour})`,
      ),
    )
    .orderBy(asc(usage.hour), asc(usage.tenantId))
    .limit(limit);
}

export async function readBilledHour(db: Db, { tenantId, tenantName, hour }: OpenHour): Promise<BilledHour> {
  const rows = await db.select().from(usage).where(and(eq(usage.tenantId, tenantId), eq(usage.hour, hour))).orderBy(asc(usage.appId));
  return {
    id: `${tenantId}/${hour.toISOString()}`,
    type: "usage.hour",
    tenant: { id: tenantId, name: tenantName },
    hour: hour.toISOString(),
    apps: rows.map(({ requests, cpuMicros, ingressBytes, egressBytes, buildMillis, ...row }) =>
      toAppUsage({ ...row, requests: BigInt(requests), cpuMicros: BigInt(cpuMicros), ingressBytes: BigInt(ingressBytes), egressBytes: BigInt(egressBytes), buildMillis: BigInt(buildMillis) }),
    ),
  };
}

/** It was taken: it is told no more. */
export async function writeBilled(db: Db, { tenantId, hour }: OpenHour, now: Date): Promise<void> {
  await db.insert(usageExports).values({ tenantId, hour, sentAt: now }).onConflictDoNothing();
}

/** All before this were taken: nobody need look there again. */
export async function moveBillingOn(db: Db, to: Date): Promise<void> {
  await db.insert(usagePasses).values({ name: PASS, at: to }).onConflictDoUpdate({ target: usagePasses.name, set: { at: to }, setWhere: lt(usagePasses.at, to) });
}
