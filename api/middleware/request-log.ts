/** Gives each request its id and writes one wide line when it has been answered. */
import { createMiddleware } from "hono/factory";
import { routePath } from "hono/route";
import { newId } from "../../core/contract/ids.ts";
import type { Log } from "../../core/log.ts";
import type { ClientAddress } from "../client-address.ts";
import type { ApiEnv } from "../deps.ts";

/** A caller's own id is kept when it is short and harmless in a log. */
const GOOD_ID = /^[A-Za-z0-9._:-]{1,128}$/;
const QUIET = new Set(["/healthz", "/readyz"]);

export function requestLog(log: Log, addressOf: ClientAddress) {
  return createMiddleware<ApiEnv>(async (c, next) => {
    const given = c.req.header("x-request-id");
    const requestId = given !== undefined && GOOD_ID.test(given) ? given : newId("request");
    const startedAt = performance.now();
    const clientIp = addressOf(c.env?.incoming?.socket.remoteAddress, c.req.header("x-forwarded-for"));
    c.set("requestId", requestId);
    c.set("clientIp", clientIp);
    c.header("x-request-id", requestId);
    await next();
    c.res.headers.set("x-request-id", requestId);
    const level = QUIET.has(c.req.path) ? "debug" : "info";
    log[level](
      {
        requestId,
        ip: clientIp,
        method: c.req.method,
        path: c.req.path,
        route: routePath(c, -1),
        status: c.res.status,
        tenant: c.get("actor")?.tenantName,
        durationMs: Math.round((performance.now() - startedAt) * 10) / 10,
      },
      "request",
    );
  });
}
