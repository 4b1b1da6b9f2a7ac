/** Settings of metering and of the billing hook. */
import { z } from "zod";
import { fileSink, httpSink } from "./sinks.ts";
import type { UsageDeps } from "./loop.ts";

export const UsageEnv = {
  /** How often storage is added up. */
  BERTH_STORAGE_USAGE_MS: z.coerce.number().int().min(100).max(86_400_000).default(300_000),
  /** Is sent every complete hour of every tenant. */
  BERTH_BILLING_URL: z.url({ protocol: /^https?$/ }).optional(),
  /** Signs what is sent there. */
  BERTH_BILLING_SECRET: z.string().min(16, "must have at least 16 characters").optional(),
  /** Instead of a URL: gets a line of JSON for every complete hour. */
  BERTH_BILLING_FILE: z.string().startsWith("/", "must be an absolute path").optional(),
  BERTH_BILLING_EVERY_MS: z.coerce.number().int().min(100).max(3_600_000).default(30_000),
};

/** @throws Error when the settings do not fit together */
export function usageConfig(env: z.infer<z.ZodObject<typeof UsageEnv>>): Pick<UsageDeps, "storageEveryMs" | "billing"> {
  const { BERTH_BILLING_URL: url, BERTH_BILLING_SECRET: secret, BERTH_BILLING_FILE: file } = env;
  if (url !== undefined && file !== undefined) throw new Error("BERTH_BILLING_URL and BERTH_BILLING_FILE: only one of them can be told");
  if (url !== undefined && secret === undefined) throw new Error("BERTH_BILLING_URL needs BERTH_BILLING_SECRET, which signs what is sent there");
  const sink = url !== undefined && secret !== undefined ? httpSink(url, secret) : file === undefined ? undefined : fileSink(file);
  return { storageEveryMs: env.BERTH_STORAGE_USAGE_MS, billing: sink && { sink, everyMs: env.BERTH_BILLING_EVERY_MS } };
}
