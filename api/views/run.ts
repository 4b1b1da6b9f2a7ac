import type { z } from "zod";
import type { JobSchema, RunSchema } from "../../core/contract/jobs.ts";
import { contentVersion } from "../preconditions.ts";
import type { JobDetails } from "../../core/db/queries/jobs.ts";
import type { RunDetails } from "../../core/db/queries/runs.ts";
import { outcomeOf } from "../../core/domain/runs.ts";

export type Run = z.infer<typeof RunSchema>;
export type Job = z.infer<typeof JobSchema>;

const iso = (date: Date | null) => date?.toISOString() ?? null;

export function toRun({ run, app, release, attempts }: RunDetails): Run {
  const { spec } = run;
  const byTask = Map.groupBy(attempts, ({ instance }) => instance.task ?? 0);
  const outcomes = [...byTask.values()].map((all) => {
    const each = all.map(({ instance: { state, phase, report } }) => outcomeOf({ state, phase, exitCode: report?.lastExit?.code, problem: report?.problem }));
    return each.includes("succeeded") ? "succeeded" : each.includes("open") ? "open" : "failed";
  });
  const count = (outcome: string) => outcomes.filter((one) => one === outcome).length;
  return {
    id: run.id,
    app,
    job: run.jobName,
    trigger: run.trigger,
    release: release === null ? null : `v${release}`,
    command: spec.command ?? null,
    state: run.state,
    waiting: run.waiting,
    tasks: { total: spec.tasks, running: count("open"), succeeded: count("succeeded"), failed: count("failed") },
    attempts: attempts.length,
    memoryBytes: spec.memoryBytes,
    cpuMillis: spec.cpuMillis,
    deadlineMs: spec.deadlineMs,
    exitCode: run.exitCode,
    failure: run.failure,
    instances: attempts.map(({ instance, node }) => ({ id: instance.id, task: instance.task ?? 0, attempt: instance.attempt ?? 1, node, phase: instance.phase })),
    scheduledFor: iso(run.scheduledFor),
    createdAt: run.createdAt.toISOString(),
    startedAt: iso(run.startedAt),
    finishedAt: iso(run.finishedAt),
  };
}

/** Of what people change; its next time and its last run change by themselves. */
export function jobVersion({ nextRunAt: _next, lastRun: _last, ...own }: Job): number {
  return contentVersion({ job: JSON.stringify(own) });
}

export function toJob({ job, lastRun }: JobDetails, app: string): Job {
  const { spec } = job;
  return {
    id: job.id,
    app,
    name: job.name,
    schedule: job.schedule,
    timeZone: job.timeZone,
    concurrencyPolicy: job.concurrencyPolicy,
    missedRuns: job.missedRuns,
    startingDeadlineMs: job.startingDeadlineMs,
    historyKeep: job.historyKeep,
    paused: job.pausedAt !== null,
    command: spec.command ?? null,
    memoryBytes: spec.memoryBytes ?? null,
    cpuMillis: spec.cpuMillis ?? null,
    retries: spec.retries,
    backoffMs: spec.backoffMs,
    deadlineMs: spec.deadlineMs,
    tasks: spec.tasks,
    parallelism: spec.parallelism,
    nextRunAt: iso(job.nextRunAt),
    lastRun: lastRun && { ...lastRun, finishedAt: iso(lastRun.finishedAt) },
    createdAt: job.createdAt.toISOString(),
  };
}
