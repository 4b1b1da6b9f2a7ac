/** One look at one app: read the truth, plan, write what the plan says, ring those who must look next. */
import type { AppId, DeploymentId, NodeId } from "../../core/contract/ids.ts";
import type { Bell } from "../../core/contract/bells.ts";
import type { Db, Tx } from "../../core/db/client.ts";
import {
  drainInstance,
  giveUp,
  goLive,
  keepInstance,
  lockApp,
  placeInstance,
  readRollout,
  removeApp,
  reviveInstance,
  stopInstance,
  writeStep,
} from "../../core/db/system-queries/rollout.ts";
import { stepRuns } from "../../core/db/system-queries/runs.ts";
import { takeBack } from "../../core/db/system-queries/roll-back.ts";
import { removeEmptyVolumes, stepOperations } from "../../core/db/system-queries/volumes.ts";
import { noteAction } from "./note.ts";
import { planRollout, type RolloutAction, type RolloutSnapshot } from "../../core/domain/rollout.ts";

export interface PassResult {
  actions: RolloutAction[];
  bells: { bell: Bell; id: string }[];
}

/** Runs one pass in one transaction; what it rings is for after the commit. */
export function reconcileApp(db: Db, appId: AppId, clock: () => Date): Promise<PassResult> {
  return db.transaction(async (tx) => {
    await lockApp(tx, appId);
    const now = clock();
    const stepped = await stepOperations(tx, appId, now);
    await removeEmptyVolumes(tx, appId);
    const ran = await stepRuns(tx, appId, now);
    const snapshot = await readRollout(tx, appId, now);
    if (!snapshot) return { actions: [], bells: [] };
    const actions = planRollout(snapshot, now.getTime());
    const rung = new Map<string, { bell: Bell; id: string }>(stepped.map((id) => [`node ${id}`, { bell: "node", id }]));
    for (const bell of ran) rung.set(`${bell.bell} ${bell.id}`, bell);
    for (const action of actions) {
      for (const bell of await execute(tx, snapshot, action, now)) rung.set(`${bell.bell} ${bell.id}`, bell);
    }
    return { actions, bells: [...rung.values()] };
  });
}

async function execute(tx: Tx, snapshot: RolloutSnapshot, action: RolloutAction, now: Date): Promise<PassResult["bells"]> {
  const { app, target } = snapshot;
  const placed = action.kind === "place" ? await placeInstance(tx, app.id, action.releaseId, action.nodeId) : undefined;
  await noteAction(tx, snapshot, action, placed, now);
  const node = (id: NodeId) => ({ bell: "node" as const, id });
  const route = { bell: "route" as const, id: app.id };
  const ended = (ids: DeploymentId[]) => ids.map((id) => ({ bell: "deployment" as const, id }));
  switch (action.kind) {
    case "place":
      // With a new release gateways begin to count what the live one's instances answer.
      return snapshot.live === null || action.releaseId === snapshot.live.id ? [node(action.nodeId)] : [node(action.nodeId), route];
    case "drain":
      await drainInstance(tx, action.instanceId, now);
      return [route];
    case "keep":
      await keepInstance(tx, action.instanceId, action.nodeId);
      return [node(action.nodeId), route];
    case "revive":
      await reviveInstance(tx, action.instanceId, action.nodeId);
      // What had not been frozen yet takes requests already, and no report says so.
      return [node(action.nodeId), route, { bell: "reconcile", id: app.id }];
    case "step":
      await writeStep(tx, action.deploymentId, action.step, now);
      return [route, { bell: "deployment", id: action.deploymentId }];
    case "stop":
      await stopInstance(tx, action.instanceId, action.nodeId);
      return [node(action.nodeId), route];
    case "go-live":
      // The former release drains in the next pass, once the gateway knows the new one.
      return [route, { bell: "reconcile", id: app.id }, ...ended(await goLive(tx, app.id, action, now))];
    case "give-up":
      return [route, { bell: "reconcile", id: app.id }, ...ended(target ? await giveUp(tx, app.id, target.id, action.failure, now) : [])];
    case "roll-back":
      return [{ bell: "reconcile", id: app.id }, ...ended(await takeBack(tx, app.id, action, now))];
    case "remove-app":
      await removeApp(tx, app.id, now);
      return [route];
  }
}
