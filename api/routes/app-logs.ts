/** `GET /v1/apps/{app}/logs`: NDJSON, or server-sent events when asked. */
import { createRoute } from "@hono/zod-openapi";
import type { Context } from "hono";
import { stream } from "hono/streaming";
import type { StreamingApi } from "hono/utils/stream";
import { z } from "zod";
import { SSE_EVENTS } from "../../core/contract/api.ts";
import { LogEntrySchema, type LogEntry } from "../../core/contract/node-channel.ts";
import { ContainerRefSchema } from "../../core/contract/pods.ts";
import type { ApiEnv, Deps } from "../deps.ts";
import { needs } from "../middleware/authenticate.ts";
import { createRouter } from "../router.ts";
import { cutWhenRevoked } from "../stream-guard.ts";
import { readAppLogs } from "../use-cases/read-app-logs.ts";
import { AppParam, problems } from "./responses.ts";

/** Proxies cut connections that say nothing. */
const KEEP_ALIVE_MS = 15_000;

export const LogSpanQuery = z.object({
  tail: z.coerce.number().int().min(0).max(10_000).default(200).meta({ type: "integer" }),
  follow: z.stringbool({ truthy: ["true", "1", ""], falsy: ["false", "0"] }).default(false).meta({ type: "boolean" }),
});
const LogsQuerySchema = LogSpanQuery.extend({
  instance: z.string().max(64).optional(),
  /** `main`: the app's own; all of them without it. */
  container: ContainerRefSchema.optional(),
});

export function createAppLogRoutes(deps: Deps) {
  const app = createRouter();
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/apps/{app}/logs",
      operationId: "getAppLogs",
      ...needs("logs"),
      summary: "What an app's instances wrote",
      request: { params: AppParam, query: LogsQuerySchema },
      responses: {
        200: {
          description: "Log lines, oldest first; with `Accept: text/event-stream` as events `log`",
          content: { "application/x-ndjson": { schema: LogEntrySchema }, "text/event-stream": { schema: z.string() } },
        },
        ...problems(400, 401, 404),
      },
    }),
    async (c) => {
      const query = c.req.valid("query");
      return sendLogs(deps, c, query.follow, (signal) => readAppLogs(deps, c.get("actor"), c.req.valid("param").app, query, signal));
    },
  );
  return app;
}

/** Batches of lines as the client asked for them, until they end, the client goes, or its access does. */
export async function sendLogs(deps: Deps, c: Context<ApiEnv>, isLong: boolean, read: (signal: AbortSignal) => Promise<AsyncIterable<LogEntry[]>>) {
  const sse = (c.req.header("accept") ?? "").includes("text/event-stream");
  const ended = new AbortController();
  const batches = await read(ended.signal);
  c.header("content-type", sse ? "text/event-stream; charset=utf-8" : "application/x-ndjson; charset=utf-8");
  c.header("cache-control", "no-store");
  const send = async (out: StreamingApi) => {
    out.onAbort(() => ended.abort());
    // The first byte goes out at once, so that the client sees its answer's status.
    if (sse) await out.write(": open\n\n");
    const timer = isLong ? setInterval(() => void out.write(sse ? ": \n\n" : "\n").catch(() => {}), KEEP_ALIVE_MS) : undefined;
    const stopGuard = cutWhenRevoked(deps, c.get("actor"), () => ended.abort());
    try {
      for await (const batch of batches) await out.write(encode(batch, sse));
      if (sse && !ended.signal.aborted) await out.write(`event: ${SSE_EVENTS.end}\ndata: {}\n\n`);
    } finally {
      stopGuard();
      clearInterval(timer);
      ended.abort();
    }
  };
  return stream(c, send, async (error) => deps.log.warn({ requestId: c.get("requestId"), err: error }, "a log broke off"));
}

function encode(batch: readonly LogEntry[], sse: boolean): string {
  return batch.map((entry) => (sse ? `event: ${SSE_EVENTS.log}\ndata: ${JSON.stringify(entry)}\n\n` : `${JSON.stringify(entry)}\n`)).join("");
}
