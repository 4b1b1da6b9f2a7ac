/** How warm one instance is kept: freezing and thawing, the way into a deep sleep and out of it. `instance.ts` does what that takes. */
import { cpuMs, freeze, thaw } from "../core/host/freezer.ts";
import { processCpuMs } from "../core/host/process-stat.ts";
import type { Temperature, TemperatureCause } from "../core/domain/temperature.ts";
import type { Log } from "../core/log.ts";
import { CheckUse } from "./check-use.ts";
import type { SavedInstance } from "./instance-state.ts";
import { NotReady } from "./not-ready.ts";

export interface SleepingDeps {
  cgroupsPath: string;
  /** What its own kernel runs as, if it has one and that runs. */
  kernelPid: () => number | undefined;
  stop: AbortSignal;
  /** False while a container of it is being started: a frozen group takes none. */
  isSettled: () => boolean;
  log: Log;
  saved: () => SavedInstance;
  save: (change: Partial<SavedInstance>) => void;
}

export const warm = (cause?: TemperatureCause): SavedInstance["temperature"] => ({ is: "running", since: new Date().toISOString(), ...(cause ? { cause } : {}) });

export class Sleeping {
  readonly #deps: SleepingDeps;
  /** Takes it from serving into a deep sleep; there while it serves. */
  #leave: (() => void) | undefined;
  /** What a deep sleep waits for. */
  #call = Promise.withResolvers<"wake" | "cool">();
  readonly checks: CheckUse;
  readonly #watchers = new Set<() => void>();
  #isWanted = false;
  #holds = 0;
  #wokenBy: TemperatureCause = "request";
  /** Frozen for as long as it is told so: nothing that comes for it thaws it. */
  #isKept = false;
  /** When somebody last asked for it, on the clock of `performance.now()`. */
  wantedAt = performance.now();

  constructor(deps: SleepingDeps) {
    this.#deps = deps;
    this.checks = new CheckUse(() => this.#appCpuMs);
  }

  /** Without what a kernel of its own uses: gVisor works a little when nothing is to do. Source: https://github.com/google/gvisor/issues/13361 */
  get #appCpuMs(): number {
    const pid = this.#deps.kernelPid();
    return cpuMs(this.#deps.cgroupsPath) - (pid === undefined ? 0 : processCpuMs(pid));
  }

  /** Cpu time that it took for nobody but itself. */
  get workMs(): number {
    return this.#appCpuMs - this.checks.cpuMs;
  }

  /** Ready and neither waking nor kept awake: it may cool. */
  get may(): boolean {
    const { phase, booting } = this.#deps.saved();
    return phase === "ready" && !booting && this.#holds === 0 && !this.#deps.stop.aborted && this.#deps.isSettled();
  }

  get isDeep(): boolean {
    const { phase, booting, temperature } = this.#deps.saved();
    return phase === "ready" && !booting && (temperature.is === "standby" || temperature.is === "cold");
  }

  get wokenBy(): TemperatureCause {
    return this.#wokenBy;
  }

  /** Synchronous, so that nothing asks for it between the last look and the freeze. */
  freeze(cause: TemperatureCause): void {
    if (this.may && this.#deps.saved().temperature.is === "running" && freeze(this.#deps.cgroupsPath)) this.set("frozen", cause);
  }

  get isKept(): boolean {
    return this.#isKept;
  }

  /** Its release was live before: it is frozen whatever it does, until it is told otherwise. */
  keepWarm(isKept: boolean): void {
    this.#isKept = isKept;
    const { is, cause } = this.#deps.saved().temperature;
    if (isKept) this.freeze("kept-warm");
    else if (is === "frozen" && cause === "kept-warm") void this.wake("rollback");
  }

  /** Into a deep sleep, from serving (frozen or not) or from a lighter one. */
  cool(to: "standby" | "cold", cause: TemperatureCause): void {
    if (!this.may || (this.#leave === undefined && this.#deps.saved().temperature.is !== "standby")) return;
    this.set(to, cause);
    if (this.#leave === undefined) this.#call.resolve("cool");
    else {
      this.#call = Promise.withResolvers();
      this.#isWanted = false;
      this.#leave();
    }
  }

  /** Until it takes requests; gives what it was. @throws NotReady */
  async wake(cause: TemperatureCause): Promise<Temperature> {
    this.wantedAt = performance.now();
    const saved = this.#deps.saved();
    const was = saved.temperature.is;
    if (was === "frozen") {
      thaw(this.#deps.cgroupsPath);
      // Who waits goes on before the file is written.
      saved.temperature = warm(cause);
      setImmediate(() => this.#deps.save({}));
      return was;
    }
    if (was !== "running") {
      this.#wokenBy = cause;
      this.#isWanted = true;
      this.#call.resolve("wake");
    }
    await this.#untilServing();
    this.wantedAt = performance.now();
    return was;
  }

  async #untilServing(): Promise<void> {
    for (;;) {
      const { phase, temperature, problem } = this.#deps.saved();
      if (phase === "ready" && temperature.is === "running") return;
      if (phase === "backing-off" || phase === "failed" || phase === "completed") throw new NotReady(problem ?? { code: "app_unhealthy", detail: "The app does not run." });
      if (this.#deps.stop.aborted) throw new NotReady({ code: "app_unhealthy", detail: "The instance is being stopped." });
      await new Promise<void>((resolve) => this.#watchers.add(resolve));
    }
  }

  /** Wakes it, and keeps it from sleeping until the function it gives is called. */
  async keepAwake(cause: TemperatureCause): Promise<() => void> {
    this.#holds++;
    let isHeld = true;
    const letGo = () => {
      if (isHeld) this.#holds--;
      isHeld = false;
      this.wantedAt = performance.now();
      if (this.#isKept) this.freeze("kept-warm");
    };
    await this.wake(cause).catch((error: unknown) => {
      letGo();
      throw error;
    });
    return letGo;
  }

  /** Until it is not frozen, or the signal says to wait no more. */
  async untilThawed(signal: AbortSignal): Promise<void> {
    const stopped = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    while (this.#deps.saved().temperature.is === "frozen" && !signal.aborted) {
      await Promise.race([new Promise<void>((resolve) => this.#watchers.add(resolve)), stopped]);
    }
  }

  /** It serves from now on; resolves when it is to go into a deep sleep. */
  untilLeft(): Promise<"leave"> {
    return new Promise((resolve) => (this.#leave = () => resolve("leave")));
  }

  servesNoMore(): void {
    this.#leave = undefined;
  }

  /** In a deep sleep: resolves when it is wanted, or is to cool further. */
  get call(): Promise<"wake" | "cool"> {
    return this.#call.promise;
  }

  /** What was called for is done, or is being done. Who wants it while it still cools is not forgotten. */
  answered(call: "wake" | "cool" | "stop"): void {
    this.#call = Promise.withResolvers();
    if (call === "wake") this.#isWanted = false;
    else if (this.#isWanted) this.#call.resolve("wake");
  }

  set(is: Temperature, cause?: TemperatureCause): void {
    this.#deps.save({ temperature: { is, since: new Date().toISOString(), ...(cause ? { cause } : {}) } });
    this.#deps.log.info({ temperature: is, cause }, "temperature");
  }

  /** The state has changed: who waits looks again. */
  changed(): void {
    for (const look of this.#watchers) look();
    this.#watchers.clear();
  }
}
