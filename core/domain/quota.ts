/** Whether what is asked still fits into a limit, and how it is said when not. Pure. */
import type { Quota } from "../contract/errors.ts";
import type { Settings } from "../contract/release-config.ts";
import type { LimitName } from "./limits.ts";
import { instanceSize } from "./pods.ts";

/** What instances take of a tenant's limits. */
export type Demand = Record<"instances" | "cpuMillis" | "memoryBytes", number>;
export const NO_DEMAND: Demand = { instances: 0, cpuMillis: 0, memoryBytes: 0 };

/** The most that an app with these settings runs. One that scales counts with its maximum: it may get there at any time. */
export function sizeOf(settings: Pick<Settings, "replicas" | "cpuMillis" | "memoryBytes" | "pidsMax" | "sidecars" | "init"> & { scaling?: { max: number } | undefined }): Demand {
  const instances = settings.scaling?.max ?? settings.replicas;
  const { cpuMillis, memoryBytes } = instanceSize(settings);
  return { instances, cpuMillis: instances * cpuMillis, memoryBytes: instances * memoryBytes };
}

/** Whether one demand is larger than the other in anything. */
export function grows(wanted: Demand, now: Demand): boolean {
  return (Object.keys(NO_DEMAND) as (keyof Demand)[]).some((name) => wanted[name] > now[name]);
}

/** Why there is no room; undefined when there is. */
export function exceeded(limit: LimitName, max: number, used: number, asked: number): { detail: string; quota: Quota } | undefined {
  if (used + asked <= max) return undefined;
  const inBytes = limit.includes("Bytes");
  const [shownMax, shownUsed, shownAsked] = [max, used, asked].map((value) => (inBytes ? bytes(value) : value.toLocaleString("en")));
  const month = limit.endsWith("Month") ? " this month" : "";
  return {
    detail: `The limit «${limit}» is ${shownMax}; ${shownUsed} of it are used${month}, ${shownAsked} more were asked for.`,
    quota: { limit, max, used, asked },
  };
}

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];

function bytes(value: number): string {
  const power = value < 1024 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(value) / 10));
  return `${Number((value / 1024 ** power).toFixed(2))} ${UNITS[power]}`;
}
