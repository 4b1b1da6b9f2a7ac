import assert from "node:assert/strict";
import { test } from "node:test";
import type { AppId, DeploymentId, InstanceId, NodeId, ReleaseId } from "../contract/ids.ts";
import { PLACEMENT_PATIENCE_MS } from "./rollout-failures.ts";
import { NODE_LOST_AFTER_MS } from "./rollout-instances.ts";
import { planRollout, type InstanceView, type ReleasePlan, type RolloutSnapshot } from "./rollout.ts";
import type { Pinning } from "./rollout-volumes.ts";

const NOW = 1_000_000_000;
const release = (id: string, pinned: Partial<Pinning> = {}, replicas = 1): ReleasePlan => ({
  id: id as ReleaseId, number: Number(id.slice(1)), replicas, readyTimeoutMs: 60_000, strategy: { kind: "blue-green" }, autoRollback: { maxErrorPercent: 50, minRequests: 20, windowMs: 120_000 }, keepWarmMs: 300_000, wasLive: false, pinned: { nodeId: "n2" as NodeId, isExclusive: true, ...pinned },
});
const instance = (id: string, releaseId: string, more: Partial<InstanceView> = {}): InstanceView => ({
  id: id as InstanceId, releaseId: releaseId as ReleaseId, nodeId: "n2" as NodeId, state: "wanted", phase: "ready", problem: undefined, exitCode: undefined, restarts: 0, sleep: null, createdAt: NOW - 1000, readyAt: NOW - 500, stopGraceMs: 1000, served: { requests: 0, errors: 0 }, drainingAt: null, drainedBy: [], notWoken: false, ...more,
});
const node = (id: string, more: object = {}) => ({ id: id as NodeId, lastSeenAt: NOW, capacity: 100, instances: 0, placement: "open" as const, ...more });
const snapshot = (more: Partial<RolloutSnapshot>): RolloutSnapshot => ({
  app: { id: "app" as AppId, deleted: false }, live: null, target: null, deployment: null, former: null, watch: null, instances: [], nodes: [node("n1"), node("n2", { instances: 50 })], gateways: ["g1"], ...more,
});
const deployment = { id: "dep" as DeploymentId, releasedAt: NOW - 1000, step: null, stepAt: null };
const plan = (more: Partial<RolloutSnapshot>, now = NOW) => planRollout(snapshot(more), now);
const place = (releaseId: string, nodeId: string) => ({ kind: "place", releaseId, nodeId });

test("instances go where the volume is, whatever room there is elsewhere", () => {
  assert.deepEqual(plan({ target: release("r1"), deployment }), [place("r1", "n2")]);
});

test("an unbound volume goes with the first instance, and the others of the pass go there, too", () => {
  const shared = release("r1", { nodeId: null, isExclusive: false }, 3);
  assert.deepEqual(plan({ target: shared, deployment }), [place("r1", "n1"), place("r1", "n1"), place("r1", "n1")]);
});

test("with one writer the former instance is gone before the next one comes", () => {
  const rollout = { live: release("r1"), target: release("r2"), deployment };
  assert.deepEqual(plan({ ...rollout, instances: [instance("a", "r1")] }), [{ kind: "drain", instanceId: "a" }]);
  assert.deepEqual(plan({ ...rollout, instances: [instance("a", "r1", { state: "stopping" })] }), []);
  assert.deepEqual(plan({ ...rollout, instances: [] }), [place("r2", "n2")]);
  assert.deepEqual(plan({ ...rollout, instances: [instance("b", "r2", { phase: "starting" })] }), []);
  assert.deepEqual(plan({ ...rollout, instances: [instance("b", "r2")] }).map(({ kind }) => kind), ["go-live"]);
});

test("nothing of a volume of one writer is kept warm, nor while it is switched", () => {
  const drained = instance("a", "r1", { state: "draining", drainingAt: NOW - 100, drainedBy: ["g1"] });
  const rollout = { live: release("r1"), target: release("r2"), deployment, instances: [drained] };
  assert.deepEqual(plan(rollout).map(({ kind }) => kind), ["stop"]);
  assert.deepEqual(plan({ ...rollout, live: release("r2"), former: { id: "r1" as ReleaseId, number: 1, until: NOW + 60_000 } }).map(({ kind }) => kind), ["stop"]);
  const app = { id: "app" as AppId, deleted: false, held: true };
  const pinned = { isExclusive: false };
  assert.deepEqual(plan({ app, live: release("r1", pinned), target: release("r1", pinned), instances: [drained, instance("b", "r1", { state: "warm" })] }).map(({ kind }) => kind), ["stop", "stop"]);
});

test("a release without the volume runs beside one with it, also when the volume's node is lost", () => {
  const { pinned: _pinned, ...plain } = release("r2");
  const rollout = { live: release("r1"), target: plain, deployment };
  assert.deepEqual(plan({ ...rollout, instances: [instance("a", "r1")] }), [place("r2", "n1")]);
  const nodes = [node("n1"), node("n2", { lastSeenAt: NOW - NODE_LOST_AFTER_MS - 1 })];
  assert.deepEqual(plan({ ...rollout, nodes, instances: [instance("a", "r1")] }), [place("r2", "n1")]);
  // The first release with it comes beside what has none, but after what had it.
  const first = { live: { ...plain, id: "r1" as ReleaseId }, target: release("r2"), deployment };
  assert.deepEqual(plan({ ...first, instances: [instance("a", "r1")] }), [place("r2", "n2")]);
  assert.deepEqual(plan({ ...first, instances: [instance("a", "r1"), instance("z", "r0", { state: "stopping" })] }), []);
});

test("a release that does not start gives the volume back to the former one", () => {
  const failed = instance("b", "r2", { phase: "failed", problem: { code: "app_exited", detail: "it ended", logTail: [] } });
  const [gaveUp] = plan({ live: release("r1"), target: release("r2"), deployment, instances: [failed] });
  assert.equal(gaveUp?.kind, "give-up");
  const back = { live: release("r1"), target: release("r1") };
  assert.deepEqual(plan({ ...back, instances: [failed] }), [{ kind: "stop", instanceId: "b", nodeId: "n2" }]);
  assert.deepEqual(plan({ ...back, instances: [{ ...failed, state: "stopping" }] }), []);
  assert.deepEqual(plan({ ...back, instances: [] }), [place("r1", "n2")]);
});

test("waiting for the former instance to end is no lack of room", () => {
  const slow = { ...deployment, releasedAt: NOW - PLACEMENT_PATIENCE_MS - 5000 };
  assert.deepEqual(plan({ live: release("r1"), target: release("r2"), deployment: slow, instances: [instance("a", "r1", { state: "stopping" })] }), []);
  assert.deepEqual(plan({ live: release("r1"), target: release("r2"), deployment: slow }), [place("r2", "n2")]);
});

test("a shared volume rolls over like anything else, on its node", () => {
  const pinned = { isExclusive: false };
  const rollout = { live: release("r1", pinned), target: release("r2", pinned), deployment };
  assert.deepEqual(plan({ ...rollout, instances: [instance("a", "r1")] }), [place("r2", "n2")]);
});

test("with the volume's node away nothing is placed elsewhere, and a deployment says why it fails", () => {
  const nodes = [node("n1"), node("n2", { lastSeenAt: NOW - NODE_LOST_AFTER_MS - 1 })];
  assert.deepEqual(plan({ live: release("r1"), target: release("r1"), instances: [instance("a", "r1")], nodes }), []);
  const slow = { ...deployment, releasedAt: NOW - PLACEMENT_PATIENCE_MS - 5000 };
  const [gaveUp] = plan({ target: release("r2"), deployment: slow, nodes });
  assert.equal(gaveUp?.kind === "give-up" && gaveUp.failure.code, "volume_node_lost");
  const [alsoGaveUp] = plan({ live: release("r1"), target: release("r2"), deployment: slow, nodes, instances: [instance("a", "r1", { state: "stopping" })] });
  assert.equal(alsoGaveUp?.kind === "give-up" && alsoGaveUp.failure.code, "volume_node_lost");
  // It was restored elsewhere while an instance was still wanted here: that one goes, whatever it says when it comes back.
  const left = { live: release("r1", { nodeId: "n1" as NodeId }), target: release("r1", { nodeId: "n1" as NodeId }) };
  assert.deepEqual(plan({ ...left, instances: [instance("a", "r1")], nodes }), [{ kind: "stop", instanceId: "a", nodeId: "n2" }, place("r1", "n1")]);
  assert.deepEqual(plan({ ...left, instances: [instance("a", "r1", { createdAt: NOW - 9000 }), instance("b", "r1", { nodeId: "n1" as NodeId })] }), [{ kind: "stop", instanceId: "a", nodeId: "n2" }]);
  // It was restored elsewhere: what may still run on the lost node has no volume any more.
  const moved = { live: release("r1", { nodeId: "n1" as NodeId }), target: release("r1", { nodeId: "n1" as NodeId }) };
  assert.deepEqual(plan({ ...moved, instances: [instance("a", "r1", { state: "stopping" })], nodes }), [place("r1", "n1")]);
});

test("while a volume is switched nothing runs, and no deployment goes live or fails", () => {
  const app = { id: "app" as AppId, deleted: false, held: true };
  const slow = { ...deployment, releasedAt: NOW - PLACEMENT_PATIENCE_MS - 5000 };
  assert.deepEqual(plan({ app, live: release("r1"), target: release("r2"), deployment: slow, instances: [instance("a", "r1")] }), [{ kind: "drain", instanceId: "a" }]);
  assert.deepEqual(plan({ app, live: release("r1"), target: release("r2"), deployment: slow }), []);
});

test("a destroyed app stays until its volumes are gone", () => {
  assert.deepEqual(plan({ app: { id: "app" as AppId, deleted: true, volumes: 1 } }), []);
  assert.deepEqual(plan({ app: { id: "app" as AppId, deleted: true, volumes: 0 } }), [{ kind: "remove-app" }]);
});
