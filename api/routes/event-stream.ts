/** Answers that go on: server-sent events, and newline-delimited JSON. */
import type { Context } from "hono";
import { stream } from "hono/streaming";
import type { ApiEnv, Deps } from "../deps.ts";
import { cutWhenRevoked } from "../stream-guard.ts";

/** Proxies cut connections that say nothing. */
const HEARTBEAT_MS = 15_000;

export const NDJSON = "application/x-ndjson";
export const EVENT_STREAM = "text/event-stream";

/** One server-sent event. JSON has no line ends of its own. */
export function sseEvent(event: string, data: unknown, id?: number): string {
  return `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

/**
 * Sends the pieces as they come, and heartbeats between them. `pieces` gets a signal that ends with the connection, or
 * with the token that opened it.
 */
export function answerStream(c: Context<ApiEnv>, deps: Pick<Deps, "db" | "bells" | "clock" | "log">, contentType: string, pieces: (signal: AbortSignal) => AsyncIterable<string>): Response {
  const sse = contentType === EVENT_STREAM;
  c.header("content-type", `${contentType}; charset=utf-8`);
  c.header("cache-control", "no-store");
  // Proxies that hold back what they think small would hold back every line.
  c.header("x-accel-buffering", "no");
  const ended = new AbortController();
  return stream(
    c,
    async (out) => {
      out.onAbort(() => ended.abort());
      // The first byte goes out at once, so that the client sees its answer's status.
      await out.write(sse ? ": open\n\n" : "");
      const timer = sse ? setInterval(() => void out.write(":\n\n").catch(() => {}), HEARTBEAT_MS) : undefined;
      const stopGuard = cutWhenRevoked(deps, c.get("actor"), () => {
        ended.abort();
        out.abort();
      });
      try {
        for await (const piece of pieces(ended.signal)) await out.write(piece);
      } finally {
        stopGuard();
        clearInterval(timer);
        ended.abort();
      }
    },
    async (error) => deps.log.warn({ requestId: c.get("requestId"), err: error }, "a stream broke off"),
  );
}
