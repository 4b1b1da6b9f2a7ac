/** Commands that run to their end beside an app: once, by a schedule, before a release. `docs/jobs.md`. */
import { z } from "zod";
import { FailureSchema } from "./errors.ts";
import { idSchema } from "./ids.ts";
import { orNull } from "./or-null.ts";
import { DNS_LABEL } from "../domain/names.ts";
import { CONCURRENCY_POLICIES, isSchedule, MISSED_RUNS, RUN_STATES, RUN_TRIGGERS } from "../domain/jobs.ts";
import { isTimeZone } from "../domain/time-zones.ts";

const time = z.iso.datetime();
const DAY_MS = 86_400_000;

/** Replaces an image's CMD; ENTRYPOINT stays before it. */
export const CommandSchema = z
  .array(z.string().max(32_768).refine((word) => !word.includes("\0"), "a word has no NUL byte"))
  .min(1)
  .max(256)
  .refine((words) => words.reduce((sum, word) => sum + word.length, 0) <= 65_536, "a command has at most 65,536 characters");

/** `settings.releaseCommand`: must end with 0 before an instance of the release starts. */
export const ReleaseCommandSchema = z
  .object({ command: CommandSchema, timeoutMs: z.number().int().min(1000).max(6 * 3_600_000).default(600_000) })
  .strict()
  .meta({ id: "ReleaseCommand" });

const spec = {
  /** Without it the image's own. */
  command: CommandSchema,
  /** Of one task; without them as an instance of the app has. */
  memoryBytes: z.number().int().min(16 * 2 ** 20).max(64 * 2 ** 30),
  cpuMillis: z.number().int().min(10).max(64_000),
  /** How often a task that failed is tried again. 0: it runs once at most. */
  retries: z.number().int().min(0).max(20),
  /** Before the first retry; doubles with each, up to an hour. */
  backoffMs: z.number().int().min(0).max(3_600_000),
  /** Of one attempt: then the stop signal, the grace time, the kill. */
  deadlineMs: z.number().int().min(1000).max(7 * DAY_MS),
  /** How many times the command is run, each with its own BERTH_TASK_INDEX; all must succeed. */
  tasks: z.number().int().min(1).max(1000),
  /** Most tasks at a time. */
  parallelism: z.number().int().min(1).max(100),
};
const optionalSpec = {
  command: spec.command.optional(),
  memoryBytes: spec.memoryBytes.optional(),
  cpuMillis: spec.cpuMillis.optional(),
  retries: spec.retries.default(0),
  backoffMs: spec.backoffMs.default(10_000),
  deadlineMs: spec.deadlineMs.default(3_600_000),
  tasks: spec.tasks.default(1),
  parallelism: spec.parallelism.default(1),
};
/** What a job or a run is asked to be. */
export const RunRequestSchema = z.object(optionalSpec).strict().meta({ id: "RunCreate" });
export type RunRequest = z.infer<typeof RunRequestSchema>;
/** As a run has it: nothing is left to its release but the image, its variables and secrets. */
export type RunSpec = RunRequest & { memoryBytes: number; cpuMillis: number };

const job = {
  /** Five fields, or `@daily` and the like. Null: it runs when it is asked to. */
  schedule: z.string().max(200).refine(isSchedule, "is a cron schedule of five fields, such as «0 3 * * *», or @hourly, @daily, @weekly, @monthly, @yearly").nullable(),
  /** IANA's name: `Europe/Berlin`. */
  timeZone: z.string().max(64).refine(isTimeZone, "is not a time zone of the IANA database"),
  /** While a run of it is open: start another beside it, leave the new one out, or end the old one first. */
  concurrencyPolicy: z.enum(CONCURRENCY_POLICIES),
  /** Of times that passed while nobody could start it: none, the last one, or all are made up for. */
  missedRuns: z.enum(MISSED_RUNS),
  /** What is later than this is not made up for. */
  startingDeadlineMs: z.number().int().min(60_000).max(7 * DAY_MS),
  /** So many runs that have ended are kept. */
  historyKeep: z.number().int().min(1).max(1000),
};

export const JobNameSchema = z.string().min(1).max(40).regex(DNS_LABEL, "a job's name has lower-case letters, digits and single hyphens, starting with a letter or digit");
export const JobCreateSchema = z
  .object({
    name: JobNameSchema,
    schedule: job.schedule.default(null),
    timeZone: job.timeZone.default("UTC"),
    concurrencyPolicy: job.concurrencyPolicy.default("forbid"),
    missedRuns: job.missedRuns.default("run-once"),
    startingDeadlineMs: job.startingDeadlineMs.default(3_600_000),
    historyKeep: job.historyKeep.default(50),
    paused: z.boolean().default(false),
    ...optionalSpec,
  })
  .strict()
  .meta({ id: "JobCreate" });
export type JobCreate = z.infer<typeof JobCreateSchema>;

/** Only what is named changes; runs that are there stay as they are. */
export const JobPatchSchema = z
  .object({ ...job, paused: z.boolean(), ...spec, command: spec.command.nullable(), memoryBytes: spec.memoryBytes.nullable(), cpuMillis: spec.cpuMillis.nullable() })
  .partial()
  .strict()
  .meta({ id: "JobPatch" });

export const RunSchema = z.object({
  id: idSchema("run"),
  app: z.string(),
  /** Null: of none, or of one that was deleted; its name stays. */
  job: z.string().nullable(),
  trigger: z.enum(RUN_TRIGGERS),
  /** Of the release with which it runs; null: there was none. */
  release: z.string().nullable(),
  command: z.array(z.string()).nullable(),
  state: z.enum(RUN_STATES),
  /** Why it has not started yet. */
  waiting: z.string().nullable(),
  tasks: z.object({ total: z.number().int(), running: z.number().int(), succeeded: z.number().int(), failed: z.number().int() }),
  /** Of all its tasks: more than tasks where some were tried again. */
  attempts: z.number().int(),
  memoryBytes: z.number().int(),
  cpuMillis: z.number().int(),
  deadlineMs: z.number().int(),
  /** Of its task, or of the one that failed. */
  exitCode: z.number().int().nullable(),
  failure: orNull(FailureSchema),
  instances: z.array(z.object({ id: idSchema("instance"), task: z.number().int(), attempt: z.number().int(), node: z.string(), phase: z.string().nullable() })),
  /** The time of the schedule that it stands for. */
  scheduledFor: time.nullable(),
  createdAt: time,
  startedAt: time.nullable(),
  finishedAt: time.nullable(),
}).meta({ id: "Run" });

export const JobSchema = z.object({
  id: idSchema("job"),
  app: z.string(),
  name: z.string(),
  ...job,
  paused: z.boolean(),
  command: z.array(z.string()).nullable(),
  memoryBytes: z.number().int().nullable(),
  cpuMillis: z.number().int().nullable(),
  retries: z.number().int(),
  backoffMs: z.number().int(),
  deadlineMs: z.number().int(),
  tasks: z.number().int(),
  parallelism: z.number().int(),
  /** Null: without a schedule, or paused. */
  nextRunAt: time.nullable(),
  lastRun: z.object({ id: idSchema("run"), state: z.enum(RUN_STATES), exitCode: z.number().int().nullable(), finishedAt: time.nullable() }).nullable(),
  createdAt: time,
}).meta({ id: "Job" });
