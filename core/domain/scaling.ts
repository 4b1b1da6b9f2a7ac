/** From an app's settings to how many instances it should have. Pure. */
import type { Settings } from "../contract/release-config.ts";
import { DEFAULT_SCALE, TARGET_UTILISATION, type ScalePolicy } from "./autoscale.ts";
import { instanceSize } from "./pods.ts";
import { scheduledNow } from "./schedule.ts";

/** The autoscaler's policy of an app at a moment, undefined when its number is fixed. */
export function scalePolicy(settings: Pick<Settings, "scaling" | "concurrency" | "cpuMillis" | "memoryBytes" | "pidsMax" | "sidecars" | "init">, nowMs: number): ScalePolicy | undefined {
  const { scaling } = settings;
  if (scaling === undefined) return undefined;
  // What nodes measure is of the instance as a whole.
  const { cpuMillis, memoryBytes } = instanceSize(settings);
  const scheduled = scheduledNow(scaling.schedule, nowMs)?.min ?? 0;
  return {
    ...DEFAULT_SCALE,
    min: Math.max(scaling.min, scheduled),
    minBy: scheduled > scaling.min ? "schedule" : "minimum",
    max: scaling.max,
    targetInFlight: scaling.inFlight ?? settings.concurrency * TARGET_UTILISATION,
    targetRatePerSecond: scaling.ratePerSecond ?? null,
    targetCpuMillis: scaling.cpuPercent === undefined ? null : (cpuMillis * scaling.cpuPercent) / 100,
    targetMemoryBytes: scaling.memoryPercent === undefined ? null : (memoryBytes * scaling.memoryPercent) / 100,
    idleMs: scaling.idleMs,
  };
}

/** `scaledTo` is what the autoscaler last decided; null: nothing yet, so one instance shows that the release works. */
export function wantedReplicas(settings: Pick<Settings, "scaling" | "replicas">, scaledTo: number | null): number {
  const { scaling, replicas } = settings;
  if (scaling === undefined) return replicas;
  return Math.min(Math.max(scaledTo ?? 1, scaling.min), scaling.max);
}

/** A release that is on its way must show that it can start, also where the live one sleeps. */
export function wantedOfRollout(settings: Pick<Settings, "scaling" | "replicas">, scaledTo: number | null): number {
  return settings.scaling === undefined ? settings.replicas : Math.max(1, wantedReplicas(settings, scaledTo));
}
