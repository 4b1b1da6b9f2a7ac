/** `GET /v1/apps/{app}/instances/{instance}/exec` and `…/ports/{port}`: who may enter an instance, and where it is. */
import { AppError } from "../../core/contract/errors.ts";
import { parseId, type InstanceId, type NodeId } from "../../core/contract/ids.ts";
import type { SessionTarget } from "../../core/contract/sessions.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { findInstance } from "../../core/db/queries/instances.ts";
import type { Actor, Deps } from "../deps.ts";
import { requireApp } from "./require.ts";

/** An instance that the actor may enter. */
export interface Entrance {
  actor: Actor;
  appName: string;
  instanceId: InstanceId;
  nodeId: NodeId;
}

/** @throws AppError not_found, tenant_suspended, instance_not_running */
export async function enterInstance(deps: Deps, actor: Actor, nameOrId: string, instance: string): Promise<Entrance> {
  // Reading a suspended tenant's things is allowed; this is more.
  if (actor.isSuspended) throw new AppError("tenant_suspended", `${actor.tenantName} was suspended by the operator: it can be read, not changed.`);
  const app = await requireApp(deps.db, actor, nameOrId);
  const id = parseId("instance", instance);
  const found = id === undefined ? undefined : await findInstance(deps.db, actor.tenantId, app.id, id);
  if (found === undefined) throw new AppError("not_found", `The app has no instance «${instance}».`);
  if (found.instance.state === "gone") throw new AppError("instance_not_running", "The instance has ended. Its log is kept for a while.");
  return { actor, appName: app.name, instanceId: found.instance.id, nodeId: found.instance.nodeId };
}

/** Arguments may hold what is nobody's business: the trail names the program alone. */
export async function noteEntrance(deps: Deps, { actor, appName, instanceId }: Entrance, target: SessionTarget): Promise<void> {
  const detail = target.kind === "exec" ? { app: appName, program: target.args[0], terminal: target.terminal !== null } : { app: appName, port: target.port };
  await deps.db.transaction((tx) => writeAudit(tx, actor, target.kind === "exec" ? "instance.exec" : "instance.port-forward", instanceId, detail));
}
