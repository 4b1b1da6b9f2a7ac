/** Hosts of a tenant's own. */
import { createRoute } from "@hono/zod-openapi";
import { pageOf } from "../../core/contract/api.ts";
import { DomainCreateSchema, DomainSchema, HostParam } from "../../core/contract/domains.ts";
import type { Deps } from "../deps.ts";
import { needs } from "../middleware/authenticate.ts";
import { createRouter } from "../router.ts";
import { addDomain, checkDomain, getDomain, listDomains, removeDomain } from "../use-cases/domains.ts";
import { AppParam, body, json, jsonLimit, PageQuery, problems } from "./responses.ts";

const DomainParam = AppParam.extend(HostParam.shape);

export function createDomainRoutes(deps: Deps) {
  const app = createRouter();
  app.use("/v1/apps/:app/domains", jsonLimit);
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/apps/{app}/domains",
      operationId: "listDomains",
      ...needs("read"),
      summary: "List the domains of an app",
      request: { params: AppParam, query: PageQuery },
      responses: { 200: json("A page of domains, by host", pageOf(DomainSchema)), ...problems(400, 401, 403, 404) },
    }),
    async (c) => c.json(await listDomains(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("query")), 200),
  );
  app.openapi(
    createRoute({
      method: "post",
      path: "/v1/apps/{app}/domains",
      operationId: "addDomain",
      ...needs("apps"),
      summary: "Claim a domain for an app; it is served once its TXT record was seen",
      request: { params: AppParam, body: body(DomainCreateSchema) },
      responses: { 201: json("The claim, with the record to set", DomainSchema), ...problems(400, 401, 403, 404, 409, 413, 422) },
    }),
    async (c) => {
      const domain = await addDomain(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("json").host);
      c.header("location", `/v1/apps/${domain.app}/domains/${domain.host}`);
      return c.json(domain, 201);
    },
  );
  addOne(app, deps);
  return app;
}

function addOne(app: ReturnType<typeof createRouter>, deps: Deps): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/apps/{app}/domains/{host}",
      operationId: "getDomain",
      ...needs("read"),
      summary: "Show a domain and the record that proves it",
      request: { params: DomainParam },
      responses: { 200: json("The domain", DomainSchema), ...problems(401, 403, 404) },
    }),
    async (c) => c.json(await getDomain(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("param").host), 200),
  );
  app.openapi(
    createRoute({
      method: "post",
      path: "/v1/apps/{app}/domains/{host}/check",
      operationId: "checkDomain",
      ...needs("apps"),
      summary: "Look for a domain's TXT record now",
      request: { params: DomainParam },
      responses: { 200: json("The domain; `problem` says what DNS has instead", DomainSchema), ...problems(401, 403, 404) },
    }),
    async (c) => c.json(await checkDomain(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("param").host), 200),
  );
  app.openapi(
    createRoute({
      method: "delete",
      path: "/v1/apps/{app}/domains/{host}",
      operationId: "removeDomain",
      ...needs("apps"),
      summary: "Give a domain up",
      request: { params: DomainParam },
      responses: { 204: { description: "It is served no more" }, ...problems(401, 403, 404) },
    }),
    async (c) => {
      await removeDomain(deps, c.get("actor"), c.req.valid("param").app, c.req.valid("param").host);
      return c.body(null, 204);
    },
  );
}
