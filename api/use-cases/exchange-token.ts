/** `POST /v1/token-exchange`: a pipeline's identity token becomes a deploy token for an hour (RFC 8693). */
import type { ExchangedToken, TokenExchange } from "../../core/contract/access.ts";
import { AppError } from "../../core/contract/errors.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { requireRoom } from "../../core/db/queries/quota.ts";
import { insertToken } from "../../core/db/queries/token-changes.ts";
import { trustsOfIssuer } from "../../core/db/queries/trusts.ts";
import { missingScopes, SCOPES, type Scope } from "../../core/domain/access.ts";
import { claimsMatch } from "../../core/domain/trust.ts";
import { claimedIssuer, FederationError } from "../../core/federation.ts";
import type { Deps } from "../deps.ts";

const TTL_SECONDS = 3600;
const SUBJECT_SHOWN_CHARS = 300;

interface From {
  ip: string | null;
  requestId: string;
}

/** Only issuers that the tenant trusts are ever asked. @throws AppError unauthenticated, forbidden, tenant_suspended, quota_exceeded, issuer_unavailable, invalid_request */
export async function exchangeToken(deps: Deps, input: TokenExchange, from: From): Promise<ExchangedToken> {
  const wanted = readScopes(input.scope);
  const now = deps.clock();
  const issuer = claimedIssuer(input.subject_token);
  if (issuer === undefined) throw new AppError("unauthenticated", "subject_token is no JWT.");
  const trusts = await trustsOfIssuer(deps.db, input.audience, issuer);
  const refusals: string[] = [];
  for (const { trust, suspendedAt } of trusts) {
    const payload = await deps.federation.verify(input.subject_token, issuer, trust.audience, now).catch((error: unknown) => {
      if (!(error instanceof FederationError)) throw error;
      if (error.reason === "away") throw new AppError("issuer_unavailable", error.message, { cause: error, headers: { "retry-after": "5" } });
      // Whoever forged one learns nothing of whom the tenant trusts.
      if (error.reason === "claims") refusals.push(error.message);
      return undefined;
    });
    if (payload === undefined || !claimsMatch(trust.claims, payload) || (wanted !== undefined && missingScopes(wanted, new Set(trust.scopes)).length > 0)) continue;
    if (suspendedAt !== null) throw new AppError("tenant_suspended", `${input.audience} was suspended by the operator.`);
    const scopes = wanted ?? trust.scopes;
    const subject = String(payload.sub).slice(0, SUBJECT_SHOWN_CHARS);
    const token = await deps.db.transaction(async (tx) => {
      await requireRoom(tx, trust.tenantId, "tokens", 1);
      const expiresAt = new Date(now.getTime() + TTL_SECONDS * 1000);
      const made = await insertToken(tx, { tenantId: trust.tenantId, kind: "deploy", name: `${trust.name}: ${subject}`, scopes, appId: trust.appId, createdBy: `trust:${trust.id}`, createdAt: now, expiresAt });
      await writeAudit(tx, { tenantId: trust.tenantId, tokenId: trust.id, tokenName: trust.name, ...from }, "token.exchange", made.id, { issuer, subject }, { after: { scopes, expiresAt: expiresAt.toISOString() } });
      return made.token;
    });
    return { access_token: token, issued_token_type: "urn:ietf:params:oauth:token-type:access_token", token_type: "Bearer", expires_in: TTL_SECONDS, scope: scopes.join(" ") };
  }
  throw new AppError("unauthenticated", refusals[0] ?? `No trust of «${input.audience}» matches the issuer, the claims and the scopes of this token.`);
}

/** @throws AppError invalid_request */
function readScopes(text: string | undefined): Scope[] | undefined {
  const names = (text ?? "").split(" ").filter((name) => name !== "");
  if (names.length === 0) return undefined;
  const unknown = names.find((name) => !(SCOPES as readonly string[]).includes(name));
  if (unknown !== undefined) throw new AppError("invalid_request", `scope: there is no scope «${unknown}».`, { fields: [{ path: "scope", message: `must be of ${SCOPES.join(", ")}` }] });
  return SCOPES.filter((scope) => names.includes(scope));
}
