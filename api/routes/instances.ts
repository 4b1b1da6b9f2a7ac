/** Entering instances: WebSockets, whose upgrade `channels/session-upgrade.ts` carries out once the route allows it. */
import { createRoute } from "@hono/zod-openapi";
import type { Context } from "hono";
import { z } from "zod";
import { AppError } from "../../core/contract/errors.ts";
import type { AllowedSession, ApiEnv, Deps } from "../deps.ts";
import { needs } from "../middleware/authenticate.ts";
import { createRouter } from "../router.ts";
import { enterInstance } from "../use-cases/enter-instance.ts";
import { AppParam, problems } from "./responses.ts";

const InstanceParam = AppParam.extend({ instance: z.string().min(1).max(64) });
const PortParam = InstanceParam.extend({ port: z.coerce.number().int().min(1).max(65_535) });
const responses = { 101: { description: "The WebSocket: `core/contract/sessions.ts` says what goes over it" }, ...problems(400, 401, 403, 404, 409, 426) };

export function createInstanceRoutes(deps: Deps) {
  const app = createRouter();
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/apps/{app}/instances/{instance}/exec",
      operationId: "execInInstance",
      ...needs("exec"),
      summary: "Runs a program in an instance (WebSocket)",
      description:
        "With the app's own user, environment and limits. The first message is `{\"type\":\"start\",\"args\":[…],\"terminal\":null}` (or `{\"columns\",\"rows\",\"term\"}`). Then binary messages are input; output comes as binary messages behind one byte: 1 or 2, the stream. `{\"type\":\"end\"}` ends the input, `{\"type\":\"resize\",\"columns\",\"rows\"}` changes the terminal. The answer is `{\"type\":\"opened\"}`, and last `{\"type\":\"exit\",\"code\"}` or `{\"type\":\"problem\",\"code\",\"detail\"}`.",
      request: { params: InstanceParam },
      responses,
    }),
    async (c) => {
      const { app: name, instance } = c.req.valid("param");
      return upgrade(c, { entrance: await enterInstance(deps, c.get("actor"), name, instance), port: undefined });
    },
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/apps/{app}/instances/{instance}/ports/{port}",
      operationId: "connectToPort",
      ...needs("exec"),
      summary: "Connects to a port of an instance (WebSocket)",
      description: "Ports of its loopback address, too. Binary messages are the connection's bytes; those that come have one byte, 1, before them. `{\"type\":\"end\"}` ends what is sent.",
      request: { params: PortParam },
      responses,
    }),
    async (c) => {
      const { app: name, instance, port } = c.req.valid("param");
      return upgrade(c, { entrance: await enterInstance(deps, c.get("actor"), name, instance), port });
    },
  );
  return app;
}

function upgrade(c: Context<ApiEnv>, allowed: AllowedSession): never {
  const allow = c.env?.allow;
  if (allow === undefined) throw new AppError("upgrade_required", "Ask for an upgrade to a WebSocket here.", { headers: { upgrade: "websocket" } });
  allow(allowed);
  // Nobody reads this answer: the upgrade is the answer.
  return c.body(null) as never;
}
