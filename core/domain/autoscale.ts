/**
 * How many instances an app should have. Pure: samples and time are arguments, what is remembered is handed back.
 * The shape is Knative's autoscaler (a stable and a panic window, bounded steps), with rate, cpu and memory beside
 * concurrency. Source: https://knative.dev/docs/serving/autoscaling/kpa-specific/
 */

/** One look at an app: sums over all of its instances. */
export interface Sample {
  /** Requests in flight or queued, averaged since the last sample. */
  inFlight: number;
  /** Requests a second since the last sample. */
  ratePerSecond: number;
  /** Thousandths of a cpu that were in use; null when no node has said. */
  cpuMillis: number | null;
  memoryBytes: number | null;
  /** Instances that take requests. */
  ready: number;
}

/** What one instance should carry, and how fast the number may change. A target of null plays no part. */
export interface ScalePolicy {
  min: number;
  /** What asks for `min` now. */
  minBy: "minimum" | "schedule";
  max: number;
  /** Requests in flight per instance. */
  targetInFlight: number;
  targetRatePerSecond: number | null;
  /** Thousandths of a cpu per instance. */
  targetCpuMillis: number | null;
  targetMemoryBytes: number | null;
  stableWindowMs: number;
  panicWindowMs: number;
  /** Panic begins when requests in the panic window ask for so many times what is ready. */
  panicThreshold: number;
  /** At most so many times what is ready, in one step. */
  maxUp: number;
  /** At least what is ready divided by this, in one step. */
  maxDown: number;
  /** Nothing in flight for so long: down to `min`, whatever the windows remember. */
  idleMs: number;
}

export const DEFAULT_SCALE: Omit<ScalePolicy, "min" | "max" | "targetInFlight"> = {
  minBy: "minimum",
  targetRatePerSecond: null,
  targetCpuMillis: null,
  targetMemoryBytes: null,
  stableWindowMs: 60_000,
  panicWindowMs: 6_000,
  panicThreshold: 2,
  maxUp: 1000,
  maxDown: 2,
  idleMs: 60_000,
};

/** Of the requests that an instance takes at the same time, so many should be in use: the rest absorbs what comes while others start. */
export const TARGET_UTILISATION = 0.7;

/** What is kept between looks. It may be lost: then the windows fill again and nothing scales down before they have. */
export interface ScaleMemory {
  sinceMs: number;
  samples: readonly (Sample & { atMs: number })[];
  /** Since when and up to how many: in panic the number never falls. */
  panic: { untilMs: number; most: number } | null;
  lastBusyMs: number;
}

export type ScaleCause = "in-flight" | "rate" | "cpu" | "memory" | "minimum" | "schedule" | "maximum" | "idle" | "panic" | "no-samples" | "step-limit";

export interface ScaleDecision {
  desired: number;
  /** What set the number; for `berth explain`. */
  cause: ScaleCause;
  memory: ScaleMemory;
}

export function newScaleMemory(nowMs: number): ScaleMemory {
  return { sinceMs: nowMs, samples: [], panic: null, lastBusyMs: nowMs };
}

/** The number of instances that the app should have from `nowMs` on. `sample` is null when there is nothing new. */
export function decideScale(policy: ScalePolicy, before: ScaleMemory, sample: Sample | null, nowMs: number): ScaleDecision {
  const samples = [...before.samples, ...(sample === null ? [] : [{ ...sample, atMs: nowMs }])].filter(({ atMs }) => atMs > nowMs - policy.stableWindowMs);
  const newest = samples.at(-1);
  const isBusy = sample !== null && (sample.inFlight > 0 || sample.ratePerSecond > 0 || worksByItself(policy, sample));
  const lastBusyMs = isBusy ? nowMs : before.lastBusyMs;
  const kept = { sinceMs: before.sinceMs, samples, lastBusyMs };
  if (newest === undefined) return bound(policy, { desired: policy.min, cause: "no-samples" }, { ...kept, panic: null });
  const ready = Math.max(newest.ready, 1);

  const stable = wanted(policy, samples);
  // Requests alone: cpu and memory are known too seldom, and are no burst.
  const quick = wanted({ ...policy, targetCpuMillis: null, targetMemoryBytes: null }, samples.filter(({ atMs }) => atMs > nowMs - policy.panicWindowMs));
  const panic = nextPanic(policy, before.panic, quick.desired, newest.ready, nowMs);

  if (nowMs - lastBusyMs >= policy.idleMs) return bound(policy, { desired: 0, cause: "idle" }, { ...kept, panic: null });
  if (panic !== null) return bound(policy, limitStep(policy, { desired: Math.max(panic.most, newest.ready), cause: "panic" }, ready), { ...kept, panic });
  // A window that has not filled yet knows too little to take instances away; nor does the last one go before the app is idle.
  const isYoung = nowMs - before.sinceMs < policy.stableWindowMs;
  const floor = isYoung ? newest.ready : Math.min(newest.ready, 1);
  const desired = stable.desired < floor ? { ...stable, desired: floor } : stable;
  return bound(policy, limitStep(policy, desired, ready), { ...kept, panic });
}

/** Of one cpu, per instance. */
const WORKING_CPU_MILLIS = 10;

/** Who scales by cpu may work without requests: on a queue, by a clock. */
const worksByItself = ({ targetCpuMillis }: ScalePolicy, { cpuMillis, ready }: Sample) => targetCpuMillis !== null && (cpuMillis ?? 0) > WORKING_CPU_MILLIS * ready;

type Want = Pick<ScaleDecision, "desired" | "cause">;

/** What the targets ask for, from averages over the samples: the highest of them. */
function wanted(policy: ScalePolicy, samples: readonly Sample[]): Want {
  const asked: Want[] = [
    { cause: "in-flight", desired: ratio(average(samples, "inFlight"), policy.targetInFlight) },
    { cause: "rate", desired: ratio(average(samples, "ratePerSecond"), policy.targetRatePerSecond) },
    { cause: "cpu", desired: ratio(average(samples, "cpuMillis"), policy.targetCpuMillis) },
    { cause: "memory", desired: ratio(average(samples, "memoryBytes"), policy.targetMemoryBytes) },
  ];
  return asked.reduce((most, one) => (one.desired > most.desired ? one : most));
}

function average(samples: readonly Sample[], key: "inFlight" | "ratePerSecond" | "cpuMillis" | "memoryBytes"): number {
  const values = samples.flatMap((sample) => sample[key] ?? []);
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Instances for a load; what rounding leaves of a whole number asks for none. */
const ratio = (load: number, target: number | null) => (target === null ? 0 : Math.ceil(load / target - 1e-9));

/** Panic begins at the threshold and ends one stable window after it was last reached. Within it the number only grows. */
function nextPanic(policy: ScalePolicy, before: ScaleMemory["panic"], quick: number, ready: number, nowMs: number): ScaleMemory["panic"] {
  // One instance that is merely busy is no panic: a second one comes by the stable window.
  const isOver = quick > 1 && quick >= policy.panicThreshold * Math.max(ready, 1);
  if (isOver) return { untilMs: nowMs + policy.stableWindowMs, most: Math.max(before?.most ?? 0, quick) };
  if (before === null || nowMs >= before.untilMs) return null;
  return { untilMs: before.untilMs, most: Math.max(before.most, quick) };
}

function limitStep(policy: ScalePolicy, want: Want, ready: number): Want {
  const most = Math.ceil(policy.maxUp * ready);
  const least = Math.floor(ready / policy.maxDown);
  if (want.desired > most) return { desired: most, cause: "step-limit" };
  if (want.desired < least) return { desired: least, cause: "step-limit" };
  return want;
}

function bound(policy: ScalePolicy, want: Want, memory: ScaleMemory): ScaleDecision {
  if (want.desired > policy.max) return { desired: policy.max, cause: "maximum", memory };
  if (want.desired < policy.min) return { desired: policy.min, cause: policy.minBy === "minimum" && (want.cause === "no-samples" || want.cause === "idle") ? want.cause : policy.minBy, memory };
  return { ...want, memory };
}
