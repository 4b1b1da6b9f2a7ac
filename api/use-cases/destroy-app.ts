/** `DELETE /v1/apps/{app}`. */
import { AppError } from "../../core/contract/errors.ts";
import type { AppId } from "../../core/contract/ids.ts";
import type { Tx } from "../../core/db/client.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { destroyOne, previewsOf, type Destroyed } from "../../core/db/queries/destroy.ts";
import { listVolumes } from "../../core/db/queries/volumes.ts";
import { lockApp } from "../../core/db/system-queries/rollout.ts";
import type { Actor, Deps } from "../deps.ts";
import { checkVersion, type IfMatch } from "../preconditions.ts";
import { requireApp } from "./require.ts";

/** The URL stops answering at once; instances end, then the rows go. @throws AppError not_found, version_mismatch, volumes_exist */
export async function destroyApp(deps: Deps, actor: Actor, nameOrId: string, ifMatch: IfMatch, withVolumes: boolean): Promise<void> {
  const now = deps.clock();
  const destroyed = await deps.db.transaction(async (tx) => {
    const found = await requireApp(tx, actor, nameOrId);
    await lockApp(tx, found.id);
    if (ifMatch !== undefined) checkVersion((await requireApp(tx, actor, found.id)).version, ifMatch);
    const volumes = await listVolumes(tx, actor.tenantId, found.id);
    const kept = volumes.filter(({ volume }) => volume.deletedAt === null).map(({ volume }) => volume);
    if (kept.length > 0 && !withVolumes) {
      throw new AppError("volumes_exist", `${found.name} has the volumes «${kept.map(({ name }) => name).join("», «")}», which go with it and with their snapshots. Say so: ?volumes=delete (berth destroy asks), or delete them first.`);
    }
    const ended = await destroyOne(tx, actor.tenantId, found.id, now);
    if (ended === undefined) throw new AppError("not_found", `«${nameOrId}» was destroyed already.`);
    const previews = await destroyPreviews(tx, actor, found.id, now);
    await writeAudit(tx, actor, "app.destroy", found.id, { name: found.name, cancelled: [...ended.builds, ...ended.deployments], volumes: ended.volumes, previews: previews.flatMap(({ apps }) => apps) }, { before: { settings: found.settings, labels: found.labels } });
    return [ended, ...previews];
  });
  for (const { apps, builds, deployments } of destroyed) {
    for (const id of apps) deps.bells.ring("route", id);
    for (const id of apps) deps.bells.ring("reconcile", id);
    for (const id of builds) deps.bells.ring("buildCancel", id);
    for (const id of deployments) deps.bells.ring("deployment", id);
  }
}

/** They go with their app. */
async function destroyPreviews(tx: Tx, actor: Actor, appId: AppId, now: Date): Promise<Destroyed[]> {
  const ended: Destroyed[] = [];
  for (const id of await previewsOf(tx, actor.tenantId, appId)) {
    await lockApp(tx, id);
    ended.push((await destroyOne(tx, actor.tenantId, id, now)) ?? { apps: [], builds: [], deployments: [], volumes: [] });
  }
  return ended;
}
