/** What was used: `GET /v1/usage` and the billing hook say it in the same shape. */
import { z } from "zod";
import { idSchema } from "./ids.ts";

export const USAGE_STEPS = ["hour", "day", "month"] as const;
export type UsageStep = (typeof USAGE_STEPS)[number];

/** The figures of an app, in the units that people pay for. */
export const UsageFiguresSchema = z.object({
  cpuSeconds: z.number(),
  memoryByteSeconds: z.number(),
  storageByteHours: z.number(),
  requests: z.number(),
  ingressBytes: z.number(),
  egressBytes: z.number(),
  buildSeconds: z.number(),
});
export type UsageFigures = z.infer<typeof UsageFiguresSchema>;
export type UsageFigure = keyof UsageFigures;
export const USAGE_FIGURES = UsageFiguresSchema.keyof().options;

export const AppUsageSchema = z
  .object({
    /** Null: of repositories that no app has. An app that was destroyed is named as it was. */
    app: z.object({ id: idSchema("app"), name: z.string() }).nullable(),
    ...UsageFiguresSchema.shape,
  })
  .meta({ id: "AppUsage" });
export type AppUsage = z.infer<typeof AppUsageSchema>;

export const UsageItemSchema = z
  .object({
    /** Where the hour, day or month begins, UTC. */
    from: z.iso.datetime(),
    ...AppUsageSchema.shape,
  })
  .meta({ id: "Usage" });
export type UsageItem = z.infer<typeof UsageItemSchema>;

/** What the billing hook is told: a complete hour of one tenant. The same hour has the same id, however often it is told. */
export const BilledHourSchema = z.object({
  id: z.string(),
  type: z.literal("usage.hour"),
  tenant: z.object({ id: idSchema("tenant"), name: z.string() }),
  hour: z.iso.datetime(),
  apps: z.array(AppUsageSchema),
});
export type BilledHour = z.infer<typeof BilledHourSchema>;
