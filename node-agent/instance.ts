/**
 * One instance's life: fetch, mount, start, probe, serve, restart what crashed, stop. One thing at a time per instance;
 * instances live beside each other. What must survive the agent is in `state.json`.
 */
import { setMaxListeners } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isFrozen, thaw } from "../core/host/freezer.ts";
import type { Netns } from "../core/host/net.ts";
import { startTimeOf } from "../core/host/process-stat.ts";
import type { DesiredInstance, Exit, InstanceReport, InstanceUsage, Phase } from "../core/contract/node-channel.ts";
import { KEPT_WARM } from "../core/domain/temperature.ts";
import { MAIN, type RestartPolicy } from "../core/contract/pods.ts";
import type { Log } from "../core/log.ts";
import { Container, mainGroup } from "./container.ts";
import { Ending } from "./ending.ts";
import { Checkup } from "./checkup.ts";
import type { InstanceDeps } from "./instance-deps.ts";
import { InstanceNetwork } from "./instance-network.ts";
import { writeSaved, type SavedInstance } from "./instance-state.ts";
import { tailLog } from "./logs.ts";
import { InstanceMeter } from "./meter.ts";
import { crashProblem, exitedEarly, NotReady, problemOf } from "./not-ready.ts";
import { BACKOFF_RESET_MS, cpuWeightMillis, explainExec, isRestarted, layerName, layersOf, restartPauseMs } from "./plan.ts";
import { Pod } from "./pod.ts";
import { isWell, type Patient } from "./probe.ts";
import { runToEnd, type RunToEnd } from "./run-to-end.ts";
import { Serving } from "./serving.ts";
import type { Entered } from "./sessions.ts";
import { Sleeping, warm } from "./sleeping.ts";
import { Starting } from "./starting.ts";
import type { ImageName } from "./volumes.ts";

const LOG_TAIL_LINES = 20;

/** It is started no more, and waits to be told to go. */
const isOver = (phase: Phase) => phase === "failed" || phase === "completed";

export class Instance {
  readonly #deps: InstanceDeps;
  readonly #container: Container;
  readonly #meter: InstanceMeter;
  readonly #stop = new AbortController();
  readonly #log: Log;
  readonly #ending: Ending;
  readonly #network: InstanceNetwork;
  readonly #checkup: Checkup;
  readonly #pod: Pod;
  readonly #serving: Serving;
  #desired: DesiredInstance;
  #saved: SavedInstance;
  readonly #resumed: boolean;
  readonly #starting: Starting;
  readonly sleeping: Sleeping;
  /** Resolves when nothing of it is left but its log, or when it has failed and waits to be told to go. */
  ended: Promise<void> = Promise.resolve();

  constructor(deps: InstanceDeps, desired: DesiredInstance, saved?: SavedInstance) {
    this.#deps = deps;
    this.#desired = desired;
    this.#container = new Container(deps.host, desired, mainGroup(deps.host, desired));
    const { groupPath } = this.#container;
    this.#meter = new InstanceMeter(join(this.#container.dir, "usage.json"), groupPath, saved !== undefined);
    this.#network = new InstanceNetwork({ pool: deps.pool, network: deps.network, meter: this.#meter }, desired);
    this.#checkup = new Checkup({ checks: () => this.#desired, patient: () => this.#patient, pid: () => this.#saved.pid });
    this.#ending = new Ending(this.#container, deps.exits, () => this.#saved);
    // Every restart waits for it again.
    setMaxListeners(0, this.#stop.signal);
    this.#log = deps.log.child({ instanceId: desired.id, app: desired.appName });
    this.#resumed = saved !== undefined;
    const fresh = { phase: "pulling", netns: null, pid: null, startTime: null, everReady: false, restarts: 0, crashes: 0, lastExit: null, problem: null } as const;
    this.#saved = { ...fresh, booting: false, temperature: warm(), ...saved, desired };
    this.#starting = this.#makeStarting();
    this.#serving = new Serving({ desired: () => this.#desired, saved: () => this.#saved, save: (change) => this.#set(change), checkup: this.#checkup, network: this.#network, pod: () => this.#pod, sleeping: () => this.sleeping });
    this.#pod = this.#makePod(groupPath);
    this.sleeping = new Sleeping({ cgroupsPath: groupPath, kernelPid: () => this.#pod.kernelPid(this.#saved.pid), stop: this.#stop.signal, isSettled: () => this.#pod.isSettled, log: this.#log, saved: () => this.#saved, save: (change) => this.#set(change) });
  }

  #makeStarting(): Starting {
    return new Starting({
      deps: this.#deps,
      container: this.#container,
      network: this.#network,
      meter: this.#meter,
      pod: () => this.#pod,
      desired: () => this.#desired,
      save: (change) => this.#set(change),
      isUrgent: () => this.#saved.everReady,
      isWaking: () => this.sleeping.isDeep || this.#saved.booting,
      forget: () => this.#forget(),
      stop: this.#stop.signal,
      log: this.#log,
    });
  }

  #makePod(groupPath: string): Pod {
    return new Pod({
      deps: this.#deps,
      desired: () => this.#desired,
      groupPath,
      isResumed: this.#resumed,
      meter: this.#meter,
      secrets: () => this.#starting.readSecrets(),
      mounts: () => this.#starting.mountAll(),
      log: this.#log,
      main: () => this.#saved,
      untilAwake: (signal) => this.sleeping.untilThawed(signal),
      checks: this.#serving,
    });
  }

  /** Of all its containers, the app's own first. */
  get logFiles(): { name: string; path: string }[] {
    return [{ name: MAIN, path: this.#container.logFile }, ...this.#pod.logFiles];
  }

  get layerNames(): string[] {
    return layersOf(this.#desired).map((layer) => layerName(layer.diffId));
  }

  mountsVolume({ id, version }: ImageName): boolean {
    return this.#desired.mounts?.some(({ image }) => image?.id === id && image.version === version) === true;
  }

  /** Layers' URLs grow old: newer ones are for pulls to come. */
  refresh(desired: DesiredInstance): void {
    this.#desired = desired;
    this.sleeping.keepWarm(desired.keptWarm === true);
  }

  /** What the watch over sleepers looks at; undefined: it must not sleep, or there is nothing to look at now. */
  get sleeper() {
    const { pid, temperature } = this.#saved;
    const { port, sleep: policy } = this.sleeping.isKept ? { ...this.#desired, sleep: KEPT_WARM } : this.#desired;
    if (policy === undefined || !this.sleeping.may || !this.#network.netns) return undefined;
    return { policy, temperature: temperature.is, since: temperature.since, pid: this.#pod.kernelPid(pid) ?? pid, port, isKept: this.sleeping.isKept, interface: this.#network.netns.hostInterface, hasOwnKernel: this.#container.runtime.hasOwnKernel };
  }

  get cpuGroup() {
    return { path: this.#container.groupPath, cpuMillis: cpuWeightMillis(this.#desired) };
  }

  get endpoint(): { address: string; port: number } | undefined {
    return this.#network.netns && { address: this.#network.netns.address, port: this.#desired.port };
  }

  report(): InstanceReport {
    const { phase, restarts, lastExit, problem, temperature } = this.#saved;
    return {
      id: this.#desired.id,
      phase,
      ...(this.#network.netns ? { address: this.#network.netns.address, port: this.#desired.port } : {}),
      restarts,
      ...(phase === "ready" ? { temperature } : {}),
      ...(lastExit ? { lastExit } : {}),
      ...this.#container.fullness(this.#saved.pid),
      ...(problem ? { problem } : {}),
      ...(this.#pod.isAlone ? {} : { containers: this.#pod.reports() }),
      timingsMs: this.#starting.timings,
    };
  }

  /** Looks at the kernel's counters. What has ended was counted to its end; what is only created uses nothing. */
  usage(): InstanceUsage {
    if (this.#pod.isUp || (this.#saved.pid !== null && !this.#starting.isCreatedAhead)) this.#meter.sample();
    return { id: this.#desired.id, ...this.#meter.said(), ended: false };
  }

  /** For sessions: the container, kept awake until `letGo`; undefined when no process of it runs. */
  async enter(name = MAIN): Promise<Entered | undefined> {
    const letGo = this.#saved.phase === "ready" ? await this.sleeping.keepAwake("exec").catch(() => undefined) : () => {};
    const { phase, pid } = this.#saved;
    const container = name === MAIN ? (phase === "starting" || phase === "ready" || phase === "running") && pid !== null && this.#container : this.#pod.find(name);
    if (letGo && container && this.#network.netns) return { host: container.sessionHost(this.#network.netns), letGo };
    letGo?.();
    return undefined;
  }

  begin(): void {
    this.ended = this.#live().catch((error: unknown) => this.#log.error({ err: error }, "an instance's life broke off"));
  }

  /** Ends it in order: the stop signal, the grace time, the kill. */
  end(): Promise<void> {
    this.#stop.abort();
    return this.ended.then(() => (isOver(this.#saved.phase) ? this.#remove() : undefined));
  }

  async #live(): Promise<void> {
    if (isOver(this.#saved.phase)) {
      this.#network.adopt(this.#saved.netns);
      return this.#release();
    }
    if (this.#desired.run) return this.#liveOnce(this.#desired.run);
    const { signal } = this.#stop;
    try {
      for (let running = await this.#adopt(); !signal.aborted; running = false) {
        try {
          if (this.sleeping.isDeep) {
            if ((await this.#sleepDeeply()) === "stop") break;
          } else if (!running) await this.#starting.fresh();
          const exit = await this.#run();
          if (exit && exit !== "leave" && !isRestarted(this.#policy, exit)) return await this.#complete(exit);
          if (exit && exit !== "leave") await this.#afterCrash(exit);
        } catch (error) {
          // What served once is brought back, whatever keeps it from starting now.
          if (!this.#saved.everReady) throw error;
          if (!signal.aborted) await this.#afterTrouble(error);
        }
      }
    } catch (error) {
      if (!signal.aborted) return this.#fail(error);
    }
    await this.#shutDown();
  }

  async #liveOnce(run: RunToEnd): Promise<void> {
    try {
      const life = {
        id: this.#desired.id,
        saved: () => this.#saved,
        set: (change: Partial<SavedInstance>) => this.#set(change),
        adoptNetwork: () => this.#network.adopt(this.#saved.netns),
        begin: async () => void ((await this.#adopt()) || (await this.#starting.fresh())),
        untilStop: () => this.#untilStop(),
        bringAbout: () => this.#bringAbout(),
        logTail: () => this.#logTail(),
      };
      if (await runToEnd(run, this.#desired.limits.memoryBytes, this.#ending, life)) return this.#release().then(() => this.#set({ netns: null }));
    } catch (error) {
      if (!this.#stop.signal.aborted) return this.#fail(error);
    }
    await this.#shutDown();
  }

  /** True when the process of a former agent still runs. Otherwise its exit, if it had started, is dealt with. */
  async #adopt(): Promise<boolean> {
    const { pid, startTime, netns, everReady } = this.#saved;
    this.#network.adopt(netns);
    if (this.#resumed) await this.#pod.adopt(this.#network.netns);
    if (pid === null) {
      // Its agent may have ended while creating it.
      if (this.#resumed) await this.#container.forget();
      return false;
    }
    if (!this.#pod.isAlone && this.#saved.isStarted !== true && !this.sleeping.isDeep) {
      // What comes before it was not over.
      await this.#forget();
      return false;
    }
    if (startTimeOf(pid) === startTime) {
      this.#log.info({ pid }, "adopted");
      // Its agent may have ended between creating and starting it; a container that runs refuses a second start.
      if (this.#saved.phase === "starting" || this.#saved.booting) await this.#container.start().catch(() => {});
      else if (this.sleeping.isDeep) this.#starting.isCreatedAhead = true;
      else if (isFrozen(this.#container.groupPath) !== (this.#saved.temperature.is === "frozen")) {
        this.sleeping.set(this.#saved.temperature.is === "frozen" ? "running" : "frozen");
      }
      return true;
    }
    if (this.sleeping.isDeep) {
      this.#starting.isCreatedAhead = true;
      await this.#forget();
      return false;
    }
    const exit = await this.#ending.read();
    if (!everReady) throw this.#exited(exit);
    await this.#afterCrash(exit);
    return false;
  }

  /**
   * The process ends as for a stop; `standby` has its container created again and not started, `cold` has nothing but
   * its address and its files. Ends with a started process when it is woken.
   */
  async #sleepDeeply(): Promise<"wake" | "stop"> {
    const { name } = await this.#starting.connect();
    if (this.#saved.netns !== name) this.#set({ netns: name });
    if (this.#saved.pid !== null && !this.#starting.isCreatedAhead) {
      this.#saved.lastExit = await this.#bringAbout(this.sleeping.call);
      await this.#forget();
      await this.#pod.down(this.#desired.stopGraceMs);
    }
    for (let next: "wake" | "cool" | "stop" = "cool"; next !== "wake"; this.sleeping.answered(next)) {
      const { is } = this.#saved.temperature;
      if (is === "standby" && !this.#starting.isCreatedAhead) await this.#starting.ahead();
      if (is === "cold") {
        await this.#forget();
        await this.#pod.down(0);
        await this.#container.unmountRoot();
        this.#set({});
      }
      next = await Promise.race([this.sleeping.call, this.#untilStop()]);
      if (next === "stop") return "stop";
    }
    await this.#starting.boot();
    return "wake";
  }

  /** Until the process ends by itself (its exit), is to sleep deeply, or is told to stop (undefined). @throws NotReady before it was ready */
  async #run(): Promise<Exit | "leave" | undefined> {
    const startedAt = performance.now();
    const watching = new AbortController();
    const exited = this.#ending.untilExit(this.#desired.id, watching.signal);
    try {
      const { phase, booting } = this.#saved;
      if (phase !== "ready" || booting) {
        const first = await this.#serving.untilAllReady<Exit | "stop">(Promise.race([exited, this.#untilStop()]), startedAt, watching.signal);
        if (first === "stop") return undefined;
        if (first !== "ready") {
          if (!this.#saved.everReady) throw this.#exited(first);
          return first;
        }
        this.#container.endBoost();
        this.#starting.timings["ready"] = Math.round((performance.now() - startedAt) * 10) / 10;
        this.#set({ phase: "ready", everReady: true, isUnready: false, problem: null, temperature: warm(booting ? this.sleeping.wokenBy : undefined), booting: false });
      }
      const end = await Promise.race([exited, this.sleeping.untilLeft(), this.#untilStop(), this.#serving.untilSick(watching.signal)]);
      if (end === "stop") return undefined;
      if (end === "leave") return end;
      if (performance.now() - startedAt > BACKOFF_RESET_MS) this.#saved.crashes = 0;
      if (!(end instanceof NotReady)) return end;
      watching.abort();
      this.#saved.lastExit = await this.#bringAbout();
      if (this.#policy === "never") return this.#saved.lastExit;
      throw end;
    } finally {
      this.sleeping.servesNoMore();
      watching.abort();
    }
  }

  get #patient(): Patient {
    return { address: this.#network.netns?.address ?? "", port: this.#desired.port, hasOwnKernel: this.#container.runtime.hasOwnKernel, host: () => this.#container.sessionHost(this.#network.netns as Netns) };
  }

  get #policy(): RestartPolicy {
    return this.#desired.restartPolicy ?? "always";
  }

  #exited(exit: Exit): NotReady {
    this.#saved.lastExit = exit;
    return exitedEarly(exit, this.#container.memoryBytes);
  }

  async #afterCrash(exit: Exit): Promise<void> {
    this.#log.warn({ exit }, "crashed");
    this.#saved.lastExit = exit;
    await this.#backOff(crashProblem(exit, this.#container.memoryBytes));
  }

  async #afterTrouble(error: unknown): Promise<void> {
    const problem = problemOf(error);
    this.#log.warn({ problem, err: error }, "not started again");
    await this.#backOff(problem);
  }

  async #backOff(problem: NotReady["problem"]): Promise<void> {
    // Said before it is gone: with gVisor that takes half a second.
    await this.#countRun();
    this.#set({ phase: "backing-off", pid: null, startTime: null, booting: false, isUnready: false, temperature: warm(), crashes: this.#saved.crashes + 1, restarts: this.#saved.restarts + 1, problem: { ...problem, logTail: await this.#logTail() } });
    await this.#forget();
    await sleep(restartPauseMs(this.#saved.crashes), undefined, { signal: this.#stop.signal }).catch(() => {});
  }

  async #fail(error: unknown): Promise<void> {
    const problem = problemOf(error);
    this.#log.warn({ problem, ...(error instanceof NotReady ? {} : { err: error }) }, "failed to start");
    await this.#container.kill("KILL");
    const { lastExit, logTail } = (error instanceof NotReady ? error.beside : undefined) ?? { lastExit: null, logTail: await this.#logTail() };
    if (lastExit) this.#saved.lastExit = lastExit;
    await this.#release();
    const unable = problem.code === "app_exited" ? explainExec(logTail.at(-1) ?? "") : undefined;
    this.#set({ phase: "failed", pid: null, startTime: null, netns: null, problem: { ...(unable ?? problem), logTail } });
  }

  /** It has ended by itself, and that is all right. */
  async #complete(exit: Exit): Promise<void> {
    this.#log.info({ exit }, "completed");
    await this.#release(this.#desired.stopGraceMs);
    this.#set({ phase: "completed", pid: null, startTime: null, netns: null, lastExit: exit });
  }

  async #shutDown(): Promise<void> {
    const { pid, startTime } = this.#saved;
    const until = performance.now() + this.#desired.stopGraceMs;
    // What was only created has nothing to end in order.
    if (pid !== null && !this.#starting.isCreatedAhead && startTimeOf(pid) === startTime) {
      this.#set({ phase: "stopping" });
      this.#set({ lastExit: await this.#bringAbout() });
    }
    await this.#pod.down(until - performance.now());
    await this.#remove();
    await this.#release();
    this.#saved = { ...this.#saved, phase: "stopped", pid: null };
    this.#deps.onChange();
  }

  #bringAbout(hurry?: Promise<unknown>): Promise<Exit> {
    const { preStop, stopGraceMs } = this.#desired;
    const first = preStop && ((signal: AbortSignal) => {
      thaw(this.#container.groupPath);
      return isWell(this.#patient, preStop, stopGraceMs, signal);
    });
    return this.#ending.bringAbout(this.#desired, { ...(hurry ? { hurry } : {}), first });
  }

  /** Ends the process, if it runs; what it used is counted before its counters go. */
  async #forget(): Promise<void> {
    await this.#countRun();
    await this.#container.forget();
    this.#starting.isCreatedAhead = false;
  }

  async #countRun(): Promise<void> {
    if (this.#saved.pid !== null && !this.#starting.isCreatedAhead && this.#pod.isAlone) this.#meter.endRun((await this.#container.exitedAt()) ?? Date.now());
    this.#saved = { ...this.#saved, pid: null, startTime: null };
  }

  /** Removes all but the log and what it used, which the API is told until it has it. */
  async #remove(): Promise<void> {
    await this.#countRun();
    this.#deps.lastUsage.keep(this.#desired.id, this.#meter.said());
    await this.#pod.remove();
    await this.#container.remove();
  }

  async #release(graceMs = 0): Promise<void> {
    await this.#forget();
    await this.#pod.down(graceMs);
    await this.#network.release();
  }

  async #logTail(): Promise<string[]> {
    return (await tailLog(this.#container.logFile, this.#desired.id, LOG_TAIL_LINES)).map((entry) => entry.text.slice(0, 2000));
  }

  #untilStop(): Promise<"stop"> {
    const { signal } = this.#stop;
    return new Promise((resolve) => (signal.aborted ? resolve("stop") : signal.addEventListener("abort", () => resolve("stop"), { once: true })));
  }

  #set(change: Partial<SavedInstance>): void {
    this.#saved = { ...this.#saved, desired: this.#desired, ...change };
    writeSaved(this.#container.dir, this.#saved);
    this.sleeping.changed();
    this.#deps.onChange();
  }
}
