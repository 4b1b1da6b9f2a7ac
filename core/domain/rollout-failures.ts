/** When a release is given up, or taken back after it went live. Pure. */
import type { Failure } from "../contract/errors.ts";
import type { InstanceView, ReleasePlan, RolloutSnapshot } from "./rollout.ts";
import { isLost, isReady } from "./rollout-instances.ts";
import { lostVolume } from "./rollout-volumes.ts";

/** On top of the app's own time to become ready: fetching layers onto a node. */
export const FETCH_ALLOWANCE_MS = 300_000;
/** How long a rollout looks for a node with room. */
export const PLACEMENT_PATIENCE_MS = 10_000;
/** Restarts of one instance after which a new release is taken for broken. */
export const CRASHES_MAX = 3;

/** Why the release on its way is given up. `missing`: instances for which no node has room now. */
export function failureOfTarget(snapshot: RolloutSnapshot, target: ReleasePlan, missing: number, now: number): Failure | undefined {
  const { deployment, live, nodes } = snapshot;
  const mine = snapshot.instances.filter((i) => i.releaseId === target.id && i.state === "wanted");
  const failed = mine.find((i) => i.phase === "failed");
  if (failed) return failureOf(failed);
  const before = snapshot.instances.filter((i) => i.releaseId === live?.id);
  const bad = target.wasLive || live === null ? undefined : (crashLoop(mine) ?? tooManyErrors(target, mine, errorPercent(before)));
  if (bad) return bad;
  if (!deployment) return undefined;
  const waitedMs = now - lastProgress(snapshot, target, mine);
  const lost = waitedMs > PLACEMENT_PATIENCE_MS ? lostVolume(target, nodes, now) : undefined;
  if (lost) return lost;
  if (missing > 0 && waitedMs > PLACEMENT_PATIENCE_MS) {
    const alive = nodes.filter((node) => !isLost(node, now));
    const cordoned = alive.filter(({ placement }) => placement !== "open").length;
    return { code: "no_capacity", detail: `${missing} of ${target.replicas} instances found no node with room (${alive.length} nodes are up${cordoned === 0 ? "" : `, ${cordoned} of them cordoned`}).` };
  }
  const ready = mine.filter(isReady).length;
  if (waitedMs > target.readyTimeoutMs + FETCH_ALLOWANCE_MS && (mine.length === 0 || ready < mine.length)) {
    return { code: "app_unhealthy", detail: `${ready} of ${target.replicas} instances became ready within ${Math.round(waitedMs / 1000)} s.` };
  }
  return undefined;
}

/** Why the live release is taken back: it is watched for a while, and there is one to return to. */
export function failureOfLive({ watch, former, instances }: RolloutSnapshot, live: ReleasePlan, now: number): Failure | undefined {
  if (watch === null || former === null || now >= watch.until) return undefined;
  const mine = instances.filter((i) => i.releaseId === live.id && i.state === "wanted");
  // What is known of the former instances may have come after this one was live.
  const before = errorPercent(instances.filter((i) => i.releaseId === former.id));
  return crashLoop(mine) ?? tooManyErrors(live, mine, Math.max(watch.formerPercent, before));
}

/** Of all requests to these, those that failed. */
export function errorPercent(instances: readonly InstanceView[]): number {
  const { requests, errors } = sumOf(instances);
  return requests === 0 ? 0 : (100 * errors) / requests;
}

function sumOf(instances: readonly InstanceView[]): { requests: number; errors: number } {
  return instances.reduce((sum, { served }) => ({ requests: sum.requests + served.requests, errors: sum.errors + served.errors }), { requests: 0, errors: 0 });
}

function tooManyErrors({ number, autoRollback }: ReleasePlan, mine: readonly InstanceView[], formerPercent: number): Failure | undefined {
  const { requests, errors } = sumOf(mine);
  const percent = errorPercent(mine);
  if (requests < autoRollback.minRequests || percent <= autoRollback.maxErrorPercent || percent <= formerPercent) return undefined;
  const text = (value: number) => `${Math.round(value * 10) / 10} %`;
  return { code: "too_many_errors", detail: `${errors} of ${requests} requests to v${number} failed (${text(percent)}); at most ${text(autoRollback.maxErrorPercent)} may, and of the release before ${text(formerPercent)} did.` };
}

function crashLoop(mine: readonly InstanceView[]): Failure | undefined {
  const looping = mine.find((i) => i.restarts >= CRASHES_MAX);
  if (!looping) return undefined;
  const { code, detail, logTail } = failureOf(looping);
  return { code, detail: `An instance ended ${looping.restarts} times: ${detail}`, ...(logTail ? { logTail } : {}) };
}

function failureOf({ problem, exitCode }: InstanceView): Failure {
  const { code, detail, logTail } = problem ?? { code: "app_unhealthy" as const, detail: "The instance failed without a reason.", logTail: [] };
  return { code, detail, logTail, ...(exitCode === undefined ? {} : { exitCode }) };
}

/** Since when nothing has come forward. */
function lastProgress({ deployment }: RolloutSnapshot, { strategy }: ReleasePlan, mine: readonly InstanceView[]): number {
  const { releasedAt = 0, step = null, stepAt = null } = deployment ?? {};
  const holdMs = strategy.kind === "canary" && step !== null ? (strategy.steps[step]?.holdMs ?? 0) : 0;
  return Math.max(releasedAt, stepAt === null ? 0 : stepAt + holdMs, ...mine.map((i) => Math.max(i.createdAt, i.readyAt ?? 0)));
}
