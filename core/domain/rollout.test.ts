import assert from "node:assert/strict";
import { test } from "node:test";
import type { AppId, DeploymentId, InstanceId, NodeId, ReleaseId } from "../contract/ids.ts";
import {
  DRAIN_TIMEOUT_MS,
  NODE_LOST_AFTER_MS,
  PLACEMENT_PATIENCE_MS,
  REPLACE_FAILED_AFTER_MS,
  planRollout,
  type InstanceView,
  type ReleasePlan,
  type RolloutSnapshot,
} from "./rollout.ts";

const NOW = 1_000_000_000;
const release = (id: string, replicas = 1): ReleasePlan => ({ id: id as ReleaseId, replicas, readyTimeoutMs: 60_000 });
const instance = (id: string, releaseId: string, more: Partial<InstanceView> = {}): InstanceView => ({
  id: id as InstanceId,
  releaseId: releaseId as ReleaseId,
  nodeId: "n1" as NodeId,
  state: "wanted",
  phase: "ready",
  problem: undefined,
  exitCode: undefined,
  createdAt: NOW - 1000,
  drainingAt: null,
  drainedBy: [],
  ...more,
});
const node = (id: string, more: object = {}) => ({ id: id as NodeId, lastSeenAt: NOW, capacity: 100, instances: 0, ...more });
const snapshot = (more: Partial<RolloutSnapshot>): RolloutSnapshot => ({
  app: { id: "app" as AppId, deleted: false },
  live: null,
  target: null,
  deployment: null,
  instances: [],
  nodes: [node("n1")],
  gateways: ["g1"],
  ...more,
});
const deployment = { id: "dep" as DeploymentId, releasedAt: NOW - 1000 };

test("a first release is placed, then goes live when every instance is ready", () => {
  const first = snapshot({ target: release("r1", 2), deployment });
  assert.deepEqual(planRollout(first, NOW).map((a) => a.kind), ["place", "place"]);
  const starting = { ...first, instances: [instance("a", "r1"), instance("b", "r1", { phase: "starting" })] };
  assert.deepEqual(planRollout(starting, NOW), []);
  const ready = { ...first, instances: [instance("a", "r1"), instance("b", "r1")] };
  assert.deepEqual(planRollout(ready, NOW), [{ kind: "go-live", releaseId: "r1" }]);
});

test("during a rollout the live release keeps its instances, and loses them only after the switch", () => {
  const during = snapshot({ live: release("r1"), target: release("r2"), deployment, instances: [instance("a", "r1"), instance("b", "r2", { phase: "starting" })] });
  assert.deepEqual(planRollout(during, NOW), []);
  const after = snapshot({ live: release("r2"), target: release("r2"), instances: [instance("a", "r1"), instance("b", "r2")] });
  assert.deepEqual(planRollout(after, NOW), [{ kind: "drain", instanceId: "a" }]);
});

test("a crash while starting gives the rollout up with its code, exit code and log", () => {
  const problem = { code: "app_exited" as const, detail: "exited with 3", logTail: ["boom"] };
  const crashed = snapshot({ live: release("r1"), target: release("r2"), deployment, instances: [instance("a", "r1"), instance("b", "r2", { phase: "failed", problem, exitCode: 3 })] });
  assert.deepEqual(planRollout(crashed, NOW), [{ kind: "give-up", failure: { ...problem, exitCode: 3 } }]);
});

test("after giving up, the target is the live release again and the failed instances stop", () => {
  const after = snapshot({ live: release("r1"), target: release("r1"), instances: [instance("a", "r1"), instance("b", "r2", { phase: "failed" })] });
  assert.deepEqual(planRollout(after, NOW), [{ kind: "stop", instanceId: "b", nodeId: "n1" }]);
});

test("a drain ends when all gateways attest it, or by its deadline", () => {
  const draining = (drainedBy: string[], drainingAt: number) =>
    snapshot({ live: release("r2", 0), target: release("r2", 0), gateways: ["g1", "g2"], instances: [instance("a", "r1", { state: "draining", drainedBy, drainingAt })] });
  assert.deepEqual(planRollout(draining(["g1"], NOW - 10), NOW), []);
  assert.deepEqual(planRollout(draining(["g1", "g2"], NOW - 10), NOW).map((a) => a.kind), ["stop"]);
  assert.deepEqual(planRollout(draining([], NOW - DRAIN_TIMEOUT_MS), NOW).map((a) => a.kind), ["stop"]);
});

test("no node with room fails the rollout after a while, and is waited for by a live release", () => {
  const full = { nodes: [node("n1", { capacity: 5, instances: 5 })] };
  const rollout = snapshot({ ...full, target: release("r1"), deployment: { ...deployment, releasedAt: NOW - PLACEMENT_PATIENCE_MS - 1 } });
  const [action] = planRollout(rollout, NOW);
  assert.equal(action?.kind === "give-up" && action.failure.code, "no_capacity");
  assert.deepEqual(planRollout(snapshot({ ...full, live: release("r1"), target: release("r1") }), NOW), []);
});

test("instances of a lost node are replaced where there is another node, and not where there is none", () => {
  const lost = node("n1", { lastSeenAt: NOW - NODE_LOST_AFTER_MS - 1, instances: 1 });
  const live = { live: release("r1"), target: release("r1"), instances: [instance("a", "r1")] };
  assert.deepEqual(planRollout(snapshot({ ...live, nodes: [lost] }), NOW), []);
  assert.deepEqual(planRollout(snapshot({ ...live, nodes: [lost, node("n2")] }), NOW), [{ kind: "place", releaseId: "r1", nodeId: "n2" }]);
});

test("replicas spread over nodes, and a surplus retires the newest and least ready", () => {
  const spread = snapshot({ target: release("r1", 4), deployment, nodes: [node("n1"), node("n2", { instances: 1 })] });
  assert.deepEqual(planRollout(spread, NOW).map((a) => a.kind === "place" && a.nodeId).toSorted(), ["n1", "n1", "n2", "n2"]);
  const surplus = snapshot({
    live: release("r1", 1),
    target: release("r1", 1),
    instances: [instance("old", "r1", { createdAt: 1 }), instance("new", "r1", { createdAt: 2 }), instance("slow", "r1", { phase: "starting", createdAt: 0 })],
  });
  assert.deepEqual(planRollout(surplus, NOW), [{ kind: "stop", instanceId: "slow", nodeId: "n1" }, { kind: "drain", instanceId: "new" }]);
});

test("a failed instance of the live release is replaced after a pause", () => {
  const failed = (createdAt: number) => snapshot({ live: release("r1"), target: release("r1"), instances: [instance("a", "r1", { phase: "failed", createdAt })] });
  assert.deepEqual(planRollout(failed(NOW - 1), NOW), []);
  assert.deepEqual(planRollout(failed(NOW - REPLACE_FAILED_AFTER_MS), NOW).map((a) => a.kind), ["stop"]);
});

test("a deleted app stops everything, then is removed", () => {
  const deleted = snapshot({ app: { id: "app" as AppId, deleted: true }, live: release("r1"), target: release("r1"), instances: [instance("a", "r1"), instance("b", "r1", { state: "stopping" })] });
  assert.deepEqual(planRollout(deleted, NOW), [{ kind: "stop", instanceId: "a", nodeId: "n1" }]);
  assert.deepEqual(planRollout({ ...deleted, instances: [] }, NOW), [{ kind: "remove-app" }]);
});
