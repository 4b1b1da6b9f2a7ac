/** `POST /v1/apps/{app}/deployments` with JSON: an image that is in the registry, the tenant's own or the catalogue's. */
import type { z } from "zod";
import type { Deployment, DeployImageSchema } from "../../core/contract/api.ts";
import { SettingsSchema } from "../../core/contract/release-config.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { findDeployment } from "../../core/db/queries/deployments.ts";
import { requireRoom } from "../../core/db/queries/quota.ts";
import { deployWithoutBuild } from "../../core/db/system-queries/publish-release.ts";
import { applySettingsPatch } from "../../core/domain/settings.ts";
import type { Actor, Deps } from "../deps.ts";
import { keepInside } from "../idempotency.ts";
import { toDeployment } from "../views/deployment.ts";
import { checkApp, takeOrCreateApp } from "./deploy-upload.ts";
import { loadContainerImages, loadNamedImage } from "./registry-images.ts";
import { relabel } from "./relabel.ts";

/** @throws AppError invalid_name, not_found, image_not_found, image_invalid, quota_exceeded */
export async function deployImage(deps: Deps, actor: Actor, nameOrId: string, input: z.infer<typeof DeployImageSchema>): Promise<Deployment> {
  const before = await checkApp(deps.db, actor, nameOrId);
  const { image, repository } = await loadNamedImage(deps, actor, input.image, "image");
  const images = await loadContainerImages(deps, actor, applySettingsPatch(before?.settings ?? SettingsSchema.parse({}), input.settings));
  const now = deps.clock();
  const { app, isNew, published, deployment } = await deps.db.transaction(async (tx) => {
    const taken = await takeOrCreateApp(tx, actor, nameOrId);
    await relabel(tx, actor, taken.app, input.labels, true);
    await requireRoom(tx, actor.tenantId, "egressBytesMonth", 1);
    const outcome = await deployWithoutBuild(
      tx,
      {
        tenantId: actor.tenantId,
        appId: taken.app.id,
        settingsPatch: input.settings,
        envPatch: input.env,
        reason: "deploy",
        source: { image, repository, buildId: null, buildKey: null },
        images,
      },
      now,
    );
    const [id] = outcome?.deployments ?? [];
    const details = id === undefined ? undefined : await findDeployment(tx, actor.tenantId, id);
    if (details === undefined || outcome === undefined) throw new Error("the deployment was not written");
    await writeAudit(tx, actor, "deployment.create", details.deployment.id, { app: taken.app.name, reason: "deploy", image: input.image, digest: image.manifestDigest, settings: input.settings, env: Object.keys(input.env) });
    const made = toDeployment(details, actor, deps.config);
    await keepInside(tx, actor, { status: 202, location: `/v1/deployments/${made.id}`, body: made });
    return { ...taken, published: outcome, deployment: made };
  });
  if (isNew) deps.bells.ring("route", app.id);
  deps.bells.ring("reconcile", app.id);
  for (const id of published.deployments) deps.bells.ring("deployment", id);
  return deployment;
}
