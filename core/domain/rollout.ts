/**
 * What happens next with one app's instances: a pure function of what the database says and the time.
 * A rollout starts every instance of the target release beside the live one; when all are ready the target becomes
 * live, the gateway moves, and the former instances drain and stop. Until then the live release is untouched.
 */
import type { Failure } from "../contract/errors.ts";
import type { AppId, DeploymentId, InstanceId, NodeId, ReleaseId } from "../contract/ids.ts";
import type { InstanceReport, Phase } from "../contract/node-channel.ts";
import type { InstanceState } from "./states.ts";

export interface ReleasePlan {
  id: ReleaseId;
  replicas: number;
  readyTimeoutMs: number;
}

export interface InstanceView {
  id: InstanceId;
  releaseId: ReleaseId;
  nodeId: NodeId;
  state: InstanceState;
  phase: Phase | null;
  problem: InstanceReport["problem"];
  exitCode: number | undefined;
  createdAt: number;
  drainingAt: number | null;
  drainedBy: readonly string[];
}

export interface NodeView {
  id: NodeId;
  /** When its agent last spoke; null: never. */
  lastSeenAt: number | null;
  /** Most instances that it takes. */
  capacity: number;
  /** Instances placed on it now, of all apps. */
  instances: number;
}

export interface RolloutSnapshot {
  app: { id: AppId; deleted: boolean };
  live: ReleasePlan | null;
  target: ReleasePlan | null;
  /** The deployment that is bringing the target to life, if one is. */
  deployment: { id: DeploymentId; releasedAt: number } | null;
  /** All that are not gone. */
  instances: readonly InstanceView[];
  nodes: readonly NodeView[];
  /** Ids of the gateways that are connected now. */
  gateways: readonly string[];
}

export type RolloutAction =
  | { kind: "place"; releaseId: ReleaseId; nodeId: NodeId }
  | { kind: "drain"; instanceId: InstanceId }
  | { kind: "stop"; instanceId: InstanceId; nodeId: NodeId }
  | { kind: "go-live"; releaseId: ReleaseId }
  | { kind: "give-up"; failure: Failure }
  | { kind: "remove-app" };

/** An agent that was silent for longer is taken for lost, and its instances are replaced where there is another node. */
export const NODE_LOST_AFTER_MS = 30_000;
/** A drain that the gateways do not attest ends after this long. */
export const DRAIN_TIMEOUT_MS = 30_000;
/** On top of the app's own time to become ready: fetching layers onto a node. */
export const FETCH_ALLOWANCE_MS = 300_000;
/** How long a rollout looks for a node with room. */
export const PLACEMENT_PATIENCE_MS = 10_000;
/** An instance of the live release that failed to start is replaced after this pause. */
export const REPLACE_FAILED_AFTER_MS = 30_000;

/** The actions that bring the app closer to what is wanted; none when there is nothing to do now. */
export function planRollout(snapshot: RolloutSnapshot, now: number): RolloutAction[] {
  const { app, live, target, instances } = snapshot;
  const ending = instances.flatMap((instance) => finishDrain(instance, snapshot.gateways, now));
  if (app.deleted) {
    if (instances.length === 0) return [{ kind: "remove-app" }];
    return [...ending, ...instances.filter((i) => i.state === "wanted").map(stop)];
  }
  const rollingOut = target !== null && target.id !== live?.id;
  const failure = rollingOut ? rolloutFailure(snapshot, target, now) : undefined;
  if (failure) return [...ending, { kind: "give-up", failure }];

  const kept = new Set([live?.id, target?.id]);
  const leftovers = instances.filter((i) => i.state === "wanted" && !kept.has(i.releaseId)).map((i) => retire(i));
  const nodes = new Map(snapshot.nodes.map((node) => [node.id, { ...node }]));
  const actions = [...ending, ...leftovers];
  if (live) actions.push(...keepReplicas(snapshot, live, nodes, now));
  if (rollingOut) {
    const placements = keepReplicas(snapshot, target, nodes, now);
    actions.push(...placements);
    if (placements.length === 0 && readyOf(snapshot, target) >= target.replicas) {
      actions.push({ kind: "go-live", releaseId: target.id });
    }
  }
  return actions;
}

/** Places what is missing of a release and retires what is too much. */
function keepReplicas(snapshot: RolloutSnapshot, release: ReleasePlan, nodes: Map<NodeId, NodeView>, now: number): RolloutAction[] {
  const mine = snapshot.instances.filter((i) => i.releaseId === release.id && i.state === "wanted");
  const actions: RolloutAction[] = [];
  const counted: InstanceView[] = [];
  for (const instance of mine) {
    if (instance.phase === "failed" || instance.phase === "stopped") {
      if (now - instance.createdAt >= REPLACE_FAILED_AFTER_MS) actions.push(stop(instance));
      counted.push(instance);
    } else if (!isLost(nodes.get(instance.nodeId), now) || !otherNodeHasRoom(nodes, instance.nodeId, now)) {
      counted.push(instance);
    }
  }
  for (let missing = release.replicas - counted.length; missing > 0; missing--) {
    const node = chooseNode(nodes, mine, now);
    if (!node) break;
    node.instances += 1;
    mine.push(placeholder(release.id, node.id, now));
    actions.push({ kind: "place", releaseId: release.id, nodeId: node.id });
  }
  const surplus = counted.length - release.replicas;
  if (surplus > 0) actions.push(...counted.toSorted(leastUsefulFirst).slice(0, surplus).map(retire));
  return actions;
}

function rolloutFailure(snapshot: RolloutSnapshot, target: ReleasePlan, now: number): Failure | undefined {
  const mine = snapshot.instances.filter((i) => i.releaseId === target.id && i.state === "wanted");
  const failed = mine.find((i) => i.phase === "failed");
  if (failed) {
    const { code, detail, logTail } = failed.problem ?? { code: "app_unhealthy" as const, detail: "The instance failed without a reason.", logTail: [] };
    return { code, detail, logTail, ...(failed.exitCode === undefined ? {} : { exitCode: failed.exitCode }) };
  }
  if (!snapshot.deployment) return undefined;
  const waitedMs = now - snapshot.deployment.releasedAt;
  if (mine.length < target.replicas && waitedMs > PLACEMENT_PATIENCE_MS) {
    const alive = snapshot.nodes.filter((node) => !isLost(node, now)).length;
    return { code: "no_capacity", detail: `${target.replicas - mine.length} of ${target.replicas} instances found no node with room (${alive} nodes are up).` };
  }
  if (waitedMs > target.readyTimeoutMs + FETCH_ALLOWANCE_MS) {
    const ready = readyOf(snapshot, target);
    return { code: "app_unhealthy", detail: `${ready} of ${target.replicas} instances became ready within ${Math.round(waitedMs / 1000)} s.` };
  }
  return undefined;
}

function finishDrain(instance: InstanceView, gateways: readonly string[], now: number): RolloutAction[] {
  if (instance.state !== "draining") return [];
  const attested = gateways.length > 0 && gateways.every((id) => instance.drainedBy.includes(id));
  const waitedMs = now - (instance.drainingAt ?? now);
  return attested || waitedMs >= DRAIN_TIMEOUT_MS ? [stop(instance)] : [];
}

/** An instance that may hold requests drains first; one that never took any stops at once. */
function retire(instance: InstanceView): RolloutAction {
  return instance.phase === "ready" ? { kind: "drain", instanceId: instance.id } : stop(instance);
}

function stop(instance: InstanceView): RolloutAction {
  return { kind: "stop", instanceId: instance.id, nodeId: instance.nodeId };
}

function readyOf(snapshot: RolloutSnapshot, release: ReleasePlan): number {
  return snapshot.instances.filter((i) => i.releaseId === release.id && i.state === "wanted" && i.phase === "ready").length;
}

function isLost(node: NodeView | undefined, now: number): boolean {
  return !node || node.lastSeenAt === null || now - node.lastSeenAt > NODE_LOST_AFTER_MS;
}

function otherNodeHasRoom(nodes: Map<NodeId, NodeView>, than: NodeId, now: number): boolean {
  return [...nodes.values()].some((node) => node.id !== than && !isLost(node, now) && node.instances < node.capacity);
}

/** The node with room that has the fewest instances of the release, then the fewest of all. */
function chooseNode(nodes: Map<NodeId, NodeView>, mine: readonly InstanceView[], now: number): NodeView | undefined {
  const own = (id: NodeId) => mine.filter((i) => i.nodeId === id).length;
  return [...nodes.values()]
    .filter((node) => !isLost(node, now) && node.instances < node.capacity)
    .toSorted((a, b) => own(a.id) - own(b.id) || a.instances - b.instances || (a.id < b.id ? -1 : 1))[0];
}

function leastUsefulFirst(a: InstanceView, b: InstanceView): number {
  const ready = Number(a.phase === "ready") - Number(b.phase === "ready");
  return ready || b.createdAt - a.createdAt;
}

/** Stands for an instance that this plan places, so that the next choice counts it. */
function placeholder(releaseId: ReleaseId, nodeId: NodeId, now: number): InstanceView {
  return {
    id: "" as InstanceId,
    releaseId,
    nodeId,
    state: "wanted",
    phase: null,
    problem: undefined,
    exitCode: undefined,
    createdAt: now,
    drainingAt: null,
    drainedBy: [],
  };
}
