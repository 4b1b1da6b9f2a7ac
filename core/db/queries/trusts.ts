/** Which pipelines a tenant trusts. */
import { and, asc, eq, gt, isNull, sql } from "drizzle-orm";
import { newId, type Id, type TenantId } from "../../contract/ids.ts";
import type { Db, Tx } from "../client.ts";
import { apps, tenants, tokens, trusts } from "../schema.ts";

type TrustId = Id<"trust">;
export interface TrustRow {
  trust: typeof trusts.$inferSelect;
  appName: string | null;
}

function rows(db: Db | Tx) {
  return db.select({ trust: trusts, appName: apps.name }).from(trusts).leftJoin(apps, eq(apps.id, trusts.appId)).$dynamic();
}

/** Oldest first, after the one with the id `after`. */
export function listTrusts(db: Db, tenantId: TenantId, limit: number, after: TrustId | undefined): Promise<TrustRow[]> {
  return rows(db).where(and(eq(trusts.tenantId, tenantId), after && gt(trusts.id, after))).orderBy(asc(trusts.id)).limit(limit);
}

export async function findTrust(db: Db | Tx, tenantId: TenantId, by: { id: TrustId } | { name: string }): Promise<TrustRow | undefined> {
  const [row] = await rows(db).where(and(eq(trusts.tenantId, tenantId), "id" in by ? eq(trusts.id, by.id) : eq(trusts.name, by.name)));
  return row;
}

export async function countTrusts(tx: Tx, tenantId: TenantId): Promise<number> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`trusts:${tenantId}`}, 0))`);
  return tx.$count(trusts, eq(trusts.tenantId, tenantId));
}

/** Undefined when the name is taken. */
export async function insertTrust(tx: Tx, row: Omit<typeof trusts.$inferInsert, "id">): Promise<TrustId | undefined> {
  const [made] = await tx.insert(trusts).values({ ...row, id: newId("trust") }).onConflictDoNothing().returning({ id: trusts.id });
  return made?.id;
}

/** With it end the tokens that it gave. */
export async function deleteTrust(tx: Tx, tenantId: TenantId, id: TrustId, now: Date): Promise<number> {
  await tx.delete(trusts).where(and(eq(trusts.tenantId, tenantId), eq(trusts.id, id)));
  const ended = await tx
    .update(tokens)
    .set({ revokedAt: now })
    .where(and(eq(tokens.tenantId, tenantId), eq(tokens.createdBy, `trust:${id}`), isNull(tokens.revokedAt)))
    .returning({ id: tokens.id });
  return ended.length;
}

/** Of the tenant of this name, those of the issuer: the oldest first. */
export async function trustsOfIssuer(db: Db, tenantName: string, issuer: string): Promise<{ trust: TrustRow["trust"]; suspendedAt: Date | null }[]> {
  return db
    .select({ trust: trusts, suspendedAt: tenants.suspendedAt })
    .from(trusts)
    .innerJoin(tenants, eq(tenants.id, trusts.tenantId))
    .where(and(eq(tenants.name, tenantName), eq(trusts.issuer, issuer)))
    .orderBy(asc(trusts.id));
}
