/** Sign-ins of people: who is signed in, and where they are members. */
import { and, asc, eq, gt, inArray, isNull, sql } from "drizzle-orm";
import { LRUCache } from "lru-cache";
import { AppError } from "../../contract/errors.ts";
import { newId, type Id, type TenantId } from "../../contract/ids.ts";
import { ROLE_SCOPES, type Role } from "../../domain/access.ts";
import { limitsOf } from "../../domain/limits.ts";
import type { Db, Tx } from "../client.ts";
import { members, plans, sessions, tenants, users } from "../schema.ts";
import { ACCESS_CACHE_MS, type TokenHolder } from "./tokens.ts";

export type SessionRow = typeof sessions.$inferSelect;
export type UserRow = typeof users.$inferSelect;
type SessionId = Id<"session">;

export interface Membership {
  tenantId: TenantId;
  tenantName: string;
  role: Role;
}

/** A session's place: the tenant that its JWT names. */
export interface SessionPlace {
  sessionId: SessionId;
  tenantId: TenantId;
}
const placeText = ({ sessionId, tenantId }: SessionPlace) => `${sessionId} ${tenantId}`;

type Answer = { holder: TokenHolder } | { problem: "ended" | "stranger" };
const caches = new WeakMap<Db, LRUCache<string, Answer>>();

function cacheOf(db: Db): LRUCache<string, Answer> {
  let cache = caches.get(db);
  if (cache === undefined) caches.set(db, (cache = new LRUCache({ max: 10_000, ttl: ACCESS_CACHE_MS })));
  return cache;
}

export function forgetSessions(db: Db): void {
  cacheOf(db).clear();
}

/** What the person may do in the tenant now. @throws AppError unauthenticated (signed out, shut out), forbidden (no member) */
export async function authenticateSession(db: Db, place: SessionPlace, now: Date): Promise<TokenHolder> {
  const key = placeText(place);
  const answer = cacheOf(db).get(key) ?? (await lookUp(db, place, now));
  cacheOf(db).set(key, answer);
  if ("holder" in answer) return answer.holder;
  if (answer.problem === "ended") throw new AppError("unauthenticated", "You have signed out: sign in again.");
  throw new AppError("forbidden", "You are no member of this tenant any more.");
}

async function lookUp(db: Db, { sessionId, tenantId }: SessionPlace, now: Date): Promise<Answer> {
  const [found] = await db
    .select({ session: sessions, email: users.email, role: members.role, tenant: tenants, planLimits: plans.limits })
    .from(sessions)
    .innerJoin(users, and(eq(users.id, sessions.userId), isNull(users.disabledAt)))
    .leftJoin(members, and(eq(members.userId, sessions.userId), eq(members.tenantId, tenantId)))
    .leftJoin(tenants, eq(tenants.id, members.tenantId))
    .leftJoin(plans, eq(plans.name, tenants.plan))
    .where(and(eq(sessions.id, sessionId), isNull(sessions.endedAt), gt(sessions.expiresAt, now)));
  if (found === undefined) return { problem: "ended" };
  const { session, role, tenant } = found;
  if (role === null || tenant === null) return { problem: "stranger" };
  return {
    holder: {
      tenantId,
      tenantName: tenant.name,
      tokenId: session.id,
      tokenName: found.email,
      tokenExpiresAt: session.expiresAt,
      kind: "session",
      userId: session.userId,
      role,
      scopes: new Set(ROLE_SCOPES[role]),
      appId: null,
      appName: null,
      isSuspended: tenant.suspendedAt !== null,
      requestsMinute: limitsOf(found.planLimits, tenant.limits).requestsMinute,
    },
  };
}

/** Which of these still hold, by `<session> <tenant>`, each with the role that the person has there now. */
export async function aliveSessions(db: Db, places: readonly SessionPlace[], now: Date): Promise<Map<string, Role>> {
  if (places.length === 0) return new Map();
  const rows = await db
    .select({ sessionId: sessions.id, tenantId: members.tenantId, role: members.role })
    .from(sessions)
    .innerJoin(users, and(eq(users.id, sessions.userId), isNull(users.disabledAt)))
    .innerJoin(members, eq(members.userId, sessions.userId))
    .where(
      and(
        inArray(sessions.id, places.map(({ sessionId }) => sessionId)),
        inArray(members.tenantId, places.map(({ tenantId }) => tenantId)),
        isNull(sessions.endedAt),
        gt(sessions.expiresAt, now),
      ),
    );
  return new Map(rows.map((row) => [placeText(row), row.role]));
}

export async function insertSession(tx: Tx, row: Omit<typeof sessions.$inferInsert, "id">): Promise<SessionRow> {
  const [made] = await tx.insert(sessions).values({ ...row, id: newId("session") }).returning();
  if (made === undefined) throw new Error("the session was not written");
  return made;
}

type Found = { session: SessionRow; user: UserRow };

/** The session that has not ended, by its id or by the hash of its secret. */
export async function findSession(db: Db | Tx, by: { id: SessionId } | { hash: string }, now: Date): Promise<Found | undefined> {
  const [row] = await db
    .select({ session: sessions, user: users })
    .from(sessions)
    .innerJoin(users, and(eq(users.id, sessions.userId), isNull(users.disabledAt)))
    .where(and("id" in by ? eq(sessions.id, by.id) : eq(sessions.hash, by.hash), isNull(sessions.endedAt), gt(sessions.expiresAt, now)));
  return row;
}

export async function setSessionTenant(tx: Tx, id: SessionId, tenantId: TenantId): Promise<void> {
  await tx.update(sessions).set({ tenantId }).where(eq(sessions.id, id));
}

/** False when it had ended. */
export async function endSession(tx: Tx, id: SessionId, now: Date): Promise<boolean> {
  const ended = await tx.update(sessions).set({ endedAt: now }).where(and(eq(sessions.id, id), isNull(sessions.endedAt))).returning({ id: sessions.id });
  return ended.length > 0;
}

/** By name. */
export async function membershipsOf(db: Db | Tx, userId: Id<"user">): Promise<Membership[]> {
  return db
    .select({ tenantId: tenants.id, tenantName: tenants.name, role: members.role })
    .from(members)
    .innerJoin(tenants, eq(tenants.id, members.tenantId))
    .where(eq(members.userId, userId))
    .orderBy(asc(tenants.name));
}

/** What ended long ago, of sessions and of sign-ins that nobody answered. */
export async function removeOldSessions(db: Db, now: Date): Promise<void> {
  const before = now.toISOString();
  await db.execute(sql`delete from sessions where least(expires_at, coalesce(ended_at, expires_at)) < ${before}::timestamptz - interval '7 days'`);
  await db.execute(sql`delete from logins where expires_at < ${before}::timestamptz - interval '1 day'`);
}
