import assert from "node:assert/strict";
import { test } from "node:test";
import { newId } from "../core/contract/ids.ts";
import { LoadWatch } from "./load.ts";

const appId = newId("app");
const route = { appId, hosts: ["web.berth.localhost"], endpoints: [], draining: [], requestTimeoutMs: 1000, concurrency: 10, holdTimeoutMs: 1000, followsDemand: true };
const stats = (requests: number, inFlight: number) => new Map([["slot_0001", { requests, inFlight }], ["slot_0002", { requests: 9, inFlight: 9 }]]);

test("a change is said at once, its end too, what lasts every few seconds, and nothing of apps with a fixed number", () => {
  const watch = new LoadWatch();
  assert.equal(watch.lookEveryMs, undefined);
  watch.setRoute("slot_0001", route);
  watch.setRoute("slot_0002", { ...route, appId: newId("app"), followsDemand: undefined });
  assert.equal(watch.lookEveryMs, 1000);
  const at = (nowMs: number, requests: number, inFlight: number) => watch.look(stats(requests, inFlight), nowMs);
  const said = (periodMs: number, requests: number, inFlight: number) => ({ type: "load", periodMs, apps: [{ appId, requests, inFlight }] });
  assert.deepEqual(at(0, 100, 0), said(0, 0, 0), "what was before it looked is nobody's");
  assert.deepEqual(at(1000, 130, 4), said(1000, 30, 4));
  assert.deepEqual(at(2000, 130, 4), said(1000, 0, 4), "the rate has ended");
  assert.equal(at(3000, 130, 4), undefined);
  assert.deepEqual(at(7000, 130, 4), said(4000, 0, 4), "it lasts");
  assert.deepEqual(at(8000, 130, 0), said(1000, 0, 0));
  assert.equal(at(20_000, 130, 0), undefined);
  watch.forget();
  assert.deepEqual(at(20_500, 130, 0), said(500, 0, 0));
  assert.deepEqual(at(21_500, 5, 1), said(1000, 5, 1), "HAProxy was started anew");
  watch.setRoute("slot_0001", { ...route, hosts: [] });
  assert.equal(watch.lookEveryMs, undefined);
});
