// needs no root
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { and, eq } from "drizzle-orm";
import { createToken } from "../../core/db/system-queries/bootstrap.ts";
import { createToken as newToken, hashToken } from "../../core/tokens.ts";
import { ERRORS } from "../../core/contract/errors.ts";
import { newId } from "../../core/contract/ids.ts";
import { apps, audit, builds, deployments, releases, tokens } from "../../core/db/schema.ts";
import { connectNode, seedApp, seedInstance, startTestApi, testBlobs, type TestApi } from "../support/api.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let api: TestApi;

before(async () => {
  stores = await startStores({ only: ["postgres", "redis"] });
  api = await startTestApi({ ...stores, blobs: testBlobs }, { redisPrefix: stores.redisPrefix });
});
after(async () => {
  await api?.close();
  await stores?.stop();
});

test("whoami says who a token belongs to, and every answer has a request id", async () => {
  const tenant = await api.tenant();
  const { status, body, headers } = await api.call("GET", "/v1/whoami", { token: tenant.token });
  assert.equal(status, 200);
  assert.deepEqual(body.tenant, { id: tenant.id, name: tenant.name });
  assert.equal(body.token.expiresAt, null);
  assert.match(body.registry, new RegExp(`^127\\.0\\.0\\.1:\\d+/${tenant.name}$`));
  assert.match(headers.get("x-request-id") ?? "", /^req_/);
  const own = await api.call("GET", "/v1/whoami", { token: tenant.token, headers: { "x-request-id": "mine-1" } });
  assert.equal(own.headers.get("x-request-id"), "mine-1");
});

test("a token that is missing, wrong, mistyped or unknown is refused as a problem", async () => {
  const { token } = await api.tenant();
  const mistyped = token.slice(0, -1) + (token.endsWith("a") ? "b" : "a");
  for (const wrong of [undefined, "x", mistyped, newToken()]) {
    const { status, body, headers } = await api.call("GET", "/v1/whoami", { token: wrong });
    assert.equal(status, 401, wrong);
    assert.equal(headers.get("content-type"), "application/problem+json");
    assert.equal(body.code, "unauthenticated");
    assert.equal(body.title, ERRORS.unauthenticated[1]);
    assert.equal(body.requestId, headers.get("x-request-id"));
    assert.match(headers.get("www-authenticate") ?? "", /^Bearer/);
  }
});

test("an expired token says that it expired; a revoked one stops working within a second", async () => {
  const tenant = await api.tenant();
  const expired = await createToken(api.db, tenant.id, { name: "old", expiresAt: new Date(Date.now() - 1000) });
  const refused = await api.call("GET", "/v1/whoami", { token: expired.token });
  assert.equal(refused.status, 401);
  assert.equal(refused.body.code, "token_expired");

  const revoked = await createToken(api.db, tenant.id, { name: "lost" });
  assert.equal((await api.call("GET", "/v1/whoami", { token: revoked.token })).status, 200);
  await api.db.update(tokens).set({ revokedAt: new Date() }).where(eq(tokens.id, revoked.id));
  await new Promise((resolve) => setTimeout(resolve, 1050));
  const after = await api.call("GET", "/v1/whoami", { token: revoked.token });
  assert.equal(after.body.code, "unauthenticated");
});

test("a token's last use is noted, and the token itself is nowhere in the database", async () => {
  const tenant = await api.tenant();
  await api.call("GET", "/v1/whoami", { token: tenant.token });
  const [row] = await api.db.select().from(tokens).where(eq(tokens.hash, hashToken(tenant.token)));
  assert.ok(row?.lastUsedAt);
  assert.ok(!JSON.stringify(row).includes(tenant.token));
});

test("an app is made, listed in pages, changed and destroyed, with an audit row each", async () => {
  const { token, id: tenantId, name: tenantName } = await api.tenant();
  const made = await api.call("POST", "/v1/apps", { token, body: { name: "web", settings: { memoryBytes: 64 * 2 ** 20 }, env: { A: "1" } } });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.equal(made.body.url, `http://web-${tenantName}.berth.localhost:8080`);
  assert.equal(made.body.settings.memoryBytes, 64 * 2 ** 20);
  assert.equal(made.body.liveRelease, null);
  for (const name of ["b", "c"]) await api.call("POST", "/v1/apps", { token, body: { name } });
  const first = await api.call("GET", "/v1/apps?limit=2", { token });
  assert.deepEqual(first.body.items.map((app: { name: string }) => app.name), ["web", "b"]);
  const second = await api.call("GET", `/v1/apps?limit=2&cursor=${first.body.nextCursor}`, { token });
  assert.deepEqual(second.body.items.map((app: { name: string }) => app.name), ["c"]);
  assert.equal(second.body.nextCursor, null);
  assert.equal((await api.call("GET", "/v1/apps?cursor=junk", { token })).body.code, "invalid_request");

  const changed = await api.call("PATCH", "/v1/apps/web", { token, body: { settings: { replicas: 2 } } });
  assert.equal(changed.status, 200);
  assert.equal(changed.body.settings.replicas, 2);
  assert.equal((await api.call("PATCH", "/v1/apps/web/env", { token, body: { A: null, B: "2" } })).status, 204);
  assert.deepEqual((await api.call("GET", `/v1/apps/${made.body.id}/env`, { token })).body, { B: "2" });

  assert.equal((await api.call("DELETE", "/v1/apps/web", { token })).status, 204);
  assert.equal((await api.call("GET", "/v1/apps/web", { token })).body.code, "not_found");
  assert.equal((await api.call("POST", "/v1/apps", { token, body: { name: "web" } })).status, 201, "the name is free again");
  const verbs = (await api.db.select().from(audit).where(eq(audit.tenantId, tenantId))).map((row) => row.verb);
  for (const verb of ["app.create", "app.settings", "app.env", "app.destroy"]) assert.ok(verbs.includes(verb), verb);
});

test("names, settings and variables that are not allowed are refused with what is wrong", async () => {
  const { token } = await api.tenant();
  const post = (body: unknown) => api.call("POST", "/v1/apps", { token, body });
  for (const name of ["", "Web", "a_b", "-a", "a-", "x".repeat(41), "a.b", "ü"]) {
    const { status, body } = await post({ name });
    assert.equal(status, 422, name);
    assert.equal(body.code, "invalid_name");
    assert.match(body.detail, /an app's name/);
  }
  assert.equal((await post({ name: "taken" })).status, 201);
  const taken = await post({ name: "taken" });
  assert.deepEqual([taken.status, taken.body.code], [409, "name_taken"]);

  const config = await post({ name: "a", settings: { memoryBytes: 1, nonsense: true } });
  assert.deepEqual([config.status, config.body.code], [422, "invalid_config"]);
  assert.ok(config.body.errors.some((e: { path: string }) => e.path === "settings.memoryBytes"), JSON.stringify(config.body));
  const env = await api.call("PATCH", "/v1/apps/taken/env", { token, body: { "1x": "v" } });
  assert.deepEqual([env.status, env.body.code], [422, "invalid_config"]);
  for (const body of ["{", "[]", '"x"', "{}"]) {
    const { status, body: problem } = await post(body);
    assert.ok(status === 400 || problem.code === "invalid_name", `${body}: ${JSON.stringify(problem)}`);
  }
  const unknownField = await post({ name: "a", tenantId: "ten_x" });
  assert.deepEqual([unknownField.status, unknownField.body.code], [400, "invalid_request"]);
  const media = await api.call("POST", "/v1/apps", { token, body: "name=a", headers: { "content-type": "text/plain" } });
  assert.deepEqual([media.status, media.body.code], [415, "unsupported_media_type"]);
  const large = await post({ name: "a", env: { A: "x".repeat(2 ** 20) } });
  assert.deepEqual([large.status, large.body.code], [413, "payload_too_large"]);
});

test("/docs is one page that shows every route, schema and error, and loads nothing", async () => {
  const { status, body, headers } = await api.call("GET", "/docs");
  assert.equal(status, 200);
  assert.match(headers.get("content-type") ?? "", /^text\/html/);
  assert.match(headers.get("content-security-policy") ?? "", /default-src 'none'/);
  const { paths, components } = (await api.call("GET", "/openapi.json")).body as { paths: Record<string, Record<string, { summary?: string }>>; components: { schemas: object } };
  const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("'", "&#39;").replaceAll('"', "&quot;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  for (const [path, methods] of Object.entries(paths)) {
    assert.ok(body.includes(`<code>${path}</code>`), path);
    for (const { summary = "" } of Object.values(methods)) assert.ok(body.includes(escaped(summary)), summary);
  }
  for (const name of Object.keys(components.schemas)) assert.ok(body.includes(`id="schema-${name}"`), name);
  for (const code of Object.keys(ERRORS)) assert.ok(body.includes(`id="error-${code}"`), code);
  assert.doesNotMatch(body, /<script|<link|<img|https?:\/\//);
  for (const [, anchor] of body.matchAll(/href="#([^"]+)"/g)) assert.ok(body.includes(`id="${anchor}"`), anchor);
});

test("a problem's type leads to a page of the API about its code; /errors lists all", async () => {
  const { token } = await api.tenant();
  const { body: problem } = await api.call("GET", "/v1/apps/none", { token });
  assert.equal(problem.type, `${api.url}/errors/not_found`);
  const advice = /^\| `not_found` \| 404 \| .+? \| (.+) \|$/m.exec(await readFile(new URL("../../docs/errors.md", import.meta.url), "utf8"))?.[1];
  const page = await fetch(problem.type);
  assert.deepEqual([page.status, page.headers.get("content-type")], [200, "text/html; charset=UTF-8"]);
  const text = await page.text();
  for (const part of [problem.title, "404", advice ?? "?"]) assert.ok(text.includes(part), part);
  const all = await api.call("GET", "/errors");
  for (const code of Object.keys(ERRORS)) assert.ok(all.body.includes(`href="/errors/${code}"`), code);
  const codes = await Promise.all(Object.keys(ERRORS).map(async (code) => (await api.call("GET", `/errors/${code}`)).status));
  assert.ok(codes.every((status) => status === 200));
  const unknown = await api.call("GET", "/errors/%3Cscript%3E");
  assert.deepEqual([unknown.status, unknown.body.code], [404, "not_found"]);
});

test("instances are listed in pages", async () => {
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id);
  const node = await connectNode(api);
  const at = { tenantId: tenant.id, appId: app.id, releaseId: app.releaseIds[0]!, nodeId: node.id };
  const ids: string[] = [];
  for (let i = 0; i < 3; i++) ids.push(await seedInstance(api.db, at));
  const list = async (query: string) => (await api.call("GET", `/v1/apps/${app.name}/instances?${query}`, { token: tenant.token })).body as { items: { id: string }[]; nextCursor: string | null; code?: string };
  const first = await list("limit=2");
  const second = await list(`limit=2&cursor=${first.nextCursor}`);
  assert.deepEqual([...first.items, ...second.items].map(({ id }) => id), ids.toSorted());
  assert.equal(second.nextCursor, null);
  assert.equal((await list("cursor=junk")).code, "invalid_request");
  await node.client.close();
});

test("unknown paths and methods are problems", async () => {
  const { token } = await api.tenant();
  const nothing = await api.call("GET", "/nothing", { token });
  assert.deepEqual([nothing.status, nothing.body.code], [404, "not_found"]);
  assert.equal((await api.call("GET", "/v1/nothing", { token })).body.code, "not_found");
  const method = await api.call("PUT", "/v1/apps", { token });
  assert.deepEqual([method.status, method.body.code, method.headers.get("allow")], [405, "method_not_allowed", "GET, POST"]);
});

test("settings and environment of an app that runs roll out as a deployment with a release of the same image", async () => {
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id, { env: { A: "1" } });
  const env = await api.call("PATCH", `/v1/apps/${app.name}/env`, { token: tenant.token, body: { B: "secret-value" } });
  assert.equal(env.status, 202, JSON.stringify(env.body));
  assert.deepEqual([env.body.state, env.body.reason, env.body.release], ["releasing", "env", "v2"]);
  const same = await api.call("PATCH", `/v1/apps/${app.name}/env`, { token: tenant.token, body: { B: "secret-value" } });
  assert.equal(same.status, 204, "no change, no release");
  const settings = await api.call("PATCH", `/v1/apps/${app.name}`, { token: tenant.token, body: { settings: { replicas: 3 } } });
  assert.deepEqual([settings.status, settings.body.release], [202, "v3"]);
  const [third] = await api.db.select().from(releases).where(and(eq(releases.appId, app.id), eq(releases.number, 3)));
  assert.deepEqual(third?.env, { A: "1", B: "secret-value" });
  assert.equal(third?.settings.replicas, 3);
  const rows = await api.db.select().from(audit).where(eq(audit.tenantId, tenant.id));
  assert.ok(!JSON.stringify(rows).includes("secret-value"), "the audit holds no values");
  const list = await api.call("GET", `/v1/apps/${app.name}/releases?limit=2`, { token: tenant.token });
  assert.deepEqual(list.body.items.map((r: { name: string }) => r.name), ["v3", "v2"]);
  assert.deepEqual(list.body.items[0].envNames, ["A", "B"]);
  const next = await api.call("GET", `/v1/apps/${app.name}/releases?limit=2&cursor=${list.body.nextCursor}`, { token: tenant.token });
  assert.deepEqual(next.body.items.map((r: { name: string; live: boolean }) => [r.name, r.live]), [["v1", true]]);
});

test("a rollback points at the release before the live one, or at the one that is named", async () => {
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id, { releases: 3 });
  const rollback = (body: unknown) => api.call("POST", `/v1/apps/${app.name}/rollback`, { token: tenant.token, body });
  const back = await rollback({});
  assert.equal(back.status, 202, JSON.stringify(back.body));
  assert.deepEqual([back.body.state, back.body.reason, back.body.release], ["releasing", "rollback to v2", "v2"]);
  const first = await rollback({ release: "v1" });
  assert.equal(first.body.release, "v1");
  const [superseded] = await api.db.select().from(deployments).where(eq(deployments.id, back.body.id));
  assert.equal(superseded?.failure?.code, "superseded");
  const live = await rollback({ release: "v3" });
  assert.deepEqual([live.body.state, live.body.release], ["live", "v3"], "back to what serves: nothing to roll out");
  assert.deepEqual([(await rollback({ release: "v3" })).body.code, (await rollback({ release: "v9" })).body.code], ["conflict", "not_found"]);
  const fresh = await seedApp(api.db, tenant.id, { releases: 1 });
  const none = await api.call("POST", `/v1/apps/${fresh.name}/rollback`, { token: tenant.token, body: {} });
  assert.deepEqual([none.status, none.body.code], [409, "no_release"]);
});

test("status shows instances with what their node said, and the last deployment", async () => {
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id);
  const node = await connectNode(api);
  const id = await seedInstance(api.db, { tenantId: tenant.id, appId: app.id, releaseId: app.releaseIds[0]!, nodeId: node.id });
  const problem = { code: "app_exited" as const, detail: "exited with 3", logTail: ["boom"] };
  node.client.send({ type: "report", generation: 1, instances: [{ id, phase: "failed", restarts: 0, problem, lastExit: { code: 3, oomKilled: false, at: new Date().toISOString() } }] });
  const deadline = Date.now() + 3000;
  for (;;) {
    const { status, body } = await api.call("GET", `/v1/apps/${app.name}/status`, { token: tenant.token });
    assert.equal(status, 200);
    if (body.instances[0]?.phase === "failed" || Date.now() > deadline) {
      assert.deepEqual(body.instances[0]?.problem, problem);
      assert.equal(body.instances[0].lastExit.code, 3);
      assert.equal(body.lastDeployment, null);
      break;
    }
  }
  await node.client.close();
});

test("destroying an app cancels what is under way", async () => {
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id);
  const buildId = newId("build");
  const id = newId("deployment");
  await api.db.insert(builds).values({ id: buildId, tenantId: tenant.id, appId: app.id, contextKey: "x", contextFormat: "tar", contextBytes: 1 });
  await api.db.insert(deployments).values({ id, tenantId: tenant.id, appId: app.id, state: "building", buildId, reason: "deploy" });
  assert.equal((await api.call("DELETE", `/v1/apps/${app.name}`, { token: tenant.token })).status, 204);
  const [deployment] = await api.db.select().from(deployments).where(eq(deployments.id, id));
  assert.deepEqual([deployment?.state, deployment?.failure?.code], ["cancelled", "deployment_cancelled"]);
  const [build] = await api.db.select().from(builds).where(eq(builds.id, buildId));
  assert.ok(build?.cancelRequestedAt);
  assert.ok((await api.db.select().from(apps).where(eq(apps.id, app.id)))[0]?.deletedAt);
});
