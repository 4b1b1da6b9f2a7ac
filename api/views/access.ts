/** Tokens, members, invitations and trusts as the API shows them: all but their secrets. */
import type { Invite, Member, Token, Trust } from "../../core/contract/access.ts";
import type { InviteRow, MemberRow } from "../../core/db/queries/members.ts";
import type { TokenRow } from "../../core/db/queries/token-changes.ts";
import type { TrustRow } from "../../core/db/queries/trusts.ts";

const text = (at: Date | null) => at?.toISOString() ?? null;

export function toToken({ token, appName, email }: TokenRow): Token {
  return {
    id: token.id,
    name: token.name,
    kind: token.kind,
    scopes: token.scopes,
    app: appName,
    user: email,
    createdBy: token.createdBy,
    createdAt: token.createdAt.toISOString(),
    expiresAt: text(token.expiresAt),
    lastUsedAt: text(token.lastUsedAt),
    revokedAt: text(token.revokedAt),
    replacedBy: token.replacedBy,
  };
}

/** For the audit: what a token opens, and until when. */
export function shownToken({ token, appName, email }: TokenRow): Record<string, unknown> {
  return { name: token.name, kind: token.kind, scopes: token.scopes, app: appName, user: email, expiresAt: text(token.expiresAt) };
}

export function toMember({ userId, email, name, role, createdAt }: MemberRow): Member {
  return { userId, email, name, role, since: createdAt.toISOString() };
}

export function toInvite({ id, email, role, invitedBy, createdAt, expiresAt }: InviteRow): Invite {
  return { id, email, role, invitedBy, createdAt: createdAt.toISOString(), expiresAt: expiresAt.toISOString() };
}

export function toTrust({ trust, appName }: TrustRow): Trust {
  const { id, name, issuer, audience, claims, scopes, createdAt } = trust;
  return { id, name, issuer, audience, claims, scopes, app: appName, createdAt: createdAt.toISOString() };
}
