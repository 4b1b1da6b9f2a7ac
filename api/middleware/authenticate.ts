/** Turns the bearer token of a request into its actor. */
import { createMiddleware } from "hono/factory";
import { AppError } from "../../core/contract/errors.ts";
import { authenticateToken } from "../../core/db/queries/tokens.ts";
import { bearerToken } from "../../core/tokens.ts";
import { toAppError } from "../problems.ts";
import type { ApiEnv, Deps } from "../deps.ts";

/** Sets `actor`, or answers 401 (problem JSON, with `WWW-Authenticate`). */
export function authenticate(deps: Pick<Deps, "db" | "clock">) {
  return createMiddleware<ApiEnv>(async (c, next) => {
    const token = bearerToken(c.req.header("authorization"));
    if (token === undefined) throw challenge(new AppError("unauthenticated", "Send the token as «Authorization: Bearer berth_…»."));
    const actor = await authenticateToken(deps.db, token, deps.clock()).catch((error: unknown) => {
      throw challenge(toAppError(error));
    });
    c.set("actor", actor);
    await next();
  });
}

function challenge(error: AppError): AppError {
  if (error.status === 401) error.headers["www-authenticate"] = 'Bearer realm="berth"';
  return error;
}
