/** What a pass does to instances, written down with why. */
import type { Tx } from "../../core/db/client.ts";
import type { ErrorCode } from "../../core/contract/errors.ts";
import { writeEvent, type NewEvent } from "../../core/db/system-queries/events.ts";
import type { EventKind, PlanCause } from "../../core/domain/events.ts";
import type { RolloutAction, RolloutSnapshot } from "../../core/domain/rollout.ts";
import { isDraining, isLost } from "../../core/domain/rollout-instances.ts";
import type { InstanceId } from "../../core/contract/ids.ts";

/** `placed`: the instance that a placement made. */
export async function noteAction(tx: Tx, snapshot: RolloutSnapshot, action: RolloutAction, placed: InstanceId | undefined, now: Date): Promise<void> {
  const { app, live, target } = snapshot;
  const note = (kind: EventKind, cause: PlanCause | ErrorCode | undefined, instanceId?: InstanceId, detail?: NewEvent["detail"]) =>
    writeEvent(tx, app.id, { kind, ...(cause === undefined ? {} : { cause }), ...(instanceId === undefined ? {} : { instanceId }), ...(detail && { detail }) }, now);
  const from = target?.number ?? 0;
  if (action.kind === "place") await note("placed", action.releaseId !== live?.id ? "rollout" : whyMore(snapshot, now), placed);
  if (action.kind === "go-live") await note("live", target?.wasLive ? "rollback" : "rollout");
  if (action.kind === "step") await note("share", "rollout", undefined, { release: `v${from}`, percent: action.percent });
  if (action.kind === "give-up") await note("given-up", action.failure.code, undefined, { release: `v${from}`, failure: action.failure.detail });
  if (action.kind === "roll-back") await note("rolled-back", action.failure.code, undefined, { from: `v${live?.number}`, to: `v${snapshot.former?.number}`, failure: action.failure.detail });
  if (action.kind === "keep") await note("kept", "superseded", action.instanceId);
  if (action.kind === "revive") await note("revived", "rollback", action.instanceId);
  if (action.kind === "drain") await note("draining", whyEnded(snapshot, action.instanceId, now), action.instanceId);
  // What has drained stops for the reason that it drained.
  if (action.kind === "stop" && snapshot.instances.find(({ id }) => id === action.instanceId)?.state !== "draining") {
    await note("stopping", whyEnded(snapshot, action.instanceId, now), action.instanceId);
  }
}

function whyMore({ instances, nodes }: RolloutSnapshot, now: Date): PlanCause {
  const wanted = instances.filter(({ state }) => state === "wanted");
  const homes = nodes.filter(({ id }) => wanted.some(({ nodeId }) => nodeId === id));
  if (wanted.some(({ notWoken }) => notWoken)) return "not-woken";
  if (homes.some(isDraining)) return "node-drained";
  return homes.some((node) => isLost(node, now.getTime())) ? "node-lost" : "scale";
}

function whyEnded({ app, live, target, instances, nodes }: RolloutSnapshot, id: InstanceId, now: Date): PlanCause {
  const instance = instances.find((one) => one.id === id);
  const node = nodes.find(({ id: nodeId }) => nodeId === instance?.nodeId);
  if (app.deleted) return "destroyed";
  if (instance?.phase === "failed" || instance?.phase === "stopped") return "failed";
  if (instance?.releaseId !== live?.id && instance?.releaseId !== target?.id) return "superseded";
  if (target !== null && target.id !== live?.id && instance?.releaseId === live?.id && target.strategy.kind === "rolling") return "superseded";
  if (instance?.notWoken) return "not-woken";
  if (isLost(node, now.getTime())) return "node-lost";
  return isDraining(node) ? "node-drained" : "surplus";
}
