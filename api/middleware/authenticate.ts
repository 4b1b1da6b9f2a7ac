/** Turns the bearer token of a request into its actor, and asks whether it may do what the route does. */
import { createMiddleware } from "hono/factory";
import { LRUCache } from "lru-cache";
import { AppError } from "../../core/contract/errors.ts";
import { authenticateToken, type TokenHolder } from "../../core/db/queries/tokens.ts";
import type { Scope } from "../../core/domain/access.ts";
import { bearerToken, hashToken } from "../../core/tokens.ts";
import { toAppError } from "../problems.ts";
import { tooManyWrong } from "../rate-limits.ts";
import type { ApiEnv, Deps } from "../deps.ts";

/** Sets `actor`, or answers 401 (problem JSON, with `WWW-Authenticate`). */
export function authenticate(deps: Pick<Deps, "db" | "clock" | "rateLimits">) {
  return createMiddleware<ApiEnv>(async (c, next) => {
    const token = bearerToken(c.req.header("authorization"));
    if (token === undefined) throw challenge(new AppError("unauthenticated", "Send the token as «Authorization: Bearer berth_…»."));
    const ip = c.get("clientIp");
    const holder = await authenticateFrom(deps, token, ip).catch((error: unknown) => {
      throw challenge(toAppError(error));
    });
    const headers = await deps.rateLimits.countRequest(holder);
    c.set("actor", { ...holder, ip, requestId: c.get("requestId") });
    await next();
    for (const [name, value] of Object.entries(headers)) c.res.headers.set(name, value);
  });
}

/** Tokens that were good of late: an address that sends wrong ones as well is not cut off from them. */
const goodOfLate = new LRUCache<string, true>({ max: 10_000, ttl: 600_000 });

/** Who holds the token; wrong ones are counted against the address that they came from. @throws AppError unauthenticated, token_expired, rate_limited */
export async function authenticateFrom(deps: Pick<Deps, "db" | "clock" | "rateLimits">, token: string, address: string | null): Promise<TokenHolder> {
  const hash = hashToken(token);
  if (deps.rateLimits.isBlocked(address) && !goodOfLate.has(hash)) throw tooManyWrong();
  try {
    const holder = await authenticateToken(deps.db, token, deps.clock());
    goodOfLate.set(hash, true);
    return holder;
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
