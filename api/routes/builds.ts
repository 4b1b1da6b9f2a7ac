/** Builds and their logs. */
import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { BuildSchema, SSE_EVENTS } from "../../core/contract/api.ts";
import { BuildLogEntrySchema } from "../../core/contract/build-log.ts";
import type { Deps } from "../deps.ts";
import { needs } from "../middleware/authenticate.ts";
import { createRouter } from "../router.ts";
import { cancelBuild } from "../use-cases/cancel-deployment.ts";
import { readBuildLog, type BuildLogPiece } from "../use-cases/read-build-log.ts";
import { requireBuild } from "../use-cases/require-deployment.ts";
import { toBuild } from "../views/deployment.ts";
import { answerStream, EVENT_STREAM, NDJSON, sseEvent } from "./event-stream.ts";
import { json, problems } from "./responses.ts";

const BuildParam = z.object({ id: z.string().min(1).max(64) });
const LogQuery = z.object({
  /** Only lines after this number; the header `Last-Event-ID` says the same. */
  after: z.coerce.number().int().min(0).optional().meta({ type: "integer" }),
  follow: z.stringbool({ truthy: ["true", "1", ""], falsy: ["false", "0"] }).default(false).meta({ type: "boolean" }),
});

export function createBuildRoutes(deps: Deps) {
  const app = createRouter();
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/builds/{id}",
      operationId: "getBuild",
      ...needs("read"),
      summary: "Show a build",
      request: { params: BuildParam },
      responses: { 200: json("The build", BuildSchema), ...problems(401, 404) },
    }),
    async (c) => c.json(toBuild(await requireBuild(deps.db, c.get("actor"), c.req.valid("param").id)), 200),
  );
  app.openapi(
    createRoute({
      method: "post",
      path: "/v1/builds/{id}/cancel",
      operationId: "cancelBuild",
      ...needs("deploy"),
      summary: "Cancel a build: a running one ends within a second",
      request: { params: BuildParam },
      responses: { 200: json("The build", BuildSchema), ...problems(401, 404, 409) },
    }),
    async (c) => c.json(await cancelBuild(deps, c.get("actor"), c.req.valid("param").id), 200),
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/builds/{id}/logs",
      operationId: "getBuildLog",
      ...needs("logs"),
      summary: "What a build wrote: events until it ends, or lines of JSON",
      request: { params: BuildParam, query: LogQuery },
      responses: {
        200: {
          description: "Events `log` (id = seq), then `end` with the build; with `Accept: application/x-ndjson` entries alone",
          content: { [EVENT_STREAM]: { schema: z.string() }, [NDJSON]: { schema: BuildLogEntrySchema } },
        },
        ...problems(400, 401, 404),
      },
    }),
    async (c) => {
      const { after, follow } = c.req.valid("query");
      const actor = c.get("actor");
      const build = await requireBuild(deps.db, actor, c.req.valid("param").id);
      const ndjson = (c.req.header("accept") ?? "").includes(NDJSON);
      const from = after ?? lastEventId(c.req.header("last-event-id"));
      return answerStream(c, deps, ndjson ? NDJSON : EVENT_STREAM, async function* (signal) {
        for await (const piece of readBuildLog(deps, actor, build, { after: from, follow: follow || !ndjson, signal })) yield encode(piece, ndjson);
      });
    },
  );
  return app;
}

/** A number that we never gave means from the beginning. */
function lastEventId(header: string | undefined): number {
  return header !== undefined && /^\d{1,15}$/.test(header) ? Number(header) : 0;
}

function encode(piece: BuildLogPiece, ndjson: boolean): string {
  if ("end" in piece) return ndjson ? "" : sseEvent(SSE_EVENTS.end, piece.end);
  return piece.entries.map((entry) => (ndjson ? `${JSON.stringify(entry)}\n` : sseEvent(SSE_EVENTS.log, entry, entry.seq))).join("");
}
