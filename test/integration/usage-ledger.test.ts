// needs no root
/** The ledger: whatever is said twice, late, in another order, or to another process is in it once. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eq } from "drizzle-orm";
import type { AppCounts } from "../../core/contract/gateway-channel.ts";
import type { AppId, InstanceId } from "../../core/contract/ids.ts";
import type { FromNode, InstanceUsage, ToNode } from "../../core/contract/node-channel.ts";
import { writeReport } from "../../core/db/system-queries/node-reports.ts";
import { instances, nodes, usage } from "../../core/db/schema.ts";
import { connectGateway, connectNode, isDesired, seedApp, seedInstance, startTestApi, testBlobs, type TestApi } from "../support/api.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let api: TestApi;
const open = () => startTestApi({ ...stores, blobs: testBlobs }, { redisPrefix: stores.redisPrefix });
before(async () => {
  stores = await startStores({ only: ["postgres", "redis"] });
  api = await open();
});
after(async () => {
  await api?.close();
  await stores?.stop();
});

async function placed() {
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id);
  const node = await connectNode(api);
  await node.client.next(isDesired);
  const at = { tenantId: tenant.id, appId: app.id, releaseId: app.releaseIds.at(-1)!, nodeId: node.id };
  return { tenant, app, node, at, instanceId: await seedInstance(api.db, at) };
}

const said = (id: InstanceId, cpuMicros: number, more: Partial<InstanceUsage> = {}): InstanceUsage => ({ id, since: 1000, cpuMicros, memoryByteSeconds: cpuMicros * 100, egressBytes: cpuMicros * 2, ingressBytes: cpuMicros, ended: false, ...more });
const report = (used: InstanceUsage[], generation = 0): FromNode => ({ type: "report", generation, instances: [], usage: used });
const isCounted = (id: InstanceId) => (message: ToNode) => message.type === "counted" && message.instanceIds.includes(id);

async function ledger(appId: AppId) {
  const rows = await api.db.select().from(usage).where(eq(usage.appId, appId));
  const sum = (pick: (row: (typeof rows)[number]) => number | bigint) => rows.reduce((total, row) => total + Number(pick(row)), 0);
  return { cpu: sum((r) => r.cpuMicros), memory: sum((r) => r.memoryByteSeconds), egress: sum((r) => r.egressBytes), ingress: sum((r) => r.ingressBytes), requests: sum((r) => r.requests), buildMs: sum((r) => r.buildMillis), storage: sum((r) => r.storageByteSeconds), rows };
}

test("a node's sums: repeated, reordered, with a new count, from two processes of the API at once", async () => {
  const { app, node, instanceId, at } = await placed();
  const second = await seedInstance(api.db, at);
  for (const cpu of [10, 30, 20, 30, 35, 10]) {
    const word = report([said(instanceId, cpu), said(second, cpu * 2)]);
    if (word.type === "report") await writeReport(api.db, node.id, word, new Date());
    node.client.send(word);
  }
  await eventually(async () => assert.deepEqual(await ledger(app.id).then(({ cpu, memory, egress, ingress }) => [cpu, memory, egress, ingress]), [105, 10_500, 210, 105]));

  // Another process hears the same node: both write at the same time.
  const other = await open();
  const twin = await connectNode(other, { name: node.name, token: node.token });
  for (let cpu = 36; cpu <= 60; cpu++) {
    node.client.send(report([said(second, cpu + 40), said(instanceId, cpu)]));
    twin.client.send(report([said(instanceId, cpu), said(second, cpu + 40)]));
  }
  await eventually(async () => assert.equal((await ledger(app.id)).cpu, 160));

  // Its data was lost: it counts from zero. A late word of its former life changes nothing.
  node.client.send(report([said(instanceId, 5, { since: 2000 })]));
  await eventually(async () => assert.equal((await ledger(app.id)).cpu, 165));
  twin.client.send(report([said(instanceId, 900), said(second, 101)]));
  await eventually(async () => assert.equal((await ledger(app.id)).cpu, 166));

  // The API is started again; the node says it all once more.
  await Promise.all([node.client.close(), twin.client.close(), other.close()]);
  await api.close();
  api = await open();
  const again = await connectNode(api, { name: node.name, token: node.token });
  again.client.send(report([said(instanceId, 5, { since: 2000 }), said(second, 101)]));
  again.client.send(report([said(instanceId, 6, { since: 2000 }), said(second, 101)]));
  await eventually(async () => assert.equal((await ledger(app.id)).cpu, 167));
  await again.client.close();
});

test("nothing is gone that was not counted: the last sums are taken with the end, and acknowledged", async () => {
  const { app, node, instanceId } = await placed();
  await api.db.update(instances).set({ state: "stopping" }).where(eq(instances.id, instanceId));
  await api.db.update(nodes).set({ generation: 2 }).where(eq(nodes.id, node.id));
  node.client.send(report([said(instanceId, 50, { ended: true })], 2));
  await node.client.next(isCounted(instanceId));
  const [row] = await api.db.select().from(instances).where(eq(instances.id, instanceId));
  assert.equal(row?.state, "gone");
  assert.equal((await ledger(app.id)).cpu, 50);
  // The acknowledgement was lost: said again, counted no more, acknowledged again.
  const from = node.client.received.length;
  node.client.send(report([said(instanceId, 50, { ended: true })], 2));
  await node.client.next(isCounted(instanceId), { from });
  assert.equal((await ledger(app.id)).cpu, 50);
  await node.client.close();
});

test("another node's instance is not counted; a row that is busy is, with the next report", async () => {
  const { app, node, instanceId } = await placed();
  const stranger = await connectNode(api);
  stranger.client.send(report([said(instanceId, 1_000_000, { ended: true })]));
  await stranger.client.next(isCounted(instanceId));
  assert.equal((await ledger(app.id)).cpu, 0);

  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  const holding = api.db.transaction(async (tx) => {
    await tx.select().from(instances).where(eq(instances.id, instanceId)).for("update");
    await held;
  });
  node.client.send(report([said(instanceId, 7, { ended: true })]));
  node.client.send({ type: "report", generation: 5, instances: [] });
  // The later report is written: the former one did not wait.
  await eventually(async () => assert.equal((await api.db.select().from(nodes).where(eq(nodes.id, node.id)))[0]?.seenGeneration, 5));
  assert.equal(node.client.received.some(isCounted(instanceId)), false);
  release();
  await holding;
  node.client.send(report([said(instanceId, 7, { ended: true })]));
  await node.client.next(isCounted(instanceId));
  assert.equal((await ledger(app.id)).cpu, 7);
  await Promise.all([node.client.close(), stranger.client.close()]);
});

test("a gateway's counts: once a sequence of an incarnation, with the requests' hours, and the gateway hears how far they came", async () => {
  const { app } = await placed();
  const gateway = await connectGateway(api);
  const apps = (requests: number): AppCounts[] => [{ appId: app.id, requests, responses2xx: requests, responses4xx: 0, responses5xx: 0, bytesIn: 10, bytesOut: 20, inFlight: 0 }];
  const send = (incarnation: string, sequence: number, requests: number, periodMs = 1000) => gateway.client.send({ type: "counts", incarnation, sequence, periodMs, apps: apps(requests) });
  for (const sequence of [1, 2, 2, 3, 1]) send("one", sequence, 10);
  // Its data was lost, or its disk is an older one: another incarnation, which begins at 1.
  for (const sequence of [1, 1, 2]) send("two", sequence, 100);
  send("one", 3, 10);
  await eventually(async () => assert.equal((await ledger(app.id)).requests, 230));
  assert.deepEqual([(await ledger(app.id)).egress, (await ledger(app.id)).ingress], [0, 0], "bytes are the instances' interfaces' to count");
  // A long silence is divided over its hours, but for those that are closed.
  send("two", 3, 1000, 3 * 3_600_000);
  await eventually(async () => assert.equal((await ledger(app.id)).requests, 1230));

  const from = gateway.client.received.length;
  gateway.client.send({ type: "hello", version: "test", incarnation: "two" });
  gateway.client.send({ type: "hello", version: "test", incarnation: "none" });
  await eventually(async () =>
    assert.deepEqual(gateway.client.received.slice(from).filter(({ type }) => type === "counted"), [
      { type: "counted", incarnation: "two", sequence: 3 },
      { type: "counted", incarnation: "none", sequence: 0 },
    ]),
  );
  await gateway.client.close();
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
