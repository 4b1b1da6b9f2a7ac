/** What operators read and change: all tenants, and their plans. */
import { and, asc, eq, gt, isNull, sql } from "drizzle-orm";
import { newId, parseId, type AppId, type TenantId } from "../../contract/ids.ts";
import type { Limits } from "../../domain/limits.ts";
import type { Db, Tx } from "../client.ts";
import { apps, plans, tenants } from "../schema.ts";

export interface TenantRow {
  tenant: typeof tenants.$inferSelect;
  members: number;
  apps: number;
}
export interface PlanRow {
  plan: typeof plans.$inferSelect;
  tenants: number;
}

function rows(db: Db | Tx) {
  return db
    .select({
      tenant: tenants,
      members: sql<number>`(select count(*)::int from members m where m.tenant_id = tenants.id)`,
      apps: sql<number>`(select count(*)::int from apps a where a.tenant_id = tenants.id and a.deleted_at is null)`,
    })
    .from(tenants)
    .$dynamic();
}

/** Oldest first, after the one with the id `after`. */
export function listTenants(db: Db, limit: number, after: TenantId | undefined): Promise<TenantRow[]> {
  return rows(db).where(after && gt(tenants.id, after)).orderBy(asc(tenants.id)).limit(limit);
}

const byNameOrId = (nameOrId: string) => {
  const id = parseId("tenant", nameOrId);
  return id === undefined ? eq(tenants.name, nameOrId) : eq(tenants.id, id);
};

export async function findTenant(db: Db | Tx, nameOrId: string): Promise<TenantRow | undefined> {
  const [row] = await rows(db).where(byNameOrId(nameOrId));
  return row;
}

/** The row stays as it is until the transaction ends. */
export async function lockTenantRow(tx: Tx, id: TenantId): Promise<void> {
  await tx.select({ id: tenants.id }).from(tenants).where(eq(tenants.id, id)).for("update");
}

/** Undefined when the name is taken. */
export async function insertTenant(tx: Tx, row: { name: string; plan?: string | null }): Promise<TenantId | undefined> {
  const [made] = await tx.insert(tenants).values({ ...row, id: newId("tenant") }).onConflictDoNothing().returning({ id: tenants.id });
  return made?.id;
}

export async function updateTenant(tx: Tx, id: TenantId, set: Partial<Pick<TenantRow["tenant"], "plan" | "limits" | "suspendedAt">>): Promise<void> {
  await tx.update(tenants).set(set).where(eq(tenants.id, id));
}

/** Whose instances end with a suspension, and come back after it. */
export async function appsOf(db: Db | Tx, tenantId: TenantId): Promise<AppId[]> {
  const found = await db.select({ id: apps.id }).from(apps).where(and(eq(apps.tenantId, tenantId), isNull(apps.deletedAt)));
  return found.map(({ id }) => id);
}

/** By name, after the one of the name `after`. */
export function listPlans(db: Db, limit: number, after: string | undefined): Promise<PlanRow[]> {
  return planRows(db).where(after === undefined ? undefined : gt(plans.name, after)).orderBy(asc(plans.name)).limit(limit);
}

export async function findPlan(db: Db | Tx, name: string): Promise<PlanRow | undefined> {
  const [row] = await planRows(db).where(eq(plans.name, name));
  return row;
}

function planRows(db: Db | Tx) {
  return db.select({ plan: plans, tenants: sql<number>`(select count(*)::int from tenants t where t.plan = plans.name)` }).from(plans).$dynamic();
}

export async function putPlan(tx: Tx, name: string, limits: Partial<Limits>): Promise<void> {
  await tx.insert(plans).values({ name, limits }).onConflictDoUpdate({ target: plans.name, set: { limits } });
}

export async function deletePlan(tx: Tx, name: string): Promise<void> {
  await tx.delete(plans).where(eq(plans.name, name));
}
