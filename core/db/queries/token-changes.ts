/** Tokens of one tenant, or of the operators (`tenantId` null): listed, made, rotated, revoked. */
import { and, asc, eq, gt, isNull, or, sql, type SQL } from "drizzle-orm";
import { newId, type AppId, type Id, type TenantId } from "../../contract/ids.ts";
import { createToken, hashToken } from "../../tokens.ts";
import type { Db, Tx } from "../client.ts";
import { apps, tokens, users } from "../schema.ts";

type TokenId = Id<"token">;
export interface TokenRow {
  token: typeof tokens.$inferSelect;
  appName: string | null;
  email: string | null;
}

const ofTenant = (tenantId: TenantId | null) => (tenantId === null ? isNull(tokens.tenantId) : eq(tokens.tenantId, tenantId));

function rows(db: Db | Tx, where: SQL | undefined) {
  return db
    .select({ token: tokens, appName: apps.name, email: users.email })
    .from(tokens)
    .leftJoin(apps, eq(apps.id, tokens.appId))
    .leftJoin(users, eq(users.id, tokens.userId))
    .where(where);
}

export interface TokenFilter {
  /** Of this person, and this token itself: for those who may not see others'. */
  only?: { userId: Id<"user"> | null; tokenId: string };
  appId?: AppId;
}

/** Those that open something, oldest first, after the one with the id `after`. */
export function listTokens(db: Db, tenantId: TenantId | null, filter: TokenFilter, limit: number, after: TokenId | undefined, now: Date): Promise<TokenRow[]> {
  const { only, appId } = filter;
  return rows(
    db,
    and(
      ofTenant(tenantId),
      isNull(tokens.revokedAt),
      or(isNull(tokens.expiresAt), gt(tokens.expiresAt, now)),
      only && or(sql`${tokens.id} = ${only.tokenId}`, only.userId === null ? undefined : eq(tokens.userId, only.userId)),
      appId && eq(tokens.appId, appId),
      after && gt(tokens.id, after),
    ),
  )
    .orderBy(asc(tokens.id))
    .limit(limit);
}

export async function findToken(db: Db | Tx, tenantId: TenantId | null, id: TokenId): Promise<TokenRow | undefined> {
  const [row] = await rows(db, and(ofTenant(tenantId), eq(tokens.id, id)));
  return row;
}

/** One change of a token after the other. */
export async function lockToken(tx: Tx, id: TokenId): Promise<void> {
  await tx.select({ id: tokens.id }).from(tokens).where(eq(tokens.id, id)).for("update");
}

/** `token` is shown once: only its hash is kept. */
export async function insertToken(tx: Tx, row: Omit<typeof tokens.$inferInsert, "id" | "hash">): Promise<{ id: TokenId; token: string }> {
  const token = createToken();
  const id = newId("token");
  await tx.insert(tokens).values({ ...row, id, hash: hashToken(token) });
  return { id, token };
}

export async function revokeToken(tx: Tx, id: TokenId, now: Date): Promise<boolean> {
  const revoked = await tx.update(tokens).set({ revokedAt: now }).where(and(eq(tokens.id, id), isNull(tokens.revokedAt))).returning({ id: tokens.id });
  return revoked.length > 0;
}

/** The old one ends at `endsAt`, or before where it did already. */
export async function replaceToken(tx: Tx, id: TokenId, replacedBy: TokenId, endsAt: Date): Promise<void> {
  const ends = endsAt.toISOString();
  await tx.update(tokens).set({ replacedBy, expiresAt: sql`least(coalesce(${tokens.expiresAt}, ${ends}::timestamptz), ${ends}::timestamptz)` }).where(eq(tokens.id, id));
}

/** All that act for the person in the tenant. Their ids. */
export async function revokeTokensOf(tx: Tx, tenantId: TenantId, userId: Id<"user">, now: Date): Promise<TokenId[]> {
  const revoked = await tx
    .update(tokens)
    .set({ revokedAt: now })
    .where(and(eq(tokens.tenantId, tenantId), eq(tokens.userId, userId), isNull(tokens.revokedAt)))
    .returning({ id: tokens.id });
  return revoked.map(({ id }) => id);
}

/** Rows of what ended long ago; the audit log keeps what there was. */
export async function removeOldTokens(db: Db, now: Date): Promise<void> {
  await db.execute(sql`delete from tokens where least(coalesce(revoked_at, 'infinity'), coalesce(expires_at, 'infinity')) < ${now.toISOString()}::timestamptz - interval '90 days'`);
}
