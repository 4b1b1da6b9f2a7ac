/** `POST /v1/tokens/{token}/rotate`: another one in its place; both work until the overlap has passed. */
import type { NewToken, TokenRotate } from "../../core/contract/access.ts";
import { AppError } from "../../core/contract/errors.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { lockToken, replaceToken } from "../../core/db/queries/token-changes.ts";
import { accessChanged } from "../access-changed.ts";
import type { TokenKind } from "../../core/domain/access.ts";
import type { Actor, Deps } from "../deps.ts";
import { endOf, expiryFrom, requireScopes } from "./give.ts";
import { issueToken, requireToken } from "./tokens.ts";

/** @throws AppError not_found, forbidden, conflict (it has ended or was rotated already), quota_exceeded */
export async function rotateToken(deps: Deps, actor: Actor, text: string, input: TokenRotate): Promise<NewToken> {
  const now = deps.clock();
  const { made, oldId } = await deps.db.transaction(async (tx) => {
    const { token: seen } = await requireToken(tx, actor, text);
    await lockToken(tx, seen.id);
    const { token: old } = await requireToken(tx, actor, seen.id);
    if (old.replacedBy !== null) throw new AppError("conflict", "This token was rotated already: rotate the one that took its place.");
    if (old.revokedAt !== null || (old.expiresAt !== null && old.expiresAt <= now)) throw new AppError("conflict", "This token has ended: make a new one.");
    // Else an owner could act as somebody else.
    if (old.userId !== null && old.userId !== actor.userId) throw new AppError("forbidden", "Only the person whose token it is rotates it; you may revoke it.");
    // What a token holds it may hand on to its own successor, also where its person's role does not allow it now.
    if (old.id !== actor.tokenId) requireScopes(actor, old.scopes);
    const lifeSeconds = old.expiresAt === null ? undefined : Math.ceil((old.expiresAt.getTime() - old.createdAt.getTime()) / 1000);
    const expiresAt = input.expiresInSeconds === undefined ? renewed(actor, old.kind, lifeSeconds, now) : expiryFrom(actor, old.kind, input.expiresInSeconds, now);
    const { kind, userId, name, scopes, appId } = old;
    const { made: fresh } = await issueToken(tx, actor, { kind, userId, name, scopes, appId, expiresAt }, now);
    const endsAt = new Date(now.getTime() + input.overlapSeconds * 1000);
    await replaceToken(tx, old.id, fresh.id, endsAt);
    const after = await requireToken(tx, actor, old.id);
    const shown = (at: Date | null) => ({ expiresAt: at?.toISOString() ?? null });
    await writeAudit(tx, actor, "token.rotate", old.id, { replacedBy: fresh.id }, { before: shown(old.expiresAt), after: shown(after.token.expiresAt) });
    return { made: fresh, oldId: old.id };
  });
  accessChanged(deps, oldId);
  return made;
}

/** As long as the old one was given, and never longer than whoever asks has. */
function renewed(actor: Actor, kind: TokenKind, lifeSeconds: number | undefined, now: Date): Date | null {
  const own = endOf(actor, kind);
  const wanted = lifeSeconds === undefined ? null : new Date(now.getTime() + lifeSeconds * 1000);
  if (own === null) return wanted;
  return wanted !== null && wanted < own ? wanted : own;
}
