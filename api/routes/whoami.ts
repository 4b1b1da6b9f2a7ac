/** `GET /v1/whoami`. */
import { createRoute } from "@hono/zod-openapi";
import { WhoamiSchema } from "../../core/contract/api.ts";
import type { Id } from "../../core/contract/ids.ts";
import { createRouter } from "../router.ts";
import type { Deps } from "../deps.ts";
import { json, problems } from "./responses.ts";

export function createWhoamiRoutes(deps: Deps) {
  const app = createRouter();
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/whoami",
      operationId: "whoami",
      summary: "Who a token belongs to",
      responses: { 200: json("The tenant and the token", WhoamiSchema), ...problems(401) },
    }),
    (c) => {
      const actor = c.get("actor");
      return c.json(
        {
          tenant: { id: actor.tenantId, name: actor.tenantName },
          token:
            actor.kind === "session" ? null : { id: actor.tokenId as Id<"token">, name: actor.tokenName, kind: actor.kind, expiresAt: actor.tokenExpiresAt?.toISOString() ?? null },
          user: actor.userId === null || actor.role === null ? null : { id: actor.userId, role: actor.role },
          scopes: [...actor.scopes],
          app: actor.appName,
          registry: `${deps.config.publicUrl.host}/${actor.tenantName}`,
        },
        200,
      );
    },
  );
  return app;
}
