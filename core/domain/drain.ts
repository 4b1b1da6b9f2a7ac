/** Whether a node can be emptied. Pure. */
import type { NodeId } from "../contract/ids.ts";
import type { NodeView } from "./rollout.ts";
import { hasRoom } from "./rollout-instances.ts";
import type { Placement } from "./states.ts";

/** Why not: what is on it has nowhere to move to. `moving`: instances that would have to. */
export function whyNotDrained(nodes: readonly NodeView[], id: NodeId, moving: number, now: number): string | undefined {
  const others = nodes.filter((node) => node.id !== id);
  if (moving === 0 || others.some((node) => hasRoom(node, now))) return undefined;
  const what = moving === 1 ? "The instance on it has" : `The ${moving} instances on it have`;
  if (others.length === 0) return `${what} nowhere to move to: there is no other node. Cordon it, if it only should take no more.`;
  return `${what} nowhere to move to: of ${others.length === 1 ? "the other node" : `the ${others.length} other nodes`} none takes instances, each is away, cordoned or full.`;
}

/** What a node is when somebody says whether it takes instances: what no longer should take any keeps what it has. */
export function placementOf(schedulable: boolean): Placement {
  return schedulable ? "open" : "cordoned";
}
