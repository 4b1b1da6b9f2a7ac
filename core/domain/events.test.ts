import assert from "node:assert/strict";
import { test } from "node:test";
import { causeInWords, explainApp, type AppFacts, type ExplainedInstance } from "./events.ts";

const one = (more: Partial<ExplainedInstance> = {}): ExplainedInstance => ({ state: "wanted", phase: "ready", temperature: "running", cause: null, ...more });
const facts = (more: Partial<AppFacts> = {}): AppFacts => ({
  scaling: { min: 0, max: 10 }, concurrency: 80, replicas: 1, freezeAfterMs: 60_000, isLive: true, isRollingOut: false, scaledTo: 1, scaledBy: "request", scaledAtMs: 0, instances: [one()], ...more,
});

test("why an app has the instances that it has, and how warm they are", () => {
  assert.deepEqual(explainApp(facts({ instances: [one({ temperature: "frozen", cause: "idle" })] }), 300_000), [
    "It should have one instance, between 0 and 10 by demand; that was decided 5 min ago: a request came.",
    "One instance is meant for 56 requests in flight; with more another one comes.",
    "Of one instance, 1 is frozen, with its memory and without cpu; a request thaws it in about a millisecond (nobody asked for it).",
    "An instance that nobody asks for is frozen after 60 s, and sleeps more deeply the longer nobody asks for it. --no-freeze keeps it running.",
  ]);
  assert.deepEqual(explainApp(facts({ scaling: undefined, replicas: 3, freezeAfterMs: undefined, instances: [one(), one(), one({ phase: "starting" }), one({ state: "draining" })] }), 0), [
    "It should have 3 instances: a fixed number (--replicas).",
    "Of 3 instances, 2 are running.",
    "Of 3 instances, 1 does not take requests yet.",
    "1 more ends its last requests and then stops.",
    "Its instances are never frozen.",
  ]);
  assert.match(explainApp(facts({ scaledTo: 0, scaledBy: "idle", instances: [] }), 1000)[0] ?? "", /should have no instance.*nobody asked for it/);
  assert.match(explainApp(facts({ scaledBy: null }), 0)[0] ?? "", /has not changed that yet/);
  assert.deepEqual(explainApp(facts({ isLive: false, instances: [] }), 0), ["It has no instance: nothing of it is live yet. Deploy it."]);
});

test("what an instance is meant to carry, and its hours", () => {
  const schedule = [{ from: "08:00", to: "18:00", timeZone: "UTC", min: 3 }];
  const said = (nowMs: number) => explainApp(facts({ scaling: { min: 0, max: 10, inFlight: 4, cpuPercent: 60, schedule }, scaledTo: 3, scaledBy: "schedule" }), nowMs).slice(0, 3);
  assert.deepEqual(said(9 * 3_600_000), [
    "It should have 3 instances, between 0 and 10 by demand; that was decided 9 h ago: its scheduled hours have begun.",
    "One instance is meant for 4 requests in flight, 60 % of its cpu; with more of any another one comes.",
    "By its schedule it has at least 3 every day from 08:00 to 18:00 (UTC). Now that is at least 3.",
  ]);
  assert.match(said(20 * 3_600_000)[2] ?? "", /Now that is none of these/);
});

test("causes are words; an error's code is shown as it is", () => {
  assert.equal(causeInWords("memory-pressure"), "its node is short of memory");
  assert.equal(causeInWords("app_exited"), "app_exited");
});
