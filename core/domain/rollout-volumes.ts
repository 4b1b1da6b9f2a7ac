/** What an app's volumes mean for its rollout: where its instances may be, and how many of them at a time. Pure. */
import type { Failure } from "../contract/errors.ts";
import type { NodeId, ReleaseId } from "../contract/ids.ts";
import type { InstanceView, ReleasePlan, RolloutAction, RolloutSnapshot } from "./rollout.ts";
import { chooseNode, isLost, keepReplicas, readyOf, retire, type Nodes } from "./rollout-instances.ts";
import type { StrategyPlan } from "./rollout-strategies.ts";

/** Of a release that mounts volumes. */
export interface Pinning {
  /** Where they are; null: nowhere yet, so that the first instance chooses. */
  nodeId: NodeId | null;
  /** One of them bears one writer. */
  isExclusive: boolean;
}

/** The nodes as the release sees them: where its volumes are not, there is no room for it; where they are it stays, and comes back, whatever else may not. */
export function nodesFor({ pinned }: Pick<ReleasePlan, "pinned">, nodes: Nodes, now: number): Nodes {
  if (pinned === undefined) return nodes;
  const here = pinned.nodeId ?? chooseNode(nodes, [], now)?.id;
  return new Map([...nodes].map(([id, node]) => [id, id === here ? { ...node, placement: "open" as const } : { ...node, capacity: 0 }]));
}

export function isExclusive({ live, target }: Pick<RolloutSnapshot, "live" | "target">): boolean {
  return live?.pinned?.isExclusive === true || target?.pinned?.isExclusive === true;
}

/**
 * A volume of one writer sees the former instance gone before the next one comes, whatever the strategy: first those of
 * the live release leave, then the target's comes. If it fails, the live release has its turn again.
 */
export function planInTurns(snapshot: RolloutSnapshot, target: ReleasePlan, nodes: Nodes, now: number): StrategyPlan {
  const isWaiting = snapshot.instances.some((i) => i.releaseId !== target.id && mayWrite(snapshot, i, nodes, now));
  if (isWaiting && target.replicas > 0) {
    const leaving = snapshot.instances.filter((i) => i.state === "wanted" && i.releaseId === snapshot.live?.id);
    return { actions: leaving.map(retire), missing: 0, isDone: false };
  }
  const { actions, missing } = keepReplicas(snapshot, target, target.replicas, nodesFor(target, nodes, now), now);
  return { actions, missing, isDone: actions.length === 0 && readyOf(snapshot, target.id).length >= target.replicas };
}

/** Whether the live release and the next one cannot run beside each other. */
export function takeTurns({ live, target }: Pick<RolloutSnapshot, "live" | "target">): boolean {
  return live?.pinned !== undefined && target?.pinned !== undefined && isExclusive({ live, target });
}

/** With one writer, nothing that mounts volumes is placed while anything of the app may still write to them. */
export function oneAtATime(snapshot: RolloutSnapshot, actions: readonly RolloutAction[], nodes: Nodes, now: number): RolloutAction[] {
  if (!isExclusive(snapshot)) return [...actions];
  const isFree = !snapshot.instances.some((i) => mayWrite(snapshot, i, nodes, now));
  const waits = (action: RolloutAction) => action.kind === "place" && releaseOf(snapshot, action.releaseId)?.pinned !== undefined;
  const first = isFree ? actions.findIndex(waits) : -1;
  return actions.filter((action, index) => !waits(action) || index === first);
}

function releaseOf({ live, target }: Pick<RolloutSnapshot, "live" | "target">, id: ReleaseId): ReleasePlan | undefined {
  return [live, target].find((release) => release?.id === id) ?? undefined;
}

/** Instances on a node where the volume is no more: it was restored elsewhere while that node was lost. */
export function strays(snapshot: RolloutSnapshot): InstanceView[] {
  return snapshot.instances.filter(({ releaseId, nodeId, state }) => {
    const pin = releaseOf(snapshot, releaseId)?.pinned?.nodeId ?? null;
    return state !== "stopping" && pin !== null && nodeId !== pin;
  });
}

/** What mounts nothing cannot, nor what may still run on a lost node where the volume is no more. */
function mayWrite(snapshot: RolloutSnapshot, { releaseId, nodeId }: InstanceView, nodes: Nodes, now: number): boolean {
  const { live, target } = snapshot;
  const release = releaseOf(snapshot, releaseId);
  if (release !== undefined && release.pinned === undefined) return false;
  const here = target?.pinned?.nodeId ?? live?.pinned?.nodeId ?? null;
  return nodeId === here || !isLost(nodes.get(nodeId), now);
}

/** Why a release waits in vain for its volume's node. */
export function lostVolume({ pinned }: Pick<ReleasePlan, "pinned">, nodes: RolloutSnapshot["nodes"], now: number): Failure | undefined {
  const id = pinned?.nodeId ?? null;
  if (id === null || !isLost(nodes.find((node) => node.id === id), now)) return undefined;
  return { code: "volume_node_lost", detail: "The node that has the app's volume is away. Wait for it, or restore the volume's last snapshot on another node: berth volumes restore." };
}
