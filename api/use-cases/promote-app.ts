/** `POST /v1/apps/{app}/promote`: the image of another app's release, with this app's own configuration; nothing is built. */
import type { Deployment } from "../../core/contract/api.ts";
import { AppError } from "../../core/contract/errors.ts";
import type { AppRow } from "../../core/db/queries/apps.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { findDeployment } from "../../core/db/queries/deployments.ts";
import { requireRoom } from "../../core/db/queries/quota.ts";
import { findRelease, type ReleaseRow } from "../../core/db/queries/releases.ts";
import type { Tx } from "../../core/db/client.ts";
import { deployWithoutBuild } from "../../core/db/system-queries/publish-release.ts";
import { linkManifest } from "../../core/db/system-queries/registry.ts";
import type { Actor, Deps } from "../deps.ts";
import { keepInside } from "../idempotency.ts";
import { toDeployment } from "../views/deployment.ts";
import { requireApp } from "./require.ts";

/** @throws AppError not_found, no_release, conflict, quota_exceeded */
export async function promoteApp(deps: Deps, actor: Actor, nameOrId: string, { from, release }: { from: string; release?: string | undefined }): Promise<Deployment> {
  const now = deps.clock();
  const { app, published, deployment } = await deps.db.transaction(async (tx) => {
    const target = await requireApp(tx, actor, nameOrId);
    const origin = await requireApp(tx, actor, from);
    if (origin.id === target.id) throw new AppError("conflict", `${target.name} cannot be promoted to itself; an older release of it comes back with a rollback.`);
    const chosen = await chooseRelease(tx, actor, origin, release);
    await requireRoom(tx, actor.tenantId, "egressBytesMonth", 1);
    const repository = ownRepository(actor, target, chosen);
    await linkManifest(tx, chosen.repository, repository, chosen.image.manifestDigest);
    const outcome = await deployWithoutBuild(
      tx,
      {
        tenantId: actor.tenantId,
        appId: target.id,
        settingsPatch: {},
        envPatch: {},
        reason: `promoted from ${origin.name} v${chosen.number}`,
        source: { image: chosen.image, repository, buildId: null, buildKey: chosen.buildKey },
      },
      now,
    );
    const [id] = outcome?.deployments ?? [];
    const details = id === undefined ? undefined : await findDeployment(tx, actor.tenantId, id);
    if (details === undefined || outcome === undefined) throw new Error("the deployment was not written");
    await writeAudit(tx, actor, "app.promote", target.id, { name: target.name, deployment: details.deployment.id, from: origin.name, release: `v${chosen.number}`, digest: chosen.image.manifestDigest });
    const made = toDeployment(details, actor, deps.config);
    await keepInside(tx, actor, { status: 202, location: `/v1/deployments/${made.id}`, body: made });
    return { app: target, published: outcome, deployment: made };
  });
  deps.bells.ring("reconcile", app.id);
  for (const id of published.deployments) deps.bells.ring("deployment", id);
  return deployment;
}

/** The target keeps the image when the other app is gone. The catalogue's images are everybody's. */
function ownRepository(actor: Actor, target: AppRow, { repository }: ReleaseRow): string {
  return repository.startsWith(`${actor.tenantName}/`) ? `${actor.tenantName}/${target.name}` : repository;
}

async function chooseRelease(tx: Tx, actor: Actor, app: AppRow, named: string | undefined): Promise<ReleaseRow> {
  const id = named ?? app.liveReleaseId;
  if (id === null) throw new AppError("no_release", `${app.name} has no live release to promote.`);
  const release = await findRelease(tx, actor.tenantId, app.id, id);
  if (release === undefined) throw new AppError("not_found", `${app.name} has no release «${id}»; list them with «berth releases ${app.name}».`);
  return release;
}
