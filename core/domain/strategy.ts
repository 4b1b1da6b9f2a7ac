/** What an app's settings say about its releases, with what holds where they say nothing. Pure. */
import type { Settings } from "../contract/release-config.ts";
import type { AutoRollback, Count, Strategy } from "../contract/strategy.ts";

export const KEEP_WARM_MS = 300_000;
const BLUE_GREEN: Strategy = { kind: "blue-green" };
const AUTO_ROLLBACK: AutoRollback = { maxErrorPercent: 50, minRequests: 20, windowMs: 120_000 };

/**
 * How a release takes over. A release that was live before goes straight: who rolls back wants it at once, and so does
 * the first one of an app, beside which nothing serves.
 */
export function strategyOf(settings: Pick<Settings, "strategy">, { wasLive, hasLive }: { wasLive: boolean; hasLive: boolean }): Strategy {
  return settings.strategy === undefined || wasLive || !hasLive ? BLUE_GREEN : settings.strategy;
}

export function autoRollbackOf({ autoRollback }: Pick<Settings, "autoRollback">): AutoRollback {
  return autoRollback ?? AUTO_ROLLBACK;
}

export function keepWarmMsOf({ keepWarmMs }: Pick<Settings, "keepWarmMs">): number {
  return keepWarmMs ?? KEEP_WARM_MS;
}

/** Of so many instances: a share of them, rounded as told. */
function countOf(count: Count, of: number, round: (n: number) => number): number {
  return typeof count === "number" ? count : round((Number.parseInt(count, 10) * of) / 100);
}

/** How many there may be at most, and how many must be ready at least, while `replicas` are replaced. */
export function rollingLimits({ maxSurge, maxUnavailable }: Extract<Strategy, { kind: "rolling" }>, replicas: number): { most: number; leastReady: number } {
  const surge = countOf(maxSurge, replicas, Math.ceil);
  const unavailable = countOf(maxUnavailable, replicas, Math.floor);
  // Small shares of few instances are none: one more is the way on.
  return { most: replicas + (surge + unavailable === 0 ? 1 : surge), leastReady: Math.max(0, replicas - unavailable) };
}

/** Instances of a canary that gets this share of the requests. */
export function canaryReplicas(replicas: number, percent: number): number {
  return Math.min(replicas, Math.max(1, Math.ceil((replicas * percent) / 100)));
}
