/** What a tenant may use: the platform's defaults, its plan's changes to them, its own exceptions. Pure. */
import { z } from "zod";

const GIB = 2 ** 30;
const count = () => z.number().int().min(0).max(1_000_000_000);
const size = () => z.number().int().min(0).max(2 ** 50);

export const LimitsSchema = z.object({
  apps: count().default(100),
  /** That run or should run, of all apps. */
  instances: count().default(200),
  /** Sum over instances, thousandths of a cpu. */
  cpuMillis: count().default(64_000),
  memoryBytes: size().default(64 * GIB),
  /** Images, and snapshots of volumes. */
  storageBytes: size().default(100 * GIB),
  /** Sizes of volumes, whatever is in them. */
  volumeBytes: size().default(100 * GIB),
  buildsAtOnce: count().default(2),
  /** Builds that wait, beside those that run. */
  buildsQueued: count().default(500),
  /** In a calendar month, UTC. */
  buildMinutesMonth: count().default(10_000),
  egressBytesMonth: size().default(1024 * GIB),
  /** Of one build context, as sent. */
  uploadBytes: size().default(4 * GIB),
  domains: count().default(50),
  tokens: count().default(200),
  members: count().default(100),
  secrets: count().default(1000),
  /** Requests to the API. */
  requestsMinute: count().default(1200),
}).meta({ id: "Limits" });
export type Limits = z.infer<typeof LimitsSchema>;
export type LimitName = keyof Limits;

export const PLATFORM_LIMITS: Limits = LimitsSchema.parse({});

/** The limits that hold for a tenant: its own exceptions go before its plan's, those before the platform's. */
export function limitsOf(plan: Partial<Limits> | null, own: Partial<Limits>): Limits {
  return { ...PLATFORM_LIMITS, ...plan, ...own };
}
