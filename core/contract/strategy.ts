/** How a new release takes over from the live one, and what takes it back. `docs/releases.md`. */
import { z } from "zod";

/** A number of instances, or a share of them such as `25%`. */
const CountSchema = z.union([z.number().int().min(0).max(100), z.string().regex(/^(100|[1-9]?[0-9])%$/, "is a number or a percentage such as 25%")]);
export type Count = z.infer<typeof CountSchema>;

const isZero = (count: Count) => count === 0 || count === "0%";

export const PINS = ["header", "cookie"] as const;

const BlueGreenSchema = z.object({ kind: z.literal("blue-green") }).strict();

const RollingSchema = z
  .object({
    kind: z.literal("rolling"),
    /** How many instances more than wanted there may be; a share is rounded up. */
    maxSurge: CountSchema.default("25%"),
    /** How many fewer may be ready; a share is rounded down. */
    maxUnavailable: CountSchema.default(0),
  })
  .strict()
  .refine(({ maxSurge, maxUnavailable }) => !isZero(maxSurge) || !isZero(maxUnavailable), { path: ["maxSurge"], message: "and maxUnavailable must not both be 0: nothing could move" });

const CanarySchema = z
  .object({
    kind: z.literal("canary"),
    /** One after the other; after the last one the release goes live. */
    steps: z
      .array(z.object({ /** Of requests. */ percent: z.number().min(0).max(100), holdMs: z.number().int().min(0).max(7 * 86_400_000) }).strict())
      .min(1)
      .max(20)
      .refine((steps) => steps.every(({ percent }, at) => at === 0 || percent >= (steps[at - 1]?.percent ?? 0)), "shares must not go down from step to step"),
    /** header: a request chooses by `x-berth-release`; cookie: a visitor stays where he came first. */
    pin: z.array(z.enum(PINS)).max(2).optional(),
  })
  .strict();

/**
 * blue-green: all instances of the new release start beside the live ones, then it takes over at once; rolling: instance
 * by instance; canary: by and by more of the requests.
 */
export const StrategySchema = z.discriminatedUnion("kind", [BlueGreenSchema, RollingSchema, CanarySchema]).meta({ id: "Strategy" });
export type Strategy = z.infer<typeof StrategySchema>;

/** Taken back by itself: while it is rolled out, and for `windowMs` after it went live. */
export const AutoRollbackSchema = z
  .object({
    /** Answers 500 to 599 and connections that broke, of all its requests; and more of them than of the release before. 100: never for errors. */
    maxErrorPercent: z.number().min(0).max(100).default(50),
    /** Fewer requests say nothing. */
    minRequests: z.number().int().min(1).max(1_000_000).default(20),
    /** 0: once it is live it is not watched. */
    windowMs: z.number().int().min(0).max(86_400_000).default(120_000),
  })
  .strict()
  .meta({ id: "AutoRollback" });
export type AutoRollback = z.infer<typeof AutoRollbackSchema>;

/** For how long the instances of the release before are kept frozen; 0: they end at once. */
export const KeepWarmMsSchema = z.number().int().min(0).max(86_400_000);
