/** Asking one container whether it is well: until it is ready, then for as long as it runs. */
import { setTimeout as sleep } from "node:timers/promises";
import type { DesiredInstance } from "../core/contract/node-channel.ts";
import { untilSick, type HealthOptions } from "./health.ts";
import { NotReady } from "./not-ready.ts";
import { explainNotReady } from "./plan.ts";
import { readListeners, untilReady, type Patient } from "./probe.ts";

/** setTimeout knows no longer time. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface CheckupOptions {
  checks: () => Pick<DesiredInstance, "readiness" | "readyTimeoutMs" | "liveness">;
  patient: () => Patient;
  pid: () => number | null;
}

export class Checkup {
  readonly #options: CheckupOptions;

  constructor(options: CheckupOptions) {
    this.#options = options;
  }

  /**
   * Resolves to `ready`, or to what `other` does if that comes first. `isPatient`: what was ready before in this life has as
   * long as it takes. @throws NotReady when its time is over
   */
  async untilReadyOr<T>(other: Promise<T>, startedAt: number, isPatient: boolean): Promise<"ready" | T> {
    const { readiness, readyTimeoutMs } = this.#options.checks();
    const patient = this.#options.patient();
    const probing = new AbortController();
    try {
      const ready = untilReady(patient, readiness, probing.signal).then(() => "ready" as const);
      const late = sleep(isPatient ? MAX_TIMER_MS : readyTimeoutMs, "late" as const, { signal: probing.signal }).catch(() => "late" as const);
      const first = await Promise.race([other, ready, late]);
      if (first !== "late") return first;
      const listeners = patient.hasOwnKernel ? undefined : await readListeners(this.#options.pid() ?? 0);
      throw new NotReady(explainNotReady(patient.port, listeners, performance.now() - startedAt, readiness));
    } finally {
      probing.abort();
    }
  }

  /** Resolves when it is to be started again, and why. */
  untilSick(options: Omit<HealthOptions, "patient" | "desired">): Promise<NotReady> {
    return untilSick({ ...options, patient: this.#options.patient(), desired: this.#options.checks() });
  }
}

