/** Turns the bearer token of a request into its actor, and asks whether it may do what the route does. */
import { createMiddleware } from "hono/factory";
import { AppError } from "../../core/contract/errors.ts";
import { authenticateToken } from "../../core/db/queries/tokens.ts";
import type { Scope } from "../../core/domain/access.ts";
import { bearerToken } from "../../core/tokens.ts";
import { toAppError } from "../problems.ts";
import type { ApiEnv, Deps } from "../deps.ts";

/** Sets `actor`, or answers 401 (problem JSON, with `WWW-Authenticate`). */
export function authenticate(deps: Pick<Deps, "db" | "clock">) {
  return createMiddleware<ApiEnv>(async (c, next) => {
    const token = bearerToken(c.req.header("authorization"));
    if (token === undefined) throw challenge(new AppError("unauthenticated", "Send the token as «Authorization: Bearer berth_…»."));
    const holder = await authenticateToken(deps.db, token, deps.clock()).catch((error: unknown) => {
      throw challenge(toAppError(error));
    });
    c.set("actor", { ...holder, ip: c.env?.incoming?.socket.remoteAddress ?? null, requestId: c.get("requestId") });
    await next();
  });
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
