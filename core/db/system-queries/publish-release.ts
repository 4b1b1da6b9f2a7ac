/**
 * The one way to a new release, in the transaction of what led to it: a finished build, an image from the registry,
 * changed settings or environment. After the commit the caller rings `reconcile` with the app and `deployment` with
 * each deployment named here; until the rollout has ended, the live release serves.
 */
import { and, desc, eq, inArray, isNull, ne, notInArray, sql } from "drizzle-orm";
import type { Failure } from "../../contract/errors.ts";
import { newId, type AppId, type BuildId, type DeploymentId, type ReleaseId, type TenantId } from "../../contract/ids.ts";
import type { Image, ReleaseSecret, SettingsPatch } from "../../contract/release-config.ts";
import { applyEnvPatch, applySettingsPatch } from "../../domain/settings.ts";
import { statesBefore } from "../../domain/states.ts";
import type { Tx } from "../client.ts";
import { writeSystemAudit } from "../queries/audit.ts";
import { requireRoomForApp } from "../queries/quota.ts";
import { requireVolumes } from "../queries/volumes.ts";
import { effectiveSecrets } from "../queries/secrets.ts";
import { apps, deployments, releases, tenants } from "../schema.ts";
import { imagesOfRelease } from "./release-images.ts";
import { lockApp } from "./rollout.ts";
import { insertReleaseRun } from "./runs.ts";

/** What the release runs, beside the app's settings and environment. */
export interface ReleaseImage {
  image: Image;
  /** `<tenant>/<app>` or `library/<name>`: where the image's blobs may be read. */
  repository: string;
  buildId: BuildId | null;
  buildKey: string | null;
}

export type Published =
  | { outcome: "released"; appId: AppId; releaseId: ReleaseId; number: number; deployments: DeploymentId[] }
  /** The deployment was cancelled, or its app destroyed, or a newer one overtook it: nothing is released. */
  | { outcome: "cancelled" | "superseded"; appId: AppId; deployments: DeploymentId[] };

/** Reasons of deployments that only change configuration: they do not overtake a build that began before them. */
const CONFIG_REASONS = ["env", "secrets", "settings"];

type AppRow = typeof apps.$inferSelect;
type DeploymentRow = typeof deployments.$inferSelect;

/** Makes the release of a deployment that is `building`; a deployment in another state is left as it is. @throws AppError quota_exceeded, invalid_config, volume_missing, conflict */
export async function publishRelease(tx: Tx, deploymentId: DeploymentId, source: ReleaseImage, now: Date): Promise<Published> {
  const [found] = await tx.select({ appId: deployments.appId }).from(deployments).where(eq(deployments.id, deploymentId));
  if (found === undefined) throw new Error(`no deployment ${deploymentId}`);
  const app = await takeApp(tx, found.appId);
  const [deployment] = await tx.select().from(deployments).where(eq(deployments.id, deploymentId)).for("update");
  if (app === undefined || deployment === undefined || deployment.state !== "building") {
    return { outcome: "cancelled", appId: found.appId, deployments: [] };
  }
  if (app.deletedAt !== null || deployment.cancelRequestedAt !== null) {
    const detail = app.deletedAt === null ? "It was cancelled." : "The app was destroyed.";
    await endDeployment(tx, deployment.id, "cancelled", { code: "deployment_cancelled", detail }, now);
    return { outcome: "cancelled", appId: app.id, deployments: [deployment.id] };
  }
  if (await isOvertaken(tx, deployment)) {
    await endDeployment(tx, deployment.id, "failed", { code: "superseded", detail: "A newer deployment was released before this one was built." }, now);
    return { outcome: "superseded", appId: app.id, deployments: [deployment.id] };
  }
  return release(tx, app, deployment, source, now);
}

export interface ReleaseRequest {
  tenantId: TenantId;
  appId: AppId;
  settingsPatch: SettingsPatch;
  envPatch: Readonly<Record<string, string | null>>;
  /** `deploy`, `env`, `secrets` or `settings`. */
  reason: string;
  /** Without it, the image of the release that should be live now. */
  source?: ReleaseImage;
  /** Of other containers: what was looked up for this deployment. */
  images?: Readonly<Record<string, Image>>;
}

/**
 * A deployment that needs no build, and its release. Who asks writes the audit: it is a part of his change. Undefined when there is no image yet: the change is then
 * stored in the app alone, for its first release. The deployment is the first of the result's `deployments`.
 * @throws AppError quota_exceeded, invalid_config, volume_missing, conflict, image_not_found
 */
export async function deployWithoutBuild(tx: Tx, request: ReleaseRequest, now: Date): Promise<(Published & { outcome: "released" }) | undefined> {
  const app = await takeApp(tx, request.appId);
  if (app === undefined || app.deletedAt !== null || app.tenantId !== request.tenantId) throw new Error(`no app ${request.appId}`);
  const source = request.source ?? (await currentImage(tx, app));
  if (source === undefined) {
    await tx
      .update(apps)
      .set({ settings: applySettingsPatch(app.settings, request.settingsPatch), env: applyEnvPatch(app.env, request.envPatch), version: app.version + 1 })
      .where(eq(apps.id, app.id));
    return undefined;
  }
  const [deployment] = await tx
    .insert(deployments)
    .values({
      id: newId("deployment"),
      tenantId: app.tenantId,
      appId: app.id,
      state: "building",
      buildId: source.buildId,
      settingsPatch: request.settingsPatch,
      images: request.images ?? {},
      envPatch: request.envPatch as Record<string, string>,
      reason: request.reason,
      createdAt: now,
    })
    .returning();
  if (deployment === undefined) throw new Error("an insert returned no row");
  return release(tx, app, deployment, source, now);
}

/** The rollout loop's lock first, then the row: the same order everywhere. */
async function takeApp(tx: Tx, appId: AppId): Promise<AppRow | undefined> {
  await lockApp(tx, appId);
  const [app] = await tx.select().from(apps).where(eq(apps.id, appId)).for("update");
  return app;
}

async function currentImage(tx: Tx, app: AppRow): Promise<ReleaseImage | undefined> {
  const id = app.targetReleaseId ?? app.liveReleaseId;
  if (id === null) return undefined;
  const [current] = await tx
    .select({ image: releases.image, repository: releases.repository, buildId: releases.buildId, buildKey: releases.buildKey })
    .from(releases)
    .where(eq(releases.id, id));
  return current;
}

async function isOvertaken(tx: Tx, deployment: DeploymentRow): Promise<boolean> {
  const [newer] = await tx
    .select({ id: deployments.id })
    .from(deployments)
    .where(
      and(
        eq(deployments.appId, deployment.appId),
        sql`(${deployments.createdAt}, ${deployments.id}) > (select o.created_at, o.id from ${deployments} o where o.id = ${deployment.id})`,
        sql`${deployments.releasedAt} is not null`,
        notInArray(deployments.reason, CONFIG_REASONS),
      ),
    )
    .limit(1);
  return newer !== undefined;
}

async function release(tx: Tx, app: AppRow, deployment: DeploymentRow, source: ReleaseImage, now: Date): Promise<Published & { outcome: "released" }> {
  const settings = applySettingsPatch(app.settings, deployment.settingsPatch as SettingsPatch);
  const env = applyEnvPatch(app.env, deployment.envPatch);
  await requireRoomForApp(tx, app.tenantId, app.id, settings);
  await requireVolumes(tx, app.tenantId, app.id, settings);
  const images = await imagesOfRelease(tx, app, settings, deployment.images);
  const secrets = await secretsOfRelease(tx, app, env);
  const [tenant] = await tx.select({ env: tenants.env }).from(tenants).where(eq(tenants.id, app.tenantId));
  const [last] = await tx.select({ number: releases.number }).from(releases).where(eq(releases.appId, app.id)).orderBy(desc(releases.number)).limit(1);
  const number = (last?.number ?? 0) + 1;
  const releaseId = newId("release");
  await tx.insert(releases).values({
    id: releaseId,
    tenantId: app.tenantId,
    appId: app.id,
    number,
    repository: source.repository,
    image: source.image,
    settings,
    images,
    env,
    sharedEnv: tenant?.env ?? {},
    secrets,
    buildId: source.buildId,
    buildKey: source.buildKey,
    reason: deployment.reason,
    createdAt: now,
  });
  const superseded = await supersedeReleasing(tx, app.id, deployment.id, `v${number} took its place.`, now);
  await tx
    .update(deployments)
    .set({
      state: "releasing",
      releaseId,
      releasedAt: now,
      timingsMs: sql`${deployments.timingsMs} || jsonb_build_object('build', greatest(0, round(extract(epoch from ${now.toISOString()}::timestamptz - ${deployments.createdAt}) * 1000)))`,
    })
    .where(and(eq(deployments.id, deployment.id), eq(deployments.state, "building")));
  await insertReleaseRun(tx, { tenantId: app.tenantId, appId: app.id, deploymentId: deployment.id, releaseId, settings }, now);
  const isChanged = Object.keys({ ...deployment.settingsPatch, ...deployment.envPatch }).length > 0;
  await tx.update(apps).set({ settings, env, targetReleaseId: releaseId, version: app.version + (isChanged ? 1 : 0) }).where(and(eq(apps.id, app.id), isNull(apps.deletedAt)));
  await writeSystemAudit(tx, app.tenantId, "release.create", releaseId, { app: app.name, number, reason: deployment.reason, digest: source.image.manifestDigest, secrets: secrets.map(({ name, version }) => `${name} ${version}`) });
  return { outcome: "released", appId: app.id, releaseId, number, deployments: [deployment.id, ...superseded] };
}

/** The versions that hold now. What a variable of the app's own hides is left out, as are secrets for builds. */
async function secretsOfRelease(tx: Tx, app: AppRow, env: Readonly<Record<string, string>>): Promise<ReleaseSecret[]> {
  const found = await effectiveSecrets(tx, app.tenantId, app.id);
  return found.flatMap(({ id, name, kind, version, isShared }) => (kind === "build" || (kind === "env" && isShared && name in env) ? [] : [{ id, name, kind, version }]));
}

/** Ends the app's other rollouts; returns their deployments. For rollbacks too, inside their transaction. */
export async function supersedeReleasing(tx: Tx, appId: AppId, except: DeploymentId | null, detail: string, now: Date): Promise<DeploymentId[]> {
  const failure: Failure = { code: "superseded", detail };
  const ended = await tx
    .update(deployments)
    .set({ state: "failed", failure, finishedAt: now })
    .where(and(eq(deployments.appId, appId), eq(deployments.state, "releasing"), except === null ? undefined : ne(deployments.id, except)))
    .returning({ id: deployments.id, tenantId: deployments.tenantId });
  for (const { id, tenantId } of ended) await writeSystemAudit(tx, tenantId, "deployment.failed", id, { code: failure.code });
  return ended.map(({ id }) => id);
}

/** Ends a deployment that has not ended. Returns whether it did. */
export async function endDeployment(tx: Tx, id: DeploymentId, state: "failed" | "cancelled", failure: Failure, now: Date): Promise<boolean> {
  const ended = await tx
    .update(deployments)
    .set({ state, failure, finishedAt: now })
    .where(and(eq(deployments.id, id), inArray(deployments.state, statesBefore("deployment", state))))
    .returning({ tenantId: deployments.tenantId });
  for (const { tenantId } of ended) {
    await writeSystemAudit(tx, tenantId, `deployment.${state}`, id, { code: failure.code });
  }
  return ended.length > 0;
}
