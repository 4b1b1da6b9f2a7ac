/** `GET /v1/usage`. */
import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { pageOf } from "../../core/contract/api.ts";
import { MomentSchema } from "../../core/contract/times.ts";
import { usageCsv, UsageItemSchema, UsageStepSchema } from "../../core/contract/usage.ts";
import type { Deps } from "../deps.ts";
import { needs } from "../middleware/authenticate.ts";
import { createRouter } from "../router.ts";
import { listUsage } from "../use-cases/list-usage.ts";
import { problems } from "./responses.ts";

const CSV = "text/csv";

const UsageQuerySchema = z.object({
  since: MomentSchema.optional(),
  until: MomentSchema.optional(),
  by: UsageStepSchema.default("day"),
  app: z.string().min(1).max(64).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  cursor: z.string().max(200).optional(),
});

export function createUsageRoutes(deps: Deps) {
  const app = createRouter();
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/usage",
      operationId: "listUsage",
      ...needs("usage"),
      summary: "What apps used, by hour, day or month",
      description: "Without a span, the present month (UTC). With `Accept: text/csv` a table; its next page is in the header `Link`.",
      request: { query: UsageQuerySchema },
      responses: {
        200: {
          description: "One item for an app and hour, day or month in which it used something",
          content: { "application/json": { schema: pageOf(UsageItemSchema) }, [CSV]: { schema: z.string() } },
        },
        ...problems(400, 401, 403, 404),
      },
    }),
    async (c): Promise<Response> => {
      const page = await listUsage(deps, c.get("actor"), c.req.valid("query"));
      if (!(c.req.header("accept") ?? "").includes(CSV)) return c.json(page, 200);
      if (page.nextCursor !== null) {
        const next = new URL(c.req.url);
        next.searchParams.set("cursor", page.nextCursor);
        c.header("link", `<${next.pathname}${next.search}>; rel="next"`);
      }
      return c.body(usageCsv(page.items), 200, { "content-type": `${CSV}; charset=utf-8; header=present` });
    },
  );
  return app;
}
