/** When jobs run: schedules, time zones, missed times. Pure: time is an argument. */
import { Cron } from "croner";

/** missed: its time passed, and it was not run. */
export const RUN_STATES = ["pending", "running", "succeeded", "failed", "cancelled", "missed"] as const;
export type RunState = (typeof RUN_STATES)[number];
/** once: `berth run`; manual: a job's, because somebody asked; release: before a release is rolled out. */
export const RUN_TRIGGERS = ["once", "manual", "schedule", "release"] as const;
export type RunTrigger = (typeof RUN_TRIGGERS)[number];
export const CONCURRENCY_POLICIES = ["allow", "forbid", "replace"] as const;
export type ConcurrencyPolicy = (typeof CONCURRENCY_POLICIES)[number];
export const MISSED_RUNS = ["skip", "run-once", "run-all"] as const;
export type MissedRuns = (typeof MISSED_RUNS)[number];

/** Later than this a time counts as missed. */
export const ON_TIME_MS = 60_000;
/** After a long outage no more times than these are looked at, the latest ones. */
const TIMES_MAX = 100;
/** Seconds and years are not offered, nor are croner's fixed dates. */
const FIVE_FIELDS = /^\s*(?:\S+\s+){4}\S+\s*$|^@(?:hourly|daily|midnight|weekly|monthly|yearly|annually)$/;

export function isSchedule(text: string): boolean {
  if (!FIVE_FIELDS.test(text)) return false;
  try {
    return cronOf(text, "UTC") !== undefined;
  } catch {
    return false;
  }
}

/** Nothing is started by it: without a function croner only counts. */
function cronOf(schedule: string, timeZone: string): Cron {
  const text = schedule.trim();
  return new Cron(text, { timezone: timeZone, paused: true, ...(text.startsWith("@") ? {} : { mode: "5-part" as const }) });
}

/** The first time after this one, ms since 1970; null: there is none. */
export function nextTime(schedule: string, timeZone: string, after: number): number | null {
  return cronOf(schedule, timeZone).nextRun(new Date(after))?.getTime() ?? null;
}

export interface Timetable {
  schedule: string;
  timeZone: string;
  missedRuns: MissedRuns;
  startingDeadlineMs: number;
  /** What is not later was decided before. */
  decidedUntil: number;
}

export interface DueTimes {
  run: number[];
  missed: number[];
}

/** What to do about the times since the last decision, oldest first. */
export function dueTimes({ schedule, timeZone, missedRuns, startingDeadlineMs, decidedUntil }: Timetable, now: number): DueTimes {
  // The one that is now counts: what is asked for lies before the next millisecond.
  const passed = cronOf(schedule, timeZone)
    .previousRuns(TIMES_MAX, new Date(now + 1))
    .map((date) => date.getTime())
    .filter((at) => at > decidedUntil && at <= now)
    .toSorted((a, b) => a - b);
  const isLate = (at: number) => now - at > ON_TIME_MS;
  const makeUp = passed.filter((at) => isLate(at) && now - at <= startingDeadlineMs);
  const madeUp = new Set(missedRuns === "skip" ? [] : missedRuns === "run-all" ? makeUp : passed.some((at) => !isLate(at)) ? [] : makeUp.slice(-1));
  return { run: passed.filter((at) => !isLate(at) || madeUp.has(at)), missed: passed.filter((at) => isLate(at) && !madeUp.has(at)) };
}
