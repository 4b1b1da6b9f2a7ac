/** `POST /v1/apps/{app}/deployments` with JSON: an image that is in the registry, the tenant's own or the catalogue's. */
import type { z } from "zod";
import type { Deployment, DeployImageSchema } from "../../core/contract/api.ts";
import { AppError } from "../../core/contract/errors.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { findDigests } from "../../core/db/queries/builds.ts";
import { findDeployment } from "../../core/db/queries/deployments.ts";
import { requireRoom } from "../../core/db/queries/quota.ts";
import { deployWithoutBuild } from "../../core/db/system-queries/publish-release.ts";
import { parseImageRef, placesOfImage, type RegistryPlace } from "../../core/domain/image-ref.ts";
import { loadImage } from "../../core/registry/image.ts";
import type { Actor, Deps } from "../deps.ts";
import { keepInside } from "../idempotency.ts";
import { toDeployment } from "../views/deployment.ts";
import { checkApp, takeOrCreateApp } from "./deploy-upload.ts";
import { relabel } from "./relabel.ts";

/** @throws AppError invalid_name, not_found, image_not_found, image_invalid, quota_exceeded */
export async function deployImage(deps: Deps, actor: Actor, nameOrId: string, input: z.infer<typeof DeployImageSchema>): Promise<Deployment> {
  await checkApp(deps.db, actor, nameOrId);
  const place = await findPlace(deps, actor, input.image);
  const image = await loadImage(deps, place.repository, place.reference);
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
        source: { image, repository: place.repository, buildId: null, buildKey: null },
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

/** Where the image lies, by its digest: a tag that moves in the meantime changes nothing. */
async function findPlace(deps: Deps, actor: Actor, text: string): Promise<RegistryPlace> {
  const ref = parseImageRef(text);
  if (ref === undefined) throw new AppError("invalid_request", `«${text.slice(0, 200)}» is no image's name.`, { fields: [{ path: "image", message: "must be «name:tag» or «name@sha256:…»" }] });
  const host = deps.config.publicUrl.host;
  const places = placesOfImage(ref, { hosts: [host], tenantName: actor.tenantName });
  const found = await findDigests(deps.db, places);
  const place = places.find((candidate) => found.has(candidate));
  if (place === undefined) {
    throw new AppError("image_not_found", `The registry has no «${text}» for ${actor.tenantName}: push it to ${host}/${actor.tenantName}/<name> first.`);
  }
  return { repository: place.repository, reference: found.get(place) ?? place.reference };
}
