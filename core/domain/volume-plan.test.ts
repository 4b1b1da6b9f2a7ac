import assert from "node:assert/strict";
import { test } from "node:test";
import { nextStep, OPERATION_TIMEOUT_MS, type OperationView } from "./volume-plan.ts";
import type { OperationKind, OperationState } from "./volume-states.ts";

const NOW = 1_000_000_000;
const failure = { code: "volume_failed" as const, detail: "no" };
const step = (kind: OperationKind, state: OperationState, more: Partial<OperationView> = {}, now = NOW) =>
  nextStep({ kind, state, createdAt: NOW, current: { state: "whole", failure: null }, snapshot: null, made: null, isNodeLost: false, isTargetLost: false, running: 1, ...more }, now);
const taking = { snapshot: { state: "taking", failure: null } } as const;
const taken = { snapshot: { state: "ready", failure: null } } as const;
const making = { made: { state: "making", failure: null } } as const;
const made = { made: { state: "whole", failure: null } } as const;

test("a snapshot is taken while the app runs, and ends when it is whole", () => {
  assert.deepEqual(step("snapshot", "queued"), { kind: "take-snapshot", isStopped: false });
  assert.equal(step("snapshot", "snapshotting", taking), undefined);
  assert.deepEqual(step("snapshot", "snapshotting", taken), { kind: "finish" });
  assert.deepEqual(step("snapshot", "snapshotting", { snapshot: { state: "failed", failure } }), { kind: "fail", failure });
});

test("a restore stops the app only when the new image is there", () => {
  assert.deepEqual(step("restore", "queued", taken), { kind: "make-image" });
  assert.equal(step("restore", "fetching", { ...taken, ...making }), undefined);
  assert.deepEqual(step("restore", "fetching", { ...taken, ...made }), { kind: "stop-app" });
  assert.equal(step("restore", "stopping", { ...taken, ...made }), undefined);
  assert.deepEqual(step("restore", "stopping", { ...taken, ...made, running: 0 }), { kind: "switch" });
  assert.deepEqual(step("restore", "fetching", { ...taken, made: { state: "making", failure } }), { kind: "fail", failure });
  // The volume's own node does not matter when it is made anew elsewhere.
  assert.deepEqual(step("restore", "queued", { ...taken, isNodeLost: true }), { kind: "make-image" });
});

test("a move goes through stop, snapshot, image and switch", () => {
  assert.deepEqual(step("move", "queued"), { kind: "stop-app" });
  assert.equal(step("move", "stopping"), undefined);
  assert.deepEqual(step("move", "stopping", { running: 0 }), { kind: "take-snapshot", isStopped: true });
  assert.equal(step("move", "snapshotting", { running: 0, ...taking }), undefined);
  assert.deepEqual(step("move", "snapshotting", { running: 0, ...taken }), { kind: "make-image" });
  assert.equal(step("move", "fetching", { running: 0, ...taken, ...making }), undefined);
  assert.deepEqual(step("move", "fetching", { running: 0, ...taken, ...made }), { kind: "switch" });
});

test("a volume that its node could never make begins elsewhere", () => {
  const current = { state: "making", failure } as const;
  assert.deepEqual(step("move", "stopping", { running: 0, current }), { kind: "begin-elsewhere" });
  // Not said to have failed: something may be in it.
  assert.equal(step("move", "stopping", { running: 0, current: { state: "making", failure: null } }), undefined);
});

test("a lost node fails what needs it, and nothing else", () => {
  const lost = (kind: OperationKind, state: OperationState, more: Partial<OperationView>) => {
    const next = step(kind, state, { ...taken, ...making, ...more });
    return next?.kind === "fail" && next.failure.code;
  };
  assert.equal(lost("snapshot", "snapshotting", { isNodeLost: true }), "volume_node_lost");
  for (const state of ["queued", "stopping", "snapshotting"] as const) assert.equal(lost("move", state, { isNodeLost: true }), "volume_node_lost");
  assert.equal(lost("move", "fetching", { isNodeLost: true }), false);
  for (const state of ["queued", "stopping", "snapshotting", "fetching"] as const) assert.equal(lost("move", state, { isTargetLost: true }), "volume_node_lost");
  for (const state of ["queued", "fetching", "stopping"] as const) assert.equal(lost("restore", state, { isTargetLost: true }), "volume_node_lost");
});

test("nothing waits for ever", () => {
  assert.equal(step("move", "stopping", {}, NOW + OPERATION_TIMEOUT_MS + 1)?.kind, "fail");
});
