import assert from "node:assert/strict";
import { test } from "node:test";
import { decideScale, DEFAULT_SCALE, newScaleMemory, type Sample, type ScaleDecision, type ScalePolicy } from "./autoscale.ts";

const POLICY: ScalePolicy = { ...DEFAULT_SCALE, min: 0, max: 100, targetInFlight: 10 };

const sample = (inFlight: number, ready: number, more: Partial<Sample> = {}): Sample => ({ inFlight, ready, ratePerSecond: inFlight, cpuMillis: null, memoryBytes: null, ...more });

/** The same sample every second for so long; the last decision. */
function steady(policy: ScalePolicy, one: Sample, seconds: number, memory = newScaleMemory(0)): ScaleDecision {
  let decision: ScaleDecision = { desired: 0, cause: "no-samples", memory };
  for (let second = 1; second <= seconds; second++) decision = decideScale(policy, decision.memory, one, memory.sinceMs + second * 1000);
  return decision;
}

/**
 * A replayed trace: requests that come each second and take `serviceMs`, instances that take up to `slots` at the same
 * time and `bootSeconds` to start. What finds no slot waits (the gateway's queue); nothing is lost unless it waits
 * longer than `patienceSeconds`.
 */
function replay(policy: ScalePolicy, arrivals: readonly number[], { serviceMs = 1000, slots = 14, bootSeconds = 1, patienceSeconds = 30 } = {}) {
  let memory = newScaleMemory(0);
  let ready = policy.min;
  let queue: { count: number; since: number }[] = [];
  const booting: { count: number; at: number }[] = [];
  const totals = { lost: 0, most: 0, instanceSeconds: 0, changes: 0, end: 0, longestWait: 0 };
  let last = ready;
  arrivals.forEach((arriving, second) => {
    while (booting[0] !== undefined && booting[0].at <= second) ready += booting.shift()?.count ?? 0;
    if (arriving > 0) queue.push({ count: arriving, since: second });
    const perSecond = (ready * slots * 1000) / serviceMs;
    let served = 0;
    queue = queue.flatMap(({ count, since }) => {
      const taken = Math.min(count, perSecond - served);
      served += taken;
      if (taken > 0) totals.longestWait = Math.max(totals.longestWait, second - since);
      if (second - since > patienceSeconds) {
        totals.lost += count - taken;
        return [];
      }
      return count > taken ? [{ count: count - taken, since }] : [];
    });
    const waiting = queue.reduce((sum, { count }) => sum + count, 0);
    const inFlight = (served * serviceMs) / 1000 + waiting;
    // The gateway wakes an app from zero by itself: an event, not a tick.
    if (ready === 0 && booting.length === 0 && waiting > 0) booting.push({ count: 1, at: second + bootSeconds });
    const decision = decideScale(policy, memory, { inFlight, ratePerSecond: arriving, cpuMillis: null, memoryBytes: null, ready }, second * 1000);
    memory = decision.memory;
    const coming = booting.reduce((sum, { count }) => sum + count, 0);
    if (decision.desired > ready + coming) booting.push({ count: decision.desired - ready - coming, at: second + bootSeconds });
    if (decision.desired < ready) ready = decision.desired;
    if (decision.desired !== last) totals.changes++;
    last = decision.desired;
    totals.most = Math.max(totals.most, ready + coming);
    totals.instanceSeconds += ready;
    totals.end = ready;
  });
  totals.lost += queue.reduce((sum, { count, since }) => sum + (arrivals.length - since > patienceSeconds ? count : 0), 0);
  return totals;
}

const constant = (rate: number, seconds: number) => Array.from({ length: seconds }, () => rate);

test("enough for the targets, and the highest of them decides", () => {
  assert.deepEqual([steady(POLICY, sample(45, 5), 70)].map(({ desired, cause }) => ({ desired, cause })), [{ desired: 5, cause: "in-flight" }]);
  const byCpu = steady({ ...POLICY, targetCpuMillis: 600 }, sample(5, 3, { cpuMillis: 2500 }), 70);
  assert.deepEqual([byCpu.desired, byCpu.cause], [5, "cpu"]);
  const byRate = steady({ ...POLICY, targetRatePerSecond: 100 }, sample(5, 4, { ratePerSecond: 650 }), 70);
  assert.deepEqual([byRate.desired, byRate.cause], [7, "rate"]);
  const byMemory = steady({ ...POLICY, targetMemoryBytes: 100 }, sample(5, 4, { memoryBytes: 550 }), 70);
  assert.deepEqual([byMemory.desired, byMemory.cause], [6, "memory"]);
  assert.equal(steady(POLICY, sample(30, 3), 70).desired, 3, "no rounding up of what is exact");
});

test("minimum and maximum hold, also against panic", () => {
  const low = steady({ ...POLICY, min: 4 }, sample(1, 4), 70);
  assert.deepEqual([low.desired, low.cause], [4, "minimum"]);
  const high = steady({ ...POLICY, max: 6 }, sample(5000, 6), 5);
  assert.deepEqual([high.desired, high.cause], [6, "maximum"]);
});

test("what was busy within the idle time keeps its last instance; then it needs none", () => {
  const busy = steady(POLICY, sample(10, 1), 70);
  const quiet = decideScale(POLICY, busy.memory, sample(0, 1), 70_000 + POLICY.idleMs - 1000);
  assert.equal(quiet.desired, 1);
  const idle = decideScale(POLICY, quiet.memory, sample(0, 1), 70_000 + POLICY.idleMs);
  assert.deepEqual([idle.desired, idle.cause], [0, "idle"]);
  assert.equal(decideScale({ ...POLICY, min: 1 }, quiet.memory, sample(0, 1), 70_000 + POLICY.idleMs).desired, 1);
});

test("idle ends a panic too: what nobody asks for sleeps when its owner said so", () => {
  const policy = { ...POLICY, idleMs: 2000 };
  const panic = steady(policy, sample(100, 1), 3);
  assert.equal(panic.cause, "panic");
  const [soon, idle] = [1000, 2000].map((afterMs) => decideScale(policy, panic.memory, sample(0, 10), 3000 + afterMs));
  assert.equal(soon?.cause, "panic");
  assert.deepEqual([idle?.desired, idle?.cause, idle?.memory.panic], [0, "idle", null]);
});

test("a young memory takes nothing away: a scaler that was started again does not halve an app", () => {
  const decision = decideScale(POLICY, newScaleMemory(0), sample(5, 8), 1000);
  assert.equal(decision.desired, 8);
});

test("panic begins at the threshold, never falls, and ends a stable window after it was last reached", () => {
  const calm = steady(POLICY, sample(10, 1), 60);
  let decision = calm;
  for (let second = 61; second <= 66; second++) decision = decideScale(POLICY, decision.memory, sample(100, 1), second * 1000);
  assert.equal(decision.cause, "panic");
  assert.equal(decision.desired, 10);
  for (let second = 67; second <= 120; second++) {
    decision = decideScale(POLICY, decision.memory, sample(1, 10), second * 1000);
    assert.equal(decision.desired, 10, `second ${second}`);
  }
  for (let second = 121; second <= 200; second++) decision = decideScale(POLICY, decision.memory, sample(1, decision.desired), second * 1000);
  assert.equal(decision.memory.panic, null);
  assert.equal(decision.desired, 1);
});

test("steps are bounded both ways", () => {
  const up = steady({ ...POLICY, maxUp: 2 }, sample(900, 3), 10);
  assert.deepEqual([up.desired, up.cause], [6, "step-limit"]);
  const down = steady(POLICY, sample(1, 40), 130);
  assert.deepEqual([down.desired, down.cause], [20, "step-limit"]);
});

test("scheduled hours raise the minimum, and their end lets it fall step by step", () => {
  const hours = { ...POLICY, min: 4, minBy: "schedule" as const };
  const within = steady(hours, sample(1, 1), 3);
  assert.deepEqual([within.desired, within.cause], [4, "schedule"]);
  const idle = decideScale(hours, within.memory, sample(0, 4), 3000 + POLICY.idleMs);
  assert.deepEqual([idle.desired, idle.cause], [4, "schedule"], "nobody asks, and it has them all the same");
  const after = steady(POLICY, sample(1, 4), 70);
  assert.deepEqual([after.desired, after.cause], [2, "step-limit"]);
});

test("who scales by cpu is not idle while it works, requests or not", () => {
  const policy = { ...POLICY, targetCpuMillis: 500, idleMs: 5000 };
  assert.equal(steady(policy, sample(0, 2, { cpuMillis: 900 }), 70).desired, 2);
  assert.equal(steady(policy, sample(0, 2, { cpuMillis: 5 }), 70).cause, "idle");
  assert.equal(steady({ ...policy, targetCpuMillis: null }, sample(0, 2, { cpuMillis: 900 }), 70).cause, "idle");
});

test("nothing is known: the minimum", () => {
  assert.equal(decideScale({ ...POLICY, min: 2 }, newScaleMemory(0), null, 1000).desired, 2);
});

test("a step from nothing: all are answered, with less than twice the instances that it needs", () => {
  const totals = replay(POLICY, constant(200, 300));
  assert.equal(totals.lost, 0);
  assert.ok(totals.most <= 40, `${totals.most}`);
  assert.ok(totals.longestWait <= 15, `${totals.longestWait} s`);
  assert.ok(totals.end >= 20 && totals.end <= 22, `${totals.end}`);
});

test("a ramp is followed", () => {
  const totals = replay(POLICY, Array.from({ length: 600 }, (_, second) => Math.round(second / 2)));
  assert.equal(totals.lost, 0);
  assert.ok(totals.longestWait <= 6, `${totals.longestWait} s`);
  assert.ok(totals.end >= 25 && totals.end <= 45, `${totals.end}`);
});

test("a spike is answered, and gone after it", () => {
  const totals = replay(POLICY, [...constant(10, 120), ...constant(500, 10), ...constant(10, 600)]);
  assert.equal(totals.lost, 0);
  assert.ok(totals.most <= 100);
  assert.equal(totals.end, 1);
});

test("a daily wave costs at most 1.6 times what an oracle would pay, and does not flap", () => {
  const wave = Array.from({ length: 7200 }, (_, second) => Math.round(150 + 140 * Math.sin((second / 7200) * 2 * Math.PI)));
  const totals = replay(POLICY, wave);
  const oracle = wave.reduce((sum, rate) => sum + Math.ceil(rate / POLICY.targetInFlight), 0);
  assert.equal(totals.lost, 0);
  assert.ok(totals.instanceSeconds <= 1.6 * oracle, `${totals.instanceSeconds / oracle}`);
  assert.ok(totals.changes <= 250, `${totals.changes} changes`);
});

test("on and off: nothing is lost, and it sleeps in between", () => {
  const totals = replay(POLICY, Array.from({ length: 1200 }, (_, second) => (second % 240 < 60 ? 50 : 0)));
  assert.equal(totals.lost, 0);
  assert.equal(totals.end, 0);
});
