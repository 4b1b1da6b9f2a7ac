/** `GET /v1/whoami`. */
import { createRoute } from "@hono/zod-openapi";
import { WhoamiSchema } from "../../core/contract/api.ts";
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
          token: { id: actor.tokenId, name: actor.tokenName, expiresAt: actor.tokenExpiresAt?.toISOString() ?? null },
          registry: `${deps.config.publicUrl.host}/${actor.tenantName}`,
        },
        200,
      );
    },
  );
  return app;
}
