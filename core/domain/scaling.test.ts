import assert from "node:assert/strict";
import { test } from "node:test";
import { SettingsSchema } from "../contract/release-config.ts";
import { scalePolicy, wantedOfRollout, wantedReplicas } from "./scaling.ts";

const fixed = SettingsSchema.parse({ replicas: 3 });
const scaled = SettingsSchema.parse({ scaling: { max: 5 }, concurrency: 100 });

test("a fixed number is what it says, whatever was scaled before", () => {
  assert.equal(scalePolicy(fixed), undefined);
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
  assert.equal(scalePolicy(scaled)?.targetInFlight, 70);
  assert.equal(scalePolicy(SettingsSchema.parse({ scaling: { inFlight: 3 } }))?.targetInFlight, 3);
});

test("bounds that cross are refused", () => {
  assert.throws(() => SettingsSchema.parse({ scaling: { min: 3, max: 2 } }), /less than min/);
});
