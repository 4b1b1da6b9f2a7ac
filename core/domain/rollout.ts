/**
 * What happens next with one app's instances: a pure function of what the database says and the time. The strategy of
 * the target release says how it takes over (`rollout-strategies.ts`); until it is live the live release can always
 * take everything again. What served before is kept frozen for a while, so that a rollback needs no start.
 */
import type { Failure } from "../contract/errors.ts";
import type { AppId, DeploymentId, InstanceId, NodeId, ReleaseId } from "../contract/ids.ts";
import type { InstanceReport, Phase } from "../contract/node-channel.ts";
import type { AutoRollback, Strategy } from "../contract/strategy.ts";
import { errorPercent, failureOfLive, failureOfTarget } from "./rollout-failures.ts";
import { isDraining, isLost, isWarm, keepReplicas, retire, stop } from "./rollout-instances.ts";
import { planStrategy } from "./rollout-strategies.ts";
import { isExclusive, nodesFor, oneAtATime, strays, type Pinning } from "./rollout-volumes.ts";
import type { InstanceState, Placement } from "./states.ts";

export interface ReleasePlan {
  id: ReleaseId;
  /** `v` and this. */
  number: number;
  replicas: number;
  readyTimeoutMs: number;
  strategy: Strategy;
  autoRollback: AutoRollback;
  keepWarmMs: number;
  /** It is brought back. */
  wasLive: boolean;
  /** Absent: it mounts no volume. */
  pinned?: Pinning;
}

export interface InstanceView {
  id: InstanceId;
  releaseId: ReleaseId;
  nodeId: NodeId;
  state: InstanceState;
  phase: Phase | null;
  problem: InstanceReport["problem"];
  exitCode: number | undefined;
  restarts: number;
  /** frozen: because it is kept warm, and it has not thawed yet; deep: it lost its process. */
  sleep: "frozen" | "deep" | null;
  createdAt: number;
  readyAt: number | null;
  stopGraceMs: number;
  drainingAt: number | null;
  drainedBy: readonly string[];
  /** A gateway could not wake it, and it has not run since. */
  notWoken: boolean;
  /** What gateways counted of it, where they were told to. */
  served: { requests: number; errors: number };
}

export interface NodeView {
  id: NodeId;
  /** When its agent last spoke; null: never. */
  lastSeenAt: number | null;
  /** Most instances that it takes. */
  capacity: number;
  /** Instances placed on it now, of all apps. */
  instances: number;
  placement: Placement;
}

export interface RolloutSnapshot {
  /** `held`: one of its volumes is being switched, nothing runs meanwhile. `volumes`: that it has; `runs`: instances of runs that are not gone. */
  app: { id: AppId; deleted: boolean; held?: boolean; volumes?: number; runs?: number };
  live: ReleasePlan | null;
  target: ReleasePlan | null;
  /** The deployment that is bringing the target to life, if one is. `step`: of a canary, the one in force since `stepAt`. */
  deployment: { id: DeploymentId; releasedAt: number; step: number | null; stepAt: number | null; gate?: Gate } | null;
  /** The release that was live before this one: its instances are kept warm until then. */
  former: { id: ReleaseId; number: number; until: number } | null;
  /** The live release is taken back if it fails until then. */
  watch: { until: number; formerPercent: number } | null;
  /** All that are not gone. */
  instances: readonly InstanceView[];
  nodes: readonly NodeView[];
  /** Ids of the gateways that are connected now. */
  gateways: readonly string[];
}

/** `closed`: its release command runs; a failure: of that. Nothing of the target starts before it has succeeded. */
export type Gate = "closed" | Failure;

export type RolloutAction =
  | { kind: "place"; releaseId: ReleaseId; nodeId: NodeId }
  | { kind: "drain"; instanceId: InstanceId }
  | { kind: "keep"; instanceId: InstanceId; nodeId: NodeId }
  | { kind: "revive"; instanceId: InstanceId; nodeId: NodeId }
  | { kind: "stop"; instanceId: InstanceId; nodeId: NodeId }
  | { kind: "step"; deploymentId: DeploymentId; step: number; percent: number }
  | { kind: "go-live"; releaseId: ReleaseId; former: { id: ReleaseId; until: number } | null; watch: RolloutSnapshot["watch"] }
  | { kind: "give-up"; failure: Failure }
  | { kind: "roll-back"; to: ReleaseId; failure: Failure }
  | { kind: "remove-app" };

/** A drain that the gateways do not attest ends after this long, or after the app's own grace time. */
export const DRAIN_TIMEOUT_MS = 30_000;

/** The actions that bring the app closer to what is wanted; none when there is nothing to do now. */
export function planRollout(snapshot: RolloutSnapshot, now: number): RolloutAction[] {
  const astray = strays(snapshot);
  const instances = snapshot.instances.map((one) => (astray.includes(one) ? { ...one, state: "stopping" as const } : one));
  return [...astray.map(stop), ...planPresent({ ...snapshot, instances }, now)];
}

function planPresent(snapshot: RolloutSnapshot, now: number): RolloutAction[] {
  const { app, live, target, instances } = snapshot;
  if (app.deleted) {
    // Its volumes' bytes go first: nothing else knows where they are.
    if (instances.length === 0) return app.volumes || app.runs ? [] : [{ kind: "remove-app" }];
    const ending = instances.flatMap((one) => finishDrain(snapshot, one, now));
    return [...ending, ...instances.filter((i) => i.state === "wanted" || i.state === "warm").map(stop)];
  }
  if (app.held) return withEndings(snapshot, instances.filter((i) => i.state === "wanted" && (i.releaseId === live?.id || i.releaseId === target?.id)).map(retire), now);
  const nodes = new Map(snapshot.nodes.map((node) => [node.id, { ...node }]));
  const gate = snapshot.deployment?.gate;
  if (gate !== undefined && gate !== "closed") return [...withEndings(snapshot, [], now), { kind: "give-up", failure: gate }];
  if (target === null || target.id === live?.id || gate === "closed") {
    const failure = live && gate === undefined && failureOfLive(snapshot, live, now);
    if (failure && snapshot.former) return [{ kind: "roll-back", to: snapshot.former.id, failure }];
    const kept = live ? keepReplicas(snapshot, live, live.replicas, nodesFor(live, nodes, now), now).actions : [];
    return withEndings(snapshot, oneAtATime(snapshot, kept, nodes, now), now);
  }
  const plan = planStrategy(snapshot, target, nodes, now);
  const failure = failureOfTarget(snapshot, target, plan.missing, now);
  if (failure) return [...withEndings(snapshot, [], now), { kind: "give-up", failure }];
  const actions = oneAtATime(snapshot, plan.actions, nodes, now);
  return withEndings(snapshot, plan.isDone ? [...actions, goLive(snapshot, target, now)] : actions, now);
}

/** With what ends by itself: drains, time that was warm, instances of releases that are neither live nor on their way. */
function withEndings(snapshot: RolloutSnapshot, planned: readonly RolloutAction[], now: number): RolloutAction[] {
  const { instances, live, target } = snapshot;
  const revived = new Set(planned.flatMap((action) => (action.kind === "revive" ? [action.instanceId] : [])));
  const ending = instances.filter(({ id }) => !revived.has(id)).flatMap((one) => [...finishDrain(snapshot, one, now), ...endWarm(snapshot, one, now)]);
  const leftovers = instances.filter((i) => i.state === "wanted" && i.releaseId !== live?.id && i.releaseId !== target?.id).map(retire);
  return [...ending, ...leftovers, ...planned];
}

function goLive({ live, instances }: RolloutSnapshot, target: ReleasePlan, now: number): RolloutAction {
  const { keepWarmMs, autoRollback } = target;
  const former = live === null ? null : { id: live.id, until: now + keepWarmMs };
  const before = instances.filter((i) => i.releaseId === live?.id);
  // What was brought back is not taken back again; nor is anything for a release that did not run either.
  const wasWell = before.length > 0 && before.every((one) => one.state !== "wanted" || one.phase === "ready");
  const isWatched = former !== null && !target.wasLive && wasWell && autoRollback.windowMs > 0;
  return { kind: "go-live", releaseId: target.id, former, watch: isWatched ? { until: now + autoRollback.windowMs, formerPercent: errorPercent(before) } : null };
}

/** Whether instances of this release are kept when they have drained. */
function isKept({ app, live, target, former }: RolloutSnapshot, id: ReleaseId, now: number): boolean {
  // What it remembers of a volume is not what is there when it comes back.
  if (app.held || isExclusive({ live, target })) return false;
  // Instance by instance they leave, and come back if the new release is given up.
  if (id === live?.id) return target !== null && target.id !== live.id && target.keepWarmMs > 0 && target.strategy.kind === "rolling";
  return id === target?.id || (id === former?.id && now < former.until);
}

function finishDrain(snapshot: RolloutSnapshot, instance: InstanceView, now: number): RolloutAction[] {
  if (instance.state !== "draining") return [];
  const { gateways } = snapshot;
  const attested = gateways.length > 0 && gateways.every((id) => instance.drainedBy.includes(id));
  if (attested && !snapshot.app.deleted && isWarm(instance) && isKept(snapshot, instance.releaseId, now) && !isDraining(nodeOf(snapshot, instance))) {
    return [{ kind: "keep", instanceId: instance.id, nodeId: instance.nodeId }];
  }
  const waitedMs = now - (instance.drainingAt ?? now);
  return attested || waitedMs >= Math.max(DRAIN_TIMEOUT_MS, instance.stopGraceMs) ? [stop(instance)] : [];
}

function endWarm(snapshot: RolloutSnapshot, instance: InstanceView, now: number): RolloutAction[] {
  if (instance.state !== "warm") return [];
  const node = nodeOf(snapshot, instance);
  return isWarm(instance) && isKept(snapshot, instance.releaseId, now) && !isLost(node, now) && !isDraining(node) ? [] : [stop(instance)];
}

function nodeOf({ nodes }: RolloutSnapshot, { nodeId }: InstanceView): NodeView | undefined {
  return nodes.find(({ id }) => id === nodeId);
}
