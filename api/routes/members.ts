/** Members of the tenant, and invitations to it. */
import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { InviteCreateSchema, InviteSchema, RolePutSchema, MemberSchema, NewInviteSchema } from "../../core/contract/access.ts";
import { pageOf } from "../../core/contract/api.ts";
import type { Deps } from "../deps.ts";
import { needs } from "../middleware/authenticate.ts";
import { createRouter } from "../router.ts";
import { createInvite, listInvites, revokeInvite } from "../use-cases/invites.ts";
import { changeRole, listMembers, removeMember } from "../use-cases/members.ts";
import { body, json, jsonLimit, PageQuery, problems } from "./responses.ts";

/** Id or address. */
const MemberParam = z.object({ member: z.string().min(1).max(254) });
const InviteParam = z.object({ invite: z.string().min(1).max(64) });

export function createMemberRoutes(deps: Deps) {
  const app = createRouter();
  for (const path of ["/v1/members/:member/role", "/v1/invites"]) app.use(path, jsonLimit);
  addMembers(app, deps);
  addInvites(app, deps);
  return app;
}

function addMembers(app: ReturnType<typeof createRouter>, deps: Deps): void {
  app.openapi(
    createRoute({
      operationId: "listMembers",
      method: "get",
      path: "/v1/members",
      ...needs("read"),
      summary: "List the members of the tenant",
      request: { query: PageQuery },
      responses: { 200: json("A page of members, in the order in which they first came", pageOf(MemberSchema)), ...problems(400, 401, 403) },
    }),
    async (c) => c.json(await listMembers(deps, c.get("actor"), c.req.valid("query")), 200),
  );
  app.openapi(
    createRoute({
      operationId: "setMemberRole",
      method: "put",
      path: "/v1/members/{member}/role",
      ...needs("admin"),
      summary: "Change a member's role; the last owner stays one",
      request: { params: MemberParam, body: body(RolePutSchema) },
      responses: { 200: json("The member", MemberSchema), ...problems(400, 401, 403, 404, 409, 413) },
    }),
    async (c) => c.json(await changeRole(deps, c.get("actor"), c.req.valid("param").member, c.req.valid("json").role), 200),
  );
  app.openapi(
    createRoute({
      operationId: "removeMember",
      method: "delete",
      path: "/v1/members/{member}",
      ...needs("read"),
      summary: "Remove a member, with the scope `admin`, or leave; the person's tokens end with it. The last owner stays",
      request: { params: MemberParam },
      responses: { 204: { description: "The person is no member any more" }, ...problems(401, 403, 404, 409) },
    }),
    async (c) => {
      await removeMember(deps, c.get("actor"), c.req.valid("param").member);
      return c.body(null, 204);
    },
  );
}

function addInvites(app: ReturnType<typeof createRouter>, deps: Deps): void {
  app.openapi(
    createRoute({
      operationId: "listInvites",
      method: "get",
      path: "/v1/invites",
      ...needs("admin"),
      summary: "List invitations that are open",
      request: { query: PageQuery },
      responses: { 200: json("A page of invitations, oldest first", pageOf(InviteSchema)), ...problems(400, 401, 403) },
    }),
    async (c) => c.json(await listInvites(deps, c.get("actor"), c.req.valid("query")), 200),
  );
  app.openapi(
    createRoute({
      operationId: "createInvite",
      method: "post",
      path: "/v1/invites",
      ...needs("admin"),
      summary: "Invite a person: send them the link. An older invitation of the same address ends",
      request: { body: body(InviteCreateSchema) },
      responses: { 201: json("The invitation, with its link this once", NewInviteSchema), ...problems(400, 401, 403, 409, 413) },
    }),
    async (c) => {
      const made = await createInvite(deps, c.get("actor"), c.req.valid("json"));
      c.header("location", `/v1/invites/${made.id}`);
      c.header("cache-control", "no-store");
      return c.json(made, 201);
    },
  );
  app.openapi(
    createRoute({
      operationId: "revokeInvite",
      method: "delete",
      path: "/v1/invites/{invite}",
      ...needs("admin"),
      summary: "Take an invitation back",
      request: { params: InviteParam },
      responses: { 204: { description: "Its link opens nothing any more" }, ...problems(401, 403, 404) },
    }),
    async (c) => {
      await revokeInvite(deps, c.get("actor"), c.req.valid("param").invite);
      return c.body(null, 204);
    },
  );
}
