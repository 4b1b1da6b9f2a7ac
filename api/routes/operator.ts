/** What operators do: tenants, their plans, operators' tokens, signing keys. Opened by operators' tokens alone. */
import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import {
  InviteCreateSchema,
  KeyRotateSchema,
  KeyRotationSchema,
  NewInviteSchema,
  NewTokenSchema,
  OperatorTokenCreateSchema,
  PlanParamSchema,
  PlanPutSchema,
  PlanSchema,
  TenantCreateSchema,
  TenantPlanPutSchema,
  TenantSchema,
  TenantTokenCreateSchema,
  TokenSchema,
} from "../../core/contract/access.ts";
import { pageOf } from "../../core/contract/api.ts";
import { NodeAppSchema, NodePatchSchema, NodeSchema } from "../../core/contract/nodes.ts";
import type { Deps } from "../deps.ts";
import { authenticateOperators, FOR_OPERATORS } from "../middleware/authenticate.ts";
import { answerTagged, etagOf, readIfMatch } from "../preconditions.ts";
import { createRouter, freeNames } from "../router.ts";
import { drainNode, getNode, listAppsOfNode, listNodes, nodeVersion, updateNode } from "../use-cases/operator-nodes.ts";
import { createOperatorToken, listOperatorTokens, listPlans, putPlan, removePlan, revokeOperatorToken, rotateSigningKeys } from "../use-cases/operator-platform.ts";
import { setTenantPlan, createTenant, createTenantToken, inviteToTenant, listTenants, requireTenant, setSuspended, toTenant } from "../use-cases/operator-tenants.ts";
import { body, json, jsonLimit, NOT_MODIFIED, PageQuery, problems } from "./responses.ts";

/** Name or id. */
const TenantParam = z.object({ tenant: z.string().min(1).max(64) });
const NodeParam = z.object({ node: z.string().min(1).max(64) });
const TokenParam = z.object({ token: z.string().min(1).max(64) });
const BASE = "/v1/operator";
type Router = ReturnType<typeof createRouter>;

export function createOperatorRoutes(deps: Deps) {
  const app = createRouter();
  app.use(`${BASE}/*`, authenticateOperators(deps));
  app.use(`${BASE}/*`, jsonLimit);
  addTenants(app, deps);
  addFirstDoors(app, deps);
  addPlans(app, deps);
  addPlatform(app, deps);
  addNodes(app, deps);
  return app;
}

function addTenants(app: Router, deps: Deps): void {
  const one = `${BASE}/tenants/{tenant}`;
  app.openapi(
    createRoute({
      operationId: "listTenants",
      method: "get",
      path: `${BASE}/tenants`,
      ...FOR_OPERATORS,
      summary: "List tenants",
      request: { query: PageQuery },
      responses: { 200: json("A page of tenants, oldest first", pageOf(TenantSchema)), ...problems(400, 401, 403) },
    }),
    async (c) => c.json(await listTenants(deps, c.req.valid("query")), 200),
  );
  app.openapi(
    createRoute({
      operationId: "createTenant",
      method: "post",
      path: `${BASE}/tenants`,
      ...FOR_OPERATORS,
      summary: "Create a tenant",
      request: { body: body(TenantCreateSchema) },
      responses: { 201: json("The new tenant", TenantSchema), ...problems(400, 401, 403, 404, 409, 413, 422) },
    }),
    async (c) => {
      const made = await createTenant(deps, c.get("operator"), c.req.valid("json"));
      c.header("location", `${BASE}/tenants/${made.name}`);
      return c.json(made, 201);
    },
  );
  app.openapi(
    createRoute({
      operationId: "getTenant",
      method: "get",
      path: one,
      ...FOR_OPERATORS,
      summary: "Show a tenant",
      request: { params: TenantParam },
      responses: { 200: json("The tenant", TenantSchema), ...problems(401, 403, 404) },
    }),
    async (c) => c.json(toTenant(await requireTenant(deps.db, c.req.valid("param").tenant)), 200),
  );
  app.openapi(
    createRoute({
      operationId: "setTenantPlan",
      method: "put",
      path: `${one}/plan`,
      ...FOR_OPERATORS,
      summary: "Set a tenant's plan and all exceptions from it; what runs is not touched",
      request: { params: TenantParam, body: body(TenantPlanPutSchema) },
      responses: { 200: json("The tenant", TenantSchema), ...problems(400, 401, 403, 404, 413) },
    }),
    async (c) => c.json(await setTenantPlan(deps, c.get("operator"), c.req.valid("param").tenant, c.req.valid("json")), 200),
  );
  for (const [verb, isSuspended, summary] of [
    ["suspend", true, "Suspend a tenant: it can be read, nothing of it runs or is built"],
    ["resume", false, "End a suspension: what ran runs again"],
  ] as const) {
    app.openapi(
      createRoute({
        operationId: `${verb}Tenant`,
        method: "post",
        path: `${one}/${verb}`,
        ...FOR_OPERATORS,
        summary,
        request: { params: TenantParam },
        responses: { 200: json("The tenant", TenantSchema), ...problems(401, 403, 404) },
      }),
      async (c) => c.json(await setSuspended(deps, c.get("operator"), c.req.valid("param").tenant, isSuspended), 200),
    );
  }
}

/** How somebody gets into a tenant that has just been made. */
function addFirstDoors(app: Router, deps: Deps): void {
  app.openapi(
    createRoute({
      operationId: "createTenantToken",
      method: "post",
      path: `${BASE}/tenants/{tenant}/tokens`,
      ...FOR_OPERATORS,
      summary: "Make a token of a tenant",
      request: { params: TenantParam, body: body(TenantTokenCreateSchema) },
      responses: { 201: json("The token, shown this once", NewTokenSchema), ...problems(400, 401, 403, 404, 413) },
    }),
    async (c) => {
      const made = await createTenantToken(deps, c.get("operator"), c.req.valid("param").tenant, c.req.valid("json"));
      c.header("cache-control", "no-store");
      c.header("location", `/v1/tokens/${made.id}`);
      return c.json(made, 201);
    },
    freeNames,
  );
  app.openapi(
    createRoute({
      operationId: "inviteToTenant",
      method: "post",
      path: `${BASE}/tenants/{tenant}/invites`,
      ...FOR_OPERATORS,
      summary: "Invite a person to a tenant, such as its first owner",
      request: { params: TenantParam, body: body(InviteCreateSchema) },
      responses: { 201: json("The invitation, with its link this once", NewInviteSchema), ...problems(400, 401, 403, 404, 409, 413) },
    }),
    async (c) => {
      const made = await inviteToTenant(deps, c.get("operator"), c.req.valid("param").tenant, c.req.valid("json"));
      c.header("cache-control", "no-store");
      c.header("location", `/v1/invites/${made.id}`);
      return c.json(made, 201);
    },
  );
}

function addPlans(app: Router, deps: Deps): void {
  app.openapi(
    createRoute({
      operationId: "listPlans",
      method: "get",
      path: `${BASE}/plans`,
      ...FOR_OPERATORS,
      summary: "List plans",
      request: { query: PageQuery },
      responses: { 200: json("A page of plans, by name", pageOf(PlanSchema)), ...problems(400, 401, 403) },
    }),
    async (c) => c.json(await listPlans(deps, c.req.valid("query")), 200),
  );
  app.openapi(
    createRoute({
      operationId: "putPlan",
      method: "put",
      path: `${BASE}/plans/{plan}`,
      ...FOR_OPERATORS,
      summary: "Make a plan, or set all limits of it that differ from the platform's",
      request: { params: PlanParamSchema, body: body(PlanPutSchema) },
      responses: { 200: json("The plan", PlanSchema), ...problems(400, 401, 403, 413) },
    }),
    async (c) => c.json(await putPlan(deps, c.get("operator"), c.req.valid("param").plan, c.req.valid("json").limits), 200),
  );
  app.openapi(
    createRoute({
      operationId: "removePlan",
      method: "delete",
      path: `${BASE}/plans/{plan}`,
      ...FOR_OPERATORS,
      summary: "Remove a plan that no tenant has",
      request: { params: PlanParamSchema },
      responses: { 204: { description: "It is gone" }, ...problems(400, 401, 403, 404, 409) },
    }),
    async (c) => {
      await removePlan(deps, c.get("operator"), c.req.valid("param").plan);
      return c.body(null, 204);
    },
  );
}

function addNodes(app: Router, deps: Deps): void {
  const one = `${BASE}/nodes/{node}`;
  app.openapi(
    createRoute({
      operationId: "listNodes",
      method: "get",
      path: `${BASE}/nodes`,
      ...FOR_OPERATORS,
      summary: "List nodes: what each has, what it runs, what its kernel can",
      request: { query: PageQuery },
      responses: { 200: json("A page of nodes, oldest first", pageOf(NodeSchema)), ...problems(400, 401, 403) },
    }),
    async (c) => c.json(await listNodes(deps, c.req.valid("query")), 200),
  );
  app.openapi(
    createRoute({
      operationId: "getNode",
      method: "get",
      path: one,
      ...FOR_OPERATORS,
      summary: "Show a node",
      request: { params: NodeParam },
      responses: { 200: json("The node", NodeSchema), 304: NOT_MODIFIED, ...problems(401, 403, 404) },
    }),
    async (c) => {
      const node = await getNode(deps, c.req.valid("param").node);
      return answerTagged(c, nodeVersion(node), node) as never;
    },
  );
  app.openapi(
    createRoute({
      operationId: "updateNode",
      method: "patch",
      path: one,
      ...FOR_OPERATORS,
      summary: "Cordon a node, so that it takes no more instances, or let it take them again; what runs stays as it is",
      request: { params: NodeParam, body: body(NodePatchSchema) },
      responses: { 200: json("The node", NodeSchema), ...problems(400, 401, 403, 404, 412, 413) },
    }),
    async (c) => {
      const node = await updateNode(deps, c.get("operator"), c.req.valid("param").node, c.req.valid("json"), readIfMatch(c));
      c.header("etag", etagOf(nodeVersion(node), node));
      return c.json(node, 200);
    },
  );
  app.openapi(
    createRoute({
      operationId: "drainNode",
      method: "post",
      path: `${one}/drain`,
      ...FOR_OPERATORS,
      summary: "Empty a node: its instances move to others, each when another one serves in its place",
      request: { params: NodeParam },
      responses: { 200: json("The node, draining", NodeSchema), ...problems(401, 403, 404, 409) },
    }),
    async (c) => c.json(await drainNode(deps, c.get("operator"), c.req.valid("param").node), 200),
  );
  app.openapi(
    createRoute({
      operationId: "listAppsOfNode",
      method: "get",
      path: `${one}/apps`,
      ...FOR_OPERATORS,
      summary: "List apps with instances or volumes on a node, and what a drain moves of them",
      request: { params: NodeParam, query: PageQuery },
      responses: { 200: json("A page of apps, oldest first", pageOf(NodeAppSchema)), ...problems(400, 401, 403, 404) },
    }),
    async (c) => c.json(await listAppsOfNode(deps, c.req.valid("param").node, c.req.valid("query")), 200),
  );
}

function addPlatform(app: Router, deps: Deps): void {
  app.openapi(
    createRoute({
      operationId: "listOperatorTokens",
      method: "get",
      path: `${BASE}/tokens`,
      ...FOR_OPERATORS,
      summary: "List operators' tokens",
      request: { query: PageQuery },
      responses: { 200: json("A page of tokens, oldest first", pageOf(TokenSchema)), ...problems(400, 401, 403) },
    }),
    async (c) => c.json(await listOperatorTokens(deps, c.req.valid("query")), 200),
  );
  app.openapi(
    createRoute({
      operationId: "createOperatorToken",
      method: "post",
      path: `${BASE}/tokens`,
      ...FOR_OPERATORS,
      summary: "Make an operator's token",
      request: { body: body(OperatorTokenCreateSchema) },
      responses: { 201: json("The token, shown this once", NewTokenSchema), ...problems(400, 401, 403, 413) },
    }),
    async (c) => {
      const made = await createOperatorToken(deps, c.get("operator"), c.req.valid("json"));
      c.header("cache-control", "no-store");
      c.header("location", `${BASE}/tokens/${made.id}`);
      return c.json(made, 201);
    },
    freeNames,
  );
  app.openapi(
    createRoute({
      operationId: "revokeOperatorToken",
      method: "delete",
      path: `${BASE}/tokens/{token}`,
      ...FOR_OPERATORS,
      summary: "Revoke an operator's token",
      request: { params: TokenParam },
      responses: { 204: { description: "It opens nothing any more" }, ...problems(401, 403, 404) },
    }),
    async (c) => {
      await revokeOperatorToken(deps, c.get("operator"), c.req.valid("param").token);
      return c.body(null, 204);
    },
  );
  app.openapi(
    createRoute({
      operationId: "rotateSigningKeys",
      method: "post",
      path: `${BASE}/signing-keys/rotate`,
      ...FOR_OPERATORS,
      summary: "Make a new key for JWTs; with `revoke` whatever the old ones signed ends within seconds",
      request: { body: body(KeyRotateSchema) },
      responses: { 200: json("The new key", KeyRotationSchema), ...problems(400, 401, 403, 413) },
    }),
    async (c) => c.json(await rotateSigningKeys(deps, c.get("operator"), c.req.valid("json").revoke), 200),
  );
}
