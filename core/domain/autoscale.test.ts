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

test("cpu makes no panic", () => {
  const hot = steady({ ...POLICY, targetCpuMillis: 500 }, sample(1, 1, { cpuMillis: 4000 }), 3);
  assert.deepEqual([hot.desired, hot.cause, hot.memory.panic], [8, "cpu", null]);
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
