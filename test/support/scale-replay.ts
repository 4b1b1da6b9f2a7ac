/**
 * Traffic replayed against the autoscaler: every request by itself, on a clock of its own. The gateway (a queue before
 * instances that take so many at once, a count every few seconds, a wake at the first request), the loop that decides, and
 * instances that take their time to boot are as the real ones are; nothing waits for anything real. Pure.
 */
import { decideScale, DEFAULT_SCALE, newScaleMemory, TARGET_UTILISATION, type ScalePolicy } from "../../core/domain/autoscale.ts";

interface ReplayOptions {
  policy: ScalePolicy;
  /** Requests that begin in each second. */
  arrivals: readonly number[];
  serviceMs: number;
  /** Requests that one instance takes at the same time. */
  concurrency: number;
  bootMs: number;
  /** A request that waits longer in the queue is answered 503. */
  queueTimeoutMs?: number;
  countsEveryMs?: number;
  decideEveryMs?: number;
}

interface Replayed {
  requests: number;
  lost: number;
  /** Most instances that were there at once, and how many the busiest minute asks for. */
  most: number;
  needed: number;
  /** Longest and 99th percentile of what requests waited for a free place. */
  longestWaitMs: number;
  p99WaitMs: number;
  /** Instance-seconds against those of one who knows the future. */
  cost: number;
  changes: number;
  atEnd: number;
}

const TICK_MS = 100;

export function replay({ policy, arrivals, serviceMs, concurrency, bootMs, queueTimeoutMs = 30_000, countsEveryMs = 1000, decideEveryMs = 2000 }: ReplayOptions): Replayed {
  /** Running ones; `leaving` end their requests and take no new ones. */
  let instances: { busyUntil: number[]; leaving: boolean }[] = Array.from({ length: policy.min }, () => ({ busyUntil: [], leaving: false }));
  let booting: number[] = [];
  const queue: number[] = [];
  let head = 0;
  const waits: number[] = [];
  let memory = newScaleMemory(0);
  let reported = { inFlight: 0, ratePerSecond: 0 };
  let arrivedSinceCount = 0;
  let wanted = policy.min;
  const result = { lost: 0, most: 0, changes: 0, instanceMs: 0 };
  const ready = () => instances.filter(({ leaving }) => !leaving);
  const scaleTo = (desired: number, now: number) => {
    if (desired !== wanted) result.changes++;
    wanted = desired;
    const here = ready();
    const there = here.length + booting.length;
    if (desired > there) booting.push(...Array.from({ length: desired - there }, () => now + bootMs));
    else booting = booting.slice(0, Math.max(0, booting.length - (there - desired)));
    for (const surplus of here.slice(Math.max(desired - booting.length, 0))) surplus.leaving = true;
  };

  const endMs = arrivals.length * 1000;
  for (let now = 0; now < endMs || head < queue.length; now += TICK_MS) {
    for (const instance of instances) instance.busyUntil = instance.busyUntil.filter((at) => at > now);
    instances = instances.filter(({ leaving, busyUntil }) => !leaving || busyUntil.length > 0);
    const up = booting.filter((at) => at <= now).length;
    booting = booting.filter((at) => at > now);
    for (let n = 0; n < up; n++) instances.push({ busyUntil: [], leaving: false });

    const arriving = spread(arrivals[Math.floor(now / 1000)] ?? 0, (now % 1000) / TICK_MS);
    for (let n = 0; n < arriving; n++) queue.push(now);
    arrivedSinceCount += arriving;
    // The gateway asks for the first instance by itself: an event, not a look.
    if (head < queue.length && wanted === 0) scaleTo(1, now);

    for (; head < queue.length && now - (queue[head] ?? now) > queueTimeoutMs; head++) result.lost++;
    const free = ready();
    while (head < queue.length) {
      const idlest = free.reduce<(typeof free)[number] | undefined>((least, one) => (least === undefined || one.busyUntil.length < least.busyUntil.length ? one : least), undefined);
      if (idlest === undefined || idlest.busyUntil.length >= concurrency) break;
      idlest.busyUntil.push(now + serviceMs);
      waits.push(now - (queue[head++] ?? now));
    }

    if (now % countsEveryMs === 0) {
      const inFlight = queue.length - head + instances.reduce((sum, { busyUntil }) => sum + busyUntil.length, 0);
      reported = { inFlight, ratePerSecond: (arrivedSinceCount * 1000) / countsEveryMs };
      arrivedSinceCount = 0;
    }
    if (now % decideEveryMs === 0 && !(wanted === 0 && policy.min === 0)) {
      const decision = decideScale(policy, memory, { ...reported, cpuMillis: null, memoryBytes: null, ready: ready().length }, now);
      memory = decision.memory;
      scaleTo(decision.desired, now);
    } else if (wanted === 0) memory = newScaleMemory(now);
    result.most = Math.max(result.most, ready().length + booting.length);
    result.instanceMs += (instances.length + booting.length) * TICK_MS;
  }

  const need = (rate: number) => Math.max(policy.min, Math.ceil((rate * serviceMs) / 1000 / policy.targetInFlight - 1e-9));
  const ideal = arrivals.reduce((sum, rate) => sum + need(rate), 0);
  const sorted = waits.toSorted((a, b) => a - b);
  return {
    requests: queue.length,
    lost: result.lost,
    most: result.most,
    needed: Math.max(...arrivals.map(need)),
    longestWaitMs: sorted.at(-1) ?? 0,
    p99WaitMs: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
    cost: result.instanceMs / 1000 / Math.max(1, ideal),
    changes: result.changes,
    atEnd: ready().length + booting.length,
  };
}

/** So many of a second's requests come in its tick with this number: evenly, and all of them in the ten together. */
const spread = (perSecond: number, tick: number) => Math.round((perSecond * (tick + 1)) / 10) - Math.round((perSecond * tick) / 10);

const constant = (rate: number, seconds: number) => Array.from({ length: seconds }, () => rate);
const wave = (seconds: number, mean: number, swing: number) => Array.from({ length: seconds }, (_, second) => Math.round(mean - swing * Math.cos((second / seconds) * 2 * Math.PI)));

interface Trace {
  name: string;
  arrivals: readonly number[];
}

/** The wave is a day in two hours: windows are of a minute, so that is harder than a real one. */
const TRACES: readonly Trace[] = [
  { name: "step: nothing, then 200/s", arrivals: [...constant(0, 30), ...constant(200, 270)] },
  { name: "steps: 50/s, 250/s, 50/s, three minutes each", arrivals: [...constant(50, 180), ...constant(250, 180), ...constant(50, 180)] },
  { name: "ramp: to 300/s in ten minutes", arrivals: Array.from({ length: 600 }, (_, second) => Math.round(second / 2)) },
  { name: "spike: 10/s, for ten seconds 500/s", arrivals: [...constant(10, 120), ...constant(500, 10), ...constant(10, 470)] },
  { name: "daily wave: 10/s to 290/s", arrivals: wave(7200, 150, 140) },
  { name: "on-off: 50/s, every other minute", arrivals: Array.from({ length: 1200 }, (_, second) => (second % 120 < 60 ? 50 : 0)) },
  { name: "on-off: 100/s, one minute of ten", arrivals: Array.from({ length: 1800 }, (_, second) => (second % 600 < 60 ? 100 : 0)) },
];

const app = (concurrency: number, serviceMs: number, bootMs: number, more: Partial<ScalePolicy> = {}) => ({
  concurrency,
  serviceMs,
  bootMs,
  policy: { ...DEFAULT_SCALE, min: 0, max: 100, targetInFlight: concurrency * TARGET_UTILISATION, idleMs: 300_000, ...more },
});

export const CASES: readonly (Trace & ReturnType<typeof app>)[] = [
  ...TRACES.map((trace) => ({ ...trace, ...app(10, 500, 1000) })),
  { name: "one request at a time: nothing, then 20/s", arrivals: [...constant(0, 30), ...constant(20, 270)], ...app(1, 500, 2000) },
  { name: "1,000 at a time, of 5 s: nothing, then 800/s", arrivals: [...constant(0, 30), ...constant(800, 170)], ...app(1000, 5000, 2000) },
];

/** As it stands in `docs/decisions/autoscaler.md`. */
export function replayTable(): string {
  const seconds = (ms: number) => (ms / 1000).toFixed(1);
  const rows = CASES.map(({ name, ...options }) => {
    const { requests, lost, most, needed, longestWaitMs, p99WaitMs, cost, changes } = replay(options);
    return `| ${name} | ${requests.toLocaleString("en-US")} | ${lost} | ${needed} | ${most} | ${(most / needed).toFixed(1)}× | ${seconds(longestWaitMs)} | ${seconds(p99WaitMs)} | ${cost.toFixed(2)} | ${changes} |`;
  });
  return ["| traffic | requests | lost | needed | most | overshoot | longest wait, s | p99, s | cost | changes |", "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |", ...rows].join("\n");
}
