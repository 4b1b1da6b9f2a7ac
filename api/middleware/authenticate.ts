/** Turns the bearer token of a request, or a browser's session, into its actor, and asks whether it may do what the route does. */
import { createMiddleware } from "hono/factory";
import { LRUCache } from "lru-cache";
import { AppError } from "../../core/contract/errors.ts";
import { authenticateOperator, authenticateToken, type TokenHolder } from "../../core/db/queries/tokens.ts";
import type { Scope } from "../../core/domain/access.ts";
import { bearerToken, hashToken } from "../../core/tokens.ts";
import { toAppError } from "../problems.ts";
import { tooManyWrong } from "../rate-limits.ts";
import { openRefusals } from "../refusals.ts";
import { holderOfSession, readSessionCookie } from "../session/request.ts";
import type { ApiEnv, Deps } from "../deps.ts";

type AuthDeps = Pick<Deps, "db" | "clock" | "rateLimits" | "config">;

/** Sets `actor`, or answers 401 (problem JSON, with `WWW-Authenticate`). A token goes before a session. */
export function authenticate(deps: AuthDeps) {
  const refusals = openRefusals();
  return createMiddleware<ApiEnv>(async (c, next) => {
    const token = bearerToken(c.req.header("authorization"));
    const ip = c.get("clientIp");
    const hash = token === undefined ? undefined : hashToken(token);
    if (hash !== undefined) await refusals.check(hash);
    const cookie = token === undefined ? readSessionCookie(c, deps.config) : undefined;
    if (token === undefined && cookie === undefined) throw challenge(new AppError("unauthenticated", "Send the token as «Authorization: Bearer berth_…», or sign in."));
    const holder = await (token === undefined ? holderOfSession(deps, c, cookie ?? "") : authenticateFrom(deps, token, ip)).catch((error: unknown) => {
      throw challenge(toAppError(error));
    });
    const headers = await deps.rateLimits.countRequest(holder).catch((error: unknown) => {
      if (hash !== undefined) refusals.note(hash, error);
      throw error;
    });
    c.set("actor", { ...holder, ip, requestId: c.get("requestId") });
    await next();
    for (const [name, value] of Object.entries(headers)) c.res.headers.set(name, value);
  });
}

/** For `/v1/operator/…`: sets `operator`. Tokens of tenants are answered with 403, also those of owners. */
export function authenticateOperators(deps: AuthDeps) {
  return createMiddleware<ApiEnv>(async (c, next) => {
    const token = bearerToken(c.req.header("authorization"));
    const ip = c.get("clientIp");
    if (token === undefined) throw challenge(new AppError("unauthenticated", "Send an operator's token as «Authorization: Bearer berth_…»."));
    const holder = await counted(deps, token, ip, () => authenticateOperator(deps.db, token, deps.clock())).catch((error: unknown) => {
      throw challenge(toAppError(error));
    });
    c.set("operator", { ...holder, tenantId: null, ip, requestId: c.get("requestId") });
    await next();
  });
}

/** For the description of a route under `/v1/operator`. */
export const FOR_OPERATORS = { security: [{ operator: [] as string[] }] };

/** Who holds the token; wrong ones are counted against the address that they came from. @throws AppError unauthenticated, token_expired, rate_limited */
export async function authenticateFrom(deps: Pick<Deps, "db" | "clock" | "rateLimits">, token: string, address: string | null): Promise<TokenHolder> {
  return counted(deps, token, address, () => authenticateToken(deps.db, token, deps.clock()));
}

/** Tokens that were good of late: an address that sends wrong ones as well is not cut off from them. */
const goodOfLate = new LRUCache<string, true>({ max: 10_000, ttl: 600_000 });

/** Asks `look` about something secret, unless too much that was wrong came from the address. */
export async function counted<T>(deps: Pick<Deps, "rateLimits">, secret: string, address: string | null, look: () => Promise<T>): Promise<T> {
  const hash = hashToken(secret);
  if (deps.rateLimits.isBlocked(address) && !goodOfLate.has(hash)) throw tooManyWrong();
  try {
    const found = await look();
    goodOfLate.set(hash, true);
    return found;
  } catch (error) {
    if (error instanceof AppError && error.status === 401) await deps.rateLimits.countFailure(address);
    throw error;
  }
}

/**
 * For the description of a route under `/v1`: which scope its caller must have. A token of an app gets no further than
 * that app: `use-cases/require.ts`.
 */
export function needs(scope: Scope) {
  return { security: [{ token: [scope] }], middleware: demand(scope) };
}

function demand(scope: Scope) {
  return createMiddleware<ApiEnv>(async (c, next) => {
    const { scopes, isSuspended, tenantName } = c.get("actor");
    if (!scopes.has(scope)) throw new AppError("forbidden", `This needs the scope «${scope}»; the token has ${[...scopes].join(", ") || "none"}.`);
    if (isSuspended && c.req.method !== "GET") throw new AppError("tenant_suspended", `${tenantName} was suspended by the operator: it can be read, not changed.`);
    await next();
  });
}

function challenge(error: AppError): AppError {
  if (error.status === 401) error.headers["www-authenticate"] = 'Bearer realm="berth"';
  return error;
}
