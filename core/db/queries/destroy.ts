/** The end of an app, whoever asked for it: it is marked, what is under way for it is cancelled; the rollout loop does the rest. */
import { and, eq, isNull } from "drizzle-orm";
import type { AppId, BuildId, DeploymentId, TenantId } from "../../contract/ids.ts";
import type { Tx } from "../client.ts";
import { apps } from "../schema.ts";
import { markDeleted } from "./apps.ts";
import { cancelOpenWork } from "./deployments.ts";
import { deleteVolumes, listVolumes } from "./volumes.ts";

export interface Destroyed {
  apps: AppId[];
  builds: BuildId[];
  deployments: DeploymentId[];
  /** Names of the volumes that went with it. */
  volumes: string[];
}

/** Under the app's lock; undefined when it was destroyed before. */
export async function destroyOne(tx: Tx, tenantId: TenantId, appId: AppId, now: Date): Promise<Destroyed | undefined> {
  if (!(await markDeleted(tx, tenantId, appId, now))) return undefined;
  const volumes = (await listVolumes(tx, tenantId, appId)).map(({ volume }) => volume).filter(({ deletedAt }) => deletedAt === null);
  await deleteVolumes(tx, tenantId, volumes.map(({ id }) => id), now);
  return { apps: [appId], ...(await cancelOpenWork(tx, tenantId, appId, now)), volumes: volumes.map(({ name }) => name) };
}

/** Previews that an app has now. */
export async function previewsOf(tx: Tx, tenantId: TenantId, appId: AppId): Promise<AppId[]> {
  const rows = await tx.select({ id: apps.id }).from(apps).where(and(eq(apps.tenantId, tenantId), eq(apps.previewOf, appId), isNull(apps.deletedAt))).orderBy(apps.id);
  return rows.map(({ id }) => id);
}
