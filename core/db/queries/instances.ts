/** Instances of one tenant's apps. */
import { and, asc, desc, eq, gt, isNull, ne, sql } from "drizzle-orm";
import type { AppId, InstanceId, TenantId } from "../../contract/ids.ts";
import type { Db } from "../client.ts";
import { instances, nodes, releases } from "../schema.ts";

export type InstanceRow = typeof instances.$inferSelect;
export interface InstanceDetails {
  instance: InstanceRow;
  node: string;
  releaseNumber: number;
}

function details(db: Db) {
  return db
    .select({ instance: instances, node: nodes.name, releaseNumber: releases.number })
    .from(instances)
    .innerJoin(nodes, eq(nodes.id, instances.nodeId))
    .innerJoin(releases, eq(releases.id, instances.releaseId))
    .$dynamic();
}

/** Those that serve and are not gone, oldest first: all, or some of them behind another one. */
export async function listInstances(db: Db, tenantId: TenantId, appId: AppId, page?: { limit: number; after: InstanceId | undefined }): Promise<InstanceDetails[]> {
  const rows = details(db)
    .where(and(eq(instances.tenantId, tenantId), eq(instances.appId, appId), ne(instances.state, "gone"), isNull(instances.runId), page?.after === undefined ? undefined : gt(instances.id, page.after)))
    .orderBy(asc(instances.id));
  return page === undefined ? rows : rows.limit(page.limit);
}

/** One instance, gone ones too. */
export async function findInstance(db: Db, tenantId: TenantId, appId: AppId, id: InstanceId): Promise<InstanceDetails | undefined> {
  const [row] = await details(db).where(and(eq(instances.tenantId, tenantId), eq(instances.appId, appId), eq(instances.id, id)));
  return row;
}

/** The newest instance that is gone and had a problem: for the log of an app that runs no more. */
export async function findLastProblem(db: Db, tenantId: TenantId, appId: AppId): Promise<InstanceDetails | undefined> {
  const [row] = await details(db)
    .where(and(eq(instances.tenantId, tenantId), eq(instances.appId, appId), isNull(instances.runId), sql`${instances.report} ? 'problem'`))
    .orderBy(desc(instances.id))
    .limit(1);
  return row;
}
