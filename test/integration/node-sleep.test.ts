/** Instances that cool while nobody asks for them: frozen, in standby, cold; and how they come back. The API takes no part. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { InstanceId } from "../../core/contract/ids.ts";
import type { Woken } from "../../core/contract/wake.ts";
import type { Temperature } from "../../core/domain/temperature.ts";
import { cpuMs, isFrozen } from "../../core/host/freezer.ts";
import { IN_GVISOR } from "../support/gvisor.ts";
import { HTTPD, shell, TestNode, until } from "../support/node.ts";
import { PATIENCE } from "../support/patience.ts";
import { askToWake } from "../support/wake.ts";

const POLICY = { freezeAfterMs: 300, standbyAfterMs: null, coldAfterMs: null };
/** A server whose loop ends in order at SIGTERM. */
const ORDERLY = shell("trap 'echo ended in order; exit 0' TERM; httpd -p 8080 -h /; while :; do sleep 1 & wait $!; done");

describe("sleeping instances", () => {
  let node: TestNode;
  before(async () => {
    node = await TestNode.start();
  });
  after(() => node?.stop());
  afterEach((context) => {
    if ((context as unknown as { passed?: boolean }).passed === false) console.error(node.log.split("\n").slice(-40).join("\n"));
  });

  const group = (id: InstanceId) => `/berth-${node.prefix}/${id}`;
  const temperature = (id: InstanceId) => node.report(id)?.temperature;
  const cooled = (id: InstanceId, is: Temperature) => until(() => temperature(id)?.is === is, 10_000, () => JSON.stringify(node.report(id)));
  const ask = async (url: string, timeoutMs = 5000 * PATIENCE) => (await fetch(`${url}/etc/hostname`, { signal: AbortSignal.timeout(timeoutMs), headers: { connection: "close" } })).status;
  const address = () => {
    const hello = node.heard.findLast((message) => message.type === "hello");
    assert.ok(hello?.wake);
    return hello.wake;
  };
  const wake = (id: string, token = address().token, path?: string) => askToWake({ ...address(), token }, { wake: id }, path);
  const woken = async (id: InstanceId): Promise<Woken> => {
    const said = await wake(id);
    assert.ok(typeof said === "object" && said.type === "woken", JSON.stringify(said));
    return said;
  };

  test("quiet for its time, it is frozen; woken, it answers at once, and stays awake for its time", async () => {
    const { desired, url } = await node.ready({ args: HTTPD, sleep: POLICY });
    await cooled(desired.id, "frozen");
    assert.ok(isFrozen(group(desired.id)));
    assert.equal(temperature(desired.id)?.cause, "idle");
    const before = await woken(desired.id);
    assert.equal(before.was, "frozen");
    assert.equal(`http://${before.address}:${before.port}`, url);
    assert.equal(isFrozen(group(desired.id)), false);
    assert.equal(await ask(url), 200);
    assert.equal((await woken(desired.id)).was, "running");
    await until(() => temperature(desired.id)?.is === "running");
    assert.equal(temperature(desired.id)?.cause, "request");
    await cooled(desired.id, "frozen");
  });

  test("a request that no gateway has announced waits in the app's queue, thaws it and is answered", async () => {
    const { desired, url } = await node.ready({ args: HTTPD, sleep: POLICY });
    await cooled(desired.id, "frozen");
    const beganAt = performance.now();
    assert.equal(await ask(url), 200);
    assert.ok(performance.now() - beganAt < 2000 * PATIENCE);
    await until(() => temperature(desired.id)?.cause === "knock");
  });

  test("requests that come at any moment of freezing are all answered", async () => {
    const { desired, url } = await node.ready({ args: HTTPD, sleep: { ...POLICY, freezeAfterMs: 60 * PATIENCE } });
    for (let pauseMs = 50; pauseMs < 110; pauseMs += 2) {
      assert.equal(await ask(url), 200);
      await sleep(pauseMs * PATIENCE);
    }
    const frozen = node.heard.flatMap((message) => (message.type === "report" ? message.instances : [])).filter((one) => one.id === desired.id && one.temperature?.is === "frozen");
    assert.ok(frozen.length > 1, "it froze in between");
  });

  test("an open connection, work of its own, and no policy: each keeps it running", async () => {
    const held = await node.ready({ args: HTTPD, sleep: POLICY });
    const works = await node.ready({ args: shell("httpd -p 8080 -h /; while :; do i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 0.1; done"), sleep: POLICY });
    const plain = await node.ready({ args: HTTPD });
    const socket = connect({ host: new URL(held.url).hostname, port: 8080 });
    await sleep(1500);
    // The host does not see gVisor's connections.
    for (const { desired } of [...(IN_GVISOR ? [] : [held]), works, plain]) assert.equal(temperature(desired.id)?.is, "running");
    assert.ok(cpuMs(group(works.desired.id)) > 50, "it works");
    socket.destroy();
    await cooled(held.desired.id, "frozen");
  });

  test("kept warm, it is frozen whatever it does, also by a new agent, and nothing that comes thaws it; wanted again, it runs", async () => {
    const { desired, url } = await node.ready({ args: shell("httpd -p 8080 -h /; while :; do :; done") });
    const want = (keptWarm: boolean) => {
      const { keptWarm: _before, ...rest } = desired;
      node.want(...node.desired.filter(({ id }) => id !== desired.id), { ...rest, ...(keptWarm ? { keptWarm } : {}) });
    };
    want(true);
    await cooled(desired.id, "frozen");
    assert.equal(temperature(desired.id)?.cause, "kept-warm");
    const used = cpuMs(group(desired.id));
    await assert.rejects(ask(url, 500));
    assert.ok(isFrozen(group(desired.id)));
    assert.ok(cpuMs(group(desired.id)) - used < 20, "it computes nothing");
    await node.killAgent();
    await node.startAgent();
    await cooled(desired.id, "frozen");
    assert.ok(isFrozen(group(desired.id)));
    want(false);
    await cooled(desired.id, "running");
    assert.equal(await ask(url), 200);
  });

  test("a frozen instance that is told to stop ends in order", async () => {
    const { desired } = await node.ready({ args: ORDERLY, sleep: POLICY });
    await cooled(desired.id, "frozen");
    node.want(...node.desired.filter(({ id }) => id !== desired.id));
    await node.until(desired.id, "gone", 4000);
    assert.ok((await node.logs(desired.id)).some(({ text }) => text === "ended in order"));
    assert.deepEqual(await node.traces(desired.id), []);
  });

  test("standby: its process has ended in order and its container is ready; woken, it boots", async () => {
    const { desired, url } = await node.ready({ args: ORDERLY, sleep: { ...POLICY, standbyAfterMs: 600 } });
    await cooled(desired.id, "standby");
    await until(async () => (await node.logs(desired.id)).some(({ text }) => text === "ended in order"));
    await sleep(200);
    assert.equal(node.report(desired.id)?.phase, "ready");
    // The second may come when it has booted already.
    const both = await Promise.all([woken(desired.id), woken(desired.id)]);
    assert.ok(both.some(({ was }) => was === "standby") && both.every(({ was }) => was === "standby" || was === "running"), JSON.stringify(both));
    assert.equal(await ask(url), 200);
    // Its last report may be older than the wake.
    await until(() => temperature(desired.id)?.is !== "standby");
    await cooled(desired.id, "standby");
    assert.equal((await woken(desired.id)).was, "standby");
    assert.equal(await ask(url), 200);
  });

  test("cold: nothing of it is left but its files and its address; woken, it is created and boots", async () => {
    const { desired, url } = await node.ready({ args: HTTPD, stopGraceMs: 100, sleep: { ...POLICY, standbyAfterMs: 400, coldAfterMs: 800 } });
    await cooled(desired.id, "cold");
    await until(async () => (await node.traces(desired.id)).every((trace) => trace.startsWith(node.path())));
    assert.equal((await woken(desired.id)).was, "cold");
    assert.equal(await ask(url), 200);
    // Hours that begin while it is away. Its last report may be older than the wake.
    await until(() => temperature(desired.id)?.is !== "cold");
    await cooled(desired.id, "cold");
    const allDay = [{ from: "00:00", to: "00:00", timeZone: "UTC", min: 1 }];
    node.want(...node.desired.map((one) => (one.id === desired.id && one.sleep ? { ...one, sleep: { ...one.sleep, schedule: allDay } } : one)));
    await until(() => temperature(desired.id)?.cause === "schedule", 10_000);
    await cooled(desired.id, "frozen");
    await sleep(1000);
    assert.equal(temperature(desired.id)?.is, "frozen", "it keeps its memory");
  });

  test("an agent that is killed and started again knows what sleeps, and wakes it at the same address", async () => {
    const frozen = await node.ready({ args: HTTPD, sleep: POLICY });
    const standby = await node.ready({ args: HTTPD, stopGraceMs: 100, sleep: { ...POLICY, standbyAfterMs: 400 } });
    const cold = await node.ready({ args: HTTPD, stopGraceMs: 100, sleep: { ...POLICY, standbyAfterMs: 350, coldAfterMs: 400 } });
    await cooled(frozen.desired.id, "frozen");
    await cooled(standby.desired.id, "standby");
    await cooled(cold.desired.id, "cold");
    await sleep(200);
    const before = address();
    await node.killAgent();
    // Nobody is there to wake it: the kernel keeps the request.
    const early = ask(frozen.url, 20_000 * PATIENCE);
    await sleep(100);
    await node.startAgent();
    assert.deepEqual(address(), before);
    assert.equal(await early, 200);
    for (const { desired, url } of [standby, cold]) {
      assert.notEqual((await woken(desired.id)).was, "running");
      assert.equal(await ask(url), 200);
    }
  });

  test("who may not wake, and what is not there", async () => {
    const { desired } = await node.ready({ args: HTTPD, sleep: POLICY });
    assert.equal(await wake(desired.id, "x".repeat(48)), 401);
    assert.equal(await wake(desired.id, address().token, "/other"), 404);
    assert.deepEqual(await wake("ins_00000000000000000000000000"), { type: "failed", instanceId: "ins_00000000000000000000000000", detail: "there is no such instance here" });
    assert.equal(await wake("../etc"), 1008);
  });
});
