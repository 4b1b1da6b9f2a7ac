/** Placing, bringing back and retiring the instances of one release. Pure. */
import type { InstanceId, NodeId, ReleaseId } from "../contract/ids.ts";
import type { InstanceView, NodeView, ReleasePlan, RolloutAction, RolloutSnapshot } from "./rollout.ts";

/** An agent that was silent for longer (it reports every 5 s) is taken for lost: what replaces its instances elsewhere serves within 30 s. */
export const NODE_LOST_AFTER_MS = 20_000;
/** An instance of the live release that failed to start is replaced after this pause. */
export const REPLACE_FAILED_AFTER_MS = 30_000;

export type Nodes = Map<NodeId, NodeView>;

export interface Filled {
  actions: RolloutAction[];
  /** Instances for which no node has room. */
  missing: number;
}

/** Brings back and places what is missing of a release, and retires what is too much. */
export function keepReplicas(snapshot: Pick<RolloutSnapshot, "instances">, release: Pick<ReleasePlan, "id">, replicas: number, nodes: Nodes, now: number): Filled {
  const mine = snapshot.instances.filter((i) => i.releaseId === release.id && i.state === "wanted");
  const actions: RolloutAction[] = [];
  const counted: InstanceView[] = [];
  const replaced: InstanceView[] = [];
  const leaving: InstanceView[] = [];
  for (const instance of mine) {
    if (hasEnded(instance)) {
      if (now - instance.createdAt >= REPLACE_FAILED_AFTER_MS) actions.push(stop(instance));
      counted.push(instance);
    } else if (isLost(nodes.get(instance.nodeId), now) || isDraining(nodes.get(instance.nodeId))) {
      leaving.push(instance);
    } else if (!instance.notWoken || !otherNodeHasRoom(nodes, instance.nodeId, now)) {
      counted.push(instance);
    } else replaced.push(instance);
  }
  // What could not be woken may be by now: it goes when others serve in its place.
  if (counted.filter(isReady).length >= replicas) actions.push(...replaced.map(retire));
  const added = addInstances(snapshot, release.id, replicas - counted.length, nodes, now);
  const surplus = counted.length - replicas;
  const retired = surplus > 0 ? counted.toSorted(leastUsefulFirst).slice(0, surplus).map(retire) : [];
  const moved = leave(leaving, counted, replicas, (one) => isLost(nodes.get(one.nodeId), now)).map(retire);
  return { actions: [...actions, ...added.actions, ...retired, ...moved], missing: Math.max(0, added.missing - leaving.length) };
}

/**
 * Of those on lost and draining nodes, the ones in whose place others serve by now: one by one, as there is room for
 * others. What is on a lost node goes first, and is not counted again if that comes back: nobody knows what it has then.
 */
function leave(leaving: readonly InstanceView[], staying: readonly InstanceView[], replicas: number, isAway: (one: InstanceView) => boolean): InstanceView[] {
  const ready = staying.filter(isReady).length;
  if (ready >= replicas) return [...leaving];
  const served = leaving.filter(isReady).toSorted((a, b) => Number(isAway(b)) - Number(isAway(a)));
  return served.slice(0, Math.max(0, ready + served.length - replicas));
}

/** So many more: what still is there of it and warm first. */
export function addInstances(snapshot: Pick<RolloutSnapshot, "instances">, releaseId: ReleaseId, count: number, nodes: Nodes, now: number): Filled {
  const mine = snapshot.instances.filter((i) => i.releaseId === releaseId);
  const placed = mine.filter((i) => i.state === "wanted");
  const spare = mine.filter((i) => (i.state === "draining" || i.state === "warm") && isWarm(i) && !isLost(nodes.get(i.nodeId), now) && !isDraining(nodes.get(i.nodeId)));
  const actions: RolloutAction[] = spare.slice(0, Math.max(0, count)).map(({ id, nodeId }) => ({ kind: "revive", instanceId: id, nodeId }));
  let missing = count - actions.length;
  for (; missing > 0; missing--) {
    const node = chooseNode(nodes, placed, now);
    if (!node) break;
    node.instances += 1;
    placed.push(placeholder(releaseId, node.id, now));
    actions.push({ kind: "place", releaseId, nodeId: node.id });
  }
  return { actions, missing: Math.max(0, missing) };
}

/** An instance that may hold requests drains first; one that never took any stops at once. */
export function retire(instance: InstanceView): RolloutAction {
  return instance.phase === "ready" ? { kind: "drain", instanceId: instance.id } : stop(instance);
}

export function stop(instance: InstanceView): RolloutAction {
  return { kind: "stop", instanceId: instance.id, nodeId: instance.nodeId };
}

/** It takes requests. */
export function isReady(instance: InstanceView): boolean {
  return instance.state === "wanted" && instance.phase === "ready" && instance.sleep !== "frozen";
}

/** Of a release, those that take requests. */
export function readyOf(snapshot: Pick<RolloutSnapshot, "instances">, releaseId: ReleaseId): InstanceView[] {
  return snapshot.instances.filter((i) => i.releaseId === releaseId && isReady(i));
}

/** It has its process and its memory, whatever is wanted of it. */
export function isWarm(instance: InstanceView): boolean {
  return instance.phase === "ready" && instance.sleep !== "deep";
}

export function hasEnded({ phase }: InstanceView): boolean {
  return phase === "failed" || phase === "stopped";
}

export function isLost(node: NodeView | undefined, now: number): boolean {
  return !node || node.lastSeenAt === null || now - node.lastSeenAt > NODE_LOST_AFTER_MS;
}

export function isDraining(node: NodeView | undefined): boolean {
  return node?.placement === "draining";
}

/** It takes one more instance. */
export function hasRoom(node: NodeView, now: number): boolean {
  return node.placement === "open" && !isLost(node, now) && node.instances < node.capacity;
}

function otherNodeHasRoom(nodes: Nodes, than: NodeId, now: number): boolean {
  return [...nodes.values()].some((node) => node.id !== than && hasRoom(node, now));
}

/** The node with room that has the fewest instances of the release, then the fewest of all. */
export function chooseNode(nodes: Nodes, mine: readonly Pick<InstanceView, "nodeId">[], now: number): NodeView | undefined {
  const own = (id: NodeId) => mine.filter((i) => i.nodeId === id).length;
  return [...nodes.values()]
    .filter((node) => hasRoom(node, now))
    .toSorted((a, b) => own(a.id) - own(b.id) || a.instances - b.instances || (a.id < b.id ? -1 : 1))[0];
}

export function leastUsefulFirst(a: InstanceView, b: InstanceView): number {
  const ready = Number(isReady(a)) - Number(isReady(b));
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
    restarts: 0,
    sleep: null,
    createdAt: now,
    readyAt: null,
    stopGraceMs: 0,
    drainingAt: null,
    drainedBy: [],
    notWoken: false,
    served: { requests: 0, errors: 0 },
  };
}
