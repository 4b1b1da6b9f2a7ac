/** Watching a ready instance: off the route while it says that it cannot serve, started again when it lives no more. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Check } from "../core/contract/checks.ts";
import type { DesiredInstance } from "../core/contract/node-channel.ts";
import { NotReady } from "./not-ready.ts";
import { asked, judge, type Health } from "./plan.ts";
import { isWell, type Patient } from "./probe.ts";

export interface HealthOptions {
  patient: Patient;
  desired: Pick<DesiredInstance, "readiness" | "liveness">;
  /** False while it sleeps: nobody is asked then. */
  isAwake: () => boolean;
  /** Around each check. */
  during: <T>(check: () => Promise<T>) => Promise<T>;
  /** It can serve again, or (with the reason) cannot for now. */
  onReadiness: (problem: NotReady["problem"] | undefined) => void;
  signal: AbortSignal;
}

/** Resolves when it is to be started again, and why. */
export function untilSick(options: HealthOptions): Promise<NotReady> {
  const { readiness, liveness } = options.desired;
  return new Promise((resolve) => {
    if (liveness !== undefined) {
      void watch(options, liveness, { ...liveness, successes: 1 }, (well) => {
        if (!well) resolve(new NotReady({ code: "app_unhealthy", detail: `The app did not ${asked(liveness)}, ${liveness.failures} times in a row.` }));
      });
    }
    const { recheck } = readiness;
    if (recheck !== undefined) {
      void watch(options, readiness, recheck, (well) => {
        options.onReadiness(well ? undefined : { code: "app_unhealthy", detail: `The app runs but did not ${asked(readiness)}, ${recheck.failures} times in a row: it gets no requests until it does.` });
      });
    }
  });
}

interface Limits {
  periodMs: number;
  timeoutMs: number;
  failures: number;
  successes: number;
}

async function watch({ patient, isAwake, during, signal }: HealthOptions, check: Check, limits: Limits, onChange: (isWell: boolean) => void): Promise<void> {
  let health: Health = { isWell: true, against: 0 };
  while (!signal.aborted) {
    await sleep(limits.periodMs, undefined, { signal }).catch(() => {});
    if (signal.aborted || !isAwake()) continue;
    const well = await during(() => isWell(patient, check, limits.timeoutMs, signal));
    // It may have been told to stop, or have fallen asleep, while it was asked.
    if (signal.aborted || !isAwake()) continue;
    const before = health.isWell;
    health = judge(health, well, limits);
    if (health.isWell !== before) onChange(health.isWell);
  }
}
