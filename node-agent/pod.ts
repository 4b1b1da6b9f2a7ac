/**
 * The containers beside an app's own: init containers one by one to their end, then sidecars, then the app; at the end
 * the other way round. Each sidecar has a life of its own: what crashes is started again alone. `docs/decisions/pods.md`.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ContainerReport, DesiredInit, DesiredInstance, DesiredSidecar, Exit } from "../core/contract/node-channel.ts";
import { removeCgroup } from "../core/host/cgroup.ts";
import { hasGroup, makeGroup } from "../core/host/pod-group.ts";
import type { Netns } from "../core/host/net.ts";
import { OWN_KERNEL_PIDS, type Bind } from "../core/sandbox/spec.ts";
import type { Log } from "../core/log.ts";
import { Companion } from "./companion.ts";
import type { HealthOptions } from "./health.ts";
import type { InstanceDeps } from "./instance-deps.ts";
import type { InstanceMeter } from "./meter.ts";
import type { SavedInstance } from "./instance-state.ts";
import { NotReady } from "./not-ready.ts";
import { PodSandbox } from "./pod-sandbox.ts";
import { BACKOFF_RESET_MS, groupSize, isRestarted, restartPauseMs } from "./plan.ts";
import { untilReady } from "./probe.ts";
import type { SecretValues } from "./secrets.ts";

/** What ends after the app has this long at least, also when the app took all of the grace time. */
const LEAST_GRACE_MS = 2000;

type Problem = NotReady["problem"];

export interface PodOptions {
  deps: InstanceDeps;
  desired: () => DesiredInstance;
  groupPath: string;
  isResumed: boolean;
  meter: InstanceMeter;
  /** The instance's; undefined: it has none, or is told to stop. @throws NotReady */
  secrets: () => Promise<SecretValues | undefined>;
  /** Volumes and scratch: all containers see the same. */
  mounts: () => Promise<Bind[]>;
  log: Log;
  /** The app's own container. */
  main: () => Pick<SavedInstance, "everReady" | "pid" | "isStarted">;
  /** Nothing can be started in a group that is frozen. */
  untilAwake: (signal: AbortSignal) => Promise<void>;
  checks: Pick<HealthOptions, "isAwake" | "during">;
}

export class Pod {
  readonly #options: PodOptions;
  readonly #inits: readonly Companion[];
  readonly #sidecars: readonly Companion[];
  /** Where containers of one instance share a kernel of their own. */
  readonly #sandbox: PodSandbox | undefined;
  #life = new AbortController();
  readonly #lives = new Map<Companion, { started: Promise<void>; over: Promise<void> }>();
  readonly #watchers = new Set<() => void>();
  #broken = Promise.withResolvers<NotReady>();
  #isOpen = false;
  /** Something of it may run. */
  #isUp = false;

  constructor(options: PodOptions) {
    this.#options = options;
    const { deps, desired, groupPath, isResumed } = options;
    const make = (kind: ContainerReport["kind"]) => (one: DesiredInit | DesiredSidecar) =>
      new Companion({ ...deps, onChange: () => this.#changed() }, desired, kind, one, groupPath, isResumed);
    this.#inits = (desired().init ?? []).map(make("init"));
    this.#sidecars = (desired().sidecars ?? []).map(make("sidecar"));
    const { sandboxed } = deps.host.runtimes[desired().isolation ?? "crun"];
    const isInUse = () => this.#isMainThere || this.#all.some(({ saved }) => saved.pid !== null);
    if (sandboxed && !this.isAlone) this.#sandbox = new PodSandbox({ host: deps.host, commands: sandboxed.sandbox, desired, groupPath, isResumed, restore: (netns) => deps.pool.restore(netns), isInUse });
  }

  get #all(): Companion[] {
    return [...this.#inits, ...this.#sidecars];
  }

  /** There is the app's own container and no other. */
  get isAlone(): boolean {
    return this.#all.length === 0;
  }

  /** False once the instance was ready: whatever ends from then on is started again. */
  get #mayFail(): boolean {
    return !this.#options.main().everReady;
  }

  /** The app's own container runs, or its end is still to be looked at. */
  get #isMainThere(): boolean {
    const { pid, isStarted } = this.#options.main();
    return pid !== null && isStarted === true;
  }

  get sandboxPid(): number | undefined {
    return this.#sandbox?.pid;
  }

  /** What runs as a kernel of its own, if it has one: the sandbox, or the first process of its only container. */
  kernelPid(mainPid: number | null): number | undefined {
    const { deps, desired } = this.#options;
    if (!deps.host.runtimes[desired().isolation ?? "crun"].hasOwnKernel) return undefined;
    return this.isAlone ? (mainPid ?? undefined) : this.sandboxPid;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Nothing is being started: the instance may be frozen. */
  get isSettled(): boolean {
    return !this.#isUp || this.#sidecars.every(({ saved: { state } }) => state === "running" || state === "completed" || state === "failed");
  }

  get logFiles(): { name: string; path: string }[] {
    return this.#all.map(({ name, container }) => ({ name, path: container.logFile }));
  }

  reports(): ContainerReport[] {
    return this.#all.map((one) => one.report());
  }

  find(name: string): Companion | undefined {
    return this.#all.find((one) => one.name === name && one.saved.pid !== null);
  }

  /** Why the instance cannot be ready; never while it may not fail. */
  get broken(): Promise<NotReady> {
    return this.#broken.promise;
  }

  /** What keeps the instance from requests; undefined: nothing does. */
  get problem(): Problem | undefined {
    const lacking = this.#sidecars.find(({ desired, saved }) => (desired as DesiredSidecar).readiness !== undefined && !saved.ready);
    return lacking && { code: "app_unhealthy", detail: `The sidecar «${lacking.name}» is not ready.` };
  }

  /** Calls back when something of a container changed; at once, too. */
  watch(signal: AbortSignal, look: () => void): void {
    this.#watchers.add(look);
    signal.addEventListener("abort", () => this.#watchers.delete(look), { once: true });
    look();
  }

  async untilReady(signal: AbortSignal): Promise<"ready"> {
    return new Promise((resolve) => this.watch(signal, () => this.problem === undefined && resolve("ready")));
  }

  /** What is around its containers: a group, and a sandbox where they share one. An instance of one container is a group of its own. */
  async open(netns: Netns): Promise<void> {
    if (this.isAlone) return;
    if (!this.#isOpen) {
      this.#options.meter.beginRun();
      const size = groupSize(this.#options.desired());
      makeGroup(this.#options.groupPath, { ...size, pidsMax: size.pidsMax + (this.#sandbox ? OWN_KERNEL_PIDS : 0) });
      this.#isOpen = true;
    }
    await this.#sandbox?.up(netns);
  }

  /** What is left of a former agent's life: sidecars that run go on, those that have ended meanwhile are started again. */
  async adopt(netns: Netns | undefined): Promise<void> {
    if (this.isAlone) return;
    if (netns === undefined || !hasGroup(this.#options.groupPath)) {
      // The host has started anew: all of it begins again.
      for (const one of this.#all) if (one.saved.state !== "waiting") one.set({ state: "waiting", pid: null, startTime: null, ready: false });
      return;
    }
    this.#isOpen = true;
    this.#isUp = this.#all.some(({ saved }) => saved.state !== "waiting");
    for (const one of this.#sidecars) {
      const isRunning = await one.adopt(netns);
      const { state } = one.saved;
      // What is over stays so until the pod goes down.
      if (state === "completed" || state === "failed") this.#lives.set(one, { started: Promise.resolve(), over: Promise.resolve() });
      else if (state !== "waiting") void this.#begin(one, netns, isRunning);
    }
  }

  /** All that comes before the app; what is done already is not done again. @throws NotReady */
  async up(netns: Netns, stop: AbortSignal): Promise<void> {
    if (this.isAlone) return;
    if (!this.#isUp) this.#options.meter.startRun();
    this.#isUp = true;
    for (const one of this.#inits) if (one.saved.state !== "completed" && !stop.aborted) await this.#runInit(one, netns, stop);
    for (const one of this.#sidecars) {
      if (stop.aborted) return;
      const started = this.#lives.get(one)?.started ?? this.#begin(one, netns, false);
      const end = await Promise.race([started, this.broken, aborted(stop)]);
      if (end instanceof NotReady) throw end;
    }
  }

  /** Ends all but the app, the last one first, within what is left of the grace time; files stay. */
  async down(graceMs: number): Promise<void> {
    if (!this.#isOpen) return;
    this.#life.abort();
    await Promise.all([...this.#lives.values()].map(({ over }) => over));
    const until = performance.now() + Math.max(LEAST_GRACE_MS, graceMs);
    for (const one of this.#sidecars.toReversed()) {
      const exit = await one.stop(Math.max(0, until - performance.now()));
      if (exit) one.set({ lastExit: exit });
    }
    this.#options.meter.endRun(Date.now());
    for (const one of this.#all) {
      await one.forget();
      await one.container.unmountRoot();
      // What may not go on says why for as long as the instance is here.
      if (one.saved.state !== "failed") one.set({ state: "waiting", crashes: 0 });
    }
    await this.#sandbox?.down();
    await removeCgroup(this.#options.groupPath);
    this.#lives.clear();
    this.#life = new AbortController();
    this.#broken = Promise.withResolvers();
    this.#isOpen = false;
    this.#isUp = false;
  }

  /** Removes all but the logs. */
  async remove(): Promise<void> {
    for (const one of this.#all) await one.container.remove();
    await this.#sandbox?.down();
    if (!this.isAlone) await removeCgroup(this.#options.groupPath);
  }

  #changed(): void {
    for (const look of this.#watchers) look();
    this.#options.deps.onChange();
  }

  /** Before something is started. @throws Error when it is told to stop */
  async untilUnused(stop: AbortSignal): Promise<void> {
    await this.#sandbox?.untilUnused(stop);
  }

  async #launch(one: Companion, netns: Netns, stop: AbortSignal): Promise<void> {
    const { deps, mounts, secrets } = this.#options;
    await this.untilUnused(stop);
    const [mounted, values] = [await mounts(), one.desired.hasSecrets ? await secrets() : undefined];
    const launch = () => this.open(netns).then(() => one.launch(netns, mounted, values));
    await deps.starts.take(launch, { isUrgent: !this.#mayFail });
  }

  /** Until it has ended with 0: again and again, with pauses that grow, within its time. @throws NotReady */
  async #runInit(one: Companion, netns: Netns, stop: AbortSignal): Promise<void> {
    const { timeoutMs, restartPolicy } = one.desired as DesiredInit;
    const watching = new AbortController();
    const late = sleep(timeoutMs, "late" as const, { signal: watching.signal }).catch(() => "late" as const);
    const stopped = aborted(stop);
    try {
      let former = (await one.adopt(netns)) ? "running" : await one.formerExit();
      for (; !stop.aborted; former = undefined) {
        if (former === undefined) await this.#launch(one, netns, stop);
        one.set({ state: "running" });
        // Nobody looks for the end of an attempt that is over.
        const attempt = new AbortController();
        const end = typeof former === "object" ? former : await Promise.race([one.untilExit(attempt.signal), late, stopped]).finally(() => attempt.abort());
        await one.forget();
        if (end === "stopped") return;
        if (end === "late") throw await this.#tooLate(one);
        if (end.code === 0) {
          await one.container.unmountRoot();
          return one.set({ state: "completed", lastExit: end, problem: null });
        }
        one.set({ lastExit: end });
        if (restartPolicy === "never") throw await one.explain(end);
        const why = await one.explain(end);
        const crashes = one.saved.crashes + 1;
        one.set({ state: "backing-off", crashes, restarts: one.saved.restarts + 1, problem: { ...why.problem, logTail: why.beside?.logTail ?? [] } });
        if ((await Promise.race([sleep(restartPauseMs(crashes)), late, stopped])) === "late") throw await this.#tooLate(one);
      }
    } catch (error) {
      const why = error instanceof NotReady ? error : await one.explain(error);
      if (!stop.aborted) one.set({ state: "failed", problem: { ...why.problem, logTail: why.beside?.logTail ?? [] } });
      throw why;
    } finally {
      watching.abort();
    }
  }

  async #tooLate(one: Companion): Promise<NotReady> {
    const { lastExit } = one.saved;
    const last = lastExit === null ? "" : `; last it exited with code ${lastExit.code}`;
    const detail = `It did not end with 0 within ${Math.round((one.desired as DesiredInit).timeoutMs / 1000)} s${last}.`;
    const { problem, beside } = await one.explain(new NotReady({ code: "init_failed", detail }));
    return new NotReady(problem, { lastExit, logTail: beside?.logTail ?? [] });
  }

  /** Begins a sidecar's life; resolves when what comes after it may start. */
  #begin(one: Companion, netns: Netns, isRunning: boolean): Promise<void> {
    const started = Promise.withResolvers<void>();
    const over = this.#live(one, netns, isRunning, started.resolve).catch((error: unknown) => this.#options.log.error({ err: error, container: one.name }, "a sidecar's life broke off"));
    this.#lives.set(one, { started: started.promise, over });
    return started.promise;
  }

  async #live(one: Companion, netns: Netns, isRunning: boolean, onStarted: () => void): Promise<void> {
    const { signal } = this.#life;
    const former = isRunning ? undefined : await one.formerExit();
    if (former && (await this.#settle(one, former, signal)) === "over") return onStarted();
    for (let running = isRunning; !signal.aborted; running = false) {
      let end: unknown;
      try {
        if (!running) {
          await this.#options.untilAwake(signal);
          if (signal.aborted) return;
          await this.#launch(one, netns, signal);
        }
        end = await this.#serve(one, signal, onStarted);
      } catch (error) {
        end = error;
      }
      if (signal.aborted) return;
      if ((await this.#settle(one, end, signal)) === "over") return onStarted();
    }
  }

  /** From its start to its end: its exit, why it was ended, or nothing when the pod is told to stop. */
  async #serve(one: Companion, signal: AbortSignal, onStarted: () => void): Promise<Exit | NotReady | "stopped"> {
    const { startup, readiness } = one.desired as DesiredSidecar;
    const startedAt = performance.now();
    const watching = new AbortController();
    const over = Promise.race([one.untilExit(watching.signal), aborted(signal)]);
    try {
      if (startup !== undefined && one.saved.state === "starting") {
        const first = await one.checkup.untilStartedOr(startup, over);
        if (first !== "started") return first;
      }
      one.set({ state: "running", ready: readiness === undefined || one.saved.ready });
      onStarted();
      const sick = this.#untilSick(one, watching.signal);
      const end = await Promise.race([over, sick]);
      if (performance.now() - startedAt > BACKOFF_RESET_MS) one.set({ crashes: 0 });
      if (end instanceof NotReady) throw end;
      return end;
    } catch (error) {
      watching.abort();
      const exit = await one.stop(this.#options.desired().stopGraceMs);
      if (exit) one.set({ lastExit: exit });
      throw error;
    } finally {
      watching.abort();
    }
  }

  async #untilSick(one: Companion, signal: AbortSignal): Promise<NotReady> {
    const { readiness } = one.desired as DesiredSidecar;
    if (readiness !== undefined && !one.saved.ready) {
      // Its liveness is asked meanwhile.
      void untilReady(one.patient, readiness, signal).then((isReady) => isReady && one.set({ ready: true, problem: null }));
    }
    const { isAwake, during } = this.#options.checks;
    const onReadiness = (problem: Problem | undefined) => one.set({ ready: problem === undefined, problem: problem === undefined ? null : { ...problem, logTail: [] } });
    return one.checkup.untilSick({ isAwake, during, onReadiness, signal });
  }

  /** After it has ended: not started again, or after a pause. */
  async #settle(one: Companion, end: unknown, signal: AbortSignal): Promise<"over" | "again"> {
    const why = await one.explain(end);
    const exit = why.beside?.lastExit ?? one.saved.lastExit;
    // Forgetting it would thaw the others.
    await this.#options.untilAwake(signal);
    await one.forget();
    const problem = { ...why.problem, logTail: why.beside?.logTail ?? [] };
    const { restartPolicy } = one.desired;
    if (why.beside?.lastExit && !isRestarted(restartPolicy, why.beside.lastExit) && exit?.code === 0) {
      one.set({ state: "completed", lastExit: exit, problem: null });
      return "over";
    }
    if (this.#mayFail || restartPolicy === "never") {
      one.set({ state: "failed", lastExit: exit, problem });
      if (this.#mayFail) this.#broken.resolve(why);
      return "over";
    }
    const crashes = one.saved.crashes + 1;
    this.#options.log.warn({ container: one.name, problem: why.problem }, "a sidecar crashed");
    one.set({ state: "backing-off", lastExit: exit, crashes, restarts: one.saved.restarts + 1, problem });
    await sleep(restartPauseMs(crashes), undefined, { signal }).catch(() => {});
    return "again";
  }
}

function aborted(signal: AbortSignal): Promise<"stopped"> {
  if (signal.aborted) return Promise.resolve("stopped");
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve("stopped"), { once: true }));
}
