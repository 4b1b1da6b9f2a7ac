/** The API as one Hono app: middleware, error mapper and the places where each part's routes hang. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { TrieRouter } from "hono/router/trie-router";
import { AppError } from "../core/contract/errors.ts";
import { clientAddress, type ClientAddress } from "./client-address.ts";
import type { ApiEnv, Deps } from "./deps.ts";
import { idempotent } from "./idempotency.ts";
import { authenticate } from "./middleware/authenticate.ts";
import { requestLog } from "./middleware/request-log.ts";
import { createErrorPages } from "./error-pages.ts";
import { problemResponse, toAppError } from "./problems.ts";
import { docsPage, DOCS_HEADERS, type ApiDocument } from "./docs-page.ts";
import { withCommonParts, type Described } from "./openapi-common.ts";
import { createRegistry } from "./registry/registry.ts";
import { createRouter } from "./router.ts";
import { createAuditRoutes } from "./routes/audit.ts";
import { createAppRoutes } from "./routes/apps.ts";
import { createAuthRoutes } from "./routes/auth.ts";
import { createBuildRoutes } from "./routes/builds.ts";
import { createDeploymentRoutes } from "./routes/deployments.ts";
import { createDomainRoutes } from "./routes/domains.ts";
import { createJobRoutes } from "./routes/jobs.ts";
import { createRunRoutes } from "./routes/runs.ts";
import { createMaintenanceRoutes } from "./routes/maintenance.ts";
import { createHealthRoutes } from "./routes/health.ts";
import { createMemberRoutes } from "./routes/members.ts";
import { createNodeTokenRoutes } from "./routes/node-token.ts";
import { createNodeSnapshotRoutes } from "./routes/node-snapshots.ts";
import { createOperatorRoutes } from "./routes/operator.ts";
import { createInstanceRoutes } from "./routes/instances.ts";
import { createPreviewRoutes } from "./routes/previews.ts";
import { createQuotaRoutes } from "./routes/quota.ts";
import { createSecretRoutes } from "./routes/secrets.ts";
import { createUsageRoutes } from "./routes/usage.ts";
import { createSessionRoutes } from "./routes/sessions.ts";
import { createTokenExchangeRoutes, createTokenRoutes } from "./routes/tokens.ts";
import { createTrustRoutes } from "./routes/trusts.ts";
import { createVolumeRoutes } from "./routes/volumes.ts";
import { createWhoamiRoutes } from "./routes/whoami.ts";

export const OPENAPI_INFO = {
  openapi: "3.1.0",
  info: { title: "Berth", version: "1", description: "Push a Dockerfile, get a URL.", license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
  servers: [{ url: "/", description: "The API that this description is of" }],
  security: [{ token: [] }],
};

export function createApp(deps: Deps, addressOf: ClientAddress = clientAddress([])): OpenAPIHono<ApiEnv> {
  const app = createRouter();
  app.use(requestLog(deps.log, addressOf));
  app.onError((thrown, c) => {
    const error = toAppError(thrown);
    if (error.status >= 500) deps.log.error({ requestId: c.get("requestId"), code: error.code, err: error.cause ?? error }, "request failed");
    return problemResponse(c, error, deps.config);
  });

  app.route("/", createHealthRoutes(deps));
  app.get("/openapi.json", (c) => c.json(describe(app)));
  app.route("/", createErrorPages());
  app.get("/docs", (c) => c.html(docsPage(describe(app) as unknown as ApiDocument), 200, DOCS_HEADERS));

  // These have doors of their own.
  app.route("/", createAuthRoutes(deps));
  app.route("/", createSessionRoutes(deps));
  app.route("/", createTokenExchangeRoutes(deps));
  app.route("/", createOperatorRoutes(deps));
  app.route("/", createNodeTokenRoutes(deps));
  app.route("/", createNodeSnapshotRoutes(deps));

  app.use("/v1/*", authenticate(deps));
  app.use("/v1/*", idempotent(deps));
  app.route("/", createWhoamiRoutes(deps));
  app.route("/", createQuotaRoutes(deps));
  app.route("/", createUsageRoutes(deps));
  app.route("/", createAuditRoutes(deps));
  app.route("/", createTokenRoutes(deps));
  app.route("/", createMemberRoutes(deps));
  app.route("/", createTrustRoutes(deps));
  app.route("/", createAppRoutes(deps));
  app.route("/", createSecretRoutes(deps));
  app.route("/", createInstanceRoutes(deps));
  app.route("/", createDomainRoutes(deps));
  app.route("/", createRunRoutes(deps));
  app.route("/", createJobRoutes(deps));
  app.route("/", createMaintenanceRoutes(deps));
  app.route("/", createVolumeRoutes(deps));
  app.route("/", createPreviewRoutes(deps));
  app.route("/", createDeploymentRoutes(deps));
  app.route("/", createBuildRoutes(deps));

  // `/v2`: clients of registries speak their own authentication and their own errors.
  app.route("/", createRegistry(deps));

  const methods = methodsByPath(app);
  app.notFound((c) => {
    const allowed = methods(c.req.path);
    if (allowed.length === 0) return problemResponse(c, new AppError("not_found", `There is nothing at ${c.req.path}.`), deps.config);
    const headers = { allow: allowed.join(", ") };
    return problemResponse(c, new AppError("method_not_allowed", `Here one may ${headers.allow}.`, { headers }), deps.config);
  });
  return app;
}

/** The OpenAPI document of all routes. */
export function describe(app: OpenAPIHono<ApiEnv>): Described {
  app.openAPIRegistry.registerComponent("securitySchemes", "token", { type: "http", scheme: "bearer", description: "Of a tenant. A page of ours sends its session's cookie in its place, with `X-CSRF-Token`." });
  app.openAPIRegistry.registerComponent("securitySchemes", "operator", { type: "http", scheme: "bearer", description: "Of an operator: opens these alone." });
  app.openAPIRegistry.registerComponent("securitySchemes", "node", { type: "http", scheme: "bearer", description: "Of a node: for its agent alone." });
  app.openAPIRegistry.registerComponent("securitySchemes", "session", { type: "apiKey", in: "cookie", name: "berth_session", description: "Over https its name begins with `__Host-`." });
  return withCommonParts(app.getOpenAPI31Document(OPENAPI_INFO));
}

/** Which methods a path has, so that a wrong one is told from a wrong path. */
function methodsByPath(app: OpenAPIHono<ApiEnv>): (path: string) => string[] {
  const router = new TrieRouter<string>();
  for (const route of app.routes) {
    if (route.method !== "ALL") router.add("ANY", route.path, route.method);
  }
  return (path) => {
    const [found] = router.match("ANY", path);
    return [...new Set(found.map(([method]) => method))].toSorted();
  };
}
