// needs no root
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { once } from "node:events";
import { eq, inArray } from "drizzle-orm";
import { WebSocket } from "ws";
import { signNodeToken } from "../../api/node-tokens.ts";
import { appCounts, apps, instances, nodes, tokens } from "../../core/db/schema.ts";
import type { InstanceReport, Phase, ToNode } from "../../core/contract/node-channel.ts";
import type { PrivateNetwork } from "../../core/contract/private-network.ts";
import { newId, type AppId, type InstanceId, type NodeId, type TenantId } from "../../core/contract/ids.ts";
import { signRegistryToken } from "../../core/registry/token.ts";
import { connectGateway, connectNode, isDesired, isRouteOf, nodeToken, seedApp, seedInstance, startTestApi, testBlobs, type TestApi } from "../support/api.ts";
import { until } from "../support/node.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let api: TestApi;
let other: TestApi;

before(async () => {
  stores = await startStores({ only: ["postgres", "redis"] });
  const options = { ...stores, blobs: testBlobs };
  api = await startTestApi(options, { redisPrefix: stores.redisPrefix });
  other = await startTestApi(options, { redisPrefix: stores.redisPrefix });
});
after(async () => {
  await Promise.all([api?.close(), other?.close()]);
  await stores?.stop();
});

const report = (id: InstanceId, phase: Phase, more: Partial<InstanceReport> = {}): InstanceReport => ({ id, phase, address: "10.201.0.5", port: 8000, restarts: 0, ...more });

async function placed() {
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id, { env: { A: "1", PORT: "9000" } });
  const node = await connectNode(api);
  await node.client.next(isDesired);
  const at = { tenantId: tenant.id, appId: app.id, releaseId: app.releaseIds.at(-1)!, nodeId: node.id };
  const instanceId = await seedInstance(api.db, at);
  return { tenant, app, node, at, instanceId };
}

test("a node gets its desired state on connecting, and again when its bell rings", async () => {
  const { tenant, app, node, instanceId } = await placed();
  const before = node.client.received.length;
  const rungAt = performance.now();
  api.deps.bells.ring("node", node.id);
  const desired = await node.client.next(isDesired, { from: before });
  assert.ok(performance.now() - rungAt < 500, "the bell is heard at once");
  assert.equal(desired.generation, 1);
  const [instance] = desired.instances;
  assert.equal(instance?.id, instanceId);
  assert.equal(instance?.tenantId, tenant.id);
  assert.equal(instance?.appName, app.name);
  assert.deepEqual(instance?.args, ["/bin/app", "serve"]);
  assert.deepEqual(instance?.env, ["PATH=/bin", "PORT=9000", "A=1"]);
  assert.equal(instance?.port, 9000);
  assert.ok((instance?.uidBase ?? 0) >= 33 * 65_536);
  assert.match(instance?.layers[0]?.url ?? "", /blobs\/sha256\/bb\/b{64}/);
  await node.client.close();
});

test("without a bell, the timer finds the new generation", async () => {
  const { node } = await placed();
  const desired = await node.client.next((m) => isDesired(m) && m.generation === 1, { withinMs: 6000 });
  assert.ok(isDesired(desired));
  await node.client.close();
});

test("a report reaches the database, and the gateway within moments", async () => {
  const { app, node, instanceId } = await placed();
  const gateway = await connectGateway(api);
  const snapshot = await gateway.client.next((m) => m.type === "routes-snapshot");
  const mine = snapshot.type === "routes-snapshot" ? snapshot.routes.find((r) => r.appId === app.id) : undefined;
  assert.deepEqual(mine?.endpoints, []);
  assert.ok((mine?.holdTimeoutMs ?? 0) > 0);

  node.client.send({ type: "report", generation: 1, instances: [report(instanceId, "starting")] });
  const sentAt = performance.now();
  node.client.send({ type: "report", generation: 1, instances: [report(instanceId, "ready")] });
  const { route } = await gateway.client.next(isRouteOf(app.id));
  assert.deepEqual(route.endpoints, [{ instanceId, address: "10.201.0.5", port: 8000 }]);
  assert.ok(performance.now() - sentAt < 500);
  const [row] = await api.db.select().from(instances).where(eq(instances.id, instanceId));
  assert.equal(row?.phase, "ready");
  assert.ok(row?.readyAt);
  await Promise.all([node.client.close(), gateway.client.close()]);
});

test("what a gateway could not wake is noted until it runs", async () => {
  const { app, node, instanceId } = await placed();
  const gateway = await connectGateway(api);
  const temperature = (is: "cold" | "running") => ({ ...report(instanceId, "ready"), temperature: { is, since: new Date().toISOString() } });
  const isNoted = async () => (await api.db.select().from(instances).where(eq(instances.id, instanceId)))[0]?.notWokenAt !== null;
  const other = await placed();
  node.client.send({ type: "report", generation: 1, instances: [temperature("cold")] });
  gateway.client.send({ type: "wanted", appId: other.app.id, notWoken: [instanceId] });
  gateway.client.send({ type: "wanted", appId: app.id });
  await sleep(100);
  assert.equal(await isNoted(), false, "it is of another app");
  gateway.client.send({ type: "wanted", appId: app.id, notWoken: [instanceId] });
  await until(isNoted);
  node.client.send({ type: "report", generation: 1, instances: [temperature("running")] });
  await until(async () => !(await isNoted()));
  await Promise.all([node.client.close(), other.node.client.close(), gateway.client.close()]);
});

test("a draining instance leaves the endpoints, and the gateway's word is written once", async () => {
  const { app, node, instanceId } = await placed();
  node.client.send({ type: "report", generation: 1, instances: [report(instanceId, "ready")] });
  const gateway = await connectGateway(api);
  await gateway.client.next((m) => isRouteOf(app.id)(m) || (m.type === "routes-snapshot" && m.routes.some((r) => r.appId === app.id && r.endpoints.length === 1)));
  const rung: string[] = [];
  const stop = other.deps.bells.listen("reconcile", (id) => rung.push(id));
  await api.db.update(instances).set({ state: "draining", drainingAt: new Date() }).where(eq(instances.id, instanceId));
  api.deps.bells.ring("route", app.id);
  const { route } = await gateway.client.next((m): m is Extract<typeof m, { type: "route" }> => isRouteOf(app.id)(m) && m.route.draining.length === 1);
  assert.deepEqual(route.endpoints, []);
  for (let i = 0; i < 2; i++) gateway.client.send({ type: "drained", instanceIds: [instanceId] });
  await eventually(async () => assert.deepEqual(await drainedBy(instanceId), [gateway.id]));
  await eventually(async () => assert.ok(rung.includes(app.id)));
  stop();
  await Promise.all([node.client.close(), gateway.client.close()]);
});

const drainedBy = async (id: InstanceId) => (await api.db.select().from(instances).where(eq(instances.id, id)))[0]?.drainedBy;

test("what was told to stop is gone when a report of that generation no longer names it, and not before", async () => {
  const { node, instanceId } = await placed();
  await api.db.update(instances).set({ state: "stopping" }).where(eq(instances.id, instanceId));
  await api.db.update(nodes).set({ generation: 2 }).where(eq(nodes.id, node.id));
  const state = async () => (await api.db.select().from(instances).where(eq(instances.id, instanceId)))[0];
  node.client.send({ type: "report", generation: 1, instances: [] });
  await eventually(async () => assert.ok(((await api.db.select().from(nodes).where(eq(nodes.id, node.id)))[0]?.seenGeneration ?? 0) === 1));
  assert.equal((await state())?.state, "stopping");
  node.client.send({ type: "report", generation: 2, instances: [report(instanceId, "stopping")] });
  await eventually(async () => assert.equal((await state())?.phase, "stopping"));
  assert.equal((await state())?.state, "stopping");
  node.client.send({ type: "report", generation: 2, instances: [] });
  await eventually(async () => assert.equal((await state())?.state, "gone"));
  assert.ok((await state())?.goneAt);
  await node.client.close();
});

test("a report of another node's instance changes nothing; NUL and broken surrogates in a log do no harm", async () => {
  const { node, instanceId } = await placed();
  const stranger = await connectNode(api);
  stranger.client.send({ type: "report", generation: 9, instances: [report(instanceId, "failed")] });
  await eventually(async () => assert.equal((await api.db.select().from(nodes).where(eq(nodes.id, stranger.id)))[0]?.seenGeneration, 9));
  assert.equal((await api.db.select().from(instances).where(eq(instances.id, instanceId)))[0]?.phase, null);

  const problem = { code: "app_exited" as const, detail: "exited with 1", logTail: ["a\0b", "\ud800"] };
  node.client.send({ type: "report", generation: 1, instances: [report(instanceId, "failed", { problem, lastExit: { code: 1, oomKilled: false, at: new Date().toISOString() } })] });
  await eventually(async () => {
    const [row] = await api.db.select().from(instances).where(eq(instances.id, instanceId));
    assert.deepEqual(row?.report?.problem?.logTail, ["a\ufffdb", "\ufffd"]);
  });
  await Promise.all([node.client.close(), stranger.client.close()]);
});

test("counts are added up by the minute, a repeated message only once, unknown apps not at all", async () => {
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id);
  const gateway = await connectGateway(api);
  const count = { requests: 3, responses2xx: 2, responses4xx: 1, responses5xx: 0, bytesIn: 10, bytesOut: 20, inFlight: 1 };
  const apps = [{ appId: app.id, ...count }, { appId: "app_01h2xcejqtf2nbrexx3vqjhp41" as typeof app.id, ...count }];
  for (const sequence of [1, 2, 2, 1, 3]) gateway.client.send({ type: "counts", incarnation: "a", sequence, periodMs: 1000, apps });
  // Each is acknowledged, a repeated one again.
  await eventually(async () => assert.deepEqual(gateway.client.received.flatMap((message) => (message.type === "counted" ? [message.sequence] : [])), [1, 2, 2, 1, 3]));
  const rows = await api.db.select().from(appCounts).where(eq(appCounts.appId, app.id));
  assert.equal(rows.reduce((sum, row) => sum + row.requests, 0), 3 * 3);
  await gateway.client.close();
});

test("log lines come from the node, also through another API process, and a broken channel is said", async () => {
  const { tenant, app, node, instanceId } = await placed();
  node.client.socket.on("message", (data) => {
    const message = JSON.parse(String(data)) as { type: string; requestId: string; instanceId: InstanceId; tailLines: number; follow: boolean };
    if (message.type !== "logs-open") return;
    const line = (text: string) => ({ instanceId: message.instanceId, stream: "stdout" as const, time: new Date().toISOString(), text });
    node.client.send({ type: "logs", requestId: message.requestId, entries: [line("one"), line(`tail ${message.tailLines}`)], done: !message.follow });
    if (message.follow) setTimeout(() => node.client.send({ type: "logs", requestId: message.requestId, entries: [line("later")], done: false }), 100);
  });
  for (const server of [api, other]) {
    const { status, body, headers } = await server.call("GET", `/v1/apps/${app.name}/logs?tail=7`, { token: tenant.token });
    assert.equal(status, 200, JSON.stringify(body));
    assert.match(headers.get("content-type") ?? "", /ndjson/);
    const texts = String(body).trim().split("\n").map((line) => (JSON.parse(line) as { text: string }).text);
    assert.deepEqual(texts, ["one", "tail 7"]);
  }
  for (const server of [api, other]) {
    const stop = new AbortController();
    const response = await fetch(`${server.url}/v1/apps/${app.name}/logs?follow=true`, { headers: { authorization: `Bearer ${tenant.token}`, accept: "text/event-stream" }, signal: stop.signal });
    assert.equal(response.status, 200);
    let text = "";
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream() as never) as unknown as AsyncIterable<string>) {
      text += chunk;
      if (text.includes("later")) break;
    }
    stop.abort();
    assert.match(text, /event: log\ndata: \{.*"text":"one"/);
    await node.client.next((m) => m.type === "logs-close");
  }
  await node.client.close();
  await eventually(async () => {
    const { status, body } = await api.call("GET", `/v1/apps/${app.name}/logs`, { token: tenant.token });
    assert.equal(status, 503);
    assert.equal(body.code, "node_unavailable");
  });
  // The node is away, but its last report kept the lines of the crash.
  const problem = { code: "app_exited" as const, detail: "exited with 1", logTail: ["boom"] };
  await api.db.update(instances).set({ report: report(instanceId, "failed", { problem }) }).where(eq(instances.id, instanceId));
  const kept = await api.call("GET", `/v1/apps/${app.name}/logs`, { token: tenant.token });
  assert.equal(kept.status, 200);
  assert.match(kept.body, /boom/);
});

test("a log that is followed is cut when its token is revoked", async () => {
  const { tenant, app, node } = await placed();
  const response = await fetch(`${api.url}/v1/apps/${app.name}/logs?follow=true`, { headers: { authorization: `Bearer ${tenant.token}` } });
  assert.equal(response.status, 200);
  await node.client.next((m) => m.type === "logs-open");
  await api.db.update(tokens).set({ revokedAt: new Date() }).where(eq(tokens.tenantId, tenant.id));
  const revokedAt = performance.now();
  await response.text();
  assert.ok(performance.now() - revokedAt < 2000);
  await node.client.next((m) => m.type === "logs-close");
  await node.client.close();
});

test("a channel refuses a wrong token, the other kind's token, and an unknown path", async () => {
  const node = await connectNode(api);
  const statusOf = (path: string, token?: string) =>
    new Promise<number | undefined>((resolve) => {
      const socket = new WebSocket(api.url.replace("http:", "ws:") + path, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });
      socket.on("unexpected-response", (_request, response) => {
        resolve(response.statusCode);
        socket.terminate();
      });
      socket.on("open", () => resolve(101));
      socket.on("error", () => {});
    });
  assert.equal(await statusOf("/v1/node/channel"), 401);
  assert.equal(await statusOf("/v1/node/channel", "wrong"), 401);
  assert.equal(await statusOf("/v1/gateway/channel", node.token), 401);
  assert.equal(await statusOf("/v1/nothing", node.token), 404);
  const tenant = await api.tenant();
  assert.equal(await statusOf("/v1/node/channel", tenant.token), 401);

  // A node's own token opens one place, and what it gets there opens the channel, for some minutes.
  assert.equal(await statusOf("/v1/node/channel", node.token), 401);
  const jwt = await nodeToken(api, node.token);
  assert.equal(await statusOf("/v1/node/channel", jwt), 101);
  const past = { db: api.db, clock: () => new Date(Date.now() - 600_000) };
  assert.equal(await statusOf("/v1/node/channel", await signNodeToken(past, node.id)), 401, "expired");
  assert.equal(await statusOf("/v1/node/channel", await signNodeToken(api.deps, newId("node"))), 401, "a node that is not there");
  assert.equal(await statusOf("/v1/node/channel", await signRegistryToken(api.db, { subject: node.id, access: [] })), 401, "made for another use");
  const body = JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString("utf8")) as { aud: string };
  assert.equal(body.aud, "berth-node");
  for (const token of ["wrong", tenant.token, jwt]) assert.equal((await api.call("POST", "/v1/node/token", { token })).status, 401);
  await node.client.close();
});

test("a second connection of a node takes over; a message that is none closes the channel", async () => {
  const first = await connectNode(api);
  await first.client.next(isDesired);
  const closed = new Promise<number>((resolve) => first.client.socket.once("close", resolve));
  const second = await connectNode(api, { name: first.name, token: first.token });
  assert.equal(await closed, 4001);
  await second.client.next(isDesired);
  const refused = new Promise<number>((resolve) => second.client.socket.once("close", resolve));
  second.client.socket.send('{"type":"nonsense"}');
  assert.equal(await refused, 1008);
});

async function eventually(check: () => Promise<void>, withinMs = 5000): Promise<void> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

test("a node knows the apps of the tenants that it has, on all nodes, and when they change; no other tenant's", async () => {
  const networks = [{ subnet: "10.11.0.0/16", address: "192.0.2.1" }, { subnet: "10.12.0.0/16", address: "192.0.2.2" }] as const;
  // One after the other: nodes are told in the order of their ids.
  const a = await connectNode(api, { network: networks[0] });
  const b = await connectNode(api, { network: networks[1] });
  const [mine, others] = [await api.tenant(), await api.tenant()];
  const [web, db, foreign] = [await seedApp(api.db, mine.id), await seedApp(api.db, mine.id), await seedApp(api.db, others.id)];
  const placedAt = (node: { id: NodeId }, tenant: { id: TenantId }, app: Awaited<ReturnType<typeof seedApp>>) =>
    seedInstance(api.db, { tenantId: tenant.id, appId: app.id, releaseId: app.releaseIds.at(-1)!, nodeId: node.id });
  await placedAt(a, mine, web);
  const onB = await placedAt(b, mine, db);
  await placedAt(b, others, foreign);
  for (const node of [a, b]) api.deps.bells.ring("node", node.id);
  const knows = (check: (network: PrivateNetwork) => boolean) => (message: ToNode) => message.type === "network" && check(message);
  const serviceOf = (network: PrivateNetwork, appId: AppId) => network.tenants.flatMap(({ services }) => services).find((service) => service.appId === appId);
  const first = (await a.client.next(knows((network) => serviceOf(network, db.id) !== undefined))) as PrivateNetwork;
  assert.deepEqual(first.tenants.map(({ id }) => id), [mine.id]);
  assert.deepEqual(first.nodes.filter(({ id }) => id === a.id || id === b.id).map(({ id: _id, ...place }) => place), networks);
  assert.deepEqual(serviceOf(first, db.id)?.instances, [], "it has no address yet");
  b.client.send({ type: "report", generation: 2, instances: [report(onB, "ready", { address: "10.12.0.16", temperature: { is: "standby", since: new Date().toISOString() } })] });
  const next = (await a.client.next(knows((network) => (serviceOf(network, db.id)?.instances.length ?? 0) > 0))) as PrivateNetwork;
  assert.deepEqual(serviceOf(next, db.id), { appId: db.id, name: db.name, isLive: true, instances: [{ id: onB, nodeId: b.id, address: "10.12.0.16", serves: true, asleep: true }] });
  await b.client.next(knows((network) => network.tenants.length === 2));
  await Promise.all([a.client.close(), b.client.close()]);
});

test("a node asks for an app of its tenants that sleeps, and for no other", async () => {
  const settings = { scaling: { min: 0, max: 2, idleMs: 60_000 } };
  const [mine, others] = [await api.tenant(), await api.tenant()];
  const [here, lazy, foreign] = [await seedApp(api.db, mine.id), await seedApp(api.db, mine.id, { settings }), await seedApp(api.db, others.id, { settings })];
  await api.db.update(apps).set({ scaledTo: 0 }).where(inArray(apps.id, [lazy.id, foreign.id]));
  const node = await connectNode(api);
  await seedInstance(api.db, { tenantId: mine.id, appId: here.id, releaseId: here.releaseIds.at(-1)!, nodeId: node.id });
  for (const app of [foreign, lazy]) node.client.send({ type: "wanted", appId: app.id });
  const scaled = async (id: AppId) => (await api.db.select({ to: apps.scaledTo }).from(apps).where(eq(apps.id, id)))[0]?.to;
  for (const deadline = Date.now() + 5000; (await scaled(lazy.id)) !== 1; await sleep(20)) assert.ok(Date.now() < deadline);
  assert.equal(await scaled(foreign.id), 0);
  await node.client.close();
});

test("a node whose addresses are another's is refused, by name, until that one is gone", async () => {
  const network = { subnet: "10.13.0.0/16" };
  const first = await connectNode(api, { network });
  await first.client.next(isDesired);
  const second = await connectNode(api, { network: { subnet: "10.13.64.0/20" } });
  const [code, reason] = (await once(second.client.socket, "close")) as [number, Buffer];
  assert.equal(code, 1008);
  assert.ok(String(reason).includes(first.name) && String(reason).includes("10.13.64.0/20"), String(reason));
  await api.db.update(nodes).set({ lastSeenAt: new Date(Date.now() - 60_000) }).where(eq(nodes.id, first.id));
  await first.client.close();
  const third = await connectNode(api, { network });
  await third.client.next(isDesired);
  await third.client.close();
});

test("a private app has no route at gateways, and its URL is the private network's", async () => {
  const tenant = await api.tenant();
  const [open, shut] = [await seedApp(api.db, tenant.id), await seedApp(api.db, tenant.id, { settings: { private: true, port: 5432 } })];
  const gateway = await connectGateway(api);
  const snapshot = await gateway.client.next((message) => message.type === "routes-snapshot");
  assert.ok(snapshot.type === "routes-snapshot");
  assert.deepEqual(snapshot.routes.filter(({ appId }) => [open.id, shut.id].includes(appId)).map(({ appId }) => appId), [open.id]);
  const { body } = await api.call("GET", `/v1/apps/${shut.name}`, { token: tenant.token });
  assert.equal((body as { url: string }).url, `http://${shut.name}.internal:5432`);
  await gateway.client.close();
});
