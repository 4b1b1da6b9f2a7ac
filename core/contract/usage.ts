/** What was used: `GET /v1/usage` and the billing hook say it in the same shape. */
import { z } from "zod";
import { idSchema } from "./ids.ts";

export const UsageStepSchema = z.enum(["hour", "day", "month"]);
export type UsageStep = z.infer<typeof UsageStepSchema>;

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

interface CsvItem extends UsageFigures {
  from: string;
  app: { id: string; name: string } | null;
}

/** Columns of `text/csv`, in their order. New ones come behind. */
const CSV_COLUMNS: Record<string, (item: CsvItem) => string | number> = {
  from: (item) => item.from,
  app_id: (item) => item.app?.id ?? "",
  app: (item) => item.app?.name ?? "",
  cpu_seconds: (item) => item.cpuSeconds,
  memory_byte_seconds: (item) => item.memoryByteSeconds,
  storage_byte_hours: (item) => item.storageByteHours,
  requests: (item) => item.requests,
  ingress_bytes: (item) => item.ingressBytes,
  egress_bytes: (item) => item.egressBytes,
  build_seconds: (item) => item.buildSeconds,
};

/** RFC 4180. No value needs quotes: ids, names of apps, times and numbers have neither commas nor line ends. */
export function usageCsv(items: readonly CsvItem[]): string {
  const lines = items.map((item) => Object.values(CSV_COLUMNS).map((column) => column(item)).join(","));
  return [Object.keys(CSV_COLUMNS).join(","), ...lines, ""].join("\r\n");
}

/** What the billing hook is told: a complete hour of one tenant. The same hour has the same id, however often it is told. */
export const BilledHourSchema = z.object({
  id: z.string(),
  type: z.literal("usage.hour"),
  tenant: z.object({ id: idSchema("tenant"), name: z.string() }),
  hour: z.iso.datetime(),
  apps: z.array(AppUsageSchema),
});
export type BilledHour = z.infer<typeof BilledHourSchema>;
