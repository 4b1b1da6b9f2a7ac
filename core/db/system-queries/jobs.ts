/** Schedules: which jobs are due, and what their times become. Whoever looks, and however many, a time is decided once. */
import { and, asc, eq, inArray, isNull, lte } from "drizzle-orm";
import { AppError, type Failure } from "../../contract/errors.ts";
import type { AppId, JobId } from "../../contract/ids.ts";
import { dueTimes, nextTime } from "../../domain/jobs.ts";
import type { Db, Tx } from "../client.ts";
import { requireRooms } from "../queries/quota.ts";
import { apps, jobs, releases, runs, tenants } from "../schema.ts";
import { lockApp } from "./rollout.ts";
import { cancelRuns, insertRun, specOf, type NewRun } from "./runs.ts";

type JobRow = typeof jobs.$inferSelect;

const AT_ONCE = 200;

/** Jobs whose next time has come; those of suspended tenants wait, and have missed it then. */
export function dueJobs(db: Db, now: Date): Promise<{ id: JobId; appId: AppId }[]> {
  return db
    .select({ id: jobs.id, appId: jobs.appId })
    .from(jobs)
    .innerJoin(apps, eq(apps.id, jobs.appId))
    .innerJoin(tenants, eq(tenants.id, jobs.tenantId))
    .where(and(lte(jobs.nextRunAt, now), isNull(jobs.pausedAt), isNull(apps.deletedAt), isNull(tenants.suspendedAt)))
    .orderBy(asc(jobs.nextRunAt), asc(jobs.id))
    .limit(AT_ONCE);
}

/** When it runs next, for its row. */
export function nextRunOf({ schedule, timeZone }: Pick<JobRow, "schedule" | "timeZone">, after: Date): Date | null {
  const next = schedule === null ? null : nextTime(schedule, timeZone, after.getTime());
  return next === null ? null : new Date(next);
}

/** Decides the times of one job up to now, in one transaction under its app's lock. Returns how many runs begin. */
export function scheduleJob(db: Db, { id, appId }: { id: JobId; appId: AppId }, now: Date): Promise<number> {
  return db.transaction(async (tx) => {
    await lockApp(tx, appId);
    // Read again: somebody else may have decided meanwhile.
    const [row] = await tx
      .select({ job: jobs, release: { id: releases.id, settings: releases.settings }, settings: apps.settings })
      .from(jobs)
      .innerJoin(apps, eq(apps.id, jobs.appId))
      .leftJoin(releases, eq(releases.id, apps.liveReleaseId))
      .where(and(eq(jobs.id, id), lte(jobs.nextRunAt, now), isNull(jobs.pausedAt)))
      .for("update", { of: jobs });
    if (row === undefined || row.job.schedule === null) return 0;
    const { job, release } = row;
    const due = dueTimes({ ...job, schedule: row.job.schedule, decidedUntil: job.decidedUntil.getTime() }, now.getTime());
    const made: NewRun = {
      tenantId: job.tenantId,
      appId,
      job: { id, name: job.name },
      releaseId: release?.id ?? null,
      settings: release?.settings ?? row.settings,
      request: job.spec,
      trigger: "schedule",
    };
    for (const at of due.missed) {
      const detail = "Its time passed while it could not be started.";
      await insertRun(tx, { ...made, scheduledFor: new Date(at), missed: { code: "run_missed", detail } }, now);
    }
    let begun = 0;
    for (const at of due.run) {
      const missed = await obstacle(tx, job, made, now);
      await insertRun(tx, { ...made, scheduledFor: new Date(at), ...(missed && { missed }) }, now);
      if (missed === undefined) begun++;
    }
    await tx.update(jobs).set({ decidedUntil: now, nextRunAt: nextRunOf(job, now) }).where(eq(jobs.id, id));
    return begun;
  });
}

/** Why a time is left out although it is there; undefined: nothing is in its way any more. */
async function obstacle(tx: Tx, job: JobRow, { releaseId, request, settings }: NewRun, now: Date): Promise<Failure | undefined> {
  if (releaseId === null) return { code: "no_release", detail: "The app had no live release to run it with." };
  if (job.concurrencyPolicy !== "allow") {
    const mine = eq(runs.jobId, job.id);
    const [open] = await tx.select({ id: runs.id }).from(runs).where(and(mine, inArray(runs.state, ["pending", "running"]))).limit(1);
    if (open !== undefined && job.concurrencyPolicy === "forbid") return { code: "run_missed", detail: `${open.id}, which came before it, had not ended.` };
    if (open !== undefined) await cancelRuns(tx, mine, now);
  }
  try {
    await requireRoomForRun(tx, { tenantId: job.tenantId, request, settings });
    return undefined;
  } catch (error) {
    // Nothing was written by it: the transaction goes on.
    if (error instanceof AppError) return error.failure;
    throw error;
  }
}

/** @throws AppError quota_exceeded */
export async function requireRoomForRun(tx: Tx, { tenantId, request, settings }: Pick<NewRun, "tenantId" | "request" | "settings">): Promise<void> {
  const { tasks, parallelism, cpuMillis, memoryBytes } = specOf(request, settings);
  const instances = Math.min(tasks, parallelism);
  await requireRooms(tx, tenantId, { instances, cpuMillis: instances * cpuMillis, memoryBytes: instances * memoryBytes });
}
