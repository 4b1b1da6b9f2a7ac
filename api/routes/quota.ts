/** `GET /v1/quota`. */
import { createRoute } from "@hono/zod-openapi";
import { QuotaListSchema } from "../../core/contract/quota.ts";
import type { Deps } from "../deps.ts";
import { needs } from "../middleware/authenticate.ts";
import { createRouter } from "../router.ts";
import { getQuota } from "../use-cases/get-quota.ts";
import { json, problems } from "./responses.ts";

export function createQuotaRoutes(deps: Deps) {
  const app = createRouter();
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/quota",
      operationId: "getQuota",
      ...needs("read"),
      summary: "Show the tenant's limits and what is used of them",
      responses: { 200: json("Every limit", QuotaListSchema), ...problems(401, 403) },
    }),
    async (c) => c.json(await getQuota(deps, c.get("actor")), 200),
  );
  return app;
}
