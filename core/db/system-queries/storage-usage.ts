/** Byte-seconds of what tenants store: layers in the registry, build contexts, logs of builds, volumes at their full size, their snapshots. */
import { eq, sql } from "drizzle-orm";
import type { AppId, TenantId } from "../../contract/ids.ts";
import type { Db } from "../client.ts";
import { usagePasses } from "../schema.ts";
import { addUsage } from "./usage.ts";

const PASS = "storage";

/**
 * Adds what has been stored since the last pass, and moves the pass on in the same transaction: whoever runs it, however
 * often, each moment is counted once. What came in between counts from when it came; what went is missed from the last
 * pass on. The first pass only begins. Returns the milliseconds that were counted.
 */
export async function countStorage(db: Db, now: Date): Promise<number> {
  return db.transaction(async (tx) => {
    const begun = await tx.insert(usagePasses).values({ name: PASS, at: now }).onConflictDoNothing().returning({ at: usagePasses.at });
    if (begun.length > 0) return 0;
    const [pass] = await tx.select({ at: usagePasses.at }).from(usagePasses).where(eq(usagePasses.name, PASS)).for("update");
    // Another worker, whose clock is ahead, was here.
    if (pass === undefined || pass.at >= now) return 0;
    await tx.update(usagePasses).set({ at: now }).where(eq(usagePasses.name, PASS));
    const until = sql`${now.toISOString()}::timestamptz`;
    const seconds = (createdAt: string) => sql`greatest(0, extract(epoch from ${until} - greatest(${sql.raw(createdAt)}, ${pass.at.toISOString()}::timestamptz)))`;
    // A blob of several repositories of a tenant is stored once; it is an app's when all of them are that app's.
    const { rows } = await tx.execute<{ tenant_id: TenantId; app_id: AppId | ""; app_name: string; amount: string }>(sql`
      with held as (
        select split_part(repository, '/', 1) as tenant, digest, min(created_at) as created_at,
          case when min(split_part(repository, '/', 2)) = max(split_part(repository, '/', 2)) then min(split_part(repository, '/', 2)) end as app
        from repository_blobs group by 1, 2
      ), stored as (
        select t.id as tenant_id, coalesce(a.id, '') as app_id, coalesce(a.name, '') as app_name, b.size_bytes * ${seconds("held.created_at")} as amount
        from held join tenants t on t.name = held.tenant join blobs b on b.digest = held.digest
        left join apps a on a.tenant_id = t.id and a.name = held.app and a.deleted_at is null
        union all
        select b.tenant_id, a.id, a.name, (b.context_bytes + b.log_bytes) * ${seconds("b.created_at")}
        from builds b join apps a on a.id = b.app_id
        union all
        select v.tenant_id, a.id, a.name, v.size_bytes * ${seconds("v.created_at")} from volumes v join apps a on a.id = v.app_id
        union all
        select s.tenant_id, a.id, a.name, s.size_bytes * ${seconds("s.created_at")}
        from volume_snapshots s join volumes v on v.id = s.volume_id join apps a on a.id = v.app_id where s.size_bytes is not null
      )
      select tenant_id, app_id, app_name, round(sum(amount))::text as amount from stored group by 1, 2, 3 having round(sum(amount)) > 0`);
    const [fromMs, toMs] = [pass.at.getTime(), now.getTime()];
    await addUsage(
      tx,
      rows.map((row) => ({ tenantId: row.tenant_id, appId: row.app_id, appName: row.app_name, amounts: { storageByteSeconds: BigInt(row.amount) }, fromMs, toMs })),
      now,
    );
    return toMs - fromMs;
  });
}
