/** Sessions of browsers: shown, renewed, moved to another tenant, ended. And what `berth login --web` gets. */
import { createRoute } from "@hono/zod-openapi";
import type { Context } from "hono";
import { createMiddleware } from "hono/factory";
import { CliLoginAnswerSchema, CliLoginSchema, InviteAcceptSchema, OwnTenantSchema, SessionPutSchema, SessionSchema, type Session } from "../../core/contract/access.ts";
import { AppError } from "../../core/contract/errors.ts";
import type { ApiEnv, Deps } from "../deps.ts";
import { counted } from "../middleware/authenticate.ts";
import { createRouter } from "../router.ts";
import { giveCliToken } from "../session/cli-login.ts";
import { dropCookie, readCookie, RENEW_PATH, writeCookie } from "../session/cookies.ts";
import { SESSION_JWT_TTL_MS, signSession } from "../session/jwt.ts";
import { claimsOf, readSessionCookie, requireOwnPage } from "../session/request.ts";
import { chooseTenant, createOwnTenant, endSession, joinByInvite, requireSession, showSession, type SignedIn } from "../session/sessions.ts";
import { body, json, jsonLimit, problems } from "./responses.ts";

const BY_SESSION = { security: [{ session: [] as string[] }] };

const fromOf = (c: Context<ApiEnv>) => ({ ip: c.get("clientIp"), requestId: c.get("requestId") });

/** The browser's cookie follows the session. */
export async function sendSession(deps: Deps, c: Context<ApiEnv>, { session }: Pick<SignedIn, "session">, renewal?: string): Promise<void> {
  const leftMs = session.expiresAt.getTime() - deps.clock().getTime();
  writeCookie(c, deps.config, "session", await signSession(deps, session), Math.min(SESSION_JWT_TTL_MS, leftMs) / 1000);
  if (renewal !== undefined) writeCookie(c, deps.config, "renewal", renewal, leftMs / 1000);
}

export function createSessionRoutes(deps: Deps) {
  const app = createRouter();
  for (const path of ["/v1/session", "/v1/session/*", "/v1/login/token"]) {
    app.use(path, jsonLimit);
    app.use(path, noStore);
  }
  addOwn(app, deps);
  addTenants(app, deps);
  app.openapi(
    createRoute({
      operationId: "createCliToken",
      method: "post",
      path: "/v1/login/token",
      security: [],
      summary: "For `berth login --web`: exchange the code that the browser brought for a personal token",
      request: { body: body(CliLoginSchema) },
      responses: { 200: json("The token; or the tenants, of which one has to be chosen", CliLoginAnswerSchema), ...problems(400, 401, 403, 404, 409, 413, 422) },
    }),
    async (c) => {
      const input = c.req.valid("json");
      return c.json(await counted(deps, input.code, c.get("clientIp"), () => giveCliToken(deps, input, fromOf(c))), 200);
    },
  );
  return app;
}

const noStore = createMiddleware(async (c, next) => {
  await next();
  c.res.headers.set("cache-control", "no-store");
});

/** Who is signed in, whichever tenant they look at. @throws AppError unauthenticated, token_expired, forbidden */
async function signedIn(deps: Deps, c: Context<ApiEnv>): Promise<SignedIn> {
  const cookie = readSessionCookie(c, deps.config);
  if (cookie === undefined) throw new AppError("unauthenticated", "You are not signed in: GET /auth/login.");
  const claims = await claimsOf(deps, c, cookie);
  const found = await requireSession(deps, { id: claims.sid });
  // What the cookie says is what its requests do.
  return { ...found, session: { ...found.session, tenantId: claims.ten ?? null } };
}

async function answer(deps: Deps, c: Context<ApiEnv>, moved: SignedIn): Promise<Session> {
  await sendSession(deps, c, moved);
  return showSession(deps, moved);
}

function addOwn(app: ReturnType<typeof createRouter>, deps: Deps): void {
  app.openapi(
    createRoute({
      operationId: "getSession",
      method: "get",
      path: "/v1/session",
      ...BY_SESSION,
      summary: "Who is signed in, with the token that requests of pages must send along",
      responses: { 200: json("The session", SessionSchema), ...problems(401, 403) },
    }),
    async (c) => c.json(await showSession(deps, await signedIn(deps, c)), 200),
  );
  app.openapi(
    createRoute({
      operationId: "renewSession",
      method: "post",
      path: RENEW_PATH,
      ...BY_SESSION,
      summary: "Renew the session's cookie, which holds for some minutes",
      responses: { 200: json("The session", SessionSchema), ...problems(401, 403) },
    }),
    async (c) => {
      requireOwnPage(deps.config, c);
      const renewal = readCookie(c, deps.config, "renewal");
      if (renewal === undefined) throw new AppError("unauthenticated", "You are not signed in: GET /auth/login.");
      const found = await counted(deps, renewal, c.get("clientIp"), () => requireSession(deps, { renewal }));
      return c.json(await answer(deps, c, found), 200);
    },
  );
  app.openapi(
    createRoute({
      operationId: "endSession",
      method: "delete",
      path: "/v1/session",
      ...BY_SESSION,
      summary: "Sign out: the session ends everywhere within a second",
      responses: { 204: { description: "Signed out" }, ...problems(401, 403) },
    }),
    async (c) => {
      await endSession(deps, await signedIn(deps, c), fromOf(c));
      dropCookie(c, deps.config, "session");
      dropCookie(c, deps.config, "renewal");
      return c.body(null, 204);
    },
  );
}

function addTenants(app: ReturnType<typeof createRouter>, deps: Deps): void {
  app.openapi(
    createRoute({
      operationId: "chooseTenant",
      method: "put",
      path: "/v1/session",
      ...BY_SESSION,
      summary: "Look at another tenant of yours",
      request: { body: body(SessionPutSchema) },
      responses: { 200: json("The session", SessionSchema), ...problems(400, 401, 403, 404, 413) },
    }),
    async (c) => c.json(await answer(deps, c, await chooseTenant(deps, await signedIn(deps, c), c.req.valid("json").tenant)), 200),
  );
  app.openapi(
    createRoute({
      operationId: "createOwnTenant",
      method: "post",
      path: "/v1/session/tenants",
      ...BY_SESSION,
      summary: "Make a tenant of your own, where the operator allows it and you have none",
      request: { body: body(OwnTenantSchema) },
      responses: { 201: json("The session, looking at the new tenant", SessionSchema), ...problems(400, 401, 403, 409, 413, 422) },
    }),
    async (c) => {
      const session = await answer(deps, c, await createOwnTenant(deps, await signedIn(deps, c), c.req.valid("json").name, fromOf(c)));
      c.header("location", "/v1/session");
      return c.json(session, 201);
    },
  );
  app.openapi(
    createRoute({
      operationId: "acceptInvite",
      method: "post",
      path: "/v1/session/invites",
      ...BY_SESSION,
      summary: "Accept an invitation that is for your address",
      request: { body: body(InviteAcceptSchema) },
      responses: { 200: json("The session, looking at the tenant that you joined", SessionSchema), ...problems(400, 401, 403, 404, 413) },
    }),
    async (c) => c.json(await answer(deps, c, await joinByInvite(deps, await signedIn(deps, c), c.req.valid("json").secret, fromOf(c))), 200),
  );
}
