/** Builds of one tenant, and what an upload writes. */
import { and, eq, or, sql } from "drizzle-orm";
import type { Failure } from "../../contract/errors.ts";
import type { AppId, BuildId, DeploymentId, TenantId } from "../../contract/ids.ts";
import type { RegistryPlace } from "../../domain/image-ref.ts";
import type { Db, Tx } from "../client.ts";
import { apps, builds, deployments, manifests, releases, tags } from "../schema.ts";
import type { BuildRow, DeploymentRow } from "./deployments.ts";

/** The tenant's build, or undefined. */
export async function findBuild(db: Db | Tx, tenantId: TenantId, id: BuildId): Promise<BuildRow | undefined> {
  const [row] = await db.select().from(builds).where(and(eq(builds.tenantId, tenantId), eq(builds.id, id)));
  return row;
}

/** With the app that its app is a preview of. */
export async function findBuildOf(db: Db | Tx, tenantId: TenantId, id: BuildId): Promise<{ build: BuildRow; previewOf: AppId | null } | undefined> {
  const [row] = await db
    .select({ build: builds, previewOf: apps.previewOf })
    .from(builds)
    .innerJoin(apps, eq(apps.id, builds.appId))
    .where(and(eq(builds.tenantId, tenantId), eq(builds.id, id)));
  return row;
}

/** A queued build and the deployment that waits for it. */
export async function insertUpload(tx: Tx, build: typeof builds.$inferInsert, deployment: typeof deployments.$inferInsert): Promise<void> {
  await tx.insert(builds).values(build);
  await tx.insert(deployments).values(deployment);
}

export async function insertDeployment(tx: Tx, deployment: typeof deployments.$inferInsert): Promise<void> {
  await tx.insert(deployments).values(deployment);
}

/** The release that serves, when it is also the one that should, and nothing is under way that would replace it. */
export async function findSettledRelease(tx: Tx, tenantId: TenantId, appId: AppId): Promise<typeof releases.$inferSelect | undefined> {
  const [row] = await tx
    .select({ release: releases })
    .from(apps)
    .innerJoin(releases, eq(releases.id, apps.liveReleaseId))
    .where(
      and(
        eq(apps.tenantId, tenantId),
        eq(apps.id, appId),
        eq(apps.liveReleaseId, apps.targetReleaseId),
        sql`not exists (select from ${deployments} d where d.app_id = ${appId} and d.state in ('building', 'releasing'))`,
      ),
    );
  return row?.release;
}

/** Digests of manifests that the registry has under these names; what it does not have is left out. */
export async function findDigests(db: Db | Tx, places: readonly RegistryPlace[]): Promise<Map<RegistryPlace, string>> {
  const found = new Map<RegistryPlace, string>();
  const byDigest = places.filter((place) => place.reference.includes(":"));
  const byTag = places.filter((place) => !place.reference.includes(":"));
  if (byTag.length > 0) {
    const rows = await db.select().from(tags).where(or(...byTag.map((p) => and(eq(tags.repository, p.repository), eq(tags.tag, p.reference)))));
    for (const place of byTag) {
      const row = rows.find((r) => r.repository === place.repository && r.tag === place.reference);
      if (row) found.set(place, row.digest);
    }
  }
  if (byDigest.length > 0) {
    const rows = await db
      .select({ repository: manifests.repository, digest: manifests.digest })
      .from(manifests)
      .where(or(...byDigest.map((p) => and(eq(manifests.repository, p.repository), eq(manifests.digest, p.reference)))));
    for (const place of byDigest) if (rows.some((r) => r.repository === place.repository && r.digest === place.reference)) found.set(place, place.reference);
  }
  return found;
}

export interface Cancelled {
  /** A worker has it: it is asked to stop. A queued build has ended at once. */
  running: boolean;
  deployments: DeploymentId[];
}

/** Cancels a build that has not ended, with the deployments that wait for it; undefined when it has ended. */
export async function cancelBuild(tx: Tx, tenantId: TenantId, id: BuildId, now: Date): Promise<Cancelled | undefined> {
  const failure: Failure = { code: "build_cancelled", detail: "The build was cancelled." };
  const mine = and(eq(builds.tenantId, tenantId), eq(builds.id, id));
  const [queued] = await tx
    .update(builds)
    .set({ state: "cancelled", failure, cancelRequestedAt: now, finishedAt: now })
    .where(and(mine, eq(builds.state, "queued")))
    .returning({ id: builds.id });
  if (queued === undefined) {
    const [running] = await tx
      .update(builds)
      .set({ cancelRequestedAt: sql`coalesce(${builds.cancelRequestedAt}, ${now.toISOString()}::timestamptz)` })
      .where(and(mine, eq(builds.state, "running")))
      .returning({ id: builds.id });
    if (running === undefined) return undefined;
  }
  const ended = await tx
    .update(deployments)
    .set({
      cancelRequestedAt: sql`coalesce(${deployments.cancelRequestedAt}, ${now.toISOString()}::timestamptz)`,
      // While a worker has the build, its end is the deployment's.
      ...(queued === undefined ? {} : { state: "cancelled" as const, failure: { code: "deployment_cancelled" as const, detail: "Its build was cancelled." }, finishedAt: now }),
    })
    .where(and(eq(deployments.tenantId, tenantId), eq(deployments.buildId, id), eq(deployments.state, "building")))
    .returning({ id: deployments.id });
  return { running: queued === undefined, deployments: ended.map((row) => row.id) };
}

/** Ends a rollout, under the app's lock: the live release, if there is one, is the target again. False when there is no rollout (any more). */
export async function cancelRollout(tx: Tx, deployment: Pick<DeploymentRow, "id" | "tenantId" | "appId">, now: Date): Promise<boolean> {
  const [ended] = await tx
    .update(deployments)
    .set({ state: "cancelled", failure: { code: "deployment_cancelled", detail: "The deployment was cancelled." }, cancelRequestedAt: now, finishedAt: now })
    .where(and(eq(deployments.tenantId, deployment.tenantId), eq(deployments.id, deployment.id), eq(deployments.state, "releasing")))
    .returning({ releaseId: deployments.releaseId });
  if (ended === undefined) return false;
  if (ended.releaseId !== null) {
    await tx
      .update(apps)
      .set({ targetReleaseId: sql`${apps.liveReleaseId}` })
      .where(and(eq(apps.tenantId, deployment.tenantId), eq(apps.id, deployment.appId), eq(apps.targetReleaseId, ended.releaseId)));
  }
  return true;
}
