/** Who holds a token. */
import { and, eq, inArray, isNull, lt, or, sql } from "drizzle-orm";
import { LRUCache } from "lru-cache";
import { AppError } from "../../contract/errors.ts";
import type { AppId, Id, TenantId } from "../../contract/ids.ts";
import { effectiveScopes, type Role, type Scope, type TokenKind } from "../../domain/access.ts";
import { limitsOf } from "../../domain/limits.ts";
import { hashToken, isToken } from "../../tokens.ts";
import type { Db } from "../client.ts";
import { apps, members, plans, tenants, tokens, users } from "../schema.ts";

/** A revoked token works at most this long in a process that has just seen it. */
export const ACCESS_CACHE_MS = 1000;
const LAST_USED_EVERY_MS = 60_000;

/** Whoever works for a tenant: with a token, or as a person who has signed in. */
export interface TokenHolder {
  tenantId: TenantId;
  tenantName: string;
  tokenId: Id<"token"> | Id<"session">;
  /** Of a session: the person's address. */
  tokenName: string;
  tokenExpiresAt: Date | null;
  kind: TokenKind | "session";
  /** Of a personal token and of a session. */
  userId: Id<"user"> | null;
  role: Role | null;
  /** What it may do now. */
  scopes: ReadonlySet<Scope>;
  /** Not null: it sees this app alone. */
  appId: AppId | null;
  appName: string | null;
  isSuspended: boolean;
  /** Of its tenant. */
  requestsMinute: number;
}

/** Whoever runs the platform. */
export interface OperatorHolder {
  tokenId: Id<"token">;
  tokenName: string;
  tokenExpiresAt: Date | null;
}

interface Row extends OperatorHolder {
  /** Null: an operator's. */
  holder: TokenHolder | null;
  revokedAt: Date | null;
  lastUsedAt: Date | null;
  /** Of a personal token whose person was shut out or has left the tenant. */
  isStranger: boolean;
}

// One cache per database handle, so that two in one process (tests) do not share answers.
const caches = new WeakMap<Db, LRUCache<string, Row>>();

/** @throws AppError unauthenticated (wrong, unknown, revoked) or token_expired */
export async function authenticateToken(db: Db, token: string, now: Date): Promise<TokenHolder> {
  const { holder, isStranger } = await findValid(db, token, now);
  if (holder === null) throw new AppError("unauthenticated", "This is an operator's token: it opens /v1/operator/… alone.");
  if (isStranger) throw new AppError("unauthenticated", `Whoever this token was made for is no member of ${holder.tenantName} any more.`);
  return holder;
}

/** @throws AppError unauthenticated, token_expired, or forbidden for a tenant's token */
export async function authenticateOperator(db: Db, token: string, now: Date): Promise<OperatorHolder> {
  const { holder, tokenId, tokenName, tokenExpiresAt } = await findValid(db, token, now);
  if (holder !== null) throw new AppError("forbidden", "This is for the platform's operators: it needs an operator's token.");
  return { tokenId, tokenName, tokenExpiresAt };
}

async function findValid(db: Db, token: string, now: Date): Promise<Row> {
  if (!isToken(token)) throw new AppError("unauthenticated", "The token is not one of Berth's: check that it was copied whole.");
  const hash = hashToken(token);
  const row = cacheOf(db).get(hash) ?? (await lookUp(db, hash, now));
  if (row === undefined) throw new AppError("unauthenticated", "This token is unknown.");
  if (row.revokedAt !== null) throw new AppError("unauthenticated", "This token was revoked.");
  if (row.tokenExpiresAt !== null && row.tokenExpiresAt <= now) {
    throw new AppError("token_expired", `This token expired at ${row.tokenExpiresAt.toISOString()}: make a new one.`);
  }
  return row;
}

/** Which of these tokens still hold, each with the role that its person has now (null: a machine's). */
export async function aliveTokens(db: Db, ids: readonly Id<"token">[], now: Date): Promise<Map<string, Role | null>> {
  if (ids.length === 0) return new Map();
  const rows = await db
    .select({ id: tokens.id, userId: tokens.userId, role: members.role })
    .from(tokens)
    .leftJoin(users, and(eq(users.id, tokens.userId), isNull(users.disabledAt)))
    .leftJoin(members, and(eq(members.userId, users.id), eq(members.tenantId, tokens.tenantId)))
    .where(and(inArray(tokens.id, [...ids]), isNull(tokens.revokedAt), or(isNull(tokens.expiresAt), sql`${tokens.expiresAt} > ${now.toISOString()}::timestamptz`)));
  return new Map(rows.filter(({ userId, role }) => userId === null || role !== null).map(({ id, role }) => [id, role]));
}

/** Whether a token that was accepted still holds. */
export async function isTokenAlive(db: Db, tokenId: Id<"token">, now: Date): Promise<boolean> {
  return (await aliveTokens(db, [tokenId], now)).has(tokenId);
}

/** Forgets what was cached, so that the next use asks the database: for the bell `token`. */
export function forgetTokens(db: Db): void {
  cacheOf(db).clear();
}

function cacheOf(db: Db): LRUCache<string, Row> {
  let cache = caches.get(db);
  if (cache === undefined) caches.set(db, (cache = new LRUCache({ max: 10_000, ttl: ACCESS_CACHE_MS })));
  return cache;
}

async function lookUp(db: Db, hash: string, now: Date): Promise<Row | undefined> {
  const [found] = await db
    .select({ token: tokens, tenant: tenants, planLimits: plans.limits, role: members.role, disabledAt: users.disabledAt, appName: apps.name })
    .from(tokens)
    .leftJoin(tenants, eq(tenants.id, tokens.tenantId))
    .leftJoin(plans, eq(plans.name, tenants.plan))
    .leftJoin(users, eq(users.id, tokens.userId))
    .leftJoin(members, and(eq(members.userId, tokens.userId), eq(members.tenantId, tokens.tenantId)))
    .leftJoin(apps, eq(apps.id, tokens.appId))
    .where(eq(tokens.hash, hash));
  if (found === undefined) return undefined;
  const { token, tenant, role } = found;
  const common = { tokenId: token.id, tokenName: token.name, tokenExpiresAt: token.expiresAt };
  const holder: TokenHolder | null = tenant && {
    ...common,
    tenantId: tenant.id,
    tenantName: tenant.name,
    kind: token.kind,
    userId: token.userId,
    role,
    scopes: effectiveScopes(token.scopes, role),
    appId: token.appId,
    appName: found.appName,
    isSuspended: tenant.suspendedAt !== null,
    requestsMinute: limitsOf(found.planLimits, tenant.limits).requestsMinute,
  };
  const isStranger = token.userId !== null && (role === null || found.disabledAt !== null);
  const row: Row = { ...common, holder, revokedAt: token.revokedAt, lastUsedAt: token.lastUsedAt, isStranger };
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
    .where(and(eq(tokens.id, row.tokenId), or(isNull(tokens.lastUsedAt), lt(tokens.lastUsedAt, before))));
}
