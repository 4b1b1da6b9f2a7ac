/** Asking one container whether it is well: until it is ready, then for as long as it runs. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Startup } from "../core/contract/checks.ts";
import type { DesiredInstance } from "../core/contract/node-channel.ts";
import { untilSick, type HealthOptions } from "./health.ts";
import { NotReady } from "./not-ready.ts";
import { asked, explainNotReady } from "./plan.ts";
import { readListeners, untilReady, type Patient } from "./probe.ts";

/** setTimeout knows no longer time. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface CheckupOptions {
  checks: () => Pick<DesiredInstance, "startup" | "readiness" | "readyTimeoutMs" | "liveness">;
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
    const { startup, readiness, readyTimeoutMs } = this.#options.checks();
    if (startup !== undefined && !isPatient) {
      const first = await this.untilStartedOr(startup, other);
      if (first !== "started") return first;
      startedAt = performance.now();
    }
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

  /** Resolves to `started`, or to what `other` does if that comes first. @throws NotReady after `failures` × `periodMs` */
  async untilStartedOr<T>(startup: Startup, other: Promise<T>): Promise<"started" | T> {
    const patienceMs = startup.failures * startup.periodMs;
    const probing = new AbortController();
    try {
      const started = untilReady(this.#options.patient(), startup, probing.signal, startup).then(() => "started" as const);
      const late = sleep(patienceMs, "late" as const, { signal: probing.signal }).catch(() => "late" as const);
      const first = await Promise.race([other, started, late]);
      if (first !== "late") return first;
      throw new NotReady({ code: "app_unhealthy", detail: `The app did not ${asked(startup)} within ${Math.round(patienceMs / 1000)} s of its start (startup check).` });
    } finally {
      probing.abort();
    }
  }

  /** Resolves when it is to be started again, and why. */
  untilSick(options: Omit<HealthOptions, "patient" | "desired">): Promise<NotReady> {
    return untilSick({ ...options, patient: this.#options.patient(), desired: this.#options.checks() });
  }
}

