/** Runs of an app: commands that run to their end. */
import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { pageOf } from "../../core/contract/api.ts";
import { RunRequestSchema, RunSchema } from "../../core/contract/jobs.ts";
import { LogEntrySchema } from "../../core/contract/node-channel.ts";
import type { Deps } from "../deps.ts";
import { needs } from "../middleware/authenticate.ts";
import { createRouter } from "../router.ts";
import { readRunLogs } from "../use-cases/read-run-logs.ts";
import { cancelRun, createRun, getRun, listRuns } from "../use-cases/runs.ts";
import { LogSpanQuery, sendLogs } from "./app-logs.ts";
import { AppParam, body, json, jsonLimit, PageQuery, problems } from "./responses.ts";

const RunParam = AppParam.extend({ run: z.string().min(1).max(64) });

export function createRunRoutes(deps: Deps) {
  const app = createRouter();
  app.use("/v1/apps/:app/runs", jsonLimit);
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/apps/{app}/runs",
      operationId: "listRuns",
      ...needs("read"),
      summary: "List the runs of an app, of its jobs and of none",
      request: { params: AppParam, query: PageQuery },
      responses: { 200: json("A page of runs, newest first", pageOf(RunSchema)), ...problems(400, 401, 403, 404) },
    }),
    async (c) => c.json(await listRuns(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("query")), 200),
  );
  app.openapi(
    createRoute({
      method: "post",
      path: "/v1/apps/{app}/runs",
      operationId: "createRun",
      ...needs("deploy"),
      summary: "Run a command once, with the live release's image, variables and secrets",
      request: { params: AppParam, body: body(RunRequestSchema) },
      responses: { 202: json("The run, which has not begun yet", RunSchema), ...problems(400, 401, 403, 404, 409, 413, 422) },
    }),
    async (c) => {
      const run = await createRun(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("json"));
      c.header("location", `/v1/apps/${run.app}/runs/${run.id}`);
      return c.json(run, 202);
    },
  );
  addOne(app, deps);
  return app;
}

function addOne(app: ReturnType<typeof createRouter>, deps: Deps): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/apps/{app}/runs/{run}",
      operationId: "getRun",
      ...needs("read"),
      summary: "Show a run",
      request: { params: RunParam },
      responses: { 200: json("The run", RunSchema), ...problems(401, 403, 404) },
    }),
    async (c) => c.json(await getRun(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("param").run), 200),
  );
  app.openapi(
    createRoute({
      method: "post",
      path: "/v1/apps/{app}/runs/{run}/cancel",
      operationId: "cancelRun",
      ...needs("deploy"),
      summary: "End a run: the stop signal, the grace time, the kill. What has ended stays as it is",
      request: { params: RunParam },
      responses: { 200: json("The run; it is `cancelled` once nothing of it runs", RunSchema), ...problems(401, 403, 404) },
    }),
    async (c) => c.json(await cancelRun(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("param").run), 200),
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/apps/{app}/runs/{run}/logs",
      operationId: "getRunLogs",
      ...needs("logs"),
      summary: "What a run wrote; followed, until it has ended",
      request: { params: RunParam, query: LogSpanQuery },
      responses: {
        200: {
          description: "Log lines, oldest first; with `Accept: text/event-stream` as events `log`",
          content: { "application/x-ndjson": { schema: LogEntrySchema }, "text/event-stream": { schema: z.string() } },
        },
        ...problems(400, 401, 403, 404),
      },
    }),
    async (c) => {
      const { app: name, run } = c.req.valid("param");
      const query = c.req.valid("query");
      return sendLogs(deps, c, query.follow, (signal) => readRunLogs(deps, c.get("actor"), name, run, query, signal));
    },
  );
}
