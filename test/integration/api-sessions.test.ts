// needs no root
/** Sessions through the API, with a stand-in for the node: whichever process holds the node, who may, credit, revocation. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { after, before, test } from "node:test";
import { eq } from "drizzle-orm";
import { WebSocket } from "ws";
import type { ToNode } from "../../core/contract/node-channel.ts";
import { SESSION_WINDOW_BYTES, type ClientEvent, type ServerEvent, type SessionUp } from "../../core/contract/sessions.ts";
import { audit, instances, tokens } from "../../core/db/schema.ts";
import { createToken } from "../../core/db/system-queries/bootstrap.ts";
import { connectNode, isDesired, seedApp, seedInstance, startTestApi, testBlobs, type NodeClient, type TestApi } from "../support/api.ts";
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

async function placed() {
  const tenant = await api.tenant();
  const app = await seedApp(api.db, tenant.id);
  const node = await connectNode(api);
  await node.client.next(isDesired);
  const instanceId = await seedInstance(api.db, { tenantId: tenant.id, appId: app.id, releaseId: app.releaseIds.at(-1)!, nodeId: node.id });
  return { tenant, app, node: node.client, instanceId, path: `/v1/apps/${app.name}/instances/${instanceId}` };
}

class Client {
  readonly socket: WebSocket;
  readonly events: ServerEvent[] = [];
  bytes = Buffer.alloc(0);
  constructor(at: TestApi, path: string, token: string) {
    this.socket = new WebSocket(at.url.replace("http:", "ws:") + path, { headers: { authorization: `Bearer ${token}` } });
    this.socket.on("message", (data, isBinary) => {
      if (isBinary) this.bytes = Buffer.concat([this.bytes, data as Buffer]);
      else this.events.push(JSON.parse(String(data)) as ServerEvent);
    });
  }
  say = (event: ClientEvent) => this.socket.send(JSON.stringify(event));
  async until(condition: () => boolean): Promise<void> {
    for (const deadline = Date.now() + 5000; !condition(); await new Promise((resolve) => setTimeout(resolve, 5))) {
      if (Date.now() > deadline) throw new Error(`not so within 5 s; heard ${JSON.stringify(this.events)}, ${this.bytes.length} bytes`);
    }
  }
}

/** The status and the problem of an upgrade that is refused. */
async function refused(at: TestApi, path: string, token: string): Promise<[status: number | undefined, code: string]> {
  const { socket } = new Client(at, path, token);
  const [, response] = (await once(socket, "unexpected-response")) as [unknown, IncomingMessage];
  let body = "";
  for await (const chunk of response) body += String(chunk);
  socket.on("error", () => {});
  socket.terminate();
  return [response.statusCode, (JSON.parse(body) as { code: string }).code];
}

type Opened = Extract<ToNode, { type: "session-open" }>;
const isOpen = (message: ToNode): message is Opened => message.type === "session-open";
const sessionMessages = (node: NodeClient, id: string) => node.received.flatMap((message) => (message.type === "session" && message.sessionId === id ? [message.event] : []));
const start = { type: "start" as const, args: ["cat"], terminal: null };

for (const where of ["the process that holds the node", "another process"]) {
  test(`through ${where}: bytes both ways, within credit, and the exit code`, async () => {
    const at = where === "another process" ? other : api;
    const { tenant, node, instanceId, path } = await placed();
    const client = new Client(at, `${path}/exec`, tenant.token);
    await once(client.socket, "open");
    client.say({ ...start, terminal: { columns: 80, rows: 24, term: "xterm" } });
    const opened = await node.next(isOpen);
    assert.equal(opened.instanceId, instanceId);
    assert.deepEqual(opened.target, { kind: "exec", args: ["cat"], terminal: { columns: 80, rows: 24, term: "xterm" } });
    const { sessionId } = opened;
    const up = (event: SessionUp) => node.send({ type: "session", sessionId, event });
    up({ type: "opened" });
    await client.until(() => client.events.length === 1);
    client.say({ type: "resize", columns: 100, rows: 50 });
    // More than the node has room for: the rest waits for credit.
    const input = Buffer.alloc(SESSION_WINDOW_BYTES * 2, "input");
    client.socket.send(input);
    client.say({ type: "end" });
    const taken = () => Buffer.concat(sessionMessages(node, sessionId).flatMap((event) => (event.type === "data" ? [Buffer.from(event.data, "base64")] : [])));
    await client.until(() => taken().length >= SESSION_WINDOW_BYTES);
    assert.equal(taken().length, SESSION_WINDOW_BYTES);
    assert.ok(!sessionMessages(node, sessionId).some(({ type }) => type === "end"));
    up({ type: "credit", bytes: SESSION_WINDOW_BYTES });
    await client.until(() => sessionMessages(node, sessionId).some(({ type }) => type === "end"));
    assert.deepEqual(taken(), input);
    assert.ok(sessionMessages(node, sessionId).some((event) => event.type === "resize" && event.columns === 100 && event.rows === 50));
    const output = Buffer.from([0, 255, 10, 13, 128]);
    up({ type: "data", stream: 2, data: output.toString("base64") });
    await client.until(() => client.bytes.length > 0);
    assert.deepEqual(client.bytes, Buffer.concat([Buffer.of(2), output]));
    await client.until(() => sessionMessages(node, sessionId).some((event) => event.type === "credit" && event.bytes === output.length));
    up({ type: "exit", code: 7 });
    await once(client.socket, "close");
    assert.deepEqual(client.events, [{ type: "opened" }, { type: "exit", code: 7 }]);
    const rows = await api.db.select().from(audit).where(eq(audit.target, instanceId));
    assert.deepEqual(rows.map(({ verb, detail }) => [verb, (detail as { program: string }).program]), [["instance.exec", "cat"]]);
  });

  test(`through ${where}: a client that goes, and a token that is revoked, end it at the node`, async () => {
    const at = where === "another process" ? other : api;
    const { tenant, node, path } = await placed();
    const ends = async (index: number, cut: (client: Client, tokenId: string) => Promise<void> | void) => {
      const { id, token } = await createToken(api.db, tenant.id, { name: `t${index}` });
      const client = new Client(at, `${path}/ports/5432`, token);
      await node.next((message) => isOpen(message) && node.received.filter(isOpen).length === index);
      const { sessionId } = node.received.filter(isOpen).at(-1) as Opened;
      node.send({ type: "session", sessionId, event: { type: "opened" } });
      await client.until(() => client.events.length === 1);
      const startedAt = performance.now();
      await cut(client, id);
      await node.next((message) => message.type === "session-close" && message.sessionId === sessionId);
      assert.ok(performance.now() - startedAt < 2000);
      return client;
    };
    await ends(1, (client) => client.socket.terminate());
    const revoked = await ends(2, async (_client, tokenId) => void (await api.db.update(tokens).set({ revokedAt: new Date() }).where(eq(tokens.id, tokenId as never))));
    await revoked.until(() => revoked.socket.readyState === WebSocket.CLOSED);
    assert.deepEqual(revoked.events.at(-1), { type: "problem", code: "unauthenticated", detail: "The token was revoked, or has expired." });
  });

  test(`through ${where}: a node that goes away`, async () => {
    const at = where === "another process" ? other : api;
    const { tenant, node, path } = await placed();
    const client = new Client(at, `${path}/exec`, tenant.token);
    await once(client.socket, "open");
    client.say(start);
    await node.next(isOpen);
    await node.close();
    await once(client.socket, "close");
    const last = client.events.at(-1);
    assert.equal(last?.type === "problem" && last.code, "node_unavailable");
  });
}

test("who may not, and what is no session, is told so before the upgrade", async () => {
  const { tenant, app, path, instanceId } = await placed();
  const stranger = await api.tenant();
  const reader = await createToken(api.db, tenant.id, { name: "reader", scopes: ["read", "logs"] });
  assert.deepEqual(await refused(api, `${path}/exec`, stranger.token), [404, "not_found"]);
  assert.deepEqual(await refused(api, `${path}/ports/80`, stranger.token), [404, "not_found"]);
  assert.deepEqual(await refused(api, `${path}/exec`, reader.token), [403, "forbidden"]);
  assert.deepEqual(await refused(api, `${path}/exec`, "berth_wrong"), [401, "unauthenticated"]);
  assert.deepEqual(await refused(api, `/v1/apps/${app.name}/instances/ins_unknown/exec`, tenant.token), [404, "not_found"]);
  assert.deepEqual(await refused(api, `${path}/ports/70000`, tenant.token), [400, "invalid_request"]);
  const plain = await api.call("GET", `${path}/exec`, { token: tenant.token });
  assert.deepEqual([plain.status, plain.body.code], [426, "upgrade_required"]);
  await api.db.update(instances).set({ state: "gone", goneAt: new Date() }).where(eq(instances.id, instanceId));
  assert.deepEqual(await refused(api, `${path}/exec`, tenant.token), [409, "instance_not_running"]);
});

test("a first message that is none, and one too many, end the session with a reason", async () => {
  const { tenant, node, path } = await placed();
  for (const bad of ["{", "{}", JSON.stringify({ type: "start", args: [] }), JSON.stringify({ type: "start", args: ["a\0b"] })]) {
    const client = new Client(api, `${path}/exec`, tenant.token);
    await once(client.socket, "open");
    client.socket.send(bad);
    await once(client.socket, "close");
    const last = client.events.at(-1);
    assert.equal(last?.type === "problem" && last.code, "invalid_request", bad);
  }
  const twice = new Client(api, `${path}/exec`, tenant.token);
  await once(twice.socket, "open");
  twice.say(start);
  await node.next(isOpen);
  twice.say(start);
  await once(twice.socket, "close");
  assert.match(JSON.stringify(twice.events.at(-1)), /has started already/);
});
