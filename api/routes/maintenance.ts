/** Maintenance of an app: on and off. */
import { createRoute } from "@hono/zod-openapi";
import { AppSchema } from "../../core/contract/api.ts";
import { MaintenanceSchema } from "../../core/contract/request-features.ts";
import type { Deps } from "../deps.ts";
import { needs } from "../middleware/authenticate.ts";
import { createRouter } from "../router.ts";
import { setMaintenance } from "../use-cases/maintenance.ts";
import { AppParam, body, json, jsonLimit, problems } from "./responses.ts";

export function createMaintenanceRoutes(deps: Deps) {
  const app = createRouter();
  app.use("/v1/apps/:app/maintenance", jsonLimit);
  app.openapi(
    createRoute({
      method: "put",
      path: "/v1/apps/{app}/maintenance",
      operationId: "startMaintenance",
      ...needs("apps"),
      summary: "Answer all requests of an app with 503 at the gateway; its instances go on",
      request: { params: AppParam, body: body(MaintenanceSchema) },
      responses: { 200: json("The app", AppSchema), ...problems(400, 401, 403, 404, 413, 422) },
    }),
    async (c) => c.json(await setMaintenance(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("json")), 200),
  );
  app.openapi(
    createRoute({
      method: "delete",
      path: "/v1/apps/{app}/maintenance",
      operationId: "endMaintenance",
      ...needs("apps"),
      summary: "Serve the app's requests again",
      request: { params: AppParam },
      responses: { 200: json("The app", AppSchema), ...problems(401, 403, 404) },
    }),
    async (c) => c.json(await setMaintenance(deps, c.get("actor"), c.req.valid("param").app, null), 200),
  );
  return app;
}
