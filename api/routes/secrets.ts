/** Secrets of apps, secrets and variables that a tenant's apps share. */
import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { EnvPatchSchema, pageOf } from "../../core/contract/api.ts";
import { EnvSchema } from "../../core/contract/env.ts";
import { SecretChangeSchema, SecretNameSchema, SecretPutSchema, SecretSchema, SharedEnvChangeSchema, type SecretChange } from "../../core/contract/secrets.ts";
import type { Deps } from "../deps.ts";
import { needs } from "../middleware/authenticate.ts";
import { answerTagged, contentVersion, etagOf, readIfMatch } from "../preconditions.ts";
import { invalid, invalidInput } from "../problems.ts";
import { createRouter } from "../router.ts";
import { deleteSecret, putSecret } from "../use-cases/change-secret.ts";
import { listSecrets } from "../use-cases/list-secrets.ts";
import { changeSharedEnv, getSharedEnv } from "../use-cases/shared-env.ts";
import { AppParam, body, json, jsonLimit, NOT_MODIFIED, PageQuery, problems } from "./responses.ts";

const NameParam = z.object({ name: SecretNameSchema });
const CHANGED = {
  200: json("It is written; nothing runs that has to be released anew", SecretChangeSchema),
  202: json("It is written, and rolled out as these deployments", SecretChangeSchema),
};

/** 202 while something of it is under way. */
const statusOf = ({ deployments }: Pick<SecretChange, "deployments">) => (deployments.length > 0 ? (202 as const) : (200 as const));

export function createSecretRoutes(deps: Deps) {
  const app = createRouter();
  for (const path of ["/v1/apps/:app/secrets/:name", "/v1/secrets/:name", "/v1/env"]) app.use(path, jsonLimit);
  addSecretsOfApps(app, deps);
  addSharedSecrets(app, deps);
  addSharedEnv(app, deps);
  return app;
}

function addSecretsOfApps(app: ReturnType<typeof createRouter>, deps: Deps): void {
  const path = "/v1/apps/{app}/secrets/{name}";
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/apps/{app}/secrets",
      operationId: "listSecrets",
      ...needs("read"),
      summary: "List the secrets that an app gets, its own and shared ones; never their values",
      request: { params: AppParam, query: PageQuery },
      responses: { 200: json("A page of secrets, by name", pageOf(SecretSchema)), ...problems(400, 401, 403, 404) },
    }),
    async (c) => c.json(await listSecrets(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("query")), 200),
  );
  app.openapi(
    createRoute({
      method: "put",
      path,
      operationId: "putSecret",
      ...needs("config"),
      summary: "Set a secret of an app",
      request: { params: AppParam.extend(NameParam.shape), body: body(SecretPutSchema) },
      responses: { ...CHANGED, ...problems(400, 401, 403, 404, 413, 422) },
    }),
    async (c) => {
      const done = await putSecret(deps, c.get("actor"), c.req.valid("param"), c.req.valid("json"));
      return c.json(done, statusOf(done));
    },
  );
  app.openapi(
    createRoute({
      method: "delete",
      path,
      operationId: "deleteSecret",
      ...needs("config"),
      summary: "Remove a secret of an app",
      request: { params: AppParam.extend(NameParam.shape) },
      responses: { ...CHANGED, ...problems(400, 401, 403, 404) },
    }),
    async (c) => {
      const done = await deleteSecret(deps, c.get("actor"), c.req.valid("param"));
      return c.json(done, statusOf(done));
    },
  );
}

function addSharedSecrets(app: ReturnType<typeof createRouter>, deps: Deps): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/secrets",
      operationId: "listSharedSecrets",
      ...needs("read"),
      summary: "List the secrets that all apps of the tenant share; never their values",
      request: { query: PageQuery },
      responses: { 200: json("A page of secrets, by name", pageOf(SecretSchema)), ...problems(400, 401, 403) },
    }),
    async (c) => c.json(await listSecrets(deps, c.get("actor"), null, c.req.valid("query")), 200),
  );
  app.openapi(
    createRoute({
      method: "put",
      path: "/v1/secrets/{name}",
      operationId: "putSharedSecret",
      ...needs("admin"),
      summary: "Set a secret that all apps share; an app's own of the same name goes first",
      request: { params: NameParam, body: body(SecretPutSchema) },
      responses: { ...CHANGED, ...problems(400, 401, 403, 413, 422) },
    }),
    async (c) => {
      const done = await putSecret(deps, c.get("actor"), { app: null, ...c.req.valid("param") }, c.req.valid("json"));
      return c.json(done, statusOf(done));
    },
  );
  app.openapi(
    createRoute({
      method: "delete",
      path: "/v1/secrets/{name}",
      operationId: "deleteSharedSecret",
      ...needs("admin"),
      summary: "Remove a secret that all apps share",
      request: { params: NameParam },
      responses: { ...CHANGED, ...problems(400, 401, 403, 404) },
    }),
    async (c) => {
      const done = await deleteSecret(deps, c.get("actor"), { app: null, ...c.req.valid("param") });
      return c.json(done, statusOf(done));
    },
  );
}

function addSharedEnv(app: ReturnType<typeof createRouter>, deps: Deps): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/env",
      operationId: "getSharedEnv",
      ...needs("config"),
      summary: "Show the variables that all apps of the tenant share",
      responses: { 200: json("Values by name", EnvSchema), 304: NOT_MODIFIED, ...problems(401, 403) },
    }),
    async (c) => {
      c.header("cache-control", "no-store");
      const env = await getSharedEnv(deps, c.get("actor"));
      return answerTagged(c, contentVersion(env), env) as never;
    },
  );
  app.openapi(
    createRoute({
      method: "patch",
      path: "/v1/env",
      operationId: "updateSharedEnv",
      ...needs("admin"),
      summary: "Set and unset variables that all apps share; an app's own go first",
      request: { body: body(EnvPatchSchema) },
      responses: {
        200: json("They are written; nothing runs that has to be released anew", SharedEnvChangeSchema),
        202: json("They are written, and rolled out as these deployments", SharedEnvChangeSchema),
        ...problems(400, 401, 403, 412, 413, 422),
      },
    }),
    async (c) => {
      const done = await changeSharedEnv(deps, c.get("actor"), c.req.valid("json"), readIfMatch(c));
      c.header("cache-control", "no-store");
      c.header("etag", etagOf(contentVersion(done.env), done.env));
      return c.json(done, statusOf(done));
    },
    (result) => {
      // The body is the environment itself: its paths begin with the variables' names.
      if (!result.success) throw result.target === "json" ? invalid("invalid_config", result.error.issues) : invalidInput(result.target, result.error.issues);
    },
  );
}
