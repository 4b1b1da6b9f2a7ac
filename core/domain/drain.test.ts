import assert from "node:assert/strict";
import { test } from "node:test";
import type { AppId, InstanceId, NodeId, ReleaseId } from "../contract/ids.ts";
import { placementOf, whyNotDrained } from "./drain.ts";
import { chooseNode, NODE_LOST_AFTER_MS } from "./rollout-instances.ts";
import { planRollout, type InstanceView, type NodeView, type ReleasePlan, type RolloutSnapshot } from "./rollout.ts";

const NOW = 1_000_000_000;
const LIVE = "r1" as ReleaseId;
const release = (replicas: number, more: Partial<ReleasePlan> = {}): ReleasePlan => ({
  id: LIVE, number: 1, replicas, readyTimeoutMs: 60_000, strategy: { kind: "blue-green" }, autoRollback: { maxErrorPercent: 50, minRequests: 20, windowMs: 120_000 }, keepWarmMs: 300_000, wasLive: false, ...more,
});
const instance = (id: string, nodeId: string, more: Partial<InstanceView> = {}): InstanceView => ({
  id: id as InstanceId, releaseId: LIVE, nodeId: nodeId as NodeId, state: "wanted", phase: "ready", problem: undefined, exitCode: undefined, restarts: 0, sleep: null, createdAt: NOW - 60_000, readyAt: NOW - 59_000, stopGraceMs: 1000, served: { requests: 0, errors: 0 }, drainingAt: null, drainedBy: [], notWoken: false, ...more,
});
const node = (id: string, more: Partial<NodeView> = {}): NodeView => ({ id: id as NodeId, lastSeenAt: NOW, capacity: 100, instances: 0, placement: "open", ...more });
const draining = node("n1", { placement: "draining", instances: 2 });
const plan = (replicas: number, instances: InstanceView[], nodes = [draining, node("n2")], more: Partial<RolloutSnapshot> = {}, live = release(replicas)) =>
  planRollout({ app: { id: "app" as AppId, deleted: false }, live, target: live, deployment: null, former: null, watch: null, instances, nodes, gateways: ["g1"], ...more }, NOW);
const kinds = (...args: Parameters<typeof plan>) => plan(...args).map((action) => `${action.kind} ${"instanceId" in action ? action.instanceId : "nodeId" in action ? action.nodeId : ""}`);

test("placement skips nodes that are cordoned or draining, however empty", () => {
  const choose = (...nodes: NodeView[]) => chooseNode(new Map(nodes.map((one) => [one.id, one])), [], NOW)?.id;
  assert.equal(choose(node("n1", { placement: "cordoned" }), node("n2", { instances: 50 })), "n2");
  assert.equal(choose(node("n1", { placement: "draining" }), node("n2", { instances: 50 })), "n2");
  assert.equal(choose(node("n1", { placement: "cordoned" })), undefined);
  assert.equal(placementOf(false), "cordoned");
});

test("what is on a cordoned node stays", () => {
  assert.deepEqual(kinds(2, [instance("a", "n1"), instance("b", "n1")], [node("n1", { placement: "cordoned" }), node("n2")]), []);
});

test("an instance of a draining node ends when another one serves in its place, not before", () => {
  assert.deepEqual(kinds(1, [instance("a", "n1")]), ["place n2"]);
  assert.deepEqual(kinds(1, [instance("a", "n1"), instance("b", "n2", { phase: "starting" })]), []);
  assert.deepEqual(kinds(1, [instance("a", "n1"), instance("b", "n2")]), ["drain a"]);
});

test("with room for fewer they move as room comes, and never go back and forth", () => {
  const tight = [draining, node("n2", { capacity: 1 })];
  assert.deepEqual(kinds(2, [instance("a", "n1"), instance("b", "n1")], tight), ["place n2"]);
  const full = [draining, node("n2", { capacity: 1, instances: 1 })];
  assert.deepEqual(kinds(2, [instance("a", "n1"), instance("b", "n1"), instance("c", "n2", { phase: "starting" })], full), []);
  assert.deepEqual(kinds(2, [instance("a", "n1"), instance("b", "n1"), instance("c", "n2")], full), ["drain a"]);
  assert.deepEqual(kinds(2, [instance("a", "n1", { state: "draining", drainingAt: NOW }), instance("b", "n1"), instance("c", "n2")], full), []);
});

test("without room elsewhere they stay, and a release on its way is not given up for that", () => {
  const alone = [draining, node("n2", { placement: "cordoned" })];
  assert.deepEqual(kinds(1, [instance("a", "n1")], alone), []);
  const deployment = { id: "dep" as never, releasedAt: NOW - 3_600_000, step: null, stepAt: null };
  assert.deepEqual(kinds(1, [instance("a", "n1")], alone, { live: null, deployment }), ["go-live "]);
});

test("nothing is kept warm on a draining node, nor brought back there", () => {
  const former = { id: "r0" as ReleaseId, number: 0, until: NOW + 60_000 };
  const warm = (more: Partial<InstanceView>) => [instance("b", "n2"), instance("w", "n1", { releaseId: former.id, ...more })];
  assert.deepEqual(kinds(1, warm({ state: "warm" }), undefined, { former }), ["stop w"]);
  assert.deepEqual(kinds(1, warm({ state: "draining", drainedBy: ["g1"], drainingAt: NOW }), undefined, { former }), ["stop w"]);
  assert.deepEqual(kinds(1, [instance("a", "n1", { state: "draining", drainingAt: NOW })]), ["place n2"]);
});

test("what mounts a volume stays where it is, and starts there again", () => {
  const live = release(1, { pinned: { nodeId: "n1" as NodeId, isExclusive: true } });
  assert.deepEqual(kinds(1, [instance("a", "n1")], undefined, {}, live), []);
  assert.deepEqual(kinds(1, [], undefined, {}, live), ["place n1"]);
  const unbound = release(1, { pinned: { nodeId: null, isExclusive: true } });
  assert.deepEqual(kinds(1, [], undefined, {}, unbound), ["place n2"]);
});

test("a draining node that is lost loses its instances as any other", () => {
  const lost = { ...draining, lastSeenAt: NOW - NODE_LOST_AFTER_MS - 1 };
  assert.deepEqual(kinds(1, [instance("a", "n1")], [lost, node("n2")]), ["place n2"]);
  assert.deepEqual(kinds(1, [instance("a", "n1"), instance("b", "n2")], [lost, node("n2")]), ["drain a"]);
});

test("a drain is refused where there is nowhere to move to", () => {
  const why = (moving: number, ...others: NodeView[]) => whyNotDrained([node("n1"), ...others], "n1" as NodeId, moving, NOW);
  assert.match(why(2) ?? "", /The 2 instances on it have nowhere to move to: there is no other node/);
  assert.match(why(1, node("n2", { placement: "cordoned" }), node("n3", { capacity: 0 }), node("n4", { lastSeenAt: null })) ?? "", /of the 3 other nodes none takes instances/);
  assert.equal(why(0), undefined);
  assert.equal(why(2, node("n2", { capacity: 1 })), undefined);
});
