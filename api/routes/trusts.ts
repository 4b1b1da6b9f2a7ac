/** Pipelines that the tenant trusts. */
import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { TrustCreateSchema, TrustSchema } from "../../core/contract/access.ts";
import { pageOf } from "../../core/contract/api.ts";
import type { Deps } from "../deps.ts";
import { needs } from "../middleware/authenticate.ts";
import { createRouter, freeNames } from "../router.ts";
import { createTrust, listTrusts, removeTrust } from "../use-cases/trusts.ts";
import { body, json, jsonLimit, PageQuery, problems } from "./responses.ts";

/** Name or id. */
const TrustParam = z.object({ trust: z.string().min(1).max(100) });

export function createTrustRoutes(deps: Deps) {
  const app = createRouter();
  app.use("/v1/trusts", jsonLimit);
  app.openapi(
    createRoute({
      operationId: "listTrusts",
      method: "get",
      path: "/v1/trusts",
      ...needs("admin"),
      summary: "List trusts",
      request: { query: PageQuery },
      responses: { 200: json("A page of trusts, oldest first", pageOf(TrustSchema)), ...problems(400, 401, 403) },
    }),
    async (c) => c.json(await listTrusts(deps, c.get("actor"), c.req.valid("query")), 200),
  );
  app.openapi(
    createRoute({
      operationId: "createTrust",
      method: "post",
      path: "/v1/trusts",
      ...needs("admin"),
      summary: "Trust a pipeline: whoever shows an identity token with this issuer, audience and these claims gets a deploy token",
      request: { body: body(TrustCreateSchema) },
      responses: { 201: json("The trust", TrustSchema), ...problems(400, 401, 403, 404, 409, 413, 422) },
    }),
    async (c) => {
      const made = await createTrust(deps, c.get("actor"), c.req.valid("json"));
      c.header("location", `/v1/trusts/${made.id}`);
      return c.json(made, 201);
    },
    freeNames,
  );
  app.openapi(
    createRoute({
      operationId: "removeTrust",
      method: "delete",
      path: "/v1/trusts/{trust}",
      ...needs("admin"),
      summary: "Remove a trust; tokens that it gave end with it",
      request: { params: TrustParam },
      responses: { 204: { description: "It gives nothing any more" }, ...problems(401, 403, 404) },
    }),
    async (c) => {
      await removeTrust(deps, c.get("actor"), c.req.valid("param").trust);
      return c.body(null, 204);
    },
  );
  return app;
}
