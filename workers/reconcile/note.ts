/** What a pass does to instances, written down with why. */
import type { Tx } from "../../core/db/client.ts";
import { writeEvent } from "../../core/db/system-queries/events.ts";
import type { PlanCause } from "../../core/domain/events.ts";
import { NODE_LOST_AFTER_MS, type RolloutAction, type RolloutSnapshot } from "../../core/domain/rollout.ts";
import type { InstanceId } from "../../core/contract/ids.ts";

/** `placed`: the instance that a placement made. */
export async function noteAction(tx: Tx, snapshot: RolloutSnapshot, action: RolloutAction, placed: InstanceId | undefined, now: Date): Promise<void> {
  const { app, live } = snapshot;
  const note = (kind: "placed" | "draining" | "stopping" | "live", cause: PlanCause | undefined, instanceId?: InstanceId) =>
    writeEvent(tx, app.id, { kind, ...(cause === undefined ? {} : { cause }), ...(instanceId === undefined ? {} : { instanceId }) }, now);
  if (action.kind === "place") await note("placed", action.releaseId === live?.id ? "scale" : "rollout", placed);
  if (action.kind === "go-live") await note("live", "rollout");
  if (action.kind === "drain") await note("draining", whyEnded(snapshot, action.instanceId, now), action.instanceId);
  // What has drained stops for the reason that it drained.
  if (action.kind === "stop" && snapshot.instances.find(({ id }) => id === action.instanceId)?.state !== "draining") {
    await note("stopping", whyEnded(snapshot, action.instanceId, now), action.instanceId);
  }
}

function whyEnded({ app, live, target, instances, nodes }: RolloutSnapshot, id: InstanceId, now: Date): PlanCause {
  const instance = instances.find((one) => one.id === id);
  const seenAt = nodes.find((node) => node.id === instance?.nodeId)?.lastSeenAt ?? 0;
  if (app.deleted) return "destroyed";
  if (instance?.phase === "failed" || instance?.phase === "stopped") return "failed";
  if (instance?.releaseId !== live?.id && instance?.releaseId !== target?.id) return "superseded";
  return now.getTime() - seenAt > NODE_LOST_AFTER_MS ? "node-lost" : "surplus";
}
