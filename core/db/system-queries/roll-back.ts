/** Pointing an app at a release that was live before: what people ask for, and what the rollout loop does by itself. */
import { and, eq } from "drizzle-orm";
import type { Failure } from "../../contract/errors.ts";
import { newId, type AppId, type DeploymentId, type ReleaseId, type TenantId } from "../../contract/ids.ts";
import type { Settings } from "../../contract/release-config.ts";
import type { Tx } from "../client.ts";
import { writeSystemAudit } from "../queries/audit.ts";
import { pointAt } from "../queries/apps.ts";
import { insertRollback } from "../queries/deployments.ts";
import { returnSecretsTo } from "../queries/secrets.ts";
import { apps, releases } from "../schema.ts";
import { supersedeReleasing } from "./publish-release.ts";

export interface RollbackRequest {
  tenantId: TenantId;
  app: { id: AppId; liveReleaseId: ReleaseId | null };
  release: { id: ReleaseId; number: number; settings: Settings; env: Record<string, string> };
  reason: string;
}

export interface RolledBack {
  deploymentId: DeploymentId;
  /** Rollouts that it ended. */
  superseded: DeploymentId[];
  /** Names of the app's secrets that have other values again. */
  secrets: string[];
}

/** Under the app's lock. Who asked writes the audit. */
export async function rollBack(tx: Tx, { tenantId, app, release, reason }: RollbackRequest, now: Date): Promise<RolledBack> {
  const deploymentId = newId("deployment");
  const superseded = await supersedeReleasing(tx, app.id, null, `The app was rolled back to v${release.number}.`, now);
  await insertRollback(tx, { id: deploymentId, tenantId, appId: app.id, releaseId: release.id, reason, isLive: release.id === app.liveReleaseId }, now);
  await pointAt(tx, tenantId, app.id, release);
  return { deploymentId, superseded, secrets: await returnSecretsTo(tx, tenantId, app.id, release.id, now) };
}

/** A release that failed soon after it went live: the app returns to the one before, as if somebody had asked for it. */
export async function takeBack(tx: Tx, appId: AppId, { to, failure }: { to: ReleaseId; failure: Failure }, now: Date): Promise<DeploymentId[]> {
  const [row] = await tx
    .select({ app: apps, release: releases })
    .from(apps)
    .innerJoin(releases, and(eq(releases.appId, apps.id), eq(releases.id, to)))
    .where(eq(apps.id, appId));
  if (row === undefined) return [];
  const { app, release } = row;
  const done = await rollBack(tx, { tenantId: app.tenantId, app, release, reason: `automatic rollback to v${release.number}: ${failure.detail}` }, now);
  // Once: if the release before does not start either, this one stays.
  await tx.update(apps).set({ watch: null }).where(eq(apps.id, appId));
  await writeSystemAudit(tx, app.tenantId, "app.rollback", appId, { name: app.name, deployment: done.deploymentId, release: `v${release.number}`, code: failure.code, secrets: done.secrets });
  return [done.deploymentId, ...done.superseded];
}
