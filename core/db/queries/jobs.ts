/** Jobs of one tenant's apps. */
import { and, asc, desc, eq, gt, inArray, sql } from "drizzle-orm";
import { parseId, type AppId, type JobId, type TenantId } from "../../contract/ids.ts";
import type { Db, Tx } from "../client.ts";
import { jobs, runs } from "../schema.ts";

export type JobRow = typeof jobs.$inferSelect;
/** A job and its newest run. */
export interface JobDetails {
  job: JobRow;
  lastRun: Pick<typeof runs.$inferSelect, "id" | "state" | "exitCode" | "finishedAt"> | null;
}

const of = (tenantId: TenantId, appId: AppId) => and(eq(jobs.tenantId, tenantId), eq(jobs.appId, appId));

/** Oldest first, after the job `after`. */
export async function listJobs(db: Db | Tx, tenantId: TenantId, appId: AppId, limit: number, after: JobId | undefined): Promise<JobDetails[]> {
  const rows = await db.select().from(jobs).where(and(of(tenantId, appId), after && gt(jobs.id, after))).orderBy(asc(jobs.id)).limit(limit);
  return withLastRun(db, rows);
}

export async function findJob(db: Db | Tx, tenantId: TenantId, appId: AppId, nameOrId: string): Promise<JobDetails | undefined> {
  const id = parseId("job", nameOrId);
  const rows = await db.select().from(jobs).where(and(of(tenantId, appId), id === undefined ? eq(jobs.name, nameOrId) : eq(jobs.id, id)));
  return (await withLastRun(db, rows))[0];
}

async function withLastRun(db: Db | Tx, rows: JobRow[]): Promise<JobDetails[]> {
  const ids = rows.map(({ id }) => id);
  const newest = await db
    .selectDistinctOn([runs.jobId], { jobId: runs.jobId, id: runs.id, state: runs.state, exitCode: runs.exitCode, finishedAt: runs.finishedAt })
    .from(runs)
    .where(inArray(runs.jobId, ids))
    .orderBy(runs.jobId, desc(runs.id));
  const byJob = new Map(newest.map(({ jobId, ...run }) => [jobId, run]));
  return rows.map((job) => ({ job, lastRun: byJob.get(job.id) ?? null }));
}

/** Undefined when the app has one of the name. */
export async function insertJob(tx: Tx, row: Omit<typeof jobs.$inferInsert, "createdAt">): Promise<JobRow | undefined> {
  const [made] = await tx.insert(jobs).values(row).onConflictDoNothing().returning();
  return made;
}

export async function updateJob(tx: Tx, id: JobId, set: Partial<typeof jobs.$inferInsert>): Promise<void> {
  await tx.update(jobs).set(set).where(eq(jobs.id, id));
}

/** Its runs stay, under its name. */
export async function deleteJob(tx: Tx, id: JobId): Promise<void> {
  await tx.delete(jobs).where(eq(jobs.id, id));
}

export async function countJobs(tx: Tx, tenantId: TenantId, appId: AppId): Promise<number> {
  const [row] = await tx.select({ n: sql<number>`count(*)::int` }).from(jobs).where(of(tenantId, appId));
  return row?.n ?? 0;
}
