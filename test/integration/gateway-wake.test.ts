/** A request to an app that sleeps: held, its instance woken by its node's agent, and answered. There is no API behind it. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Endpoint } from "../../core/contract/gateway-channel.ts";
import type { Temperature } from "../../core/domain/temperature.ts";
import { TestGateway, until } from "../support/gateway.ts";
import { HTTPD, shell, TestNode } from "../support/node.ts";
import { standInAgent } from "../support/wake.ts";

const FREEZE_AFTER_MS = 400;
const SLEEP = { freezeAfterMs: FREEZE_AFTER_MS, standbyAfterMs: null, coldAfterMs: null };
describe("waking through the gateway", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await TestGateway.start({ BERTH_LOG_LEVEL: "debug" });
  });
  after(() => gateway?.stop());
  afterEach((context) => {
    if ((context as unknown as { passed?: boolean }).passed === false) console.error(gateway.log.split("\n").slice(-30).join("\n"));
  });
  const plain = ({ instanceId, address, port }: Endpoint): Endpoint => ({ instanceId, address, port });
  const hello = () => gateway.app((_request, response) => response.end("hello"));

  test("what sleeps is woken once by 500 requests, and all are answered", async () => {
    const app = await hello();
    const agent = await standInAgent(() => sleep(150).then(() => true));
    await gateway.route("herd", [], { freezeAfterMs: 60_000, endpoints: [{ ...plain(app), wake: agent.wake, temperature: "standby" }] });
    const answers = await Promise.all(Array.from({ length: 500 }, () => gateway.get("herd")));
    assert.deepEqual([...new Set(answers.map(({ status, body }) => `${status} ${body}`))], ["200 hello"]);
    assert.deepEqual(agent.woken, [app.instanceId]);
    assert.equal(gateway.api.all("wanted").length, 0, "the API was not asked");
    agent.stop();
  });

  test("a client that leaves causes no second wake", async () => {
    const app = await hello();
    const agent = await standInAgent(() => sleep(400).then(() => true));
    await gateway.route("leaver", [], { freezeAfterMs: 60_000, endpoints: [{ ...plain(app), wake: agent.wake, temperature: "frozen" }] });
    // On a busy host it is not routed yet when it is first asked for: that is a 404, and no wake.
    await until(async () => {
      const socket = connect(gateway.port, "127.0.0.1");
      socket.write("GET / HTTP/1.1\r\nHost: leaver.berth.localhost\r\n\r\n");
      await sleep(100);
      socket.destroy();
      return agent.woken.length > 0;
    });
    assert.equal((await gateway.get("leaver")).status, 200);
    assert.equal(agent.woken.length, 1);
    agent.stop();
  });

  test("an instance that does not start: another node's answers; without one the answer is 503 with a code, and the API is told", async () => {
    const app = await hello();
    const broken = await standInAgent(() => false);
    const works = await standInAgent(() => true);
    const lame = { ...plain(await hello()), wake: broken.wake, temperature: "standby" as const };
    const route = await gateway.route("lame", [], { holdTimeoutMs: 1200, freezeAfterMs: 60_000, endpoints: [lame] });
    const answer = await gateway.get("lame", { headers: { accept: "application/json" } });
    assert.equal(answer.status, 503);
    assert.equal((JSON.parse(answer.body) as { code: string }).code, "wake_timeout");
    assert.ok(Number(answer.headers["retry-after"]) > 0);
    assert.deepEqual(gateway.api.all("wanted").map(({ appId, notWoken }) => ({ appId, notWoken })), [{ appId: route.appId, notWoken: [lame.instanceId] }]);
    await gateway.send({ ...route, endpoints: [lame, { ...plain(app), wake: works.wake, temperature: "cold" }] });
    assert.equal((await gateway.get("lame")).status, 200);
    broken.stop();
    works.stop();
  });

  test("an agent that is away does not keep a request from an instance that may run", async () => {
    const app = await hello();
    const agent = await standInAgent(() => true);
    agent.stop();
    await gateway.route("away", [], { freezeAfterMs: 60_000, endpoints: [{ ...plain(app), wake: agent.wake, temperature: "frozen" }] });
    assert.equal((await gateway.get("away")).status, 200);
  });

  test("without the controller requests to sleepers go through by themselves", async () => {
    const app = await hello();
    const agent = await standInAgent(() => true);
    await gateway.route("alone", [], { freezeAfterMs: 60_000, endpoints: [{ ...plain(app), wake: agent.wake, temperature: "frozen" }] });
    await gateway.killController();
    assert.equal((await gateway.get("alone")).status, 200);
    await gateway.startController();
    assert.equal((await gateway.get("alone")).status, 200);
    agent.stop();
  });

  describe("with a node", () => {
    let node: TestNode;
    before(async () => {
      node = await TestNode.start();
    });
    after(() => node?.stop());
    const endpointOf = (id: Endpoint["instanceId"]): Endpoint => {
      const report = node.report(id);
      const hello = node.heard.findLast((message) => message.type === "hello");
      assert.ok(report?.address !== undefined && report.port !== undefined && hello?.wake !== undefined);
      return { instanceId: id, address: report.address, port: report.port, wake: hello.wake, temperature: report.temperature?.is ?? "running" };
    };
    const cooled = (id: Endpoint["instanceId"], is: Temperature) => until(() => node.report(id)?.temperature?.is === is, 10_000);

    test("a frozen app answers within milliseconds, again and again, at any moment of its freezing", async () => {
      const { desired } = await node.ready({ args: HTTPD, sleep: SLEEP });
      await gateway.route("frozen", [], { freezeAfterMs: FREEZE_AFTER_MS, endpoints: [endpointOf(desired.id)] });
      const times: number[] = [];
      for (let round = 0; round < 8; round++) {
        await cooled(desired.id, "frozen");
        const beganAt = performance.now();
        assert.equal((await gateway.get("frozen", { path: "/etc/hostname" })).status, 200);
        times.push(performance.now() - beganAt);
        await until(() => node.report(desired.id)?.temperature?.is === "running");
        assert.equal(node.report(desired.id)?.temperature?.cause, "request", "the gateway woke it, no knock");
      }
      console.log(`frozen, to the whole answer: ${times.map((ms) => ms.toFixed(1)).join(" ")} ms`);
      for (let pauseMs = 100; pauseMs <= 500; pauseMs += 20) {
        await sleep(pauseMs);
        assert.equal((await gateway.get("frozen", { path: "/etc/hostname" })).status, 200);
      }
    });

    test("traffic keeps an app awake", async () => {
      const { desired } = await node.ready({ args: HTTPD, sleep: SLEEP });
      await gateway.route("busy", [], { freezeAfterMs: FREEZE_AFTER_MS, endpoints: [endpointOf(desired.id)] });
      const from = node.heard.length;
      for (let n = 0; n < 30; n++) {
        assert.equal((await gateway.get("busy", { path: "/etc/hostname" })).status, 200);
        await sleep(50);
      }
      const reports = node.heard.slice(from).flatMap((message) => (message.type === "report" ? message.instances : []));
      assert.ok(reports.filter(({ id }) => id === desired.id).every(({ temperature }) => temperature?.is === "running"));
    });

    test("a herd of 500 to an app in standby: one boot, all answered", async () => {
      const { desired } = await node.ready({ args: shell("echo boots; exec httpd -f -p 8080 -h /"), sleep: { ...SLEEP, standbyAfterMs: 600 } });
      await cooled(desired.id, "standby");
      await sleep(300);
      await gateway.route("standby", [], { freezeAfterMs: FREEZE_AFTER_MS, concurrency: 40, endpoints: [endpointOf(desired.id)] });
      const answers = await Promise.all(Array.from({ length: 500 }, () => gateway.get("standby", { path: "/etc/hostname" })));
      assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
      const boots = (await node.logs(desired.id)).filter(({ text }) => text === "boots");
      assert.equal(boots.length, 2, "the first, and that of the wake");
    });

    test("its node's agent is gone: the request is held while another node gets an instance, and is answered there", async () => {
      const gone = await node.ready({ args: HTTPD, stopGraceMs: 0, sleep: { ...SLEEP, standbyAfterMs: 400, coldAfterMs: 500 } });
      await cooled(gone.desired.id, "cold");
      const asleep = endpointOf(gone.desired.id);
      const other = await TestNode.start();
      try {
        const route = await gateway.route("moved", [], { holdTimeoutMs: 30_000, freezeAfterMs: FREEZE_AFTER_MS, endpoints: [asleep] });
        await node.killAgent();
        const answers = Promise.all(Array.from({ length: 20 }, () => gateway.get("moved", { path: "/etc/hostname" })));
        await until(() => gateway.api.all("wanted").some(({ appId, notWoken }) => appId === route.appId && notWoken?.includes(asleep.instanceId) === true), 15_000);
        const { desired, report } = await other.ready({ args: HTTPD, stopGraceMs: 0 });
        await gateway.send({ ...route, endpoints: [asleep, { instanceId: desired.id, address: report.address ?? "", port: 8080 }] });
        assert.deepEqual([...new Set((await answers).map(({ status }) => status))], [200]);
      } finally {
        await other.stop();
        await node.startAgent();
      }
    });
  });
});
