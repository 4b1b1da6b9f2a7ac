// needs no root
/** Members, invitations, and what operators do with tenants. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { and, eq } from "drizzle-orm";
import { audit, instances, invites, members, users } from "../../core/db/schema.ts";
import { newId } from "../../core/contract/ids.ts";
import { readRollout } from "../../core/db/system-queries/rollout.ts";
import { readRoutes } from "../../core/db/system-queries/routes.ts";
import { appsToReconcile } from "../../core/db/system-queries/rollout.ts";
import { connectNode, randomName, seedApp, seedInstance, startTestApi, testBlobs, type TestApi } from "../support/api.ts";
import { seedMember, seedOperator, seedSession } from "../support/people.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let api: TestApi;
let operator: string;
before(async () => {
  stores = await startStores({ only: ["postgres", "redis"] });
  api = await startTestApi({ databaseUrl: stores.databaseUrl, redisUrl: stores.redisUrl, blobs: testBlobs });
  operator = await seedOperator(api);
});
after(async () => {
  await api.close();
  await stores.stop();
});

const verbs = async (tenantId: string) => (await api.db.select().from(audit).where(eq(audit.tenantId, tenantId as never))).map(({ verb, before, after }) => ({ verb, before, after }));

test("roles change, people leave with their tokens; another tenant's are not found", async () => {
  const tenant = await api.tenant();
  const owner = await seedMember(api, tenant.id, "owner");
  const viewer = await seedMember(api, tenant.id, "viewer");
  const stranger = await seedMember(api, (await api.tenant()).id, "owner");
  const listed = await api.call("GET", "/v1/members?limit=1", { token: viewer.token });
  assert.deepEqual(listed.body.items.map((one: { email: string }) => one.email), [owner.email]);
  const rest = await api.call("GET", `/v1/members?cursor=${listed.body.nextCursor}`, { token: viewer.token });
  assert.deepEqual([rest.body.items[0].email, rest.body.nextCursor], [viewer.email, null]);
  assert.equal((await api.call("GET", "/v1/members?cursor=x", { token: viewer.token })).status, 400);

  assert.equal((await api.call("PUT", `/v1/members/${viewer.id}/role`, { token: viewer.token, body: { role: "owner" } })).status, 403);
  for (const token of [stranger.token]) assert.equal((await api.call("PUT", `/v1/members/${viewer.id}/role`, { token, body: { role: "owner" } })).status, 404);
  assert.equal((await api.call("PUT", `/v1/members/${viewer.email.toUpperCase()}/role`, { token: owner.token, body: { role: "developer" } })).body.role, "developer");
  assert.deepEqual((await api.call("GET", "/v1/whoami", { token: viewer.token })).body.user, { id: viewer.id, role: "developer" });
  assert.equal((await api.call("DELETE", `/v1/members/${owner.id}`, { token: viewer.token })).status, 403);
  // A machine with `admin` alone makes nobody an owner: it has less.
  const machine = await api.call("POST", "/v1/tokens", { token: owner.token, body: { name: "m", scopes: ["admin", "read"] } });
  const raised = await api.call("PUT", `/v1/members/${viewer.id}/role`, { token: machine.body.token, body: { role: "owner" } });
  assert.equal(raised.status, 403);
  assert.match(raised.body.detail, /Nobody gives more than they have: deploy/);

  assert.equal((await api.call("DELETE", `/v1/members/${viewer.id}`, { token: viewer.token })).status, 204, "one may leave");
  assert.equal((await api.call("GET", "/v1/whoami", { token: viewer.token })).status, 401);
  const seen = await verbs(tenant.id);
  assert.deepEqual(seen.find(({ verb }) => verb === "member.role"), { verb: "member.role", before: { role: "viewer" }, after: { role: "developer" } });
  assert.deepEqual(seen.find(({ verb }) => verb === "member.remove")?.before, { role: "developer" });
});

test("the last owner stays, also when two go at the same time", async () => {
  const tenant = await api.tenant();
  const owners = [await seedMember(api, tenant.id, "owner"), await seedMember(api, tenant.id, "owner")];
  // Each takes the other down.
  const results = await Promise.all(owners.map((one, index) => api.call(index === 0 ? "PUT" : "DELETE", `/v1/members/${owners[1 - index]?.id}${index === 0 ? "/role" : ""}`, { token: one.token, ...(index === 0 ? { body: { role: "viewer" } } : {}) })));
  assert.equal(results.filter(({ status }) => status < 300).length, 1, JSON.stringify(results));
  const left = await api.db.select().from(members).where(and(eq(members.tenantId, tenant.id), eq(members.role, "owner")));
  assert.equal(left.length, 1);
  const last = owners.find(({ id }) => id === left[0]?.userId);
  for (const [method, body] of [["DELETE", undefined], ["PUT", { role: "developer" }]] as const) {
    const refused = await api.call(method, `/v1/members/${last?.id}${method === "PUT" ? "/role" : ""}`, { token: last?.token, body });
    assert.equal(refused.status, 409);
    assert.match(refused.body.detail, /the last owner/);
  }
  // Somebody who is shut out is no owner to count on.
  const other = await seedMember(api, tenant.id, "owner");
  await api.db.update(users).set({ disabledAt: new Date() }).where(eq(users.id, other.id));
  assert.equal((await api.call("DELETE", `/v1/members/${last?.id}`, { token: last?.token })).status, 409);
});

test("ten owners leave at once: one stays", async () => {
  const tenant = await api.tenant();
  const owners = await Promise.all(Array.from({ length: 10 }, () => seedMember(api, tenant.id, "owner")));
  const results = await Promise.all(owners.map(({ id, token }) => api.call("DELETE", `/v1/members/${id}`, { token })));
  assert.deepEqual(results.map(({ status }) => status).toSorted(), [...Array.from({ length: 9 }, () => 204), 409]);
});

test("an invitation is for one person, once, in time; its secret is not kept", async () => {
  const tenant = await api.tenant();
  const owner = await seedMember(api, tenant.id, "owner");
  const guest = await seedMember(api, (await api.tenant()).id, "viewer");
  const other = await seedMember(api, (await api.tenant()).id, "viewer");
  const invite = (email: string, more = {}) => api.call("POST", "/v1/invites", { token: owner.token, body: { email, role: "developer", ...more } });
  const made = await invite(guest.email.toUpperCase());
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.equal(made.headers.get("cache-control"), "no-store");
  assert.equal(made.body.link, `${api.url}/auth/login?invite=${made.body.secret}`);
  const listed = await api.call("GET", "/v1/invites", { token: owner.token });
  assert.deepEqual(Object.keys(listed.body.items[0]).toSorted(), ["createdAt", "email", "expiresAt", "id", "invitedBy", "role"]);
  const dump = JSON.stringify([await api.db.select().from(invites), await api.db.select().from(audit)]);
  assert.ok(!dump.includes(made.body.secret));

  const accept = async (person: typeof guest, secret: string) => api.call("POST", "/v1/session/invites", { headers: (await seedSession(api, person.id, null)).headers, body: { secret } });
  const wrongPerson = await accept(other, made.body.secret);
  assert.equal(wrongPerson.status, 403);
  assert.ok(!wrongPerson.body.detail.includes(guest.email));
  assert.equal((await accept(guest, "wrong")).status, 404);
  const results = await Promise.all([accept(guest, made.body.secret), accept(guest, made.body.secret)]);
  assert.deepEqual(results.map(({ status }) => status).toSorted(), [200, 404], "once");
  const joined = results.find(({ status }) => status === 200);
  assert.equal(joined?.body.tenant, tenant.name);
  assert.equal((await invite(guest.email)).status, 409, "a member already");

  const second = await invite("late@example.test");
  const replaced = await invite("late@example.test", { role: "viewer" });
  assert.equal((await api.call("DELETE", `/v1/invites/${second.body.id}`, { token: owner.token })).status, 404, "the newer one took its place");
  await api.db.update(invites).set({ expiresAt: new Date(Date.now() - 1), email: other.email }).where(eq(invites.id, replaced.body.id));
  assert.equal((await accept(other, replaced.body.secret)).status, 404, "expired");
  const third = await invite("third@example.test");
  assert.equal((await api.call("DELETE", `/v1/invites/${third.body.id}`, { token: (await seedMember(api, (await api.tenant()).id, "owner")).token })).status, 404);
  assert.equal((await api.call("DELETE", `/v1/invites/${third.body.id}`, { token: owner.token })).status, 204);
  for (const body of [{ email: "no address", role: "viewer" }, { email: "a@b.c", role: "king" }, { email: "a@example.test", role: "viewer", more: 1 }]) assert.equal((await api.call("POST", "/v1/invites", { token: owner.token, body })).status, 400);
});

test("invitations and members have room within the plan", async () => {
  const tenant = await api.tenant();
  const owner = await seedMember(api, tenant.id, "owner");
  assert.equal((await api.call("PUT", `/v1/operator/tenants/${tenant.name}/plan`, { token: operator, body: { plan: null, limits: { members: 2 } } })).status, 200);
  const invite = (email: string) => api.call("POST", "/v1/invites", { token: owner.token, body: { email, role: "viewer" } });
  assert.equal((await invite("one@example.test")).status, 201);
  assert.equal((await invite("one@example.test")).status, 201, "takes the place of its forerunner");
  const full = await invite("two@example.test");
  assert.deepEqual([full.status, full.body.code, full.body.quota?.limit], [403, "quota_exceeded", "members"]);
});

test("operators make tenants, set plans and limits; nobody else does", async () => {
  const name = randomName("t");
  const plan = randomName("plan");
  const ask = (method: string, path: string, body?: unknown, token: string | undefined = operator) => api.call(method, `/v1/operator${path}`, { token, body });
  const tenant = await api.tenant();
  const owner = await seedMember(api, tenant.id, "owner");
  for (const token of [tenant.token, owner.token]) assert.equal((await ask("GET", "/tenants", undefined, token)).status, 403);
  assert.equal((await api.call("GET", "/v1/operator/tenants")).status, 401);
  assert.equal((await api.call("GET", "/v1/operator/tenants", { headers: (await seedSession(api, owner.id, tenant.id)).headers })).status, 401);
  const asTenant = await api.call("GET", "/v1/apps", { token: operator });
  assert.equal(asTenant.status, 401);
  assert.match(asTenant.body.detail, /operator/);

  assert.deepEqual((await ask("PUT", `/plans/${plan}`, { limits: { apps: 3, tokens: 5 } })).body.limits, { apps: 3, tokens: 5 });
  assert.deepEqual((await ask("PUT", `/plans/${plan}`, { limits: { apps: 3 } })).body.limits, { apps: 3 });
  assert.equal((await ask("PUT", `/plans/${plan}`, { limits: { nonsense: 1 } })).status, 400);
  assert.equal((await ask("PUT", `/plans/${plan}`, { limits: { apps: -1 } })).status, 400);
  assert.equal((await ask("POST", "/tenants", { name, plan: "nothing" })).status, 404);
  const made = await ask("POST", "/tenants", { name, plan });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.equal((await ask("POST", "/tenants", { name })).body.code, "name_taken");
  assert.equal((await ask("POST", "/tenants", { name: "Not-a-name" })).body.code, "invalid_name");
  assert.equal((await ask("DELETE", `/plans/${plan}`)).status, 409, "a tenant has it");
  const changed = await ask("PUT", `/tenants/${name}/plan`, { plan: null, limits: { apps: 7 } });
  assert.deepEqual([changed.body.plan, changed.body.limits], [null, { apps: 7 }]);
  assert.equal((await ask("DELETE", `/plans/${plan}`)).status, 204);

  const token = await ask("POST", `/tenants/${name}/tokens`, { name: "first", scopes: ["read", "apps"] });
  assert.equal(token.status, 201);
  assert.equal((await api.call("GET", "/v1/quota", { token: token.body.token })).body.items.find((item: { name: string }) => item.name === "apps").limit, 7);
  const invited = await ask("POST", `/tenants/${made.body.id}/invites`, { email: "boss@example.test", role: "owner" });
  assert.equal(invited.status, 201);
  const seen = (await verbs(made.body.id)).map(({ verb }) => verb).toSorted();
  assert.deepEqual(seen, ["invite.create", "tenant.create", "tenant.plan", "token.create"]);
  const [page] = [await ask("GET", "/tenants?limit=1")];
  assert.ok(page.body.nextCursor);
  assert.equal((await ask("GET", `/tenants/${newId("tenant")}`)).status, 404);

  const second = await ask("POST", "/tokens", { name: "second", expiresInSeconds: 3600 });
  assert.equal((await ask("GET", "/tokens", undefined, second.body.token)).status, 200);
  assert.equal((await ask("POST", "/tokens", { name: "third", expiresInSeconds: 7200 }, second.body.token)).status, 403, "not longer than itself");
  assert.equal((await ask("DELETE", `/tokens/${second.body.id}`)).status, 204);
  assert.equal((await ask("GET", "/tokens", undefined, second.body.token)).status, 401);
});

test("a suspended tenant can be read, not changed; nothing of it runs until it is resumed", async () => {
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id);
  const [releaseId] = app.releaseIds;
  const node = await connectNode(api);
  const instanceId = await seedInstance(api.db, { tenantId: tenant.id, appId: app.id, releaseId: releaseId!, nodeId: node.id });
  await api.db.update(instances).set({ phase: "ready" }).where(eq(instances.id, instanceId));
  const wanted = async () => (await api.db.transaction((tx) => readRollout(tx, app.id, new Date())))?.live?.replicas;
  const isDue = async () => (await appsToReconcile(api.db, new Date())).includes(app.id);
  assert.deepEqual([await wanted(), await isDue()], [1, false]);
  const verb = (what: string) => api.call("POST", `/v1/operator/tenants/${tenant.name}/${what}`, { token: operator });
  assert.ok((await verb("suspend")).body.suspendedAt);
  assert.equal((await verb("suspend")).status, 200, "twice is no error");
  assert.equal((await api.call("GET", `/v1/apps/${app.name}`, { token: tenant.token })).status, 200);
  const refused = await api.call("PATCH", `/v1/apps/${app.name}`, { token: tenant.token, body: { labels: { a: "b" } } });
  assert.deepEqual([refused.status, refused.body.code], [403, "tenant_suspended"]);
  assert.deepEqual([await wanted(), await isDue()], [0, true]);
  const [route] = await readRoutes(api.db, "x", [app.id]);
  assert.equal(route?.holdTimeoutMs, 0);
  assert.equal((await verb("resume")).body.suspendedAt, null);
  assert.deepEqual([await wanted(), await isDue()], [1, false]);
  assert.equal((await api.call("PATCH", `/v1/apps/${app.name}`, { token: tenant.token, body: { labels: { a: "b" } } })).status, 200);
  assert.deepEqual((await verbs(tenant.id)).map(({ verb }) => verb).filter((verb) => verb.startsWith("tenant.")), ["tenant.create", "tenant.suspend", "tenant.resume"]);
  await node.client.close();
});
