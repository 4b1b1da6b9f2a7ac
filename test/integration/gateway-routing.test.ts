import assert from "node:assert/strict";
import { Agent, request } from "node:http";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { TestGateway, until } from "../support/gateway.ts";

let gateway: TestGateway;
before(async () => {
  gateway = await TestGateway.start({ BERTH_GATEWAY_STOP_MS: "300" });
});
after(() => gateway.stop());

test("a route's host answers, with port, capitals and a final dot too; others get a page that says so", async () => {
  const app = await gateway.app((_request, response) => response.end("hello"));
  await gateway.route("hello", [app]);
  for (const host of ["hello.berth.localhost", "hello.berth.localhost:8080", "HELLO.Berth.localhost", "hello.berth.localhost.:80"]) {
    const { status, body } = await gateway.get(host);
    assert.deepEqual([host, status, body], [host, 200, "hello"]);
  }
  const page = await gateway.get("nobody");
  assert.equal(page.status, 404);
  assert.match(page.headers["content-type"] ?? "", /^text\/html/);
  assert.match(page.body, /No app answers at this host/);
  const problem = await gateway.get("nobody", { headers: { accept: "application/json" } });
  assert.equal(problem.status, 404);
  assert.equal(problem.headers["content-type"], "application/problem+json");
  assert.equal((JSON.parse(problem.body) as { code: string }).code, "unknown_host");
  assert.equal(problem.headers["server"], undefined);
});

test("a request for an app without an instance waits, says so to the API, and goes on when one runs", async () => {
  const route = await gateway.route("held", []);
  const answer = gateway.get("held", { method: "POST", body: "payload" });
  await until(() => gateway.api.all("wanted").some((one) => one.appId === route.appId));
  const app = await gateway.app((request, response) => void request.pipe(response));
  const beganAt = performance.now();
  gateway.api.send({ ...route, endpoints: [{ instanceId: app.instanceId, address: app.address, port: app.port }] });
  const { status, body } = await answer;
  assert.deepEqual([status, body], [200, "payload"]);
  assert.ok(performance.now() - beganAt < 500);
});

test("a held request ends with 503 and Retry-After when its time is over", async () => {
  await gateway.route("slow", [], { holdTimeoutMs: 300 });
  const beganAt = performance.now();
  const { status, headers, body } = await gateway.get("slow", { headers: { accept: "application/json" } });
  assert.ok(performance.now() - beganAt >= 290);
  assert.equal(status, 503);
  assert.equal(headers["retry-after"], "5");
  assert.equal((JSON.parse(body) as { code: string }).code, "wake_timeout");
  await gateway.route("stopped", [], { holdTimeoutMs: 0 });
  assert.equal((await gateway.get("stopped")).status, 503);
});

test("500 requests at once to an app without an instance all get 200", async () => {
  const route = await gateway.route("herd", [], { holdTimeoutMs: 20_000 });
  const answers = Array.from({ length: 500 }, () => gateway.get("herd"));
  await until(() => gateway.api.all("wanted").some((one) => one.appId === route.appId));
  await sleep(700);
  const app = await gateway.app((_request, response) => response.end("awake"));
  gateway.api.send({ ...route, endpoints: [{ instanceId: app.instanceId, address: app.address, port: app.port }] });
  const statuses = (await Promise.all(answers)).map((answer) => answer.status);
  assert.deepEqual([statuses.length, statuses.filter((status) => status !== 200)], [500, []]);
});

test("replicas share the requests", async () => {
  const seen = [0, 0, 0];
  const apps = await Promise.all(seen.map((_, index) => gateway.app((_request, response) => {
    seen[index] = (seen[index] ?? 0) + 1;
    response.end();
  }, `127.0.0.${index + 2}`)));
  await gateway.route("many", apps);
  for (let i = 0; i < 300; i++) await gateway.get("many");
  for (const count of seen) assert.ok(count >= 80 && count <= 120, `${seen}`);
});

test("connections to an instance are kept for the next request", async () => {
  let connections = 0;
  const app = await gateway.app((_request, response) => response.end());
  app.server.on("connection", () => connections++);
  await gateway.route("kept", [app]);
  const agent = new Agent({ keepAlive: true, maxSockets: 2 });
  await Promise.all(Array.from({ length: 100 }, () => new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port: gateway.port, agent, headers: { host: "kept.berth.localhost" } }, (response) => {
      response.resume();
      response.on("end", resolve);
    }).on("error", reject).end();
  })));
  agent.destroy();
  assert.ok(connections <= 4, `${connections} connections for 100 requests`);
});

test("an app that is gone answers as unknown, and its slot serves another one", async () => {
  const app = await gateway.app((_request, response) => response.end("old"));
  const route = await gateway.route("leaving", [app]);
  assert.equal((await gateway.get("leaving")).body, "old");
  await gateway.send({ ...route, hosts: [], endpoints: [], draining: [] });
  assert.equal((await gateway.get("leaving")).status, 404);
  const slot = /"slot":"(slot_\d+)","route":\{"appId":"APP"/.source.replace("APP", route.appId);
  const name = new RegExp(slot).exec(gateway.mirror())?.[1];
  await until(() => gateway.mirror().includes(`{"slot":"${name}","route":null}`));
});
