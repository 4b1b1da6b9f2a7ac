/** What one may give to another: never more than one has, time included. */
import { AppError } from "../../core/contract/errors.ts";
import { missingScopes, SCOPES, type Scope, type TokenKind } from "../../core/domain/access.ts";
import type { Actor } from "../deps.ts";

/** The scopes in their usual order, each once. @throws AppError forbidden */
export function requireScopes(actor: Pick<Actor, "scopes">, wanted: readonly Scope[]): Scope[] {
  const missing = missingScopes(wanted, actor.scopes);
  if (missing.length > 0) throw new AppError("forbidden", `Nobody gives more than they have: ${missing.join(", ")} is missing here.`);
  return SCOPES.filter((scope) => wanted.includes(scope));
}

type Giver = Pick<Actor, "kind" | "tokenExpiresAt">;

/**
 * What a token of this kind that is made now may not outlive; null: nothing. A machine's token makes none that lives
 * longer, nor a person's one of that person. A person who may make tokens for machines decides how long they live.
 */
export function endOf({ kind, tokenExpiresAt }: Giver, made: TokenKind): Date | null {
  return kind === "session" || (kind === "personal" && made === "deploy") ? null : tokenExpiresAt;
}

/** Without a wish it ends with its maker. @throws AppError forbidden */
export function expiryFrom(actor: Giver, made: TokenKind, seconds: number | undefined, now: Date): Date | null {
  const wanted = seconds === undefined ? null : new Date(now.getTime() + seconds * 1000);
  const own = endOf(actor, made);
  if (own === null || (wanted !== null && wanted <= own)) return wanted;
  if (wanted === null) return own;
  throw new AppError("forbidden", `Nobody gives more than they have: the token that asks ends at ${own.toISOString()}, and the new one would outlive it.`);
}
