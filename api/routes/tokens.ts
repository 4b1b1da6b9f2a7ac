/** Tokens of the tenant and of whoever asks; what pipelines exchange for one. */
import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { ExchangedTokenSchema, NewTokenSchema, TokenCreateSchema, TokenExchangeSchema, TokenRotateSchema, TokenSchema } from "../../core/contract/access.ts";
import { pageOf } from "../../core/contract/api.ts";
import type { Deps } from "../deps.ts";
import { counted, needs } from "../middleware/authenticate.ts";
import { createRouter, freeNames } from "../router.ts";
import { exchangeToken } from "../use-cases/exchange-token.ts";
import { rotateToken } from "../use-cases/rotate-token.ts";
import { createToken, listTokens, revokeToken } from "../use-cases/tokens.ts";
import { body, json, jsonLimit, PageQuery, problems } from "./responses.ts";

const TokenParam = z.object({ token: z.string().min(1).max(64) });
const ONCE = "The token, shown this once";

export function createTokenRoutes(deps: Deps) {
  const app = createRouter();
  for (const path of ["/v1/tokens", "/v1/tokens/:token/rotate"]) app.use(path, jsonLimit);
  app.openapi(
    createRoute({
      operationId: "listTokens",
      method: "get",
      path: "/v1/tokens",
      ...needs("read"),
      summary: "List tokens that open something: with the scope `admin` all of the tenant, else your own",
      request: { query: PageQuery },
      responses: { 200: json("A page of tokens, oldest first; never the tokens themselves", pageOf(TokenSchema)), ...problems(400, 401, 403) },
    }),
    async (c) => c.json(await listTokens(deps, c.get("actor"), c.req.valid("query")), 200),
  );
  app.openapi(
    createRoute({
      operationId: "createToken",
      method: "post",
      path: "/v1/tokens",
      ...needs("read"),
      summary: "Make a token, with no more than you have yourself",
      request: { body: body(TokenCreateSchema) },
      responses: { 201: json(ONCE, NewTokenSchema), ...problems(400, 401, 403, 404, 413) },
    }),
    async (c) => {
      const made = await createToken(deps, c.get("actor"), c.req.valid("json"));
      c.header("cache-control", "no-store");
      c.header("location", `/v1/tokens/${made.id}`);
      return c.json(made, 201);
    },
    freeNames,
  );
  app.openapi(
    createRoute({
      operationId: "rotateToken",
      method: "post",
      path: "/v1/tokens/{token}/rotate",
      ...needs("read"),
      summary: "Make a token in the place of another; both work until the overlap has passed",
      request: { params: TokenParam, body: body(TokenRotateSchema) },
      responses: { 201: json(ONCE, NewTokenSchema), ...problems(400, 401, 403, 404, 409, 413) },
    }),
    async (c) => {
      const made = await rotateToken(deps, c.get("actor"), c.req.valid("param").token, c.req.valid("json"));
      c.header("cache-control", "no-store");
      c.header("location", `/v1/tokens/${made.id}`);
      return c.json(made, 201);
    },
  );
  app.openapi(
    createRoute({
      operationId: "revokeToken",
      method: "delete",
      path: "/v1/tokens/{token}",
      ...needs("read"),
      summary: "Revoke a token: it ends everywhere within a second, with whatever it has open",
      request: { params: TokenParam },
      responses: { 204: { description: "It opens nothing any more" }, ...problems(401, 403, 404) },
    }),
    async (c) => {
      await revokeToken(deps, c.get("actor"), c.req.valid("param").token);
      return c.body(null, 204);
    },
  );
  return app;
}

/** Outside of the routes that need a token: the pipeline's own is the proof. */
export function createTokenExchangeRoutes(deps: Deps) {
  const app = createRouter();
  app.use("/v1/token-exchange", jsonLimit);
  const route = createRoute({
    operationId: "exchangeToken",
    method: "post",
    path: "/v1/token-exchange",
    security: [],
    summary: "Exchange a pipeline's OIDC identity token for a deploy token (RFC 8693), as a trust of the tenant says",
    request: {
      body: { required: true, content: { "application/x-www-form-urlencoded": { schema: TokenExchangeSchema }, "application/json": { schema: TokenExchangeSchema } } },
    },
    responses: { 200: json("A token for an hour", ExchangedTokenSchema), ...problems(400, 401, 403, 413) },
  });
  app.openAPIRegistry.registerPath(route);
  app.post("/v1/token-exchange", async (c) => {
    const isJson = /^application\/json\b/i.test(c.req.header("content-type") ?? "");
    // RFC 8693 has more parameters, which mean nothing here; in JSON what is not known is a mistake.
    const input = isJson
      ? TokenExchangeSchema.parse(await c.req.json().catch(() => undefined))
      : TokenExchangeSchema.strip().parse(Object.fromEntries(new URLSearchParams(await c.req.text())));
    const from = { ip: c.get("clientIp"), requestId: c.get("requestId") };
    const made = await counted(deps, input.subject_token, from.ip, () => exchangeToken(deps, input, from));
    c.header("cache-control", "no-store");
    return c.json(made, 200);
  });
  return app;
}
