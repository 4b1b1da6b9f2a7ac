/** Where a node's agent gets the JWT for its channel. */
import { createRoute } from "@hono/zod-openapi";
import { AppError } from "../../core/contract/errors.ts";
import { NODE_TOKEN_PATH, NodeTokenSchema } from "../../core/contract/node-channel.ts";
import { findNodeByTokenHash } from "../../core/db/system-queries/node-reports.ts";
import { bearerToken, hashToken } from "../../core/tokens.ts";
import type { Deps } from "../deps.ts";
import { counted } from "../middleware/authenticate.ts";
import { NODE_JWT_TTL_MS, signNodeToken } from "../node-tokens.ts";
import { createRouter } from "../router.ts";
import { json, problems } from "./responses.ts";

export function createNodeTokenRoutes(deps: Deps) {
  const app = createRouter();
  app.openapi(
    createRoute({
      operationId: "createNodeToken",
      method: "post",
      path: NODE_TOKEN_PATH,
      security: [{ node: [] }],
      summary: "For a node's agent: a short-lived JWT for its channel, in exchange for the node's own token",
      responses: { 200: json("The JWT", NodeTokenSchema), ...problems(401) },
    }),
    async (c) => {
      const given = bearerToken(c.req.header("authorization")) ?? "";
      const node = await counted(deps, given, c.get("clientIp"), async () => {
        const found = await findNodeByTokenHash(deps.db, hashToken(given));
        if (found === undefined) throw new AppError("unauthenticated", "This wants the token of a node that Berth knows.", { headers: { "www-authenticate": 'Bearer realm="berth"' } });
        return found;
      });
      c.header("cache-control", "no-store");
      return c.json({ token: await signNodeToken(deps, node.id), expiresInSeconds: NODE_JWT_TTL_MS / 1000 }, 200);
    },
  );
  return app;
}
