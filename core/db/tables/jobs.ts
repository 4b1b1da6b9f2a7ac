/** Jobs of apps and their runs; what runs of a run are rows of `instances`. */
import { sql } from "drizzle-orm";
import { check, index, integer, jsonb, pgTable, text, uniqueIndex } from "drizzle-orm/pg-core";
import type { Failure } from "../../contract/errors.ts";
import type { AppId, DeploymentId, JobId, ReleaseId, RunId, TenantId } from "../../contract/ids.ts";
import type { RunRequest, RunSpec } from "../../contract/jobs.ts";
import { CONCURRENCY_POLICIES, MISSED_RUNS, RUN_STATES, RUN_TRIGGERS, type ConcurrencyPolicy, type MissedRuns, type RunState, type RunTrigger } from "../../domain/jobs.ts";
import { apps, deployments, releases } from "./apps.ts";
import { at, createdAt, oneOf } from "./columns.ts";
import { tenants } from "./tenancy.ts";

export const jobs = pgTable(
  "jobs",
  {
    id: text("id").$type<JobId>().primaryKey(),
    tenantId: text("tenant_id").$type<TenantId>().notNull().references(() => tenants.id, { onDelete: "cascade" }),
    appId: text("app_id").$type<AppId>().notNull().references(() => apps.id, { onDelete: "cascade" }),
    name: text("name").notNull(),
    /** Null: it runs when it is asked to. */
    schedule: text("schedule"),
    timeZone: text("time_zone").notNull(),
    spec: jsonb("spec").$type<RunRequest>().notNull(),
    concurrencyPolicy: text("concurrency_policy").$type<ConcurrencyPolicy>().notNull(),
    missedRuns: text("missed_runs").$type<MissedRuns>().notNull(),
    startingDeadlineMs: integer("starting_deadline_ms").notNull(),
    historyKeep: integer("history_keep").notNull(),
    pausedAt: at("paused_at"),
    /** Times of the schedule up to here were decided: what is not later is never looked at again. */
    decidedUntil: at("decided_until").notNull(),
    /** Null: without a schedule, paused, or never. */
    nextRunAt: at("next_run_at"),
    createdAt: createdAt(),
  },
  (t) => [
    uniqueIndex("jobs_name").on(t.appId, t.name),
    index("jobs_due").on(t.nextRunAt).where(sql`${t.nextRunAt} is not null`),
    check("jobs_concurrency_policy", oneOf("concurrency_policy", CONCURRENCY_POLICIES)),
    check("jobs_missed_runs", oneOf("missed_runs", MISSED_RUNS)),
  ],
);

export const runs = pgTable(
  "runs",
  {
    id: text("id").$type<RunId>().primaryKey(),
    tenantId: text("tenant_id").$type<TenantId>().notNull().references(() => tenants.id, { onDelete: "cascade" }),
    appId: text("app_id").$type<AppId>().notNull().references(() => apps.id, { onDelete: "cascade" }),
    jobId: text("job_id").$type<JobId>().references(() => jobs.id, { onDelete: "set null" }),
    /** Stays when the job is deleted. */
    jobName: text("job_name"),
    /** Of a release command: one for each deployment. */
    deploymentId: text("deployment_id").$type<DeploymentId>().references(() => deployments.id, { onDelete: "cascade" }),
    /** Null: it was missed, as there was none. */
    releaseId: text("release_id").$type<ReleaseId>().references(() => releases.id, { onDelete: "cascade" }),
    trigger: text("trigger").$type<RunTrigger>().notNull(),
    scheduledFor: at("scheduled_for"),
    spec: jsonb("spec").$type<RunSpec>().notNull(),
    state: text("state").$type<RunState>().notNull().default("pending"),
    /** Why it has not started yet, in words. */
    waiting: text("waiting"),
    cancelRequestedAt: at("cancel_requested_at"),
    exitCode: integer("exit_code"),
    failure: jsonb("failure").$type<Failure>(),
    createdAt: createdAt(),
    startedAt: at("started_at"),
    finishedAt: at("finished_at"),
  },
  (t) => [
    // No time of a schedule is run twice, and no release command, whoever starts it.
    uniqueIndex("runs_scheduled").on(t.jobId, t.scheduledFor).where(sql`${t.scheduledFor} is not null`),
    uniqueIndex("runs_deployment").on(t.deploymentId).where(sql`${t.deploymentId} is not null`),
    index("runs_app").on(t.appId, t.id),
    index("runs_job").on(t.jobId, t.id),
    index("runs_open").on(t.appId).where(sql`${t.state} in ('pending', 'running')`),
    check("runs_state", oneOf("state", RUN_STATES)),
    check("runs_trigger", oneOf("trigger", RUN_TRIGGERS)),
  ],
);
