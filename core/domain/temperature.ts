/**
 * How warm an instance is kept that nobody asks for. Pure: what was measured and how long ago are arguments. The node's
 * agent acts on it by itself, so that it holds while the API is away. `docs/decisions/temperatures.md`.
 */
import type { Settings } from "../contract/release-config.ts";
import type { Scaling, ScheduledMin } from "../contract/scaling.ts";
import { scheduledNow } from "./schedule.ts";

/**
 * running: everything; frozen: its memory, no cpu; standby: created again and not started, so that it must only boot;
 * cold: layers on the node's disk.
 */
export const TEMPERATURES = ["running", "frozen", "standby", "cold"] as const;
export type Temperature = (typeof TEMPERATURES)[number];

/** Why an instance has its temperature. `knock`: something came for it that no gateway had announced; `schedule`: its hours have begun; `kept-warm`: its release was live before; `rollback`: it is again. */
export const TEMPERATURE_CAUSES = ["idle", "request", "knock", "memory-pressure", "exec", "schedule", "kept-warm", "rollback"] as const;
export type TemperatureCause = (typeof TEMPERATURE_CAUSES)[number];

/** Quiet for so long, an instance goes there; null: it does not. */
export interface SleepPolicy {
  freezeAfterMs: number;
  standbyAfterMs: number | null;
  coldAfterMs: number | null;
  /** In these hours it keeps its memory. */
  schedule?: readonly ScheduledMin[] | undefined;
}

export const FREEZE_AFTER_MS = 60_000;
export const STANDBY_AFTER_MS = 15 * 60_000;
export const COLD_AFTER_MS = 86_400_000;

/**
 * The policy of an app; undefined: it always runs. Apps that follow demand freeze unless told otherwise, apps with a
 * fixed number of instances only when told so. What may have no instance at all may lose its memory, too.
 */
export function sleepPolicy({ scaling, freezeAfterMs }: Pick<Settings, "freezeAfterMs"> & { scaling?: Pick<Scaling, "min" | "schedule"> | undefined }): SleepPolicy | undefined {
  const after = freezeAfterMs ?? (scaling === undefined ? 0 : FREEZE_AFTER_MS);
  if (after === 0) return undefined;
  if (scaling?.min !== 0) return { freezeAfterMs: after, standbyAfterMs: null, coldAfterMs: null };
  return { freezeAfterMs: after, standbyAfterMs: Math.max(STANDBY_AFTER_MS, after), coldAfterMs: Math.max(COLD_AFTER_MS, after), ...(scaling.schedule === undefined ? {} : { schedule: scaling.schedule }) };
}

/** The policy at a moment: in its scheduled hours an app is ready as one that must have an instance. */
export function sleepPolicyAt(policy: SleepPolicy, nowMs: number): SleepPolicy {
  if (scheduledNow(policy.schedule, nowMs) === undefined) return policy;
  return { freezeAfterMs: policy.freezeAfterMs, standbyAfterMs: null, coldAfterMs: null };
}

/** Fell into a deep sleep before its hours began. */
export function mustWarm(policy: SleepPolicy, now: Temperature): boolean {
  return policy.standbyAfterMs === null && (now === "standby" || now === "cold");
}

/** Of an instance that is kept for a rollback: it stays frozen, and is the first to go when its node is short of memory. */
export const KEPT_WARM: SleepPolicy = { freezeAfterMs: COLD_AFTER_MS, standbyAfterMs: COLD_AFTER_MS, coldAfterMs: COLD_AFTER_MS };

/** The temperature after so long without anything to do; never warmer than it is: only a wake does that. */
export function coolTo(policy: SleepPolicy, now: Temperature, quietMs: number): Temperature {
  const reached: Temperature =
    policy.coldAfterMs !== null && quietMs >= policy.coldAfterMs ? "cold"
    : policy.standbyAfterMs !== null && quietMs >= policy.standbyAfterMs ? "standby"
    : quietMs >= policy.freezeAfterMs ? "frozen"
    : "running";
  return TEMPERATURES.indexOf(reached) > TEMPERATURES.indexOf(now) ? reached : now;
}

/** Of one cpu, over the time that it was quiet: more is work of its own (a timer, a queue), and that goes on. */
export const BUSY_CPU_SHARE = 0.01;

export function isWorking(cpuMs: number, quietMs: number): boolean {
  return cpuMs > Math.max(20, quietMs * BUSY_CPU_SHARE);
}

export interface Coolable {
  temperature: Temperature;
  /** For a rollback alone. */
  isKept: boolean;
  policy: SleepPolicy;
  quietMs: number;
}

/** Available memory below this share of all: the node cools one instance after the other. */
export const MEMORY_PRESSURE_SHARE = 0.1;

/**
 * The next to cool for want of memory, and to what: what is kept for a rollback first, then the coldest, of equals the one that was quiet longest. Frozen
 * ones become standby where they may lose their memory, standby ones cold. Running ones are left alone.
 */
export function coolForMemory<T extends Coolable>(instances: readonly T[]): { instance: T; to: "standby" | "cold" } | undefined {
  const next = { running: undefined, frozen: "standby", standby: "cold", cold: undefined } as const;
  const may = instances.filter(({ temperature, policy }) => next[temperature] !== undefined && policy.standbyAfterMs !== null);
  const [instance] = may.toSorted((a, b) => Number(b.isKept) - Number(a.isKept) || TEMPERATURES.indexOf(b.temperature) - TEMPERATURES.indexOf(a.temperature) || b.quietMs - a.quietMs);
  const to = instance === undefined ? undefined : next[instance.temperature];
  return instance === undefined || to === undefined ? undefined : { instance, to };
}

/**
 * How long a gateway may take an instance for running after it saw a request for it, or woke it: half of what the agent
 * waits, so that whatever the gateway sends without asking finds it running.
 */
export function awakeLeaseMs(freezeAfterMs: number): number {
  return freezeAfterMs / 2;
}
