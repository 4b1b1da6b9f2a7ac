/** Requests that carry a session: whose it is, and that our own pages made them. */
import { timingSafeEqual } from "node:crypto";
import type { Context } from "hono";
import { AppError } from "../../core/contract/errors.ts";
import { authenticateSession } from "../../core/db/queries/sessions.ts";
import type { TokenHolder } from "../../core/db/queries/tokens.ts";
import type { ApiConfig, ApiEnv, Deps } from "../deps.ts";
import { readCookie } from "./cookies.ts";
import { verifySession, type SessionClaims } from "./jwt.ts";

export const CSRF_HEADER = "x-csrf-token";
const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

type SessionDeps = Pick<Deps, "db" | "clock" | "rateLimits" | "config">;

export function readSessionCookie(c: Context, config: Pick<ApiConfig, "publicUrl">): string | undefined {
  return readCookie(c, config, "session");
}

/** @throws AppError unauthenticated, token_expired, forbidden (no tenant, no member, made by another site) */
export async function holderOfSession(deps: SessionDeps, c: Context<ApiEnv>, jwt: string): Promise<TokenHolder> {
  const claims = await claimsOf(deps, c, jwt);
  if (claims.ten === undefined) throw new AppError("forbidden", "You have chosen no tenant yet: PUT /v1/session.");
  return authenticateSession(deps.db, { sessionId: claims.sid, tenantId: claims.ten }, deps.clock());
}

/** The claims of a request's session, whichever tenant it looks at. @throws AppError */
export async function claimsOf(deps: SessionDeps, c: Context<ApiEnv>, jwt: string): Promise<SessionClaims> {
  const claims = await verifySession(deps, jwt);
  if (claims === "expired") throw new AppError("token_expired", "The session has to be renewed: POST /v1/session/refresh.");
  if (claims === undefined) {
    await deps.rateLimits.countFailure(c.get("clientIp"));
    throw new AppError("unauthenticated", "This session is unknown: sign in again.");
  }
  if (!SAFE_METHODS.has(c.req.method)) {
    requireOwnPage(deps.config, c);
    requireCsrf(c, claims.csrf);
  }
  return claims;
}

/** What browsers say themselves about where a request comes from. */
export function requireOwnPage({ publicUrl }: Pick<ApiConfig, "publicUrl">, c: Context): void {
  const origin = c.req.header("origin");
  const site = c.req.header("sec-fetch-site");
  if ((origin !== undefined && origin !== publicUrl.origin) || (site !== undefined && site !== "same-origin" && site !== "none")) {
    throw new AppError("forbidden", "This request was made by another site.");
  }
}

function requireCsrf(c: Context, wanted: string): void {
  const sent = Buffer.from(c.req.header(CSRF_HEADER) ?? "");
  const expected = Buffer.from(wanted);
  if (sent.length !== expected.length || !timingSafeEqual(sent, expected)) {
    throw new AppError("forbidden", "Send the session's csrfToken (GET /v1/session) as X-CSRF-Token.");
  }
}
