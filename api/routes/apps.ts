/** Apps and what belongs to them, but for uploads. */
import { createRoute, z } from "@hono/zod-openapi";
import {
  AppCreateSchema,
  AppEventSchema,
  AppPatchSchema,
  AppSchema,
  AppStatusSchema,
  DeploymentSchema,
  EnvPatchSchema,
  ExplanationSchema,
  InstanceSchema,
  pageOf,
  ReleaseSchema,
  RollbackSchema,
} from "../../core/contract/api.ts";
import { EnvSchema } from "../../core/contract/env.ts";
import type { Deps } from "../deps.ts";
import { needs } from "../middleware/authenticate.ts";
import { invalid, invalidInput } from "../problems.ts";
import { answerTagged, etagOf, readIfMatch } from "../preconditions.ts";
import { createRouter } from "../router.ts";
import { appStatus, listInstances } from "../use-cases/app-status.ts";
import { changeEnv } from "../use-cases/change-env.ts";
import { createApp } from "../use-cases/create-app.ts";
import { destroyApp } from "../use-cases/destroy-app.ts";
import { explainApp } from "../use-cases/explain-app.ts";
import { getApp } from "../use-cases/get-app.ts";
import { getEnv } from "../use-cases/get-env.ts";
import { listApps } from "../use-cases/list-apps.ts";
import { listEvents } from "../use-cases/list-events.ts";
import { listReleases } from "../use-cases/list-releases.ts";
import { rollbackApp } from "../use-cases/rollback-app.ts";
import { updateApp } from "../use-cases/update-app.ts";
import { createAppLogRoutes } from "./app-logs.ts";
import { AppParam, body, json, jsonLimit, LabelQuery, NOT_MODIFIED, PageQuery, problems } from "./responses.ts";

const ROLLOUT = "The change is being rolled out as this deployment";

export function createAppRoutes(deps: Deps) {
  const app = createRouter();
  for (const path of ["/v1/apps", "/v1/apps/:app", "/v1/apps/:app/env", "/v1/apps/:app/rollback"]) app.use(path, jsonLimit);
  addApps(app, deps);
  addConfiguration(app, deps);
  addReleases(app, deps);
  addStory(app, deps);
  app.route("/", createAppLogRoutes(deps));
  return app;
}

function addApps(app: ReturnType<typeof createRouter>, deps: Deps): void {
  app.openapi(
    createRoute({
      method: "post",
      path: "/v1/apps",
      operationId: "createApp",
      ...needs("apps"),
      summary: "Create an app",
      request: { body: body(AppCreateSchema) },
      responses: { 201: json("The new app", AppSchema), ...problems(400, 401, 403, 409, 422) },
    }),
    async (c) => {
      const made = await createApp(deps, c.get("actor"), c.req.valid("json"));
      c.header("location", `/v1/apps/${made.name}`);
      return c.json(made, 201);
    },
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/apps",
      operationId: "listApps",
      ...needs("read"),
      summary: "List apps, oldest first; by labels: `label=env=prod`, `env!=prod`, `env`, `!env`, all must hold",
      request: { query: PageQuery.extend({ label: LabelQuery }) },
      responses: { 200: json("A page of apps", pageOf(AppSchema)), ...problems(400, 401) },
    }),
    async (c) => c.json(await listApps(deps, c.get("actor"), c.req.valid("query")), 200),
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/apps/{app}",
      operationId: "getApp",
      ...needs("read"),
      summary: "Show an app",
      request: { params: AppParam },
      responses: { 200: json("The app", AppSchema), 304: NOT_MODIFIED, ...problems(401, 404) },
    }),
    async (c) => {
      const found = await getApp(deps, c.get("actor"), c.req.valid("param").app);
      return answerTagged(c, found.version, found) as never;
    },
  );
  app.openapi(
    createRoute({
      method: "delete",
      path: "/v1/apps/{app}",
      operationId: "destroyApp",
      ...needs("apps"),
      summary: "Destroy an app: its URL stops answering, its instances end",
      request: { params: AppParam, query: z.object({ /** Its volumes go with it, for good. Needed where there are some. */ volumes: z.literal("delete").optional() }) },
      responses: { 204: { description: "It is being removed" }, ...problems(400, 401, 404, 409, 412) },
    }),
    async (c) => {
      await destroyApp(deps, c.get("actor"), c.req.valid("param").app, readIfMatch(c), c.req.valid("query").volumes === "delete");
      return c.body(null, 204);
    },
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/apps/{app}/status",
      operationId: "getAppStatus",
      ...needs("read"),
      summary: "Show an app with its instances and its last deployment",
      request: { params: AppParam },
      responses: { 200: json("The status", AppStatusSchema), ...problems(401, 404) },
    }),
    async (c) => c.json(await appStatus(deps, c.get("actor"), c.req.valid("param").app), 200),
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/apps/{app}/instances",
      operationId: "listInstances",
      ...needs("read"),
      summary: "List the instances of an app",
      request: { params: AppParam, query: PageQuery },
      responses: { 200: json("A page of the instances that are not gone, oldest first", pageOf(InstanceSchema)), ...problems(400, 401, 404) },
    }),
    async (c) => c.json(await listInstances(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("query")), 200),
  );
}

function addStory(app: ReturnType<typeof createRouter>, deps: Deps): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/apps/{app}/events",
      operationId: "listAppEvents",
      ...needs("read"),
      summary: "List what happened to an app's instances and why, newest first",
      request: { params: AppParam, query: PageQuery },
      responses: { 200: json("A page of events of the last days", pageOf(AppEventSchema)), ...problems(400, 401, 404) },
    }),
    async (c) => c.json(await listEvents(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("query")), 200),
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/apps/{app}/explain",
      operationId: "explainApp",
      ...needs("read"),
      summary: "Say in words why an app has the instances that it has",
      request: { params: AppParam },
      responses: { 200: json("The explanation", ExplanationSchema), ...problems(401, 404) },
    }),
    async (c) => c.json(await explainApp(deps, c.get("actor"), c.req.valid("param").app), 200),
  );
}

function addConfiguration(app: ReturnType<typeof createRouter>, deps: Deps): void {
  app.openapi(
    createRoute({
      method: "patch",
      path: "/v1/apps/{app}",
      operationId: "updateApp",
      ...needs("apps"),
      summary: "Change an app's settings and labels",
      request: { params: AppParam, body: body(AppPatchSchema) },
      responses: { 200: json("The app: nothing had to be rolled out", AppSchema), 202: json(ROLLOUT, DeploymentSchema), ...problems(400, 401, 403, 404, 412, 422) },
    }),
    async (c) => {
      const done = await updateApp(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("json"), readIfMatch(c));
      c.header("etag", etagOf(done.app.version, done.app));
      return done.deployment === undefined ? c.json(done.app, 200) : c.json(done.deployment, 202);
    },
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/apps/{app}/env",
      operationId: "getEnv",
      ...needs("config"),
      summary: "Show an app's environment",
      request: { params: AppParam },
      responses: { 200: json("Values by name", EnvSchema), 304: NOT_MODIFIED, ...problems(401, 404) },
    }),
    async (c) => {
      const { version, env } = await getEnv(deps, c.get("actor"), c.req.valid("param").app);
      c.header("cache-control", "no-store");
      return answerTagged(c, version, env) as never;
    },
  );
  app.openapi(
    createRoute({
      method: "patch",
      path: "/v1/apps/{app}/env",
      operationId: "updateEnv",
      ...needs("config"),
      summary: "Set and unset variables",
      request: { params: AppParam, body: body(EnvPatchSchema) },
      responses: { 202: json(ROLLOUT, DeploymentSchema), 204: { description: "Nothing had to be rolled out" }, ...problems(400, 401, 403, 404, 412, 422) },
    }),
    async (c) => {
      const { deployment } = await changeEnv(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("json"), readIfMatch(c));
      return deployment === undefined ? c.body(null, 204) : c.json(deployment, 202);
    },
    (result) => {
      // The body is the environment itself: its paths begin with the variables' names.
      if (!result.success) throw result.target === "json" ? invalid("invalid_config", result.error.issues) : invalidInput(result.target, result.error.issues);
    },
  );
}

function addReleases(app: ReturnType<typeof createRouter>, deps: Deps): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/apps/{app}/releases",
      operationId: "listReleases",
      ...needs("read"),
      summary: "List releases, newest first",
      request: { params: AppParam, query: PageQuery },
      responses: { 200: json("A page of releases", pageOf(ReleaseSchema)), ...problems(400, 401, 404) },
    }),
    async (c) => c.json(await listReleases(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("query")), 200),
  );
  app.openapi(
    createRoute({
      method: "post",
      path: "/v1/apps/{app}/rollback",
      operationId: "rollbackApp",
      ...needs("deploy"),
      summary: "Return to an older release",
      request: { params: AppParam, body: body(RollbackSchema) },
      responses: { 202: json(ROLLOUT, DeploymentSchema), ...problems(400, 401, 403, 404, 409) },
    }),
    async (c) => c.json(await rollbackApp(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("json").release), 202),
  );
}
