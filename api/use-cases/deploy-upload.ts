/**
 * `POST /v1/apps/{app}/deployments` with a build context: one pass over the bytes, one transaction, one bell. PostgreSQL
 * is the truth: with Redis away the upload is accepted all the same, and the workers' sweep finds the build.
 */
import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { TransactionRollbackError } from "drizzle-orm/errors";
import type { DeployConfig, Deployment } from "../../core/contract/api.ts";
import { AppError } from "../../core/contract/errors.ts";
import { newId, parseId, type AppId, type BuildId, type DeploymentId } from "../../core/contract/ids.ts";
import { AppNameSchema } from "../../core/contract/names.ts";
import { SettingsSchema, type Image } from "../../core/contract/release-config.ts";
import { findApp, insertApp, type AppRow } from "../../core/db/queries/apps.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { findDigests, findSettledRelease, insertDeployment, insertUpload } from "../../core/db/queries/builds.ts";
import { readLimits, requireRoom, requireRoomForApp, requireRooms } from "../../core/db/queries/quota.ts";
import { requireVolumes } from "../../core/db/queries/volumes.ts";
import { effectiveSecrets } from "../../core/db/queries/secrets.ts";
import { findDeployment, type DeploymentDetails } from "../../core/db/queries/deployments.ts";
import type { Db, Tx } from "../../core/db/client.ts";
import { lockApp } from "../../core/db/system-queries/rollout.ts";
import { buildKey } from "../../core/domain/build-key.ts";
import { missingSecrets, mountedSecrets } from "../../core/domain/dockerfile-secrets.ts";
import { parseDockerfile, type ParsedDockerfile } from "../../core/domain/dockerfile.ts";
import { parseImageRef, placeOfBase } from "../../core/domain/image-ref.ts";
import { exceeded } from "../../core/domain/quota.ts";
import { applyEnvPatch, applySettingsPatch } from "../../core/domain/settings.ts";
import type { Actor, Deps } from "../deps.ts";
import { fingerprintOf, keepInside, type Once } from "../idempotency.ts";
import { invalid } from "../problems.ts";
import { ContextInspector, type ContextLimits } from "../upload/context-inspector.ts";
import { CONTEXTS_PREFIX } from "../upload/old-contexts.ts";
import { readBody, type UploadHeaders } from "../upload/read-body.ts";
import { deleteContext, hashContext, receiveContext, type ReceivedContext, type Refuse } from "../upload/receive-context.ts";
import { ALREADY_LIVE, toDeployment } from "../views/deployment.ts";
import { loadContainerImages } from "./registry-images.ts";
import { relabel } from "./relabel.ts";
import { sees } from "./require.ts";

/** What all nodes run. */
const PLATFORM = "linux/amd64";

export interface Upload {
  body: Readable;
  headers: UploadHeaders;
  /** As the client says it; undefined when it does not. */
  declaredBytes?: number | undefined;
  limits?: ContextLimits;
}

/** The new deployment: being built, or live already. Whatever fails, neither a row nor a blob is left. @throws AppError */
export async function deployUpload(deps: Deps, actor: Actor, nameOrId: string, upload: Upload): Promise<Deployment> {
  const app = await checkApp(deps.db, actor, nameOrId);
  const tooLarge = await uploadLimit(deps, actor);
  const refusal = tooLarge(upload.declaredBytes ?? 0);
  if (refusal !== undefined) throw refusal;
  const deploymentId = newId("deployment");
  const key = `${CONTEXTS_PREFIX}${actor.tenantId}/${deploymentId}`;
  let kept = false;
  try {
    const digest = actor.once === undefined ? undefined : createHash("sha256");
    const { context, config } = await readBody(upload.body, upload.headers, (body, isDockerfile) => {
      const inspector = new ContextInspector({ isDockerfile, ...(upload.limits ? { limits: upload.limits } : {}) });
      return receiveContext({ blobs: deps.blobs, key, body, inspector, tooLarge, digest });
    });
    if (actor.once !== undefined && digest !== undefined) actor.once.fingerprint = fingerprintOf(actor.once.request, canonical(config), digest.digest());
    const plan = await planBuild(deps, actor, app?.id ?? null, context, config);
    const images = await loadContainerImages(deps, actor, applySettingsPatch(app?.settings ?? SettingsSchema.parse({}), config.settings));
    const written = await deps.db.transaction(async (tx) => {
      const done = await write(tx, actor, nameOrId, { deploymentId, key, context, config, plan, images }, deps.clock());
      const deployment = toDeployment(done.details, actor, deps.config);
      await keepInside(tx, actor, { status: deployment.alreadyLive ? 200 : 202, location: `/v1/deployments/${deploymentId}`, body: deployment });
      return { ...done, deployment };
    });
    kept = written.buildId !== null;
    if (written.buildId !== null) await enqueue(deps, written.buildId);
    deps.bells.ring("deployment", deploymentId);
    if (written.isNewApp) deps.bells.ring("route", written.appId);
    return written.deployment;
  } finally {
    if (!kept) await deleteContext(deps.blobs, key, deps.log);
  }
}

/** What tells this upload from another one, for one that may have been sent before. Reads it to its end. @throws AppError */
export async function fingerprintUpload(deps: Deps, actor: Actor, request: Once["request"], upload: Upload): Promise<string> {
  const tooLarge = await uploadLimit(deps, actor);
  const { context, config } = await readBody(upload.body, upload.headers, (body) => hashContext(body, tooLarge));
  return fingerprintOf(request, canonical(config), Buffer.from(context, "hex"));
}

/** Says why a context of so many bytes is not taken: the platform takes none so large, or the tenant's plan allows none. */
async function uploadLimit({ db, config }: Deps, actor: Actor): Promise<Refuse> {
  const { uploadBytes } = await readLimits(db, actor.tenantId);
  return (sizeBytes) => {
    if (sizeBytes > config.maxContextBytes) return new AppError("context_too_large", `The build context has more than ${config.maxContextBytes} bytes.`);
    const found = exceeded("uploadBytes", uploadBytes, 0, sizeBytes);
    return found && new AppError("quota_exceeded", `The build context is too large for the plan. ${found.detail}`, { quota: found.quota });
  };
}

/** An app that exists, or a name that may become one. Before any byte is read. @throws AppError invalid_name, not_found */
export async function checkApp(db: Db | Tx, actor: Actor, nameOrId: string): Promise<AppRow | undefined> {
  const app = await findApp(db, actor.tenantId, nameOrId);
  if (app !== undefined && sees(actor, app)) return app;
  if (parseId("app", nameOrId) !== undefined || actor.appId !== null) throw new AppError("not_found", `${actor.tenantName} has no app «${nameOrId}».`);
  const name = AppNameSchema.safeParse(nameOrId);
  if (!name.success) throw invalid("invalid_name", name.error.issues);
  return undefined;
}

/** The app, made when there is none: in the transaction of its first deployment. Its row is locked against the rollout loop. */
export async function takeOrCreateApp(tx: Tx, actor: Actor, nameOrId: string): Promise<{ app: AppRow; isNew: boolean }> {
  let app = await checkApp(tx, actor, nameOrId);
  let isNew = false;
  if (app === undefined) {
    const id = newId("app");
    isNew = await insertNewApp(tx, actor, { id, tenantId: actor.tenantId, name: nameOrId, settings: SettingsSchema.parse({}), env: {} });
    if (isNew) await writeAudit(tx, actor, "app.create", id, { name: nameOrId });
    app = await checkApp(tx, actor, nameOrId);
  }
  if (app !== undefined) {
    await lockApp(tx, app.id);
    // Read again: while the lock was waited for it may have been changed or destroyed.
    app = await findApp(tx, actor.tenantId, app.id);
  }
  if (app === undefined) throw new AppError("conflict", `«${nameOrId}» was made or destroyed at the same time: try again.`);
  return { app, isNew };
}

/** False when another request has just made it: then the tenant's lock is given back, as the app's comes before it. */
async function insertNewApp(tx: Tx, actor: Actor, row: Parameters<typeof insertApp>[1]): Promise<boolean> {
  try {
    return await tx.transaction(async (inner) => {
      await requireRoom(inner, actor.tenantId, "apps", 1);
      return (await insertApp(inner, row)) || inner.rollback();
    });
  } catch (error) {
    if (error instanceof TransactionRollbackError) return false;
    // Its last place may have been taken by the same app.
    if (error instanceof AppError && (await findApp(tx, actor.tenantId, row.name)) !== undefined) return false;
    throw error;
  }
}

interface BuildPlan {
  dockerfilePath: string;
  buildKey: string | null;
}

/** @throws AppError dockerfile_missing, dockerfile_invalid, dockerfile_unsupported, context_escapes, build_secret_missing */
async function planBuild(deps: Deps, actor: Actor, appId: AppId | null, { findings }: ReceivedContext, config: DeployConfig): Promise<BuildPlan> {
  const { path, text } = findings.dockerfile(config.dockerfile);
  const parsed = parseDockerfile(text, { target: config.target, buildArgs: config.buildArgs });
  refuse(parsed, path);
  const held = parsed.secretMounts.length === 0 ? [] : (await effectiveSecrets(deps.db, actor.tenantId, appId)).filter(({ kind }) => kind === "build");
  const [missing] = missingSecrets(parsed.secretMounts, new Set(held.map(({ name }) => name)));
  if (missing !== undefined) throw new AppError("build_secret_missing", `${path}, line ${missing.line}: ${missing.message}`, { line: missing.line, instruction: "RUN" });
  const key = buildKey({
    dockerfilePath: path,
    dockerfileText: text,
    contextDigest: findings.rootDigest,
    buildArgs: config.buildArgs,
    target: config.target,
    platform: PLATFORM,
    baseDigests: await baseDigests(deps, actor, parsed),
    hasRemoteAdd: parsed.hasRemoteAdd,
    secrets: mountedSecrets(parsed.secretMounts, held),
  });
  return { dockerfilePath: path, buildKey: key };
}

function refuse(parsed: ParsedDockerfile, path: string): void {
  const isError = parsed.errors.length > 0;
  const all = isError ? parsed.errors : parsed.unsupported;
  const [first] = all;
  if (first === undefined) return;
  const fields = all.slice(0, 20).map((error) => ({ path: `${path}:${error.line}`, message: error.message }));
  const where = { line: first.line, ...(first.instruction === undefined ? {} : { instruction: first.instruction }) };
  throw new AppError(isError ? "dockerfile_invalid" : "dockerfile_unsupported", `${path}, line ${first.line}: ${first.message}`, { ...where, fields });
}

/** What each base image is now, as far as our registry knows. */
async function baseDigests(deps: Deps, actor: Actor, parsed: ParsedDockerfile): Promise<Map<string, string | null>> {
  const view = { hosts: [deps.config.publicUrl.host], tenantName: actor.tenantName };
  const digests = new Map<string, string | null>();
  const places = parsed.baseRefs.flatMap(({ ref }) => {
    const name = parseImageRef(ref);
    digests.set(ref, name?.digest ?? null);
    const place = name === undefined || name.digest !== undefined ? undefined : placeOfBase(name, view);
    return place === undefined ? [] : [{ ...place, ref }];
  });
  const found = await findDigests(deps.db, places);
  for (const place of places) digests.set(place.ref, found.get(place) ?? null);
  return digests;
}

interface NewUpload {
  deploymentId: DeploymentId;
  key: string;
  context: ReceivedContext;
  config: DeployConfig;
  plan: BuildPlan;
  images: Record<string, Image>;
}

interface Written {
  appId: AppId;
  isNewApp: boolean;
  /** Null: it is live already. */
  buildId: BuildId | null;
  details: DeploymentDetails;
}

async function write(tx: Tx, actor: Actor, nameOrId: string, upload: NewUpload, now: Date): Promise<Written> {
  const { app, isNew } = await takeOrCreateApp(tx, actor, nameOrId);
  const ids = { id: upload.deploymentId, tenantId: actor.tenantId, appId: app.id };
  await relabel(tx, actor, app, upload.config.labels, true);
  // What it asks for is possible: said now rather than after the build.
  applyEnvPatch(app.env, upload.config.env);
  const live = await liveTwin(tx, app, upload);
  let buildId: BuildId | null = null;
  if (live !== undefined) {
    await insertDeployment(tx, { ...ids, state: "live", reason: ALREADY_LIVE, buildId: live.buildId, releaseId: live.id, createdAt: now, finishedAt: now });
  } else {
    await requireRooms(tx, actor.tenantId, { buildsQueued: 1, buildMinutesMonth: 1, egressBytesMonth: 1, storageBytes: 1 });
    const settings = applySettingsPatch(app.settings, upload.config.settings);
    await requireRoomForApp(tx, actor.tenantId, app.id, settings);
    await requireVolumes(tx, actor.tenantId, app.id, settings, { isTrial: true });
    buildId = newId("build");
    const build = {
      id: buildId,
      tenantId: actor.tenantId,
      appId: app.id,
      contextKey: upload.key,
      contextFormat: upload.context.findings.format,
      contextBytes: upload.context.sizeBytes,
      dockerfilePath: upload.plan.dockerfilePath,
      target: upload.config.target ?? null,
      buildArgs: upload.config.buildArgs,
      buildKey: upload.plan.buildKey,
      createdAt: now,
    };
    await insertUpload(tx, build, { ...ids, state: "building", reason: "deploy", buildId, settingsPatch: upload.config.settings, images: upload.images, envPatch: upload.config.env, createdAt: now });
  }
  await writeAudit(tx, actor, "deployment.create", upload.deploymentId, {
    app: app.name,
    reason: live === undefined ? "deploy" : ALREADY_LIVE,
    bytes: upload.context.sizeBytes,
    settings: upload.config.settings,
    env: Object.keys(upload.config.env),
  });
  const details = await findDeployment(tx, actor.tenantId, upload.deploymentId);
  if (details === undefined) throw new Error("the deployment was not written");
  return { appId: app.id, isNewApp: isNew, buildId, details };
}

/** The live release, when this upload would make the same one again. */
async function liveTwin(tx: Tx, app: AppRow, { plan, config, images }: NewUpload) {
  if (plan.buildKey === null) return undefined;
  const live = await findSettledRelease(tx, app.tenantId, app.id);
  if (live === undefined || live.buildKey !== plan.buildKey) return undefined;
  const same =
    canonical(applySettingsPatch(app.settings, config.settings)) === canonical(live.settings) && canonical(applyEnvPatch(app.env, config.env)) === canonical(live.env) && canonical(images) === canonical(live.images);
  return same ? live : undefined;
}

/** JSON with the keys of every object in order: PostgreSQL keeps them in its own. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner) ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1))) : inner,
  );
}

async function enqueue(deps: Deps, buildId: BuildId): Promise<void> {
  await deps.queue.add(buildId).catch((error: unknown) => deps.log.warn({ err: error, buildId }, "the build waits for the workers' sweep"));
}
