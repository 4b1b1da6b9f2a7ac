/** `DELETE /v1/apps/{app}`. */
import { AppError } from "../../core/contract/errors.ts";
import { markDeleted } from "../../core/db/queries/apps.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { cancelOpenWork } from "../../core/db/queries/deployments.ts";
import { deleteVolumes, listVolumes } from "../../core/db/queries/volumes.ts";
import { lockApp } from "../../core/db/system-queries/rollout.ts";
import type { Actor, Deps } from "../deps.ts";
import { checkVersion, type IfMatch } from "../preconditions.ts";
import { requireApp } from "./require.ts";

/** The URL stops answering at once; instances end, then the rows go. @throws AppError not_found, version_mismatch, volumes_exist */
export async function destroyApp(deps: Deps, actor: Actor, nameOrId: string, ifMatch: IfMatch, withVolumes: boolean): Promise<void> {
  const now = deps.clock();
  const { app, cancelled } = await deps.db.transaction(async (tx) => {
    const found = await requireApp(tx, actor, nameOrId);
    await lockApp(tx, found.id);
    if (ifMatch !== undefined) checkVersion((await requireApp(tx, actor, found.id)).version, ifMatch);
    const volumes = await listVolumes(tx, actor.tenantId, found.id);
    const kept = volumes.filter(({ volume }) => volume.deletedAt === null).map(({ volume }) => volume);
    if (kept.length > 0 && !withVolumes) {
      throw new AppError("volumes_exist", `${found.name} has the volumes «${kept.map(({ name }) => name).join("», «")}», which go with it and with their snapshots. Say so: ?volumes=delete (berth destroy asks), or delete them first.`);
    }
    if (!(await markDeleted(tx, actor.tenantId, found.id, now))) throw new AppError("not_found", `«${nameOrId}» was destroyed already.`);
    await deleteVolumes(tx, actor.tenantId, kept.map(({ id }) => id), now);
    const ended = await cancelOpenWork(tx, actor.tenantId, found.id, now);
    await writeAudit(tx, actor, "app.destroy", found.id, { name: found.name, cancelled: [...ended.builds, ...ended.deployments], volumes: kept.map(({ name }) => name) }, { before: { settings: found.settings, labels: found.labels } });
    return { app: found, cancelled: ended };
  });
  deps.bells.ring("route", app.id);
  deps.bells.ring("reconcile", app.id);
  for (const id of cancelled.builds) deps.bells.ring("buildCancel", id);
  for (const id of cancelled.deployments) deps.bells.ring("deployment", id);
}
