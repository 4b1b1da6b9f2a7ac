/** Who holds a token. */
import { and, eq, isNull, lt, or, sql } from "drizzle-orm";
import { LRUCache } from "lru-cache";
import { AppError } from "../../contract/errors.ts";
import type { Id, TenantId } from "../../contract/ids.ts";
import { hashToken, isToken } from "../../tokens.ts";
import type { Db } from "../client.ts";
import { tenants, tokens } from "../schema.ts";

/** A revoked token works at most this long in a process that has just seen it. */
const CACHE_MS = 1000;
const LAST_USED_EVERY_MS = 60_000;

export interface TokenHolder {
  tenantId: TenantId;
  tenantName: string;
  tokenId: Id<"token">;
  tokenName: string;
  tokenExpiresAt: Date | null;
}

interface Row extends TokenHolder {
  revokedAt: Date | null;
  lastUsedAt: Date | null;
}

// One cache per database handle, so that two in one process (tests) do not share answers.
const caches = new WeakMap<Db, LRUCache<string, Row>>();

/** @throws AppError unauthenticated (wrong, unknown, revoked) or token_expired */
export async function authenticateToken(db: Db, token: string, now: Date): Promise<TokenHolder> {
  if (!isToken(token)) throw new AppError("unauthenticated", "The token is not one of Berth's: check that it was copied whole.");
  const hash = hashToken(token);
  const row = cacheOf(db).get(hash) ?? (await lookUp(db, hash, now));
  if (row === undefined || row.revokedAt !== null) {
    throw new AppError("unauthenticated", row === undefined ? "This token is unknown." : "This token was revoked.");
  }
  if (row.tokenExpiresAt !== null && row.tokenExpiresAt <= now) {
    throw new AppError("token_expired", `This token expired at ${row.tokenExpiresAt.toISOString()}: make a new one.`);
  }
  const { revokedAt: _revokedAt, lastUsedAt: _lastUsedAt, ...holder } = row;
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
  const [row] = await db
    .select({
      tenantId: tokens.tenantId,
      tenantName: tenants.name,
      tokenId: tokens.id,
      tokenName: tokens.name,
      tokenExpiresAt: tokens.expiresAt,
      revokedAt: tokens.revokedAt,
      lastUsedAt: tokens.lastUsedAt,
    })
    .from(tokens)
    .innerJoin(tenants, eq(tenants.id, tokens.tenantId))
    .where(eq(tokens.hash, hash));
  if (row === undefined) return undefined;
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
