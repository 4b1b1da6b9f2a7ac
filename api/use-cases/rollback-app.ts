/** `POST /v1/apps/{app}/rollback`: points the app at an older release; no new one is made. */
import type { Deployment } from "../../core/contract/api.ts";
import { AppError } from "../../core/contract/errors.ts";
import type { AppRow } from "../../core/db/queries/apps.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { findDeployment } from "../../core/db/queries/deployments.ts";
import { requireRoomForApp } from "../../core/db/queries/quota.ts";
import { requireVolumes } from "../../core/db/queries/volumes.ts";
import { findRelease, findReleaseBefore, type ReleaseRow } from "../../core/db/queries/releases.ts";
import { rollBack } from "../../core/db/system-queries/roll-back.ts";
import { lockApp } from "../../core/db/system-queries/rollout.ts";
import type { Tx } from "../../core/db/client.ts";
import type { Actor, Deps } from "../deps.ts";
import { keepInside } from "../idempotency.ts";
import { toDeployment } from "../views/deployment.ts";
import { requireApp } from "./require.ts";

/** @throws AppError not_found, no_release, conflict, quota_exceeded */
export async function rollbackApp(deps: Deps, actor: Actor, nameOrId: string, to: string | undefined): Promise<Deployment> {
  const now = deps.clock();
  const { app, deployment, superseded } = await deps.db.transaction(async (tx) => {
    const { id: appId } = await requireApp(tx, actor, nameOrId);
    await lockApp(tx, appId);
    // Read again: a rollout may have ended while the lock was waited for.
    const found = await requireApp(tx, actor, appId);
    const release = await chooseRelease(tx, actor, found, to);
    await requireRoomForApp(tx, actor.tenantId, found.id, release.settings);
    await requireVolumes(tx, actor.tenantId, found.id, release.settings);
    const done = await rollBack(tx, { tenantId: actor.tenantId, app: found, release, reason: `rollback to v${release.number}` }, now);
    const { deploymentId: id, superseded: ended, secrets } = done;
    await writeAudit(tx, actor, "app.rollback", found.id, { name: found.name, deployment: id, secrets }, { before: { release: await nameOf(tx, actor, found) }, after: { release: `v${release.number}` } });
    const details = await findDeployment(tx, actor.tenantId, id);
    if (details === undefined) throw new Error("the deployment was not written");
    const made = toDeployment(details, actor, deps.config);
    await keepInside(tx, actor, { status: 202, body: made });
    return { app: found, deployment: made, superseded: ended };
  });
  deps.bells.ring("reconcile", app.id);
  for (const id of [deployment.id, ...superseded]) deps.bells.ring("deployment", id);
  return deployment;
}

/** `v4`, the release that the app was to run until now. */
async function nameOf(tx: Tx, actor: Actor, app: AppRow): Promise<string | null> {
  const id = app.targetReleaseId ?? app.liveReleaseId;
  const release = id === null ? undefined : await findRelease(tx, actor.tenantId, app.id, id);
  return release === undefined ? null : `v${release.number}`;
}

async function chooseRelease(tx: Tx, actor: Actor, app: AppRow, to: string | undefined): Promise<ReleaseRow> {
  if (to !== undefined) {
    const release = await findRelease(tx, actor.tenantId, app.id, to);
    if (release === undefined) throw new AppError("not_found", `${app.name} has no release «${to}»; list them with «berth releases ${app.name}».`);
    if (release.id === app.liveReleaseId && release.id === app.targetReleaseId) throw new AppError("conflict", `v${release.number} is live already.`);
    return release;
  }
  if (app.liveReleaseId === null) throw new AppError("no_release", `${app.name} has never been live: there is nothing to return to.`);
  const release = await findReleaseBefore(tx, actor.tenantId, app.id, app.liveReleaseId);
  if (release === undefined) throw new AppError("no_release", `${app.name} has no release before the live one.`);
  return release;
}
