/**
 * One instance's life: fetch, mount, start, probe, serve, restart what crashed, stop. One thing at a time per instance;
 * instances live beside each other. What must survive the agent is in `state.json`.
 */
import { setMaxListeners } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isFrozen, thaw } from "../core/host/freezer.ts";
import type { Netns } from "../core/host/net.ts";
import type { DesiredInstance, Exit, InstanceReport, InstanceUsage } from "../core/contract/node-channel.ts";
import { KEPT_WARM } from "../core/domain/temperature.ts";
import type { Log } from "../core/log.ts";
import { Container } from "./container.ts";
import { Ending } from "./ending.ts";
import { Checkup } from "./checkup.ts";
import type { HealthOptions } from "./health.ts";
import type { InstanceDeps } from "./instance-deps.ts";
import { InstanceNetwork } from "./instance-network.ts";
import { writeSaved, type SavedInstance } from "./instance-state.ts";
import { tailLog } from "./logs.ts";
import { InstanceMeter } from "./meter.ts";
import { mountAll } from "./mounts.ts";
import { crashProblem, exitedEarly, NotReady, problemOf } from "./not-ready.ts";
import { BACKOFF_RESET_MS, explainExec, layerName, restartPauseMs } from "./plan.ts";
import { isWell, type Patient } from "./probe.ts";
import { pullLayers } from "./pull.ts";
import { startTimeOf } from "./process.ts";
import type { SecretValues } from "./secrets.ts";
import type { Entered } from "./sessions.ts";
import { Sleeping, warm } from "./sleeping.ts";
import { stopwatch } from "./stopwatch.ts";
import type { ImageName } from "./volumes.ts";

const LOG_TAIL_LINES = 20;

export class Instance {
  readonly #deps: InstanceDeps;
  readonly #container: Container;
  readonly #meter: InstanceMeter;
  readonly #stop = new AbortController();
  readonly #log: Log;
  readonly #ending: Ending;
  readonly #network: InstanceNetwork;
  readonly #checkup: Checkup;
  #desired: DesiredInstance;
  #saved: SavedInstance;
  readonly #resumed: boolean;
  /** Its container waits to be started. */
  #isCreatedAhead = false;
  #timings: Record<string, number> = {};
  readonly sleeping: Sleeping;
  /** Resolves when nothing of it is left but its log, or when it has failed and waits to be told to go. */
  ended: Promise<void> = Promise.resolve();

  constructor(deps: InstanceDeps, desired: DesiredInstance, saved?: SavedInstance) {
    this.#deps = deps;
    this.#desired = desired;
    this.#container = new Container(deps.host, desired);
    this.#meter = new InstanceMeter(join(this.#container.dir, "usage.json"), this.#container.cgroupsPath, saved !== undefined);
    this.#network = new InstanceNetwork({ pool: deps.pool, network: deps.network, meter: this.#meter }, desired);
    this.#checkup = new Checkup({ checks: () => this.#desired, patient: () => this.#patient, pid: () => this.#saved.pid });
    this.#ending = new Ending(this.#container, deps.exits, () => this.#saved);
    // Every restart waits for it again.
    setMaxListeners(0, this.#stop.signal);
    this.#log = deps.log.child({ instanceId: desired.id, app: desired.appName });
    this.#resumed = saved !== undefined;
    const fresh = { phase: "pulling", netns: null, pid: null, startTime: null, everReady: false, restarts: 0, crashes: 0, lastExit: null, problem: null } as const;
    this.#saved = { ...fresh, booting: false, temperature: warm(), ...saved, desired };
    this.sleeping = new Sleeping({ cgroupsPath: this.#container.cgroupsPath, stop: this.#stop.signal, log: this.#log, saved: () => this.#saved, save: (change) => this.#set(change) });
  }

  get logFile(): string {
    return this.#container.logFile;
  }

  get layerNames(): string[] {
    return this.#desired.layers.map((layer) => layerName(layer.diffId));
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
    const { port } = this.#desired;
    const policy = this.sleeping.isKept ? KEPT_WARM : this.#desired.sleep;
    if (policy === undefined || !this.sleeping.may || !this.#network.netns) return undefined;
    return { policy, temperature: temperature.is, since: temperature.since, pid, port, isKept: this.sleeping.isKept, interface: this.#network.netns.hostInterface, cgroupsPath: this.#container.cgroupsPath, hasOwnKernel: this.#container.runtime.hasOwnKernel };
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
      ...this.#container.fullness(),
      ...(problem ? { problem } : {}),
      timingsMs: this.#timings,
    };
  }

  /** Looks at the kernel's counters. What has ended was counted to its end; what is only created uses nothing. */
  usage(): InstanceUsage {
    if (this.#saved.pid !== null && !this.#isCreatedAhead) this.#meter.sample();
    return { id: this.#desired.id, ...this.#meter.said(), ended: false };
  }

  /** For sessions: the container, kept awake until `letGo`; undefined when no process of it runs. */
  async enter(): Promise<Entered | undefined> {
    const letGo = this.#saved.phase === "ready" ? await this.sleeping.keepAwake("exec").catch(() => undefined) : () => {};
    const { phase, pid } = this.#saved;
    if (letGo && (phase === "starting" || phase === "ready") && pid !== null && this.#network.netns) return { host: this.#container.sessionHost(this.#network.netns), letGo };
    letGo?.();
    return undefined;
  }

  begin(): void {
    this.ended = this.#live().catch((error: unknown) => this.#log.error({ err: error }, "an instance's life broke off"));
  }

  /** Ends it in order: the stop signal, the grace time, the kill. */
  end(): Promise<void> {
    this.#stop.abort();
    return this.ended.then(() => (this.#saved.phase === "failed" ? this.#remove() : undefined));
  }

  async #live(): Promise<void> {
    if (this.#saved.phase === "failed") return this.#release();
    const { signal } = this.#stop;
    try {
      for (let running = await this.#adopt(); !signal.aborted; running = false) {
        try {
          if (this.sleeping.isDeep) {
            if ((await this.#sleepDeeply()) === "stop") break;
          } else if (!running) await this.#startFresh();
          const exit = await this.#run();
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

  /** True when the process of a former agent still runs. Otherwise its exit, if it had started, is dealt with. */
  async #adopt(): Promise<boolean> {
    const { pid, startTime, netns, everReady } = this.#saved;
    this.#network.adopt(netns);
    if (pid === null) {
      // Its agent may have ended while creating it.
      if (this.#resumed) await this.#container.forget();
      return false;
    }
    if ((await startTimeOf(pid)) === startTime) {
      this.#log.info({ pid }, "adopted");
      // Its agent may have ended between creating and starting it; a container that runs refuses a second start.
      if (this.#saved.phase === "starting" || this.#saved.booting) await this.#container.start().catch(() => {});
      else if (this.sleeping.isDeep) this.#isCreatedAhead = true;
      else if (isFrozen(this.#container.cgroupsPath) !== (this.#saved.temperature.is === "frozen")) {
        this.sleeping.set(this.#saved.temperature.is === "frozen" ? "running" : "frozen");
      }
      return true;
    }
    if (this.sleeping.isDeep) {
      this.#isCreatedAhead = true;
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
    const { name } = await this.#network.connect();
    if (this.#saved.netns !== name) this.#set({ netns: name });
    if (this.#saved.pid !== null && !this.#isCreatedAhead) {
      this.#saved.lastExit = await this.#bringAbout(this.sleeping.call);
      await this.#forget();
    }
    for (let next = "cool"; next !== "wake"; this.sleeping.answered()) {
      const { is } = this.#saved.temperature;
      if (is === "standby" && !this.#isCreatedAhead) await this.#createAhead();
      if (is === "cold") {
        await this.#forget();
        await this.#container.unmountRoot();
        this.#set({});
      }
      next = await Promise.race([this.sleeping.call, this.#untilStop()]);
      if (next === "stop") return "stop";
    }
    await this.#boot();
    return "wake";
  }

  async #createAhead(): Promise<void> {
    try {
      await this.#prepare(() => {});
      this.#isCreatedAhead = true;
    } catch (error) {
      // It is woken from what there is then.
      this.#log.warn({ err: error }, "not created ahead");
      await this.#forget();
    }
  }

  async #boot(): Promise<void> {
    const lap = stopwatch((this.#timings = {}));
    if (!this.#isCreatedAhead) await this.#prepare(lap, true);
    this.#set({ booting: true });
    try {
      await this.#start();
    } catch (error) {
      if (!this.#isCreatedAhead) throw error;
      // What was created long ago may have been ended since.
      await this.#forget();
      await this.#prepare(lap, true);
      await this.#start();
    }
    this.#isCreatedAhead = false;
    lap("start");
  }

  /** From nothing to a started process. */
  async #startFresh(): Promise<void> {
    const startedAt = performance.now();
    const lap = stopwatch((this.#timings = {}));
    await this.#prepare(lap, this.#saved.everReady);
    await this.#start();
    lap("start");
    this.#timings["running"] = Math.round((performance.now() - startedAt) * 10) / 10;
  }

  async #start(): Promise<void> {
    this.#meter.startRun();
    await this.#container.start();
  }

  /** From nothing to a process that waits to be started. `isUrgent`: somebody waits for it. */
  async #prepare(lap: (name: string) => void, isUrgent = false): Promise<void> {
    const secrets = await this.#deps.host.secrets.untilRead(() => this.#desired, this.#stop.signal);
    if (secrets?.kind === "unavailable") throw new NotReady({ code: "secrets_unavailable", detail: secrets.detail });
    await pullLayers(this.#deps.store, this.#desired.layers, this.#stop.signal, this.#log);
    lap("pull");
    // A volume may take its time.
    const mounted = await mountAll({ volumes: this.#deps.volumes, disks: this.#deps.host.disks }, this.#container.dir, this.#desired);
    await this.#deps.starts.take(() => this.#assemble(lap, mounted, secrets), { isUrgent });
  }

  async #assemble(lap: (name: string) => void, mounted: Awaited<ReturnType<typeof mountAll>>, secrets: SecretValues | undefined): Promise<void> {
    lap("turn");
    const [netns] = await Promise.all([this.#network.connect(this.#container.runtime.hasOwnKernel), this.#container.mountRoot(() => this.#deps.tenantLayers(this.#desired))]);
    lap("mount");
    this.#container.writeBundle(netns, mounted, secrets);
    this.#set({ phase: this.sleeping.isDeep || this.#saved.booting ? "ready" : "starting", netns: netns.name, problem: null });
    if (this.#stop.signal.aborted) throw new Error("told to stop");
    lap("prepare");
    this.#meter.beginRun();
    const pid = await this.#container.create();
    lap("create");
    // Saved before it runs: an agent that is killed here finds it again.
    this.#set({ pid, startTime: (await startTimeOf(pid)) ?? null });
  }

  /** Until the process ends by itself (its exit), is to sleep deeply, or is told to stop (undefined). @throws NotReady before it was ready */
  async #run(): Promise<Exit | "leave" | undefined> {
    const startedAt = performance.now();
    const watching = new AbortController();
    const exited = this.#ending.untilExit(this.#desired.id, watching.signal);
    try {
      const { phase, booting } = this.#saved;
      if (phase !== "ready" || booting) {
        const first = await this.#checkup.untilReadyOr<Exit | "stop">(Promise.race([exited, this.#untilStop()]), startedAt, this.#saved.isUnready === true);
        if (first === "stop") return undefined;
        if (first !== "ready") {
          if (!this.#saved.everReady) throw this.#exited(first);
          return first;
        }
        this.#container.endBoost();
        this.#timings["ready"] = Math.round((performance.now() - startedAt) * 10) / 10;
        this.#set({ phase: "ready", everReady: true, isUnready: false, problem: null, temperature: warm(booting ? this.sleeping.wokenBy : undefined), booting: false });
      }
      const end = await Promise.race([exited, this.sleeping.untilLeft(), this.#untilStop(), this.#untilSick(watching.signal)]);
      if (end === "stop") return undefined;
      if (end === "leave") return end;
      if (performance.now() - startedAt > BACKOFF_RESET_MS) this.#saved.crashes = 0;
      if (!(end instanceof NotReady)) return end;
      watching.abort();
      this.#saved.lastExit = await this.#bringAbout();
      throw end;
    } finally {
      this.sleeping.servesNoMore();
      watching.abort();
    }
  }

  get #patient(): Patient {
    return { address: this.#network.netns?.address ?? "", port: this.#desired.port, hasOwnKernel: this.#container.runtime.hasOwnKernel, host: () => this.#container.sessionHost(this.#network.netns as Netns) };
  }

  #untilSick(signal: AbortSignal): Promise<NotReady> {
    const onReadiness = (problem: NotReady["problem"] | undefined) =>
      problem === undefined ? this.#set({ phase: "ready", isUnready: false, problem: null }) : this.#set({ phase: "starting", isUnready: true, problem: { ...problem, logTail: [] } });
    const isAwake = () => this.#saved.temperature.is === "running";
    const during: HealthOptions["during"] = (check) => this.sleeping.checks.during(this.#network.netns?.hostInterface ?? "", check);
    return this.#checkup.untilSick({ isAwake, during, onReadiness, signal });
  }

  #exited(exit: Exit): NotReady {
    this.#saved.lastExit = exit;
    return exitedEarly(exit, this.#desired.limits.memoryBytes);
  }

  async #afterCrash(exit: Exit): Promise<void> {
    this.#log.warn({ exit }, "crashed");
    this.#saved.lastExit = exit;
    await this.#backOff(crashProblem(exit, this.#desired.limits.memoryBytes));
  }

  async #afterTrouble(error: unknown): Promise<void> {
    const problem = problemOf(error);
    this.#log.warn({ problem, err: error }, "not started again");
    await this.#backOff(problem);
  }

  async #backOff(problem: NotReady["problem"]): Promise<void> {
    await this.#forget();
    const crashes = this.#saved.crashes + 1;
    const restarts = this.#saved.restarts + 1;
    this.#set({ phase: "backing-off", pid: null, startTime: null, booting: false, isUnready: false, temperature: warm(), crashes, restarts, problem: { ...problem, logTail: await this.#logTail() } });
    await sleep(restartPauseMs(crashes), undefined, { signal: this.#stop.signal }).catch(() => {});
  }

  async #fail(error: unknown): Promise<void> {
    const problem = problemOf(error);
    this.#log.warn({ problem, ...(error instanceof NotReady ? {} : { err: error }) }, "failed to start");
    await this.#container.kill("KILL");
    const logTail = await this.#logTail();
    await this.#release();
    const unable = problem.code === "app_exited" ? explainExec(logTail.at(-1) ?? "") : undefined;
    this.#set({ phase: "failed", pid: null, startTime: null, netns: null, problem: { ...(unable ?? problem), logTail } });
  }

  async #shutDown(): Promise<void> {
    const { pid, startTime } = this.#saved;
    // What was only created has nothing to end in order.
    if (pid !== null && !this.#isCreatedAhead && (await startTimeOf(pid)) === startTime) {
      this.#set({ phase: "stopping" });
      this.#set({ lastExit: await this.#bringAbout() });
    }
    await this.#remove();
    await this.#release();
    this.#saved = { ...this.#saved, phase: "stopped", pid: null };
    this.#deps.onChange();
  }

  #bringAbout(hurry?: Promise<unknown>): Promise<Exit> {
    const { preStop, stopGraceMs } = this.#desired;
    const first = preStop && ((signal: AbortSignal) => {
      thaw(this.#container.cgroupsPath);
      return isWell(this.#patient, preStop, stopGraceMs, signal);
    });
    return this.#ending.bringAbout(this.#desired, { ...(hurry ? { hurry } : {}), first });
  }

  /** Ends the process, if it runs; what it used is counted before its counters go. */
  async #forget(): Promise<void> {
    await this.#countRun();
    await this.#container.forget();
    this.#isCreatedAhead = false;
  }

  async #countRun(): Promise<void> {
    if (this.#saved.pid !== null && !this.#isCreatedAhead) this.#meter.endRun((await this.#container.exitedAt()) ?? Date.now());
    this.#saved = { ...this.#saved, pid: null, startTime: null };
  }

  /** Removes all but the log and what it used, which the API is told until it has it. */
  async #remove(): Promise<void> {
    await this.#countRun();
    this.#deps.lastUsage.keep(this.#desired.id, this.#meter.said());
    await this.#container.remove();
  }

  async #release(): Promise<void> {
    await this.#forget();
    await this.#network.release();
  }

  async #logTail(): Promise<string[]> {
    return (await tailLog(this.#container.logFile, this.#desired.id, LOG_TAIL_LINES)).map((entry) => entry.text.slice(0, 2000));
  }

  #untilStop(): Promise<"stop"> {
    const { signal } = this.#stop;
    if (signal.aborted) return Promise.resolve("stop");
    return new Promise((resolve) => signal.addEventListener("abort", () => resolve("stop"), { once: true }));
  }

  #set(change: Partial<SavedInstance>): void {
    this.#saved = { ...this.#saved, desired: this.#desired, ...change };
    writeSaved(this.#container.dir, this.#saved);
    this.sleeping.changed();
    this.#deps.onChange();
  }
}
