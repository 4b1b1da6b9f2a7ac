/** Deployments of one tenant, with what the API shows of them. */
import { and, desc, eq, inArray, isNull, lt } from "drizzle-orm";
import type { AppId, BuildId, DeploymentId, ReleaseId, TenantId } from "../../contract/ids.ts";
import type { Settings } from "../../contract/release-config.ts";
import { statesBefore } from "../../domain/states.ts";
import type { Db, Tx } from "../client.ts";
import { apps, builds, deployments, instances, nodes, releases } from "../schema.ts";

export type DeploymentRow = typeof deployments.$inferSelect;
export type BuildRow = typeof builds.$inferSelect;

export interface DeploymentDetails {
  deployment: DeploymentRow;
  appName: string;
  /** The app that this one is a preview of. */
  previewOf: AppId | null;
  appSettings: Settings;
  build: BuildRow | null;
  releaseNumber: number | null;
  instances: (Pick<typeof instances.$inferSelect, "id" | "phase"> & { node: string })[];
}

/** One deployment, or undefined when the tenant has none with this id. */
export async function findDeployment(db: Db | Tx, tenantId: TenantId, id: DeploymentId): Promise<DeploymentDetails | undefined> {
  const [found] = await withInstances(db, tenantId, await details(db).where(and(eq(deployments.tenantId, tenantId), eq(deployments.id, id))));
  return found;
}

/** An app's deployments, newest first, before the one with the id `before`. */
export async function listDeployments(db: Db | Tx, tenantId: TenantId, appId: AppId, limit: number, before: DeploymentId | undefined): Promise<DeploymentDetails[]> {
  const rows = await details(db)
    .where(and(eq(deployments.tenantId, tenantId), eq(deployments.appId, appId), before === undefined ? undefined : lt(deployments.id, before)))
    .orderBy(desc(deployments.id))
    .limit(limit);
  return withInstances(db, tenantId, rows);
}

function details(db: Db | Tx) {
  return db
    .select({ deployment: deployments, appName: apps.name, previewOf: apps.previewOf, appSettings: apps.settings, build: builds, releaseNumber: releases.number })
    .from(deployments)
    .innerJoin(apps, eq(apps.id, deployments.appId))
    .leftJoin(builds, eq(builds.id, deployments.buildId))
    .leftJoin(releases, eq(releases.id, deployments.releaseId))
    .$dynamic();
}

/** With one query for all of them. */
async function withInstances(db: Db | Tx, tenantId: TenantId, rows: readonly Omit<DeploymentDetails, "instances">[]): Promise<DeploymentDetails[]> {
  const releaseIds = [...new Set(rows.flatMap(({ deployment }) => deployment.releaseId ?? []))];
  const running = releaseIds.length === 0 ? [] : await wantedInstances(db, tenantId, releaseIds);
  return rows.map((row) => ({
    ...row,
    instances: running.filter(({ releaseId }) => releaseId === row.deployment.releaseId).map(({ id, node, phase }) => ({ id, node, phase })),
  }));
}

/** The newest deployment of an app. */
export async function findLastDeployment(db: Db | Tx, tenantId: TenantId, appId: AppId): Promise<DeploymentDetails | undefined> {
  const [last] = await db
    .select({ id: deployments.id })
    .from(deployments)
    .where(and(eq(deployments.tenantId, tenantId), eq(deployments.appId, appId)))
    .orderBy(desc(deployments.createdAt), desc(deployments.id))
    .limit(1);
  return last === undefined ? undefined : findDeployment(db, tenantId, last.id);
}

function wantedInstances(db: Db | Tx, tenantId: TenantId, releaseIds: ReleaseId[]) {
  return db
    .select({ releaseId: instances.releaseId, id: instances.id, node: nodes.name, phase: instances.phase })
    .from(instances)
    .innerJoin(nodes, eq(nodes.id, instances.nodeId))
    .where(and(eq(instances.tenantId, tenantId), inArray(instances.releaseId, releaseIds), eq(instances.state, "wanted"), isNull(instances.runId)))
    .orderBy(instances.id);
}

/** Cancels what is under way for an app that is being destroyed: builds are asked to stop, deployments have ended. */
export async function cancelOpenWork(tx: Tx, tenantId: TenantId, appId: AppId, now: Date): Promise<{ builds: BuildId[]; deployments: DeploymentId[] }> {
  const stopped = await tx
    .update(builds)
    .set({ cancelRequestedAt: now })
    .where(and(eq(builds.tenantId, tenantId), eq(builds.appId, appId), inArray(builds.state, ["queued", "running"])))
    .returning({ id: builds.id });
  const failure = { code: "deployment_cancelled" as const, detail: "The app was destroyed." };
  const ended = await tx
    .update(deployments)
    .set({ state: "cancelled", failure, cancelRequestedAt: now, finishedAt: now })
    .where(and(eq(deployments.tenantId, tenantId), eq(deployments.appId, appId), inArray(deployments.state, statesBefore("deployment", "cancelled"))))
    .returning({ id: deployments.id });
  return { builds: stopped.map((row) => row.id), deployments: ended.map((row) => row.id) };
}

/** The deployment of a rollback. To the live release, from a rollout that is given up, it has ended at once. */
export async function insertRollback(
  tx: Tx,
  to: { id: DeploymentId; tenantId: TenantId; appId: AppId; releaseId: ReleaseId; reason: string; isLive: boolean },
  now: Date,
): Promise<void> {
  const { isLive, ...row } = to;
  await tx.insert(deployments).values({
    ...row,
    state: isLive ? "live" : "releasing",
    createdAt: now,
    releasedAt: now,
    finishedAt: isLive ? now : null,
  });
}
