import assert from "node:assert/strict";
import { test } from "node:test";
import type { Endpoint, Route } from "../core/contract/gateway-channel.ts";
import { newId } from "../core/contract/ids.ts";
import { Doze } from "./doze.ts";

const SLOT = "slot_0001";
/** The lease is 500 ms. */
const FREEZE_AFTER_MS = 1000;
const wake = { url: "http://127.0.0.1:1", token: "x".repeat(16) };
const endpoint = (temperature: Endpoint["temperature"] = "running"): Endpoint => ({ instanceId: newId("instance"), address: "10.0.0.1", port: 80, wake, temperature });
const route = (endpoints: readonly Endpoint[], more: Partial<Route> = {}): Route => ({
  appId: newId("app"), hosts: ["a.test"], endpoints: [...endpoints], draining: [], requestTimeoutMs: 5000, concurrency: 10, holdTimeoutMs: 1000, freezeAfterMs: FREEZE_AFTER_MS, ...more,
});
const busy = (requests: number, inFlight = 0) => new Map([[SLOT, { requests, inFlight }]]);

test("what may not sleep is awake, what is read from the disk is not, and news of a running instance are a lease", () => {
  const doze = new Doze();
  const one = endpoint();
  doze.setRoute(SLOT, route([one], { freezeAfterMs: undefined }), 0, true);
  assert.equal(doze.isAsleep(SLOT, one.instanceId), false);
  assert.equal(doze.lookEveryMs(), undefined);
  doze.setRoute(SLOT, route([one]), 0, false);
  assert.equal(doze.isAsleep(SLOT, one.instanceId), true);
  const two = endpoint();
  const three = endpoint("standby");
  doze.setRoute(SLOT, route([one, two, three]), 0, true);
  assert.deepEqual([one, two, three].map(({ instanceId }) => doze.isAsleep(SLOT, instanceId)), [true, false, true]);
  assert.deepEqual(doze.sleepers(SLOT).map(({ instanceId }) => instanceId), [one.instanceId, three.instanceId]);
});

test("the lease ends half of the agent's time after the last request could have come, not later", () => {
  const doze = new Doze();
  const one = endpoint();
  doze.setRoute(SLOT, route([one]), 0, true);
  const asleep = () => doze.isAsleep(SLOT, one.instanceId);
  assert.equal(doze.lookEveryMs(), 125);
  doze.look(busy(0), 125);
  // It came between 125 and 250: for all that is known at 126.
  doze.look(busy(1), 250);
  assert.equal(asleep(), false);
  doze.look(busy(1), 624);
  assert.equal(asleep(), false);
  assert.deepEqual(doze.look(busy(1), 625).dozed, [SLOT]);
  assert.equal(asleep(), true);
  doze.woken(SLOT, one.instanceId, 700);
  assert.equal(asleep(), false);
  assert.deepEqual(doze.look(busy(1), 1200).dozed, [SLOT]);
});

test("a request that is in flight keeps its app awake", () => {
  const doze = new Doze();
  const one = endpoint();
  doze.setRoute(SLOT, route([one]), 0, true);
  for (let now = 125; now < 10_000; now += 125) assert.deepEqual(doze.look(busy(1, 1), now).dozed, []);
});

test("of several instances of a busy app each is told in time, and one that sleeps is woken; a single one needs no telling", () => {
  const doze = new Doze();
  const [one, two, three] = [endpoint(), endpoint(), endpoint("frozen")];
  doze.setRoute(SLOT, route([one]), 0, true);
  doze.look(busy(0), 0);
  assert.deepEqual(doze.look(busy(9), 400).renew, []);
  doze.setRoute(SLOT, route([one, two, three]), 400, true);
  const renewed = (requests: number, now: number) => doze.look(busy(requests), now).renew.map(({ endpoint: { instanceId } }) => instanceId);
  assert.deepEqual(renewed(19, 500), [one.instanceId, three.instanceId]);
  for (const { instanceId } of [one, three]) doze.woken(SLOT, instanceId, 500);
  assert.deepEqual(renewed(29, 625), []);
  assert.deepEqual(renewed(39, 700), [two.instanceId]);
});

test("what nobody said how to wake is never held", () => {
  const doze = new Doze();
  const { wake: _wake, ...one } = endpoint("frozen");
  doze.setRoute(SLOT, route([one]), 0, true);
  assert.equal(doze.isAsleep(SLOT, one.instanceId), false);
  assert.deepEqual(doze.sleepers(SLOT), []);
});

test("told that it sleeps, it is asleep; gone, it is forgotten", () => {
  const doze = new Doze();
  const one = endpoint();
  doze.setRoute(SLOT, route([one]), 0, true);
  doze.setRoute(SLOT, route([{ ...one, temperature: "frozen" }]), 10, true);
  assert.equal(doze.isAsleep(SLOT, one.instanceId), true);
  doze.woken(SLOT, one.instanceId, 20);
  doze.setRoute(SLOT, route([]), 30, true);
  doze.woken(SLOT, one.instanceId, 40);
  doze.setRoute(SLOT, route([{ ...one, temperature: "frozen" }]), 45, true);
  assert.equal(doze.isAsleep(SLOT, one.instanceId), true, "what has left is woken no more");
  doze.setRoute(SLOT, route([], { hosts: [] }), 50, true);
  assert.equal(doze.lookEveryMs(), undefined);
});
