/** Instances by demand: how many, by what, and when at least so many. */
import { z } from "zod";
import { isTimeZone } from "../domain/time-zones.ts";

export const WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
export type Weekday = (typeof WEEKDAYS)[number];

const TIME_OF_DAY = /^(?:[01]\d|2[0-3]):[0-5]\d$/;
const SCHEDULE_MAX = 20;

/**
 * At least `min` instances in these hours. They begin on each of the days; a `to` that is not after `from` is of the
 * next day. Wall-clock time of the zone, so summer time moves them.
 */
export const ScheduledMinSchema = z
  .object({
    /** Every day without it. */
    days: z.array(z.enum(WEEKDAYS)).min(1).max(7).optional(),
    from: z.string().regex(TIME_OF_DAY, "is a time of the day, 00:00 to 23:59"),
    to: z.string().regex(TIME_OF_DAY, "is a time of the day, 00:00 to 23:59"),
    /** IANA's name: `Europe/Berlin`. */
    timeZone: z.string().max(64).refine(isTimeZone, "is not a time zone of the IANA database").default("UTC"),
    min: z.number().int().min(1).max(100),
  })
  .strict()
  .meta({ id: "ScheduledMin" });
export type ScheduledMin = z.infer<typeof ScheduledMinSchema>;

const fields = {
  min: z.number().int().min(0).max(100),
  max: z.number().int().min(1).max(100),
  /** Requests in flight; 70 % of `concurrency` without it. */
  inFlight: z.number().min(0.1).max(1000),
  ratePerSecond: z.number().min(0.01).max(1_000_000),
  /** Of the cpu that an instance may have, and of its memory. */
  cpuPercent: z.number().int().min(1).max(100),
  memoryPercent: z.number().int().min(1).max(100),
  schedule: z.array(ScheduledMinSchema).max(SCHEDULE_MAX),
  /** Without a request for so long, down to `min`: their places on nodes are given up. Long before, they sleep there. */
  idleMs: z.number().int().min(1000).max(30 * 86_400_000),
};

/**
 * Instances by demand, in place of a fixed number. Targets are per instance; the highest need decides. A `min` of 0
 * lets an app that nobody asks for run no instance at all: the gateway holds the next request until one is there.
 */
export const ScalingSchema = z
  .object({
    min: fields.min.default(0),
    max: fields.max.default(10),
    inFlight: fields.inFlight.optional(),
    ratePerSecond: fields.ratePerSecond.optional(),
    cpuPercent: fields.cpuPercent.optional(),
    memoryPercent: fields.memoryPercent.optional(),
    schedule: fields.schedule.optional(),
    idleMs: fields.idleMs.default(7 * 86_400_000),
  })
  .strict()
  .refine(({ min, max }) => min <= max, { path: ["max"], message: "must not be less than min" })
  .refine(({ schedule = [], max }) => schedule.every(({ min }) => min <= max), { path: ["schedule"], message: "must not ask for more than max" })
  .meta({ id: "Scaling" });
export type Scaling = z.infer<typeof ScalingSchema>;

/** Only what is named changes; null takes a field back to its default. `schedule` is replaced as a whole. */
export const ScalingPatchSchema = z
  .object({
    min: fields.min.nullable(),
    max: fields.max.nullable(),
    inFlight: fields.inFlight.nullable(),
    ratePerSecond: fields.ratePerSecond.nullable(),
    cpuPercent: fields.cpuPercent.nullable(),
    memoryPercent: fields.memoryPercent.nullable(),
    schedule: fields.schedule.nullable(),
    idleMs: fields.idleMs.nullable(),
  })
  .partial()
  .strict();
