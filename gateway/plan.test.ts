import assert from "node:assert/strict";
import { test } from "node:test";
import type { Route } from "../core/contract/gateway-channel.ts";
import { newId } from "../core/contract/ids.ts";
import { keyOf, partsOf, splitOf } from "./parts.ts";
import { applyCommand, chooseSlot, EMPTY_SLOT, gone, isClean, NOTHING_OBSERVED, planSlot, wantedOf, type Command, type SlotObserved, type SlotWanted } from "./plan.ts";

const route = (more: Partial<Route> = {}): Route => ({
  appId: newId("app"), hosts: ["a.test"], endpoints: [], draining: [], requestTimeoutMs: 5000, concurrency: 10, holdTimeoutMs: 1000, ...more,
});
const endpoint = (last: number) => ({ instanceId: newId("instance"), address: `10.0.0.${last}`, port: 80 });
const kinds = (commands: readonly Command[]) => commands.map((one) => ("state" in one ? `${one.kind} ${one.state}` : one.kind));
const carryOut = (wanted: SlotWanted, observed: SlotObserved) => planSlot("s", wanted, observed).reduce(applyCommand, observed);

test("a new app: its servers are there before its host is", () => {
  assert.deepEqual(kinds(planSlot("s", wantedOf(route({ endpoints: [endpoint(1)] })), NOTHING_OBSERVED)), ["add-value", "add-server", "set-state ready", "add-host"]);
});

test("a plan that was carried out leaves nothing to do", () => {
  const one = endpoint(1);
  const two = endpoint(2);
  const steps = [
    route({ endpoints: [one] }),
    route({ endpoints: [one, two], hosts: ["a.test", "b.test"] }),
    route({ endpoints: [two], draining: [one], requestTimeoutMs: 9000 }),
    route({ endpoints: [{ ...two, address: "10.0.0.9" }], concurrency: 3 }),
    route({ endpoints: [one], hosts: ["c.test"], http: { allowFrom: ["10.0.0.0/8"], sticky: true, socketIdleMs: 5000 } }),
    route({ endpoints: [one, two], hosts: ["c.test", "d.test"], http: { compression: true, sticky: true }, maintenance: { retryAfterS: 60 } }),
    route({ endpoints: [two], draining: [one], hosts: ["c.test", "d.test"], http: { sticky: true } }),
    route({ endpoints: [two], hosts: ["d.test"] }),
  ];
  let observed = NOTHING_OBSERVED;
  for (const step of steps) {
    observed = carryOut(wantedOf(step), observed);
    assert.deepEqual(planSlot("s", wantedOf(step), observed), []);
  }
  observed = carryOut(EMPTY_SLOT, observed);
  assert.ok(isClean(observed));
});

test("a switch adds the new server before the old one drains", () => {
  const [old, next] = [endpoint(1), endpoint(2)];
  const observed = carryOut(wantedOf(route({ endpoints: [old] })), NOTHING_OBSERVED);
  assert.deepEqual(kinds(planSlot("s", wantedOf(route({ endpoints: [next], draining: [old] })), observed)), ["add-server", "set-state ready", "set-state drain"]);
});

test("what drains is not added for that; what leaves while it drains is removed; what comes back is ready again", () => {
  const one = endpoint(1);
  assert.deepEqual(kinds(planSlot("s", wantedOf(route({ draining: [one] })), NOTHING_OBSERVED)), ["add-value", "add-host"]);
  const draining = carryOut(wantedOf(route({ draining: [one] })), carryOut(wantedOf(route({ endpoints: [one] })), NOTHING_OBSERVED));
  assert.deepEqual(kinds(planSlot("s", wantedOf(route()), draining)), ["set-state maint", "del-server"]);
  assert.deepEqual(kinds(planSlot("s", wantedOf(route({ endpoints: [one] })), draining)), ["set-state ready"]);
});

test("an instance that is both ready and draining is ready", () => {
  const one = endpoint(1);
  assert.deepEqual(wantedOf(route({ endpoints: [one], draining: [one] })).servers.map((server) => server.state), ["ready"]);
});

test("a slot is chosen by its hosts where a mirror was lost, else it is a clean one", () => {
  const stray: SlotObserved = { ...NOTHING_OBSERVED, hosts: new Map([["a.test", "slot"]]) };
  const dirty: SlotObserved = { ...NOTHING_OBSERVED, values: { timeouts: "5" } };
  const observed = new Map([["slot_0002", stray], ["slot_0001", dirty]]);
  const free = new Set(["slot_0001", "slot_0002", "slot_0003"]);
  const strays = new Set(["slot_0001", "slot_0002"]);
  assert.equal(chooseSlot({ hosts: ["a.test"] }, free, strays, observed), "slot_0002");
  assert.equal(chooseSlot({ hosts: ["b.test"] }, free, strays, observed), "slot_0003");
  assert.equal(chooseSlot({ hosts: ["b.test"] }, new Set(["slot_0001"]), strays, observed), undefined);
});

test("apps that a snapshot does not name are gone", () => {
  const [a, b] = [route(), route()];
  assert.deepEqual(gone(new Set([a.appId, b.appId]), [b]), [a.appId]);
});

test("what sleeps is in HAProxy with weight 0 before it could get a request, and wakes by one command", () => {
  const one = endpoint(1);
  const asleep = wantedOf(route({ endpoints: [one] }), (id) => id === one.instanceId);
  assert.deepEqual(kinds(planSlot("s", asleep, NOTHING_OBSERVED)), ["add-value", "add-server", "set-asleep", "set-state ready", "add-host"]);
  const observed = carryOut(asleep, NOTHING_OBSERVED);
  assert.deepEqual(planSlot("s", asleep, observed), []);
  assert.deepEqual(planSlot("s", wantedOf(route({ endpoints: [one] })), observed), [{ kind: "set-asleep", slot: "s", name: one.instanceId, asleep: false }]);
});

test("features are known before a host leads there, and forgotten after none does; nobody is led back to what drains", () => {
  const [old, next] = [endpoint(1), endpoint(2)];
  const featured = { http: { sticky: true, rateLimit: { requests: 5, periodMs: 1000, by: "app" as const } } };
  const plain = carryOut(wantedOf(route({ endpoints: [old] })), NOTHING_OBSERVED);
  assert.deepEqual(kinds(planSlot("s", wantedOf(route({ endpoints: [old], ...featured })), plain)), ["add-value", "add-sticky", "add-featured", "set-host"]);
  const sticky = carryOut(wantedOf(route({ endpoints: [old], ...featured })), plain);
  assert.equal(sticky.values.features, "rate=5:1000:app|sticky");
  assert.deepEqual(kinds(planSlot("s", wantedOf(route({ endpoints: [next], draining: [old], ...featured })), sticky)), ["del-sticky", "add-server", "set-state ready", "add-sticky", "set-state drain"]);
  assert.deepEqual(kinds(planSlot("s", wantedOf(route({ endpoints: [old] })), sticky)), ["del-sticky", "set-host", "del-featured", "del-value"]);
});

test("a canary is a slot of its own, which the live release's slot names with its share; without one that is taken away", () => {
  const canary = { hosts: ["canary--a.test"], endpoints: [endpoint(2)], percent: 12.5, name: "v2", liveName: "v1", pin: ["header" as const], requestTimeoutMs: 1000, concurrency: 4 };
  const both = route({ endpoints: [endpoint(1)], canary, watched: true });
  const [part, main] = partsOf(both);
  assert.deepEqual([part?.hosts, part?.endpoints, part?.watched, main], [canary.hosts, canary.endpoints, true, both]);
  assert.notEqual(keyOf(part!), keyOf(main!));
  const split = splitOf(both, "slot_0002");
  assert.equal(split, "slot_0002:1250:h:v2:v1");
  const observed = carryOut(wantedOf(both, undefined, split), NOTHING_OBSERVED);
  assert.deepEqual([observed.values.splits, observed.hosts.get("a.test")], [split, "features"]);
  assert.deepEqual(kinds(planSlot("s", wantedOf(both, undefined, "slot_0002:5000:h:v2:v1"), observed)), ["set-value"]);
  const ended = { ...both, canary: undefined };
  assert.deepEqual(partsOf(ended)[0]?.hosts, []);
  assert.equal(splitOf(ended, "slot_0002"), undefined);
  assert.deepEqual(kinds(planSlot("s", wantedOf(ended), observed)), ["set-host", "del-featured", "del-value"]);
  const locked = { ...both, http: { allowFrom: ["10.0.0.0/8"] }, maintenance: { retryAfterS: 60 } };
  assert.deepEqual(wantedOf(partsOf(locked)[0]!).values.features, "allow=10.0.0.0/8|maintenance=60", "who is kept out of the app is kept out of its canary");
});
