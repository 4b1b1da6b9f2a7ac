import assert from "node:assert/strict";
import { test } from "node:test";
import { SettingsSchema } from "../contract/release-config.ts";
import { scalePolicy, wantedOfRollout, wantedReplicas } from "./scaling.ts";

const fixed = SettingsSchema.parse({ replicas: 3 });
const scaled = SettingsSchema.parse({ scaling: { max: 5 }, concurrency: 100 });

test("a fixed number is what it says, whatever was scaled before", () => {
  assert.equal(scalePolicy(fixed, 0), undefined);
  assert.equal(wantedReplicas(fixed, 7), 3);
  assert.equal(wantedOfRollout(fixed, null), 3);
});

test("a scaled app begins with one, and stays within its bounds", () => {
  assert.equal(wantedReplicas(scaled, null), 1);
  assert.equal(wantedReplicas(scaled, 0), 0);
  assert.equal(wantedReplicas(scaled, 9), 5);
  assert.equal(wantedReplicas(SettingsSchema.parse({ scaling: { min: 2 } }), 0), 2);
});

test("a release must show itself, also where the app sleeps", () => {
  assert.equal(wantedOfRollout(scaled, 0), 1);
  assert.equal(wantedOfRollout(scaled, 4), 4);
});

test("without a target of its own an app uses 70 % of what an instance may have in flight", () => {
  assert.equal(scalePolicy(scaled, 0)?.targetInFlight, 70);
  assert.equal(scalePolicy(SettingsSchema.parse({ scaling: { inFlight: 3 } }), 0)?.targetInFlight, 3);
});

test("cpu and memory are shares of what an instance may have", () => {
  const policy = scalePolicy(SettingsSchema.parse({ cpuMillis: 500, memoryBytes: 100 * 2 ** 20, scaling: { cpuPercent: 60, memoryPercent: 80 } }), 0);
  assert.deepEqual([policy?.targetCpuMillis, policy?.targetMemoryBytes], [300, 80 * 2 ** 20]);
  assert.deepEqual([scalePolicy(scaled, 0)?.targetCpuMillis, scalePolicy(scaled, 0)?.targetMemoryBytes], [null, null]);
});

test("in its scheduled hours an app has at least so many, and says why", () => {
  const settings = SettingsSchema.parse({ scaling: { min: 1, schedule: [{ from: "08:00", to: "18:00", min: 3 }] } });
  const at = (hour: number) => {
    const policy = scalePolicy(settings, hour * 3_600_000);
    return [policy?.min, policy?.minBy];
  };
  assert.deepEqual([at(7), at(8), at(18)], [[1, "minimum"], [3, "schedule"], [1, "minimum"]]);
});

test("bounds that cross are refused", () => {
  assert.throws(() => SettingsSchema.parse({ scaling: { min: 3, max: 2 } }), /less than min/);
});
