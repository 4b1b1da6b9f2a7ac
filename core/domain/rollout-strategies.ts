/** How the target release takes over from the live one, step by step. Pure. */
import type { Strategy } from "../contract/strategy.ts";
import type { ReleasePlan, RolloutAction, RolloutSnapshot } from "./rollout.ts";
import { addInstances, hasEnded, isLost, isReady, keepReplicas, leastUsefulFirst, readyOf, retire, stop, type Filled, type Nodes } from "./rollout-instances.ts";
import { nodesFor, planInTurns, takeTurns } from "./rollout-volumes.ts";
import { canaryReplicas, rollingLimits } from "./strategy.ts";

export interface StrategyPlan extends Filled {
  /** Nothing is left to wait for: it may go live. */
  isDone: boolean;
}

export function planStrategy(snapshot: RolloutSnapshot, target: ReleasePlan, nodes: Nodes, now: number): StrategyPlan {
  const { live } = snapshot;
  const { strategy } = target;
  if (takeTurns(snapshot)) return planInTurns(snapshot, target, nodes, now);
  const mine = nodesFor(target, nodes, now);
  if (live !== null && strategy.kind === "rolling") return planRolling(snapshot, live, target, strategy, mine, now);
  const kept = live === null ? [] : keepReplicas(snapshot, live, live.replicas, nodesFor(live, nodes, now), now).actions;
  const plan = strategy.kind === "canary" ? planCanary(snapshot, target, strategy, mine, now) : planAll(snapshot, target, mine, now);
  return { ...plan, actions: [...kept, ...plan.actions] };
}

/** Every instance beside those of the live release. */
function planAll(snapshot: RolloutSnapshot, target: ReleasePlan, nodes: Nodes, now: number): StrategyPlan {
  const { actions, missing } = keepReplicas(snapshot, target, target.replicas, nodes, now);
  return { actions, missing, isDone: actions.length === 0 && readyOf(snapshot, target.id).length >= target.replicas };
}

/**
 * New ones come while there are fewer than the most that may be; old ones leave while more are ready than must be. Both
 * bounds hold for what is planned here, whatever becomes ready when.
 */
function planRolling(snapshot: RolloutSnapshot, live: ReleasePlan, target: ReleasePlan, strategy: Extract<Strategy, { kind: "rolling" }>, nodes: Nodes, now: number): StrategyPlan {
  const { most, leastReady } = rollingLimits(strategy, target.replicas);
  const wanted = snapshot.instances.filter((i) => i.state === "wanted");
  const old = wanted.filter((i) => i.releaseId === live.id);
  // What takes no request is no loss.
  const dead = old.filter((i) => hasEnded(i) || isLost(nodes.get(i.nodeId), now) || !isReady(i));
  const oldReady = old.filter((i) => !dead.includes(i));
  const mine = wanted.filter((i) => i.releaseId === target.id);
  const mineReady = mine.filter((i) => isReady(i) && !isLost(nodes.get(i.nodeId), now));
  const spare = Math.max(0, oldReady.length + mineReady.length - leastReady);
  const leaving = oldReady.toSorted(leastUsefulFirst).slice(0, spare);
  const room = most - oldReady.length - mine.length + leaving.length;
  const added = addInstances(snapshot, target.id, Math.min(target.replicas - mine.length, room), nodes, now);
  const surplus = mine.toSorted(leastUsefulFirst).slice(0, Math.max(0, mine.length - target.replicas));
  const actions: RolloutAction[] = [...dead.map(stop), ...leaving.map(retire), ...surplus.map(retire), ...added.actions];
  return { actions, missing: added.missing, isDone: added.actions.length === 0 && surplus.length === 0 && mineReady.length >= target.replicas };
}

/** Enough instances for the next step, then its share of the requests for its time; after the last one as many as the live release has. */
function planCanary(snapshot: RolloutSnapshot, target: ReleasePlan, { steps }: Extract<Strategy, { kind: "canary" }>, nodes: Nodes, now: number): StrategyPlan {
  const { deployment } = snapshot;
  const inForce = deployment?.step ?? null;
  const current = inForce === null ? undefined : steps[inForce];
  const isHeld = current !== undefined && now - (deployment?.stepAt ?? now) < current.holdMs;
  const nextIndex = (inForce ?? -1) + 1;
  const next = steps[nextIndex];
  const replicas = isHeld ? canaryReplicas(target.replicas, current.percent) : next === undefined ? target.replicas : canaryReplicas(target.replicas, next.percent);
  const filled = keepReplicas(snapshot, target, replicas, nodes, now);
  const isFilled = filled.actions.length === 0 && readyOf(snapshot, target.id).length >= replicas;
  if (isHeld || !isFilled) return { ...filled, isDone: false };
  if (next === undefined || deployment === null) return { ...filled, isDone: true };
  return { ...filled, actions: [{ kind: "step", deploymentId: deployment.id, step: nextIndex, percent: next.percent }], isDone: false };
}
