/** Two releases of an app at the gateway: shares, choosing, counting, draining; and many new releases under load. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Endpoint, Route } from "../../core/contract/gateway-channel.ts";
import { startSteadyLoad } from "../support/steady-load.ts";
import { TestGateway, until } from "../support/gateway.ts";

let gateway: TestGateway;
before(async () => {
  gateway = await TestGateway.start({ BERTH_GATEWAY_STOP_MS: "300" });
});
after(() => gateway?.stop());

const plain = ({ instanceId, address, port }: Endpoint): Endpoint => ({ instanceId, address, port });
const canaryOf = (name: string, endpoints: Endpoint[], percent: number, pin: ("header" | "cookie")[] = []): NonNullable<Route["canary"]> => ({
  hosts: [`canary--${name}.berth.localhost`], endpoints: endpoints.map(plain), percent, name: "v2", liveName: "v1", pin, requestTimeoutMs: 30_000, concurrency: 80,
});
async function answers(name: string, count: number, headers: Record<string, string> = {}): Promise<Record<string, number>> {
  const bodies = await Promise.all(Array.from({ length: count }, async () => (await gateway.get(name, { headers })).body));
  return Object.fromEntries([...Map.groupBy(bodies, (body) => body)].map(([body, all]) => [body, all.length]));
}

test("a canary gets its share; requests choose by header or stay by cookie where that is allowed; its own host leads to it", async () => {
  const [old, canary] = [await gateway.app((_, response) => response.end("v1")), await gateway.app((_, response) => response.end("v2"), "127.0.0.3")];
  const route = await gateway.route("share", [old]);
  assert.deepEqual(await answers("share", 20), { v1: 20 });
  const at = async (percent: number, pin: ("header" | "cookie")[] = []) => {
    await gateway.send({ ...route, canary: canaryOf("share", [canary], percent, pin) });
    await until(async () => (await answers("canary--share", 1))["v2"] === 1);
  };
  await at(20);
  const { v1 = 0, v2 = 0 } = await answers("share", 400);
  assert.ok(v1 + v2 === 400 && v2 > 40 && v2 < 130, `${v2} of 400`);
  assert.deepEqual(await answers("share", 10, { "x-berth-release": "canary", cookie: "berth-share=9999" }).then(Object.keys).then((all) => all.every((body) => body === "v1" || body === "v2")), true);

  await at(0, ["header", "cookie"]);
  assert.deepEqual(await answers("share", 20), { v1: 20 });
  for (const release of ["canary", "v2", "V2"]) assert.deepEqual(await answers("share", 5, { "x-berth-release": release }), { v2: 5 });
  await at(100, ["header", "cookie"]);
  assert.deepEqual(await answers("share", 20), { v2: 20 });
  for (const release of ["live", "v1"]) assert.deepEqual(await answers("share", 5, { "x-berth-release": release }), { v1: 5 });
  await at(30, ["cookie"]);
  assert.deepEqual(await answers("share", 20, { cookie: "a=b; berth-share=2999" }), { v2: 20 });
  assert.deepEqual(await answers("share", 20, { cookie: "berth-share=3000" }), { v1: 20 });
  const [kept] = (await gateway.get("share")).headers["set-cookie"] ?? [];
  const mine = /^berth-share=(\d{1,4}); Path=\/; HttpOnly; SameSite=Lax$/.exec(kept ?? "")?.[1];
  const stays = Number(mine) < 3000 ? "v2" : "v1";
  assert.deepEqual(await answers("share", 10, { cookie: `berth-share=${mine}` }), { [stays]: 10 });
  assert.equal((await gateway.get("share", { headers: { cookie: `berth-share=${mine}` } })).headers["set-cookie"], undefined);

  await gateway.send({ ...route, canary: canaryOf("share", [], 100) });
  assert.deepEqual(await answers("share", 20), { v1: 20 }, "without an instance the live release has all");
  await gateway.send(route);
  assert.deepEqual(await answers("share", 20), { v1: 20 });
  await until(async () => (await gateway.get("canary--share")).status === 404);
});

test("what a canary's instances began goes on when they become the live ones, and is waited for when they drain", async () => {
  let finish = () => {};
  const old = await gateway.app((_, response) => response.end("v1"));
  const canary = await gateway.app((incoming, response) => {
    finish = () => response.end("end");
    if (incoming.url === "/long") response.write("begin ");
    else response.end("v2");
  }, "127.0.0.3");
  const route = await gateway.route("moves", [old]);
  await gateway.send({ ...route, canary: canaryOf("moves", [canary], 100) });
  await until(async () => (await answers("moves", 1))["v2"] === 1);
  const before = finish;
  const long = gateway.get("moves", { path: "/long" });
  await until(() => finish !== before);
  const finishLong = finish;
  await gateway.send({ ...route, endpoints: [plain(canary)], draining: [plain(old)] });
  assert.deepEqual(await answers("moves", 10), { v2: 10 });
  await until(() => gateway.api.all("drained").some((one) => one.instanceIds.includes(old.instanceId)));
  const third = await gateway.app((_, response) => response.end("v3"), "127.0.0.4");
  await gateway.send({ ...route, endpoints: [plain(third)], draining: [plain(canary)] });
  assert.deepEqual(await answers("moves", 10), { v3: 10 });
  const isDrained = () => gateway.api.all("drained").some((one) => one.instanceIds.includes(canary.instanceId));
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.ok(!isDrained(), "its slot as a canary still holds a request");
  finishLong();
  assert.equal((await long).body, "begin end");
  await until(isDrained);
});

test("instances that are watched are counted by themselves: answers from 500 on and connections that break are errors", async () => {
  let mode: "well" | "bad" | "broken" = "well";
  const one = await gateway.app((_, response) => {
    response.statusCode = mode === "bad" ? 500 : 200;
    if (mode === "broken") response.destroy();
    else response.end();
  });
  const route = await gateway.route("watched", [one], { watched: true });
  const said = () => gateway.api.all("served").flatMap((message) => message.instances).findLast(({ instanceId }) => instanceId === one.instanceId);
  await answers("watched", 5);
  mode = "bad";
  await answers("watched", 3);
  mode = "broken";
  for (let n = 0; n < 2; n++) await gateway.get("watched", { method: "POST" });
  await until(() => said()?.requests === 10);
  assert.deepEqual(said(), { instanceId: one.instanceId, requests: 10, errors: 5 });
  await gateway.send({ ...route, watched: false });
});

test("twenty new releases one after the other under 500 requests a second: none fails, of whatever strategy", async () => {
  const make = (n: number) => gateway.app((_, response) => response.end(`r${n}`), `127.0.0.${2 + (n % 50)}`);
  let live = await make(0);
  const route = await gateway.route("deploys", [live]);
  const end = startSteadyLoad({ host: "deploys.berth.localhost", port: gateway.port, perSecond: 500 });
  for (let n = 1; n <= 20; n++) {
    const next = await make(n);
    if (n % 3 === 1) for (const percent of [10, 60]) await gateway.send({ ...route, endpoints: [plain(live)], canary: canaryOf("deploys", [next], percent), watched: true });
    if (n % 3 === 2) await gateway.send({ ...route, endpoints: [plain(live), plain(next)] });
    await gateway.send({ ...route, endpoints: [plain(next)], draining: [plain(live)] });
    const former = live;
    await until(() => gateway.api.all("drained").some((message) => message.instanceIds.includes(former.instanceId)));
    await gateway.send({ ...route, endpoints: [plain(next)] });
    former.server.close();
    former.server.closeAllConnections();
    live = next;
  }
  const { failed, sent, bodies } = await end();
  assert.deepEqual(failed, []);
  assert.ok(sent > 500 && bodies.has("r20"), `${sent} sent`);
});
