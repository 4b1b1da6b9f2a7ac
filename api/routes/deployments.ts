/** Uploads and deployments. */
import { createRoute } from "@hono/zod-openapi";
import type { Context } from "hono";
import { z } from "zod";
import { DEPLOY_CONFIG_HEADER, DeployConfigSchema, DeployImageSchema, DeploymentSchema, pageOf, SSE_EVENTS, type Deployment } from "../../core/contract/api.ts";
import { AppError } from "../../core/contract/errors.ts";
import type { ApiEnv, Deps } from "../deps.ts";
import { answerOnce, fingerprintOf, IDEMPOTENCY_HEADER } from "../idempotency.ts";
import { needs } from "../middleware/authenticate.ts";
import { invalidInput } from "../problems.ts";
import { createRouter } from "../router.ts";
import { cancelDeployment } from "../use-cases/cancel-deployment.ts";
import { deployImage } from "../use-cases/deploy-image.ts";
import { deployUpload, fingerprintUpload } from "../use-cases/deploy-upload.ts";
import { followDeployment, getDeployment } from "../use-cases/follow-deployment.ts";
import { listDeployments } from "../use-cases/list-deployments.ts";
import { answerStream, EVENT_STREAM, sseEvent } from "./event-stream.ts";
import { AppParam, bodyOf, json, PageQuery, problems } from "./responses.ts";

const DeploymentParam = z.object({ id: z.string().min(1).max(64) });
const binary = { schema: z.string().meta({ format: "binary" }) };

const uploadRoute = createRoute({
  method: "post",
  path: "/v1/apps/{app}/deployments",
  operationId: "deployApp",
  ...needs("deploy"),
  summary: "Deploy a build context, a bare Dockerfile or an image; makes the app when there is none",
  description: `The format is known by its first bytes. The configuration is the part «config» of a form, or JSON in the header ${DEPLOY_CONFIG_HEADER}.`,
  request: {
    params: AppParam,
    body: {
      content: {
        "application/x-tar": binary,
        "application/gzip": binary,
        "application/zstd": binary,
        "text/x-dockerfile": { schema: z.string() },
        "multipart/form-data": { schema: z.object({ config: DeployConfigSchema.optional(), context: binary.schema }) },
        "application/json": { schema: DeployImageSchema },
      },
    },
  },
  responses: {
    200: json("This is live already: nothing was built", DeploymentSchema),
    202: json("Accepted", DeploymentSchema),
    ...problems(400, 401, 403, 404, 409, 413, 415, 422),
  },
});

export function createDeploymentRoutes(deps: Deps) {
  const app = createRouter();
  // Described above; registered without the validators, which would read the body into memory.
  app.openAPIRegistry.registerPath(uploadRoute);
  app.post("/v1/apps/:app/deployments", needs("deploy").middleware, async (c) => {
    const key = c.req.header(IDEMPOTENCY_HEADER);
    const name = c.req.param("app");
    if (/^application\/json\b/i.test(c.req.header("content-type") ?? "")) {
      const { bytes, request } = await readImageRequest(c);
      const deploy = async () => answer(c, await deployImage(deps, c.get("actor"), name, request));
      if (key === undefined) return deploy();
      const fingerprint = fingerprintOf(c.req, bytes);
      return answerOnce(deps, c, key, async () => fingerprint, (once) => {
        once.fingerprint = fingerprint;
        return deploy();
      });
    }
    const declared = c.req.header("content-length");
    const declaredBytes = declared === undefined ? undefined : Number(declared);
    const upload = { body: bodyOf(c), declaredBytes, headers: { contentType: c.req.header("content-type") ?? "", config: c.req.header(DEPLOY_CONFIG_HEADER) } };
    const deploy = async () => answer(c, await deployUpload(deps, c.get("actor"), name, upload));
    return key === undefined ? deploy() : answerOnce(deps, c, key, () => fingerprintUpload(deps, c.get("actor"), c.req, upload), deploy);
  });
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/apps/{app}/deployments",
      operationId: "listDeployments",
      ...needs("read"),
      summary: "List an app's deployments, newest first",
      request: { params: AppParam, query: PageQuery },
      responses: { 200: json("A page of deployments", pageOf(DeploymentSchema)), ...problems(400, 401, 404) },
    }),
    async (c) => c.json(await listDeployments(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("query")), 200),
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/deployments/{id}",
      operationId: "getDeployment",
      ...needs("read"),
      summary: "Show a deployment",
      request: { params: DeploymentParam },
      responses: { 200: json("The deployment", DeploymentSchema), ...problems(401, 404) },
    }),
    async (c) => c.json(await getDeployment(deps, c.get("actor"), c.req.valid("param").id), 200),
  );
  app.openapi(
    createRoute({
      method: "post",
      path: "/v1/deployments/{id}/cancel",
      operationId: "cancelDeployment",
      ...needs("deploy"),
      summary: "Cancel a deployment that has not ended; the live release goes on",
      request: { params: DeploymentParam },
      responses: { 200: json("The deployment", DeploymentSchema), ...problems(401, 404, 409) },
    }),
    async (c) => c.json(await cancelDeployment(deps, c.get("actor"), c.req.valid("param").id), 200),
  );
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/deployments/{id}/events",
      operationId: "followDeployment",
      ...needs("read"),
      summary: "Follow a deployment to its end",
      request: { params: DeploymentParam },
      responses: {
        200: { description: "Events `deployment`, each the whole deployment; the last one is in an end state", content: { [EVENT_STREAM]: { schema: z.string() } } },
        ...problems(401, 404),
      },
    }),
    async (c) => {
      const actor = c.get("actor");
      const first = await getDeployment(deps, actor, c.req.valid("param").id);
      return answerStream(c, deps, EVENT_STREAM, async function* (signal) {
        for await (const deployment of followDeployment(deps, actor, first, signal)) yield sseEvent(SSE_EVENTS.deployment, deployment);
      });
    },
  );
  return app;
}

function answer(c: Context<ApiEnv>, deployment: Deployment): Response {
  c.header("location", `/v1/deployments/${deployment.id}`);
  return c.json(deployment, deployment.alreadyLive ? 200 : 202);
}

const JSON_MAX_BYTES = 2 * 2 ** 20;

/** @throws AppError payload_too_large, invalid_request, invalid_config */
async function readImageRequest(c: Context<ApiEnv>): Promise<{ bytes: Buffer; request: z.infer<typeof DeployImageSchema> }> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of bodyOf(c).iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > JSON_MAX_BYTES) throw new AppError("payload_too_large", `The JSON is larger than ${JSON_MAX_BYTES} bytes.`);
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw new AppError("invalid_request", `The body is no valid JSON: ${(error as Error).message}.`);
  }
  const parsed = DeployImageSchema.safeParse(value);
  if (!parsed.success) throw invalidInput("json", parsed.error.issues);
  return { bytes, request: parsed.data };
}
