/** Host names of tenants' own. */
import { and, asc, eq, gt } from "drizzle-orm";
import type { AppId, Id, TenantId } from "../../contract/ids.ts";
import type { Db, Tx } from "../client.ts";
import { domains } from "../schema.ts";

export type DomainRow = typeof domains.$inferSelect;

/** By host. `after`: the last host of the page before. */
export function listDomains(db: Db | Tx, tenantId: TenantId, appId: AppId, limit: number, after: string | undefined): Promise<DomainRow[]> {
  return db
    .select()
    .from(domains)
    .where(and(eq(domains.tenantId, tenantId), eq(domains.appId, appId), after === undefined ? undefined : gt(domains.host, after)))
    .orderBy(asc(domains.host))
    .limit(limit);
}

export async function findDomain(db: Db | Tx, tenantId: TenantId, appId: AppId, host: string): Promise<DomainRow | undefined> {
  const [row] = await db.select().from(domains).where(and(eq(domains.tenantId, tenantId), eq(domains.appId, appId), eq(domains.host, host)));
  return row;
}

/** Undefined when the tenant has the host already. */
export async function insertDomain(tx: Tx, row: { id: Id<"domain">; tenantId: TenantId; appId: AppId; host: string; challenge: string }): Promise<DomainRow | undefined> {
  const [made] = await tx.insert(domains).values(row).onConflictDoNothing().returning();
  return made;
}

export async function deleteDomain(tx: Tx, id: Id<"domain">): Promise<boolean> {
  return (await tx.delete(domains).where(eq(domains.id, id)).returning({ id: domains.id })).length > 0;
}
