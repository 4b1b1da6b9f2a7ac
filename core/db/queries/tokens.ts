/** Who holds a token. */
import { and, eq, isNull, lt, or, sql } from "drizzle-orm";
import { LRUCache } from "lru-cache";
import { AppError } from "../../contract/errors.ts";
import type { AppId, Id, TenantId } from "../../contract/ids.ts";
import { effectiveScopes, type Role, type Scope, type TokenKind } from "../../domain/access.ts";
import { limitsOf } from "../../domain/limits.ts";
import { hashToken, isToken } from "../../tokens.ts";
import type { Db } from "../client.ts";
import { members, plans, tenants, tokens, users } from "../schema.ts";

/** A revoked token works at most this long in a process that has just seen it. */
const CACHE_MS = 1000;
const LAST_USED_EVERY_MS = 60_000;

export interface TokenHolder {
  tenantId: TenantId;
  tenantName: string;
  tokenId: Id<"token">;
  tokenName: string;
  tokenExpiresAt: Date | null;
  kind: TokenKind;
  /** Of a personal token. */
  userId: Id<"user"> | null;
  role: Role | null;
  /** What it may do now. */
  scopes: ReadonlySet<Scope>;
  /** Not null: it sees this app alone. */
  appId: AppId | null;
  isSuspended: boolean;
  /** Of its tenant. */
  requestsMinute: number;
}

interface Row {
  holder: TokenHolder;
  revokedAt: Date | null;
  lastUsedAt: Date | null;
  /** Of a personal token whose person was shut out or has left the tenant. */
  isStranger: boolean;
}

// One cache per database handle, so that two in one process (tests) do not share answers.
const caches = new WeakMap<Db, LRUCache<string, Row>>();

/** @throws AppError unauthenticated (wrong, unknown, revoked) or token_expired */
export async function authenticateToken(db: Db, token: string, now: Date): Promise<TokenHolder> {
  if (!isToken(token)) throw new AppError("unauthenticated", "The token is not one of Berth's: check that it was copied whole.");
  const hash = hashToken(token);
  const row = cacheOf(db).get(hash) ?? (await lookUp(db, hash, now));
  if (row === undefined) throw new AppError("unauthenticated", "This token is unknown.");
  if (row.revokedAt !== null) throw new AppError("unauthenticated", "This token was revoked.");
  const { holder } = row;
  if (holder.tokenExpiresAt !== null && holder.tokenExpiresAt <= now) {
    throw new AppError("token_expired", `This token expired at ${holder.tokenExpiresAt.toISOString()}: make a new one.`);
  }
  if (row.isStranger) throw new AppError("unauthenticated", `Whoever this token was made for is no member of ${holder.tenantName} any more.`);
  return holder;
}

/** Whether a token that was accepted still holds: for streams that outlive their request's check. */
export async function isTokenAlive(db: Db, tokenId: Id<"token">, now: Date): Promise<boolean> {
  const [row] = await db.select({ revokedAt: tokens.revokedAt, expiresAt: tokens.expiresAt }).from(tokens).where(eq(tokens.id, tokenId));
  return row !== undefined && row.revokedAt === null && (row.expiresAt === null || row.expiresAt > now);
}

/** Forgets what was cached, so that the next use asks the database: for the bell `token`. */
export function forgetTokens(db: Db): void {
  cacheOf(db).clear();
}

function cacheOf(db: Db): LRUCache<string, Row> {
  let cache = caches.get(db);
  if (cache === undefined) caches.set(db, (cache = new LRUCache({ max: 10_000, ttl: CACHE_MS })));
  return cache;
}

async function lookUp(db: Db, hash: string, now: Date): Promise<Row | undefined> {
  const [found] = await db
    .select({ token: tokens, tenantName: tenants.name, suspendedAt: tenants.suspendedAt, limits: tenants.limits, planLimits: plans.limits, role: members.role, disabledAt: users.disabledAt })
    .from(tokens)
    .innerJoin(tenants, eq(tenants.id, tokens.tenantId))
    .leftJoin(plans, eq(plans.name, tenants.plan))
    .leftJoin(users, eq(users.id, tokens.userId))
    .leftJoin(members, and(eq(members.userId, tokens.userId), eq(members.tenantId, tokens.tenantId)))
    .where(eq(tokens.hash, hash));
  if (found === undefined || found.token.tenantId === null) return undefined;
  const { token, role } = found;
  const holder: TokenHolder = {
    tenantId: found.token.tenantId,
    tenantName: found.tenantName,
    tokenId: token.id,
    tokenName: token.name,
    tokenExpiresAt: token.expiresAt,
    kind: token.kind,
    userId: token.userId,
    role,
    scopes: effectiveScopes(token.scopes, role),
    appId: token.appId,
    isSuspended: found.suspendedAt !== null,
    requestsMinute: limitsOf(found.planLimits, found.limits).requestsMinute,
  };
  const isStranger = token.userId !== null && (role === null || found.disabledAt !== null);
  const row: Row = { holder, revokedAt: token.revokedAt, lastUsedAt: token.lastUsedAt, isStranger };
  cacheOf(db).set(hash, row);
  await noteUse(db, row, now);
  return row;
}

/** At most one write a minute and token. */
async function noteUse(db: Db, row: Row, now: Date): Promise<void> {
  const before = new Date(now.getTime() - LAST_USED_EVERY_MS);
  if (row.lastUsedAt !== null && row.lastUsedAt > before) return;
  await db
    .update(tokens)
    .set({ lastUsedAt: sql`${now.toISOString()}::timestamptz` })
    .where(and(eq(tokens.id, row.holder.tokenId), or(isNull(tokens.lastUsedAt), lt(tokens.lastUsedAt, before))));
}
