import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { AppCounts } from "../../core/contract/gateway-channel.ts";
import { newId, type AppId } from "../../core/contract/ids.ts";
import { FakeApi, TestGateway, until } from "../support/gateway.ts";

async function gatewayOf(t: TestContext, env: Record<string, string> = {}): Promise<TestGateway> {
  const gateway = await TestGateway.start({ BERTH_GATEWAY_STOP_MS: "300", ...env });
  t.after(() => gateway.stop());
  return gateway;
}

const plain = ({ instanceId, address, port }: { instanceId: ReturnType<typeof newId<"instance">>; address: string; port: number }) => ({ instanceId, address, port });

/** Sends requests one after the other on kept connections until it is told to end; gives what was not 200. */
function traffic(gateway: TestGateway, name: string, clients = 8) {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const bad: string[] = [];
  let count = 0;
  let ending = false;
  const client = async () => {
    while (!ending) {
      const result = await new Promise<string>((resolve) => {
        request({ host: "127.0.0.1", port: gateway.port, agent, timeout: 10_000, headers: { host: `${name}.berth.localhost` } }, (response) => {
          response.resume();
          response.on("end", () => resolve(String(response.statusCode)));
        }).on("error", (error) => resolve(error.message)).on("timeout", () => resolve("no answer")).end();
      });
      count++;
      if (result !== "200") bad.push(result);
    }
  };
  const all = Promise.all(Array.from({ length: clients }, client));
  return async () => {
    ending = true;
    await all;
    agent.destroy();
    return { bad, count };
  };
}

test("an instance drains: new requests go elsewhere at once, kept connections too, and it is attested when its last one ended", async (t) => {
  const gateway = await gatewayOf(t);
  let release = () => {};
  let oldRequests = 0;
  const oldApp = await gateway.app((incoming, response) => {
    oldRequests++;
    if (incoming.url === "/long") {
      response.write("begin ");
      release = () => response.end("end");
    } else response.end("old");
  });
  const newApp = await gateway.app((_request, response) => response.end("new"), "127.0.0.3");
  const route = await gateway.route("drain", [oldApp]);
  const long = gateway.get("drain", { path: "/long" });
  await until(() => oldRequests === 1);
  const end = traffic(gateway, "drain", 4);
  await sleep(200);
  await gateway.send({ ...route, endpoints: [plain(newApp)], draining: [plain(oldApp)] });
  await sleep(50);
  const soFar = oldRequests;
  await sleep(400);
  assert.equal(oldRequests, soFar);
  assert.deepEqual(gateway.api.all("drained"), []);
  release();
  assert.equal((await long).body, "begin end");
  await until(() => gateway.api.all("drained").some((one) => one.instanceIds.includes(oldApp.instanceId)), 2000);
  assert.deepEqual((await end()).bad, []);
  await gateway.send({ ...route, endpoints: [plain(newApp)] });
  assert.equal((await gateway.get("drain")).body, "new");
});

test("a new release takes over under load without a failed request, ten times", async (t) => {
  const gateway = await gatewayOf(t);
  const make = async (n: number) => gateway.app((_request, response) => response.end(String(n)), `127.0.0.${n + 2}`);
  let live = await make(0);
  const route = await gateway.route("rollout", [live]);
  const end = traffic(gateway, "rollout");
  for (let n = 1; n <= 10; n++) {
    const next = await make(n);
    await gateway.send({ ...route, endpoints: [plain(next)], draining: [plain(live)] });
    await until(() => gateway.api.all("drained").some((one) => one.instanceIds.includes(live.instanceId)));
    live.server.close();
    live.server.closeAllConnections();
    await gateway.send({ ...route, endpoints: [plain(next)] });
    live = next;
  }
  const { bad, count } = await end();
  assert.deepEqual(bad, []);
  assert.ok(count > 200);
});

test("kill -9 of the controller: HAProxy goes on, the next controller adopts it", async (t) => {
  const gateway = await gatewayOf(t);
  const app = await gateway.app((_request, response) => response.end("ok"));
  const route = await gateway.route("steady", [app]);
  await gateway.route("empty", [], { holdTimeoutMs: 15_000 });
  const pid = gateway.haproxyPid;
  const end = traffic(gateway, "steady");
  const held = gateway.get("empty");
  await sleep(300);
  await gateway.killController();
  await sleep(500);
  assert.equal((await gateway.get("steady")).status, 200);
  await gateway.startController();
  assert.equal(gateway.haproxyPid, pid);
  const more = await gateway.app((_request, response) => response.end("ok"), "127.0.0.3");
  await gateway.send({ ...route, endpoints: [plain(app), plain(more)] });
  const { bad, count } = await end();
  assert.deepEqual(bad, []);
  assert.ok(count > 100);
  const emptyRoute = gateway.api.routes.find((one) => one.hosts[0] === "empty.berth.localhost");
  assert.ok(emptyRoute);
  await gateway.send({ ...emptyRoute, endpoints: [plain(more)] });
  assert.equal((await held).status, 200);
});

test("HAProxy is killed: it comes back with every route, the API away or not", async (t) => {
  const gateway = await gatewayOf(t);
  const app = await gateway.app((_request, response) => response.end("ok"));
  await gateway.route("back", [app]);
  await gateway.api.stop();
  const pid = gateway.haproxyPid;
  process.kill(pid, "SIGKILL");
  const beganAt = performance.now();
  await until(async () => (await gateway.get("back").catch(() => undefined))?.status === 200);
  t.diagnostic(`back after ${Math.round(performance.now() - beganAt)} ms`);
  assert.notEqual(gateway.haproxyPid, pid);
  // All of it again, from nothing but the disk.
  await gateway.killController();
  process.kill(gateway.haproxyPid, "SIGKILL");
  await gateway.startController();
  assert.equal((await gateway.get("back")).status, 200);
});

test("without the API the gateway routes; afterwards it hears what it missed", async (t) => {
  const gateway = await gatewayOf(t);
  const app = await gateway.app((_request, response) => response.end("ok"));
  const route = await gateway.route("stable", [app]);
  const { port, routes } = gateway.api;
  await gateway.api.stop();
  assert.equal((await gateway.get("stable")).status, 200);
  gateway.api = await FakeApi.start(port);
  const other = gateway.makeRoute("later", [app]);
  gateway.api.routes = [other];
  await until(async () => (await gateway.get("later")).status === 200);
  await until(async () => (await gateway.get("stable")).status === 404);
  assert.equal(routes[0]?.appId, route.appId);
});

test("2,000 routes come without a reload, and each is soon visible", async (t) => {
  const gateway = await gatewayOf(t, { BERTH_GATEWAY_SLOTS: "2100" });
  const app = await gateway.app((_request, response) => response.end("ok"));
  const pid = gateway.haproxyPid;
  const beganAt = performance.now();
  for (let i = 0; i < 2000; i++) gateway.api.send(gateway.makeRoute(`app${i}`, [{ ...app, instanceId: newId("instance") }]));
  await until(async () => (await gateway.get("app1999")).status === 200, 15_000);
  t.diagnostic(`2,000 routes in ${Math.round(performance.now() - beganAt)} ms`);
  for (const i of [0, 1, 777, 1500]) assert.equal((await gateway.get(`app${i}`)).status, 200);
  assert.equal(gateway.haproxyPid, pid);
});

test("slots run out: twice as many after a reload that fails no request", async (t) => {
  const gateway = await gatewayOf(t, { BERTH_GATEWAY_SLOTS: "4" });
  const app = await gateway.app((_request, response) => response.end("ok"));
  await gateway.route("first", [app]);
  const pid = gateway.haproxyPid;
  const end = traffic(gateway, "first", 4);
  for (let i = 0; i < 6; i++) gateway.api.send(gateway.makeRoute(`extra${i}`, [{ ...app, instanceId: newId("instance") }]));
  await until(async () => (await gateway.get("extra5")).status === 200);
  await sleep(300);
  const { bad, count } = await end();
  assert.deepEqual(bad, []);
  assert.ok(count > 50);
  assert.notEqual(gateway.haproxyPid, pid);
  assert.match(gateway.log, /slots had run out/);
});

test("counts are exact, over a kill of the controller too, and nothing is counted twice", async (t) => {
  const gateway = await gatewayOf(t);
  const app = await gateway.app((incoming, response) => {
    response.statusCode = incoming.url === "/404" ? 404 : incoming.url === "/500" ? 500 : 200;
    response.end("x");
  });
  const route = await gateway.route("counted", [app]);
  const send = async (path: string, times: number) => {
    for (let i = 0; i < times; i++) await gateway.get("counted", { path });
  };
  await send("/", 30);
  await send("/404", 7);
  await gateway.killController();
  await send("/500", 5);
  await send("/", 10);
  await gateway.startController();
  await send("/", 3);
  const sum = () => counted(gateway, route.appId);
  await until(() => sum().requests >= 55);
  await sleep(500);
  assert.deepEqual(sum(), { requests: 55, responses2xx: 43, responses4xx: 7, responses5xx: 5 });
});

/** What the API has counted: each sequence of an incarnation once. */
function counted(gateway: TestGateway, appId: AppId) {
  const total = { requests: 0, responses2xx: 0, responses4xx: 0, responses5xx: 0 };
  const seen = new Set<string>();
  for (const message of gateway.api.all("counts")) {
    const key = `${message.incarnation} ${message.sequence}`;
    if (seen.has(key) || message.sequence > (gateway.api.counted.get(message.incarnation) ?? 0)) continue;
    seen.add(key);
    for (const count of message.apps.filter((one: AppCounts) => one.appId === appId)) {
      for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += count[name];
    }
  }
  return total;
}

test("counts wait for an API that cannot write; a disk that went back, or was lost, is neither counted twice nor ignored", async (t) => {
  const gateway = await gatewayOf(t);
  const app = await gateway.app((_request, response) => response.end("x"));
  const route = await gateway.route("counted", [app]);
  const file = join(gateway.dir, "counts.json");
  const state = () => JSON.parse(readFileSync(file, "utf8")) as { incarnation: string; sequence: number; waiting: object; outbox: unknown[] };
  const send = async (times: number) => {
    for (let i = 0; i < times; i++) await gateway.get("counted");
  };
  const requests = () => counted(gateway, route.appId).requests;

  gateway.api.counts = false;
  for (let round = 0; round < 16; round++) {
    await send(2);
    await sleep(210);
  }
  await gateway.killController();
  await send(3);
  await gateway.startController();
  await until(() => Object.keys(state().waiting).length > 0);
  assert.equal(requests(), 0);
  assert.ok(state().outbox.length <= 12);
  gateway.api.counts = true;
  await gateway.killController();
  await gateway.startController();
  await until(() => requests() === 35);

  // The disk of a while ago is put back, while HAProxy went on.
  const former = state();
  const copy = readFileSync(file, "utf8");
  await send(4);
  await until(() => requests() === 39);
  await gateway.killController();
  writeFileSync(file, copy);
  await gateway.startController();
  await until(() => state().incarnation !== former.incarnation);
  await sleep(300);
  await send(5);
  await until(() => requests() >= 44);

  // All is lost.
  await gateway.killController();
  rmSync(file);
  await gateway.startController();
  await until(() => existsSync(file));
  await send(6);
  await until(() => requests() >= 50);
  await sleep(500);
  assert.equal(requests(), 50);
});
