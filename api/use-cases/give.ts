/** What one may give to another: never more than one has, time included. */
import { AppError } from "../../core/contract/errors.ts";
import { missingScopes, SCOPES, type Scope } from "../../core/domain/access.ts";
import type { Actor } from "../deps.ts";

/** The scopes in their usual order, each once. @throws AppError forbidden */
export function requireScopes(actor: Pick<Actor, "scopes">, wanted: readonly Scope[]): Scope[] {
  const missing = missingScopes(wanted, actor.scopes);
  if (missing.length > 0) throw new AppError("forbidden", `Nobody gives more than they have: ${missing.join(", ")} is missing here.`);
  return SCOPES.filter((scope) => wanted.includes(scope));
}

/** What is made by a token that expires does not outlive it. A person who signs in again may do so. @throws AppError forbidden */
export function expiryFrom(actor: Pick<Actor, "kind" | "tokenExpiresAt">, seconds: number | undefined, now: Date): Date | null {
  const wanted = seconds === undefined ? null : new Date(now.getTime() + seconds * 1000);
  const own = actor.kind === "session" ? null : actor.tokenExpiresAt;
  if (own === null || (wanted !== null && wanted <= own)) return wanted;
  if (wanted === null) return own;
  throw new AppError("forbidden", `Nobody gives more than they have: the token that asks ends at ${own.toISOString()}, and the new one would outlive it.`);
}
