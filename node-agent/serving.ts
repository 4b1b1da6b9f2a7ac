/** From an instance's start until it serves, and for as long as it does: what its checks and those of its sidecars say. */
import { setTimeout as sleep } from "node:timers/promises";
import type { DesiredInstance, Exit } from "../core/contract/node-channel.ts";
import type { Checkup } from "./checkup.ts";
import type { HealthOptions } from "./health.ts";
import type { InstanceNetwork } from "./instance-network.ts";
import type { SavedInstance } from "./instance-state.ts";
import { NotReady } from "./not-ready.ts";
import type { Pod } from "./pod.ts";
import type { Sleeping } from "./sleeping.ts";

export interface ServingDeps {
  desired: () => DesiredInstance;
  saved: () => SavedInstance;
  save: (change: Partial<SavedInstance>) => void;
  checkup: Checkup;
  network: InstanceNetwork;
  pod: () => Pod;
  sleeping: () => Sleeping;
}

export class Serving {
  readonly #deps: ServingDeps;

  constructor(deps: ServingDeps) {
    this.#deps = deps;
  }

  readonly isAwake = () => this.#deps.saved().temperature.is === "running";
  readonly during: HealthOptions["during"] = (check) => this.#deps.sleeping().checks.during(this.#deps.network.netns?.hostInterface ?? "", check);

  /** The app, and those beside it that say when they are. Or whatever `end` does before. @throws NotReady */
  async untilAllReady<T extends Exit | "stop">(end: Promise<T>, startedAt: number, signal: AbortSignal): Promise<"ready" | T> {
    const { checkup, saved, desired } = this.#deps;
    const pod = this.#deps.pod();
    const isPatient = saved().isUnready === true;
    const broken = pod.broken.then((error): never => {
      throw error;
    });
    const other = Promise.race([end, broken]);
    const first = await checkup.untilReadyOr(other, startedAt, isPatient);
    if (first !== "ready" || pod.problem === undefined) return first;
    const late = isPatient ? new Promise<never>(() => {}) : sleep(desired().readyTimeoutMs, "late" as const, { signal }).catch(() => "late" as const);
    const then = await Promise.race([pod.untilReady(signal), other, late]);
    if (then === "late") throw new NotReady(pod.problem);
    return then as "ready" | T;
  }

  /** Off the route and back while it serves; resolves when it is to be started again, and why. */
  untilSick(signal: AbortSignal): Promise<NotReady> {
    const { checkup, saved, save } = this.#deps;
    const pod = this.#deps.pod();
    let own: NotReady["problem"] | undefined;
    const look = () => {
      const problem = own ?? pod.problem;
      if ((problem !== undefined) === (saved().isUnready === true) || !this.isAwake()) return;
      if (problem === undefined) save({ phase: "ready", isUnready: false, problem: null });
      else save({ phase: "starting", isUnready: true, problem: { ...problem, logTail: [] } });
    };
    const onReadiness = (problem: NotReady["problem"] | undefined) => {
      own = problem;
      look();
    };
    pod.watch(signal, look);
    return checkup.untilSick({ isAwake: this.isAwake, during: this.during, onReadiness, signal });
  }
}
