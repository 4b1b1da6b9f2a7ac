import assert from "node:assert/strict";
import { test } from "node:test";
import { newId } from "../core/contract/ids.ts";
import { acknowledge, collect, emptyCounts, newProcess, takeMessage, type CountsState } from "./counts.ts";

const app = newId("app");
const appOf = new Map([["slot_0001", app]]);
const stats = (requests: number, inFlight = 0) =>
  new Map([["slot_0001", { requests, responses2xx: requests, responses4xx: 0, responses5xx: 0, bytesIn: requests * 10, bytesOut: requests * 20, inFlight }]]);
const begun = () => newProcess(emptyCounts("a", 1000), "p1");
const look = (state: CountsState, requests: number, inFlight = 0, process = "p1") => collect(state, process, stats(requests, inFlight), appOf);
const waits = (state: CountsState) => state.waiting[app]?.requests ?? 0;

test("what came since the last look waits, and becomes a message", () => {
  const first = takeMessage(look(begun(), 5, 1), 3500);
  assert.deepEqual(first?.message, { sequence: 1, periodMs: 2500, apps: [{ appId: app, requests: 5, responses2xx: 5, responses4xx: 0, responses5xx: 0, bytesIn: 50, bytesOut: 100, inFlight: 1 }] });
  const second = takeMessage(look(look(first!.state, 6, 3), 7, 1), 4000);
  assert.deepEqual([second?.message.sequence, second?.message.periodMs, second?.message.apps[0]?.requests, second?.message.apps[0]?.inFlight], [2, 500, 2, 1]);
  // Nothing new: nothing is said; the end of what was in flight is.
  assert.equal(takeMessage(look(second!.state, 7, 1), 5000), undefined);
  assert.equal(takeMessage(look(second!.state, 7, 0), 5000)?.message.apps[0]?.inFlight, 0);
});

test("a process that was started anew counts from zero; one that nobody knows, from where it is", () => {
  const state = look(begun(), 5);
  assert.equal(waits(collect(newProcess(state, "p2"), "p2", stats(3), appOf)), 8);
  const stranger = look(state, 100, 0, "p3");
  assert.equal(waits(stranger), 5);
  assert.equal(waits(look(stranger, 101, 0, "p3")), 6);
});

test("counters that were cleared by hand are not negative", () => {
  assert.equal(waits(look(look(begun(), 5), 2)), 7);
});

test("while nobody counts, few messages are under way and the rest is added up", () => {
  let state = begun();
  for (let i = 1; i <= 50; i++) {
    state = look(state, i);
    state = takeMessage(state, i)?.state ?? state;
  }
  assert.deepEqual(state.outbox.map((message) => message.sequence), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  assert.equal(waits(state), 38);
  state = acknowledge(state, { incarnation: "a", sequence: 11 }, "b", 60);
  assert.deepEqual(state.outbox.map((message) => message.sequence), [12]);
  assert.deepEqual([takeMessage(state, 60)?.message.sequence, takeMessage(state, 60)?.message.apps[0]?.requests], [13, 38]);
  assert.equal(acknowledge(state, { incarnation: "another", sequence: 99 }, "b", 60), state);
});

test("a state that went back in time begins anew, under another name, and repeats nothing", () => {
  const old = takeMessage(look(begun(), 5), 2000)!.state;
  const anew = acknowledge(old, { incarnation: "a", sequence: 2 }, "b", 9000);
  assert.deepEqual(anew, emptyCounts("b", 9000));
  const base = look(anew, 50);
  assert.equal(waits(base), 0);
  assert.equal(waits(look(base, 53)), 3);
});
