import assert from "node:assert/strict";
import { test } from "node:test";
import { newId } from "../core/contract/ids.ts";
import { collect, emptyCounts, newProcess } from "./counts.ts";

const app = newId("app");
const appOf = new Map([["slot_0001", app]]);
const stats = (requests: number, inFlight = 0) =>
  new Map([["slot_0001", { requests, responses2xx: requests, responses4xx: 0, responses5xx: 0, bytesIn: requests * 10, bytesOut: requests * 20, inFlight }]]);

test("each message says what came since the last one", () => {
  let state = newProcess(emptyCounts(new Date(1000)), "p1");
  const first = collect(state, "p1", stats(5, 1), appOf);
  assert.deepEqual(first.message, { sequence: 1001, apps: [{ appId: app, requests: 5, responses2xx: 5, responses4xx: 0, responses5xx: 0, bytesIn: 50, bytesOut: 100, inFlight: 1 }] });
  state = first.state;
  const second = collect(state, "p1", stats(7, 1), appOf);
  assert.equal(second.message?.apps[0]?.requests, 2);
  // Nothing new: nothing is said; the end of what was in flight is.
  assert.equal(collect(second.state, "p1", stats(7, 1), appOf).message, undefined);
  assert.equal(collect(second.state, "p1", stats(7, 0), appOf).message?.apps[0]?.inFlight, 0);
});

test("a process that was started anew counts from zero; one that nobody knows, from where it is", () => {
  const { state } = collect(newProcess(emptyCounts(new Date(0)), "p1"), "p1", stats(5), appOf);
  assert.equal(collect(newProcess(state, "p2"), "p2", stats(3), appOf).message?.apps[0]?.requests, 3);
  const stranger = collect(state, "p3", stats(100), appOf);
  assert.equal(stranger.message, undefined);
  assert.equal(collect(stranger.state, "p3", stats(101), appOf).message?.apps[0]?.requests, 1);
});

test("counters that were cleared by hand are not negative", () => {
  const { state } = collect(newProcess(emptyCounts(new Date(0)), "p1"), "p1", stats(5), appOf);
  assert.equal(collect(state, "p1", stats(2), appOf).message?.apps[0]?.requests, 2);
});

test("the last messages are kept for the next connection", () => {
  let state = newProcess(emptyCounts(new Date(0)), "p1");
  for (let i = 1; i <= 20; i++) state = collect(state, "p1", stats(i), appOf).state;
  assert.deepEqual(state.outbox.map((message) => message.sequence), [9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
});
