/** Runs of one tenant's apps. */
import { and, asc, desc, eq, inArray, lt } from "drizzle-orm";
import { parseId, type AppId, type RunId, type TenantId } from "../../contract/ids.ts";
import type { Db, Tx } from "../client.ts";
import { apps, instances, jobs, nodes, releases, runs } from "../schema.ts";

/** A run and what is shown with it. */
export interface RunDetails {
  run: typeof runs.$inferSelect;
  app: string;
  release: number | null;
  attempts: { instance: typeof instances.$inferSelect; node: string }[];
}

const of = (tenantId: TenantId, appId: AppId) => and(eq(runs.tenantId, tenantId), eq(runs.appId, appId));

/** Newest first, before the run `before`; of one job, by its name or id, or all of the app. */
export async function listRuns(db: Db | Tx, tenantId: TenantId, appId: AppId, { job, limit, before }: { job?: string; limit: number; before: RunId | undefined }): Promise<RunDetails[]> {
  const rows = await details(db)
    .where(and(of(tenantId, appId), job === undefined ? undefined : ofJob(db, tenantId, appId, job), before && lt(runs.id, before)))
    .orderBy(desc(runs.id))
    .limit(limit);
  return withAttempts(db, tenantId, rows);
}

export async function findRun(db: Db | Tx, tenantId: TenantId, appId: AppId, id: RunId): Promise<RunDetails | undefined> {
  const [found] = await withAttempts(db, tenantId, await details(db).where(and(of(tenantId, appId), eq(runs.id, id))));
  return found;
}

function ofJob(db: Db | Tx, tenantId: TenantId, appId: AppId, nameOrId: string) {
  const id = parseId("job", nameOrId);
  const named = and(eq(jobs.tenantId, tenantId), eq(jobs.appId, appId), eq(jobs.name, nameOrId));
  return id === undefined ? inArray(runs.jobId, db.select({ id: jobs.id }).from(jobs).where(named)) : eq(runs.jobId, id);
}

function details(db: Db | Tx) {
  return db.select({ run: runs, app: apps.name, release: releases.number }).from(runs).innerJoin(apps, eq(apps.id, runs.appId)).leftJoin(releases, eq(releases.id, runs.releaseId)).$dynamic();
}

async function withAttempts(db: Db | Tx, tenantId: TenantId, rows: Omit<RunDetails, "attempts">[]): Promise<RunDetails[]> {
  const ids = rows.map(({ run }) => run.id);
  const found = await db
    .select({ instance: instances, node: nodes.name })
    .from(instances)
    .innerJoin(nodes, eq(nodes.id, instances.nodeId))
    .where(and(eq(instances.tenantId, tenantId), inArray(instances.runId, ids)))
    .orderBy(asc(instances.task), asc(instances.attempt));
  const byRun = Map.groupBy(found, ({ instance }) => instance.runId);
  return rows.map((row) => ({ ...row, attempts: byRun.get(row.run.id) ?? [] }));
}
