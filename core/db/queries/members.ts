/** Members of one tenant, and who is invited. */
import { and, asc, eq, gt, isNull, ne, sql } from "drizzle-orm";
import { newId, type Id, type TenantId } from "../../contract/ids.ts";
import type { Role } from "../../domain/access.ts";
import type { Db, Tx } from "../client.ts";
import { invites, members, tenants, users } from "../schema.ts";

type UserId = Id<"user">;
type InviteId = Id<"invite">;
export type InviteRow = typeof invites.$inferSelect;
export interface MemberRow {
  userId: UserId;
  email: string;
  name: string;
  role: Role;
  createdAt: Date;
}

/** One change of a tenant's members after the other: two that would each leave one owner must not leave none. */
export async function lockMembers(tx: Tx, tenantId: TenantId): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`members:${tenantId}`}, 0))`);
}

/** One change of a person's own memberships after the other. */
export async function lockUser(tx: Tx, userId: UserId): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`user:${userId}`}, 0))`);
}

const columns = { userId: users.id, email: users.email, name: users.name, role: members.role, createdAt: members.createdAt };

/** By the ids of people, after the one with the id `after`. */
export function listMembers(db: Db, tenantId: TenantId, limit: number, after: UserId | undefined): Promise<MemberRow[]> {
  return db
    .select(columns)
    .from(members)
    .innerJoin(users, eq(users.id, members.userId))
    .where(and(eq(members.tenantId, tenantId), after && gt(members.userId, after)))
    .orderBy(asc(members.userId))
    .limit(limit);
}

/** By id or address. */
export async function findMember(db: Db | Tx, tenantId: TenantId, by: { id: UserId } | { email: string }): Promise<MemberRow | undefined> {
  const [row] = await db
    .select(columns)
    .from(members)
    .innerJoin(users, eq(users.id, members.userId))
    .where(and(eq(members.tenantId, tenantId), "id" in by ? eq(users.id, by.id) : eq(users.email, by.email)));
  return row;
}

/** Owners beside this person who are not shut out; under the lock. */
export async function countOtherOwners(tx: Tx, tenantId: TenantId, userId: UserId): Promise<number> {
  const [row] = await tx
    .select({ count: sql<number>`count(*)::int` })
    .from(members)
    .innerJoin(users, and(eq(users.id, members.userId), isNull(users.disabledAt)))
    .where(and(eq(members.tenantId, tenantId), eq(members.role, "owner"), ne(members.userId, userId)));
  return row?.count ?? 0;
}

/** False when the person is a member already. */
export async function insertMember(tx: Tx, tenantId: TenantId, userId: UserId, role: Role): Promise<boolean> {
  const made = await tx.insert(members).values({ tenantId, userId, role }).onConflictDoNothing().returning({ userId: members.userId });
  return made.length > 0;
}

export async function setRole(tx: Tx, tenantId: TenantId, userId: UserId, role: Role): Promise<void> {
  await tx.update(members).set({ role }).where(and(eq(members.tenantId, tenantId), eq(members.userId, userId)));
}

export async function deleteMember(tx: Tx, tenantId: TenantId, userId: UserId): Promise<void> {
  await tx.delete(members).where(and(eq(members.tenantId, tenantId), eq(members.userId, userId)));
}

/** Those that are open, oldest first, after the one with the id `after`. */
export function listInvites(db: Db, tenantId: TenantId, limit: number, after: InviteId | undefined, now: Date): Promise<InviteRow[]> {
  return db
    .select()
    .from(invites)
    .where(and(eq(invites.tenantId, tenantId), isNull(invites.acceptedAt), gt(invites.expiresAt, now), after && gt(invites.id, after)))
    .orderBy(asc(invites.id))
    .limit(limit);
}

/** An older invitation of the same person ends: there is one secret at a time. */
export async function insertInvite(tx: Tx, row: Omit<typeof invites.$inferInsert, "id">): Promise<InviteRow> {
  await tx.delete(invites).where(and(eq(invites.tenantId, row.tenantId), eq(invites.email, row.email), isNull(invites.acceptedAt)));
  const [made] = await tx.insert(invites).values({ ...row, id: newId("invite") }).returning();
  if (made === undefined) throw new Error("the invitation was not written");
  return made;
}

export async function deleteInvite(tx: Tx, tenantId: TenantId, id: InviteId): Promise<InviteRow | undefined> {
  const [row] = await tx.delete(invites).where(and(eq(invites.tenantId, tenantId), eq(invites.id, id), isNull(invites.acceptedAt))).returning();
  return row;
}

/** The invitation with this secret, open or not, and its tenant. */
export async function findInvite(db: Db | Tx, hash: string): Promise<{ invite: InviteRow; tenantName: string; suspendedAt: Date | null } | undefined> {
  const [row] = await db
    .select({ invite: invites, tenantName: tenants.name, suspendedAt: tenants.suspendedAt })
    .from(invites)
    .innerJoin(tenants, eq(tenants.id, invites.tenantId))
    .where(eq(invites.hash, hash));
  return row;
}

/** False when it was accepted meanwhile, or has expired. */
export async function takeInvite(tx: Tx, id: InviteId, now: Date): Promise<boolean> {
  const taken = await tx
    .update(invites)
    .set({ acceptedAt: now })
    .where(and(eq(invites.id, id), isNull(invites.acceptedAt), gt(invites.expiresAt, now)))
    .returning({ id: invites.id });
  return taken.length > 0;
}
