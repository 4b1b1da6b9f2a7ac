/**
 * Cuts off clients that keep a request open and send nothing, or next to nothing: each would hold a connection, and an
 * upload a store's, for as long as it likes. Headers have `headersTimeout`; this is for bodies.
 */
import type { IncomingMessage, Server } from "node:http";

const LOOK_EVERY_MS = 1000;

export interface BodyPace {
  /** How long a client may stay below the pace. */
  windowMs: number;
  /** What must come within a window that we only wait in. */
  minBytes: number;
}
const PACE: BodyPace = { windowMs: 20_000, minBytes: 20 * 1024 };

interface Watched {
  since: number;
  bytesBefore: number;
}

/** Returns what ends the watch. */
export function cutSlowBodies(server: Server, pace: BodyPace = PACE): () => void {
  const open = new Map<IncomingMessage, Watched>();
  server.on("request", (request: IncomingMessage) => {
    if (request.complete) return;
    open.set(request, { since: performance.now(), bytesBefore: request.socket.bytesRead });
    request.once("close", () => open.delete(request));
  });
  const timer = setInterval(() => {
    const now = performance.now();
    for (const [request, watched] of open) {
      const { bytesRead } = request.socket;
      if (request.complete) open.delete(request);
      // What came and was not read yet is our delay, or our store's, not the client's.
      else if (request.readableLength > 0 || bytesRead - watched.bytesBefore >= pace.minBytes) Object.assign(watched, { since: now, bytesBefore: bytesRead });
      else if (now - watched.since > pace.windowMs) request.socket.destroy();
    }
  }, Math.min(LOOK_EVERY_MS, pace.windowMs / 4));
  timer.unref();
  return () => clearInterval(timer);
}
