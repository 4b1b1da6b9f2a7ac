import assert from "node:assert/strict";
import { test } from "node:test";
import { BUILD_STATES, DEPLOYMENT_STATES, INSTANCE_STATES, mayFollow, statesBefore } from "./states.ts";

test("a state that has ended is followed by none", () => {
  for (const state of ["succeeded", "failed", "cancelled"] as const) assert.ok(BUILD_STATES.every((to) => !mayFollow("build", state, to)), state);
  for (const state of ["live", "failed", "cancelled"] as const) assert.ok(DEPLOYMENT_STATES.every((to) => !mayFollow("deployment", state, to)), state);
  assert.ok(INSTANCE_STATES.every((to) => !mayFollow("instance", "gone", to)));
});

test("a build that lost its worker is queued again; an instance that was told to stop is never wanted again", () => {
  assert.ok(mayFollow("build", "running", "queued"));
  assert.ok(mayFollow("instance", "warm", "wanted"));
  assert.ok(!mayFollow("instance", "stopping", "wanted"));
});

test("what may come before is the other side of what may follow", () => {
  for (const to of BUILD_STATES) assert.deepEqual(statesBefore("build", to), BUILD_STATES.filter((from) => mayFollow("build", from, to)));
  assert.deepEqual(statesBefore("deployment", "live"), ["releasing"]);
});
