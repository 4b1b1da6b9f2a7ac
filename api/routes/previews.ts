/** Previews of an app, and running another app's image. */
import { createRoute } from "@hono/zod-openapi";
import { DeploymentSchema, pageOf } from "../../core/contract/api.ts";
import { PreviewParam, PreviewPutSchema, PreviewSchema, PromoteSchema } from "../../core/contract/previews.ts";
import type { Deps } from "../deps.ts";
import { needs } from "../middleware/authenticate.ts";
import { createRouter } from "../router.ts";
import { listPreviews, putPreview } from "../use-cases/previews.ts";
import { promoteApp } from "../use-cases/promote-app.ts";
import { AppParam, body, json, jsonLimit, PageQuery, problems } from "./responses.ts";

export function createPreviewRoutes(deps: Deps) {
  const app = createRouter();
  app.use("/v1/apps/:app/previews/:preview", jsonLimit);
  app.use("/v1/apps/:app/promote", jsonLimit);
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/apps/{app}/previews",
      operationId: "listPreviews",
      ...needs("read"),
      summary: "List the previews of an app, oldest first",
      request: { params: AppParam, query: PageQuery },
      responses: { 200: json("A page of previews", pageOf(PreviewSchema)), ...problems(400, 401, 404) },
    }),
    async (c) => c.json(await listPreviews(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("query")), 200),
  );
  app.openapi(
    createRoute({
      method: "put",
      path: "/v1/apps/{app}/previews/{preview}",
      operationId: "putPreview",
      ...needs("deploy"),
      summary: "Make a preview, or let it live on with the configuration that its app has now; then deploy to it by its app's name",
      request: { params: AppParam.extend(PreviewParam.shape), body: body(PreviewPutSchema) },
      responses: { 200: json("The preview", PreviewSchema), ...problems(400, 401, 403, 404, 409, 422) },
    }),
    async (c) => c.json(await putPreview(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("param").preview, c.req.valid("json").expiresInMs), 200),
  );
  app.openapi(
    createRoute({
      method: "post",
      path: "/v1/apps/{app}/promote",
      operationId: "promoteApp",
      ...needs("deploy"),
      summary: "Run the image of another app's release, or of a preview, without building it again",
      request: { params: AppParam, body: body(PromoteSchema) },
      responses: { 202: json("It is being rolled out as this deployment", DeploymentSchema), ...problems(400, 401, 403, 404, 409, 422) },
    }),
    async (c) => c.json(await promoteApp(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("json")), 202),
  );
  return app;
}
