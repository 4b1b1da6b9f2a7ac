/** `/v1/apps/{app}/jobs`: runs that have a name, and may have a schedule. */
import { eq } from "drizzle-orm";
import type { z } from "zod";
import { AppError } from "../../core/contract/errors.ts";
import { newId } from "../../core/contract/ids.ts";
import { RunRequestSchema, type JobCreate, type JobPatchSchema } from "../../core/contract/jobs.ts";
import type { Db, Tx } from "../../core/db/client.ts";
import type { AppRow } from "../../core/db/queries/apps.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { countJobs, deleteJob, findJob, insertJob, listJobs as readJobs, updateJob, type JobDetails, type JobRow } from "../../core/db/queries/jobs.ts";
import { runs } from "../../core/db/schema.ts";
import { nextRunOf } from "../../core/db/system-queries/jobs.ts";
import { lockApp } from "../../core/db/system-queries/rollout.ts";
import { cancelRuns } from "../../core/db/system-queries/runs.ts";
import type { Actor, Deps } from "../deps.ts";
import { checkVersion, type IfMatch } from "../preconditions.ts";
import { keepInside } from "../idempotency.ts";
import { jobVersion, toJob, type Job, type Run } from "../views/run.ts";
import { cursorOf, pageOfRows, type Page, type PageRequest } from "./page.ts";
import { requireApp } from "./require.ts";
import { begin, pageOfRuns } from "./runs.ts";

type JobPatch = z.infer<typeof JobPatchSchema>;

const JOBS_PER_APP = 100;
/** What a patch names of the run itself; the rest is of when it runs. */
const SPEC = ["command", "memoryBytes", "cpuMillis", "retries", "backoffMs", "deadlineMs", "tasks", "parallelism"] as const;

/** @throws AppError not_found */
export async function listJobs(deps: Deps, actor: Actor, app: string, page: PageRequest): Promise<Page<Job>> {
  const { id, name } = await requireApp(deps.db, actor, app);
  const rows = await readJobs(deps.db, actor.tenantId, id, page.limit + 1, cursorOf("job", page));
  return pageOfRows(rows, page, ({ job }) => job.id, (row) => toJob(row, name));
}

/** @throws AppError not_found */
export async function getJob(deps: Deps, actor: Actor, app: string, nameOrId: string): Promise<Job> {
  const found = await requireApp(deps.db, actor, app);
  return toJob(await requireJob(deps.db, actor, found, nameOrId), found.name);
}

/** @throws AppError not_found, name_taken, quota_exceeded */
export async function createJob(deps: Deps, actor: Actor, app: string, input: JobCreate): Promise<Job> {
  const { name, schedule, timeZone, concurrencyPolicy, missedRuns, startingDeadlineMs, historyKeep, paused, ...spec } = input;
  const now = deps.clock();
  return deps.db.transaction(async (tx) => {
    const found = await requireApp(tx, actor, app);
    await lockApp(tx, found.id);
    if ((await countJobs(tx, actor.tenantId, found.id)) >= JOBS_PER_APP) throw new AppError("quota_exceeded", `An app has at most ${JOBS_PER_APP} jobs.`);
    const when = { schedule, timeZone, concurrencyPolicy, missedRuns, startingDeadlineMs, historyKeep, pausedAt: paused ? now : null };
    const row = { id: newId("job"), tenantId: actor.tenantId, appId: found.id, name, spec, ...when, decidedUntil: now, nextRunAt: paused ? null : nextRunOf(when, now) };
    const job = await insertJob(tx, row);
    if (job === undefined) throw new AppError("name_taken", `${found.name} has a job «${name}» already.`);
    await writeAudit(tx, actor, "job.create", job.id, { name, app: found.name }, { after: input });
    const shown = toJob({ job, lastRun: null }, found.name);
    await keepInside(tx, actor, { status: 201, location: `/v1/apps/${found.name}/jobs/${name}`, body: shown });
    return shown;
  });
}

/** Runs that are there stay as they are; times until now are not made up for by a new schedule. @throws AppError not_found, version_mismatch */
export async function updateJobOf(deps: Deps, actor: Actor, app: string, nameOrId: string, patch: JobPatch, ifMatch: IfMatch): Promise<Job> {
  const now = deps.clock();
  return deps.db.transaction(async (tx) => {
    const found = await requireApp(tx, actor, app);
    await lockApp(tx, found.id);
    const { job } = await requireJob(tx, actor, found, nameOrId);
    const before = toJob({ job, lastRun: null }, found.name);
    checkVersion(jobVersion(before), ifMatch);
    const next = patched(job, patch, now);
    const timesChange = next.schedule !== job.schedule || next.timeZone !== job.timeZone || next.pausedAt !== job.pausedAt;
    const times = timesChange ? { decidedUntil: now, nextRunAt: next.pausedAt === null ? nextRunOf(next, now) : null } : {};
    await updateJob(tx, job.id, { ...next, ...times });
    await writeAudit(tx, actor, "job.update", job.id, { name: job.name, app: found.name }, { before: named(before, patch), after: patch });
    return toJob(await requireJob(tx, actor, found, job.id), found.name);
  });
}

function patched(job: JobRow, patch: JobPatch, now: Date) {
  const { schedule = job.schedule, timeZone = job.timeZone, concurrencyPolicy = job.concurrencyPolicy, missedRuns = job.missedRuns } = patch;
  const { startingDeadlineMs = job.startingDeadlineMs, historyKeep = job.historyKeep, paused = job.pausedAt !== null } = patch;
  const spec = { ...job.spec, ...named(patch, Object.fromEntries(SPEC.map((key) => [key, true]))) };
  const kept = Object.fromEntries(Object.entries(spec).filter(([, value]) => value !== null && value !== undefined));
  return { schedule, timeZone, concurrencyPolicy, missedRuns, startingDeadlineMs, historyKeep, pausedAt: paused ? (job.pausedAt ?? now) : null, spec: RunRequestSchema.parse(kept) };
}

/** The fields of one that another names. */
function named(of: object, names: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(of).filter(([key]) => key in names));
}

/** Its open runs are cancelled; its history stays, under its name. @throws AppError not_found */
export async function removeJob(deps: Deps, actor: Actor, app: string, nameOrId: string): Promise<void> {
  const appId = await deps.db.transaction(async (tx) => {
    const found = await requireApp(tx, actor, app);
    await lockApp(tx, found.id);
    const { job } = await requireJob(tx, actor, found, nameOrId);
    await cancelRuns(tx, eq(runs.jobId, job.id), deps.clock());
    await deleteJob(tx, job.id);
    await writeAudit(tx, actor, "job.delete", job.id, { name: job.name, app: found.name });
    return found.id;
  });
  deps.bells.ring("reconcile", appId);
}

/** Now, beside its schedule. @throws AppError not_found, no_release, quota_exceeded */
export function runJob(deps: Deps, actor: Actor, app: string, nameOrId: string): Promise<Run> {
  return begin(deps, actor, app, async (tx, found) => {
    const { job } = await requireJob(tx, actor, found, nameOrId);
    return { request: job.spec, trigger: "manual", job: { id: job.id, name: job.name }, detail: { name: found.name, job: job.name } };
  });
}

/** @throws AppError not_found */
export async function listRunsOfJob(deps: Deps, actor: Actor, app: string, nameOrId: string, page: PageRequest): Promise<Page<Run>> {
  const found = await requireApp(deps.db, actor, app);
  const runsOfJob = await pageOfRuns(deps, actor, found.id, page, nameOrId);
  if (runsOfJob.items.length === 0) await requireJob(deps.db, actor, found, nameOrId);
  return runsOfJob;
}

async function requireJob(db: Db | Tx, actor: Actor, app: AppRow, nameOrId: string): Promise<JobDetails> {
  const found = await findJob(db, actor.tenantId, app.id, nameOrId);
  if (found === undefined) throw new AppError("not_found", `${app.name} has no job «${nameOrId}».`);
  return found;
}
