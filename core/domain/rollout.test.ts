import assert from "node:assert/strict";
import { test } from "node:test";
import type { AppId, DeploymentId, InstanceId, NodeId, ReleaseId } from "../contract/ids.ts";
import type { Strategy } from "../contract/strategy.ts";
import { PLACEMENT_PATIENCE_MS } from "./rollout-failures.ts";
import { NODE_LOST_AFTER_MS, REPLACE_FAILED_AFTER_MS } from "./rollout-instances.ts";
import { DRAIN_TIMEOUT_MS, planRollout, type InstanceView, type ReleasePlan, type RolloutSnapshot } from "./rollout.ts";

const NOW = 1_000_000_000;
const release = (id: string, replicas = 1, more: Partial<ReleasePlan> = {}): ReleasePlan => ({
  id: id as ReleaseId,
  number: Number(id.slice(1)),
  replicas,
  readyTimeoutMs: 60_000,
  strategy: { kind: "blue-green" },
  autoRollback: { maxErrorPercent: 50, minRequests: 20, windowMs: 120_000 },
  keepWarmMs: 300_000,
  wasLive: false,
  ...more,
});
const instance = (id: string, releaseId: string, more: Partial<InstanceView> = {}): InstanceView => ({
  id: id as InstanceId,
  releaseId: releaseId as ReleaseId,
  nodeId: "n1" as NodeId,
  state: "wanted",
  phase: "ready",
  problem: undefined,
  exitCode: undefined,
  restarts: 0,
  sleep: null,
  createdAt: NOW - 1000,
  readyAt: NOW - 500,
  stopGraceMs: 1000,
  served: { requests: 0, errors: 0 },
  drainingAt: null,
  drainedBy: [],
  notWoken: false,
  ...more,
});
const node = (id: string, more: object = {}) => ({ id: id as NodeId, lastSeenAt: NOW, capacity: 100, instances: 0, placement: "open" as const, ...more });
const snapshot = (more: Partial<RolloutSnapshot>): RolloutSnapshot => ({
  app: { id: "app" as AppId, deleted: false },
  live: null,
  target: null,
  deployment: null,
  former: null,
  watch: null,
  instances: [],
  nodes: [node("n1")],
  gateways: ["g1"],
  ...more,
});
const deployment = { id: "dep" as DeploymentId, releasedAt: NOW - 1000, step: null, stepAt: null };

test("a first release is placed, then goes live when every instance is ready", () => {
  const first = snapshot({ target: release("r1", 2), deployment });
  assert.deepEqual(planRollout(first, NOW).map((a) => a.kind), ["place", "place"]);
  const starting = { ...first, instances: [instance("a", "r1"), instance("b", "r1", { phase: "starting" })] };
  assert.deepEqual(planRollout(starting, NOW), []);
  const ready = { ...first, instances: [instance("a", "r1"), instance("b", "r1")] };
  assert.deepEqual(planRollout(ready, NOW), [{ kind: "go-live", releaseId: "r1", former: null, watch: null }]);
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

test("what was replaced on a lost node is not wanted any more when the node comes back; what was not still is", () => {
  const lost = node("n1", { lastSeenAt: NOW - NODE_LOST_AFTER_MS - 1, instances: 2 });
  const full = node("n2", { capacity: 1, instances: 1 });
  const two = { live: release("r1", 2), target: release("r1", 2), nodes: [lost, full] };
  const [a, b] = [instance("a", "r1"), instance("b", "r1")];
  const c = instance("c", "r1", { nodeId: "n2" as NodeId });
  assert.deepEqual(planRollout(snapshot({ ...two, instances: [a, b, { ...c, phase: "starting" }] }), NOW), []);
  assert.deepEqual(planRollout(snapshot({ ...two, instances: [a, b, c] }), NOW), [{ kind: "drain", instanceId: "a" }]);
  assert.deepEqual(planRollout(snapshot({ ...two, instances: [{ ...a, state: "stopping" }, b, c] }), NOW), []);
  assert.deepEqual(planRollout(snapshot({ ...two, nodes: [{ ...lost, lastSeenAt: NOW }, full], instances: [{ ...a, state: "stopping" }, b, c] }), NOW), []);
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

const former = { id: "r1" as ReleaseId, number: 1, until: NOW + 1000 };
const warm = (id: string, more: Partial<InstanceView> = {}) => instance(id, "r1", { state: "warm", sleep: "frozen", ...more });

test("what has drained of the release before is kept warm for its time, and ends when it lost its memory, its node or the time is over", () => {
  const after = (one: InstanceView, more: Partial<RolloutSnapshot> = {}) => planRollout(snapshot({ live: release("r2"), target: release("r2"), former, instances: [one, instance("b", "r2")], ...more }), NOW).map((a) => a.kind);
  const drained = instance("a", "r1", { state: "draining", drainedBy: ["g1"], drainingAt: NOW - 10 });
  assert.deepEqual(after(drained), ["keep"]);
  assert.deepEqual(after(drained, { former: null }), ["stop"]);
  assert.deepEqual(after({ ...drained, sleep: "deep" }), ["stop"]);
  assert.deepEqual(after({ ...drained, drainedBy: [], drainingAt: NOW - DRAIN_TIMEOUT_MS }), ["stop"], "it may still hold a request: not frozen under it");
  assert.deepEqual(after(warm("a")), []);
  assert.deepEqual(after(warm("a", { sleep: "deep" })), ["stop"]);
  assert.deepEqual(after(warm("a", { phase: "backing-off" })), ["stop"]);
  assert.deepEqual(after(warm("a"), { former: { ...former, until: NOW } }), ["stop"]);
  assert.deepEqual(after(warm("a"), { nodes: [node("n1", { lastSeenAt: NOW - NODE_LOST_AFTER_MS - 1 }), node("n2")] }), ["stop", "place"]);
});

test("a drain lasts as long as the app's grace time", () => {
  const long = (drainingAt: number) => snapshot({ live: release("r2"), target: release("r2"), instances: [instance("a", "r1", { state: "draining", stopGraceMs: 120_000, drainingAt }), instance("b", "r2")] });
  assert.deepEqual(planRollout(long(NOW - 119_000), NOW), []);
  assert.deepEqual(planRollout(long(NOW - 120_000), NOW).map((a) => a.kind), ["stop"]);
});

test("a rollback brings warm instances back, waits until they have thawed, and goes live without placing any", () => {
  const back = (one: InstanceView) => snapshot({ live: release("r2"), target: release("r1", 1, { wasLive: true }), deployment, former, instances: [one, instance("b", "r2")] });
  assert.deepEqual(planRollout(back(warm("a")), NOW), [{ kind: "revive", instanceId: "a", nodeId: "n1" }]);
  assert.deepEqual(planRollout(back(instance("a", "r1", { sleep: "frozen" })), NOW), []);
  assert.deepEqual(planRollout(back(instance("a", "r1", { state: "draining", drainedBy: ["g1"] })), NOW).map((a) => a.kind), ["revive"], "also before it was frozen");
  const [live] = planRollout(back(instance("a", "r1")), NOW);
  assert.deepEqual(live, { kind: "go-live", releaseId: "r1", former: { id: "r2", until: NOW + 300_000 }, watch: null });
});

test("the live release is taken back for errors or crashes while it is watched, but not for what the one before did, too", () => {
  const watched = (served: InstanceView["served"], more: Partial<InstanceView> = {}, watch: RolloutSnapshot["watch"] = { until: NOW + 1, formerPercent: 0 }) =>
    planRollout(snapshot({ live: release("r2"), target: release("r2"), former, watch, instances: [instance("b", "r2", { served, ...more }), warm("a")] }), NOW);
  assert.deepEqual(watched({ requests: 19, errors: 19 }), []);
  assert.deepEqual(watched({ requests: 20, errors: 10 }), []);
  const [bad] = watched({ requests: 20, errors: 11 });
  assert.ok(bad?.kind === "roll-back" && bad.to === "r1" && bad.failure.code === "too_many_errors");
  assert.match(bad.failure.detail, /^11 of 20 requests to v2 failed \(55 %\)/);
  assert.deepEqual(watched({ requests: 20, errors: 11 }, {}, { until: NOW + 1, formerPercent: 60 }), []);
  assert.deepEqual(watched({ requests: 20, errors: 11 }, {}, { until: NOW, formerPercent: 0 }), []);
  const late = snapshot({ live: release("r2"), target: release("r2"), former, watch: { until: NOW + 1, formerPercent: 0 }, instances: [instance("b", "r2", { served: { requests: 20, errors: 11 } }), warm("a", { served: { requests: 10, errors: 6 } })] });
  assert.deepEqual(planRollout(late, NOW), [], "said after the new one was live");
  assert.equal(watched({ requests: 0, errors: 0 }, { restarts: 3, phase: "backing-off", problem: { code: "app_exited", detail: "gone", logTail: [] } })[0]?.kind, "roll-back");
});

/** Runs plans against a world that carries them out: instances become ready when the test says so. */
function simulate(options: { strategy: Strategy; from: number; to: number; random: () => number }) {
  const { random, strategy } = options;
  let state = snapshot({
    live: release("r1", options.from),
    target: release("r2", options.to, { strategy }),
    deployment: { ...deployment, releasedAt: NOW },
    nodes: [node("n1", { capacity: 1000 }), node("n2", { capacity: 1000 })],
    instances: Array.from({ length: options.from }, (_, at) => instance(`old${at}`, "r1")),
  });
  const seen: { ready: number; wanted: number; liveReady: number; percent: number }[] = [];
  let percent = 0;
  let made = 0;
  let now = NOW;
  const change = (id: string, to: Partial<InstanceView>) => (state = { ...state, instances: state.instances.map((one) => (one.id === id ? { ...one, ...to } : one)) });
  const look = () => {
    const wanted = state.instances.filter((one) => one.state === "wanted");
    const ready = wanted.filter((one) => one.phase === "ready");
    seen.push({ ready: ready.length, wanted: wanted.length, liveReady: ready.filter((one) => one.releaseId === "r1").length, percent });
  };
  look();
  for (let round = 0; round < 500; round++) {
    const actions = planRollout(state, now);
    for (const action of actions) {
      if (action.kind === "place") state = { ...state, instances: [...state.instances, instance(`new${made++}`, action.releaseId, { nodeId: action.nodeId, phase: "starting", createdAt: now, readyAt: null })] };
      if (action.kind === "drain") change(action.instanceId, { state: "draining", drainingAt: now });
      if (action.kind === "keep") change(action.instanceId, { state: "warm", sleep: "frozen" });
      if (action.kind === "stop") state = { ...state, instances: state.instances.filter((one) => one.id !== action.instanceId) };
      if (action.kind === "step") {
        percent = action.percent;
        state = { ...state, deployment: { ...deployment, step: action.step, stepAt: now } };
      }
      assert.notEqual(action.kind, "give-up");
      if (action.kind === "go-live") return { seen, rounds: round, instances: state.instances };
    }
    look();
    now += Math.ceil(random() * 2000);
    state = { ...state, nodes: state.nodes.map((one) => ({ ...one, lastSeenAt: now })) };
    for (const one of state.instances) {
      if (one.phase === "starting" && random() < 0.4) change(one.id, { phase: "ready", readyAt: now });
      if (one.state === "draining" && random() < 0.5) change(one.id, { drainedBy: ["g1"] });
    }
    look();
  }
  assert.fail("it does not end");
}

function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

test("rolling: in whatever order instances start, it ends, never has more than the most and never fewer ready than the least", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = randomOf(seed);
    const to = 1 + Math.floor(random() * 8);
    const from = seed % 3 === 0 ? 1 + Math.floor(random() * 8) : to;
    const maxSurge = seed % 2 === 0 ? Math.floor(random() * 3) : ("30%" as const);
    const maxUnavailable = maxSurge === 0 ? 1 : Math.floor(random() * 2);
    const { seen } = simulate({ strategy: { kind: "rolling", maxSurge, maxUnavailable }, from, to, random });
    const surge = typeof maxSurge === "number" ? maxSurge : Math.ceil(to * 0.3);
    for (const { wanted, ready } of seen) {
      assert.ok(wanted <= Math.max(from, to + surge), `seed ${seed}: ${wanted} instances`);
      assert.ok(ready >= Math.min(from, to - maxUnavailable), `seed ${seed}: ${ready} ready`);
    }
  }
});

test("canary: shares grow step by step, the live release keeps all that it has, and it ends", () => {
  for (let seed = 1; seed <= 100; seed++) {
    const random = randomOf(seed);
    const replicas = 1 + Math.floor(random() * 8);
    const steps = [5, 25, 50, 100].slice(0, 1 + (seed % 4)).map((percent) => ({ percent, holdMs: Math.floor(random() * 10_000) }));
    const { seen, instances } = simulate({ strategy: { kind: "canary", steps }, from: replicas, to: replicas, random });
    assert.deepEqual([...new Set(seen.map(({ percent }) => percent))], [0, ...steps.map(({ percent }) => percent)]);
    for (const { liveReady } of seen) assert.equal(liveReady, replicas);
    assert.equal(instances.filter((one) => one.releaseId === "r2" && one.phase === "ready").length, replicas, "as many as the live one had, before it is live");
  }
});

test("blue-green and rolling without a spare place: one more instance is the way on", () => {
  assert.equal(simulate({ strategy: { kind: "blue-green" }, from: 3, to: 3, random: randomOf(1) }).seen.at(-1)?.wanted, 6);
  assert.ok(simulate({ strategy: { kind: "rolling", maxSurge: "0%", maxUnavailable: "10%" }, from: 2, to: 2, random: randomOf(2) }).seen.every(({ wanted }) => wanted <= 3));
});

test("a rolling release that is given up brings the former instances back before it places any", () => {
  const given = snapshot({ live: release("r1", 2), target: release("r1", 2), instances: [instance("a", "r1"), warm("w"), instance("b", "r2")] });
  assert.deepEqual(planRollout(given, NOW).map((a) => a.kind), ["drain", "revive"]);
});

test("a canary that fails more than it may is given up; requests before the least say nothing", () => {
  const steps = [{ percent: 10, holdMs: 60_000 }];
  const at = (served: InstanceView["served"]) =>
    planRollout(snapshot({ live: release("r1"), target: release("r2", 1, { strategy: { kind: "canary", steps } }), deployment: { ...deployment, step: 0, stepAt: NOW - 1 }, instances: [instance("a", "r1", { served: { requests: 1000, errors: 10 } }), instance("b", "r2", { served })] }), NOW);
  assert.deepEqual(at({ requests: 19, errors: 19 }), []);
  const [action] = at({ requests: 100, errors: 51 });
  assert.equal(action?.kind === "give-up" && action.failure.code, "too_many_errors");
});

test("what a gateway could not wake is replaced on another node, and goes when that serves; without another node it stays", () => {
  const release1 = release("r1");
  const two = { live: release1, target: release1, nodes: [node("n1"), node("n2")] };
  const asleep = instance("a", "r1", { sleep: "deep", notWoken: true });
  const first = snapshot({ ...two, instances: [asleep] });
  assert.deepEqual(planRollout(first, NOW), [{ kind: "place", releaseId: "r1", nodeId: "n2" }]);
  const starting = snapshot({ ...two, instances: [asleep, instance("b", "r1", { nodeId: "n2" as NodeId, phase: "starting" })] });
  assert.deepEqual(planRollout(starting, NOW), []);
  const serving = snapshot({ ...two, instances: [asleep, instance("b", "r1", { nodeId: "n2" as NodeId })] });
  assert.deepEqual(planRollout(serving, NOW), [{ kind: "drain", instanceId: "a" }]);
  const woken = snapshot({ ...two, instances: [instance("a", "r1"), instance("b", "r1", { nodeId: "n2" as NodeId, phase: "starting" })] });
  assert.deepEqual(planRollout(woken, NOW), [{ kind: "stop", instanceId: "b", nodeId: "n2" }], "it came after all");
  assert.deepEqual(planRollout(snapshot({ live: release1, target: release1, instances: [asleep] }), NOW), []);
});
