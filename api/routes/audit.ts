/** `GET /v1/audit`. */
import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { pageOf } from "../../core/contract/api.ts";
import { AuditEntrySchema } from "../../core/contract/audit.ts";
import { MomentSchema } from "../../core/contract/times.ts";
import type { Deps } from "../deps.ts";
import { needs } from "../middleware/authenticate.ts";
import { createRouter } from "../router.ts";
import { exportAudit, listAudit } from "../use-cases/read-audit.ts";
import { answerStream, NDJSON } from "./event-stream.ts";
import { problems } from "./responses.ts";

const AuditQuerySchema = z.object({
  /** `app.create`, or all that begin alike: `app.*`. */
  verb: z.string().regex(/^[a-z][a-z-]*(\.[a-z-]+)*(\.\*)?$/, "must be such as app.create or app.*").max(64).optional(),
  /** `token:tok_…`, `tok_…`, or the name of it; `system`. */
  actor: z.string().min(1).max(256).optional(),
  /** An id, or the name of an app, a secret or something else that has one. */
  target: z.string().min(1).max(256).optional(),
  since: MomentSchema.optional(),
  until: MomentSchema.optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  cursor: z.string().max(200).optional(),
});

export function createAuditRoutes(deps: Deps) {
  const app = createRouter();
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/audit",
      operationId: "listAudit",
      ...needs("audit"),
      summary: "Who changed what, newest first",
      description: "With `Accept: application/x-ndjson` all entries from the cursor on, one a line, without pages.",
      request: { query: AuditQuerySchema },
      responses: {
        200: { description: "Entries", content: { "application/json": { schema: pageOf(AuditEntrySchema) }, [NDJSON]: { schema: AuditEntrySchema } } },
        ...problems(400, 401, 403),
      },
    }),
    async (c) => {
      const { limit, ...query } = c.req.valid("query");
      if (!(c.req.header("accept") ?? "").includes(NDJSON)) return c.json(await listAudit(deps, c.get("actor"), { ...query, limit }), 200);
      const pages = exportAudit(deps, c.get("actor"), query);
      const lines = answerStream(c, deps, NDJSON, async function* (signal) {
        for await (const entries of pages(signal)) yield entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");
      });
      // The types take lines of JSON for one document.
      return lines as never;
    },
  );
  return app;
}
