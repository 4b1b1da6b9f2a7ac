/**
 * One instance's life: fetch, mount, start, probe, serve, restart what crashed, stop. One thing at a time per instance;
 * instances live beside each other. What must survive the agent is in `state.json`.
 */
import { setMaxListeners } from "node:events";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readOomKills } from "../core/host/cgroup.ts";
import { mountPoints } from "../core/host/mounts.ts";
import type { Netns, NetnsPool } from "../core/host/net.ts";
import type { DesiredInstance, Exit, InstanceReport, InstanceUsage, Phase } from "../core/contract/node-channel.ts";
import type { Log } from "../core/log.ts";
import { BadImage, Container, type ContainerHost } from "./container.ts";
import type { Exits } from "./exits.ts";
import { BadLayer, type LayerStore } from "./layer-store.ts";
import type { LastUsage } from "./last-usage.ts";
import { keepOlder, tailLog } from "./logs.ts";
import { InstanceMeter } from "./meter.ts";
import { BACKOFF_RESET_MS, explainExec, explainNotReady, layerName, restartPauseMs } from "./plan.ts";
import { readListeners, untilReady } from "./probe.ts";
import { startTimeOf } from "./process.ts";

export interface InstanceDeps {
  host: ContainerHost;
  store: LayerStore;
  pool: NetnsPool;
  exits: Exits;
  lastUsage: LastUsage;
  /** The layer store as this tenant's ids see it. */
  tenantLayers: (desired: DesiredInstance) => Promise<string>;
  log: Log;
  /** Something that the API should know has changed. */
  onChange: () => void;
}

export interface SavedInstance {
  desired: DesiredInstance;
  phase: Phase;
  netns: string | null;
  pid: number | null;
  startTime: string | null;
  everReady: boolean;
  restarts: number;
  /** Crashes in a row. */
  crashes: number;
  lastExit: Exit | null;
  problem: InstanceReport["problem"] | null;
}

/** It is not going to be ready: the reason goes into the report. */
class NotReady extends Error {
  readonly problem: { code: NonNullable<InstanceReport["problem"]>["code"]; detail: string };
  constructor(problem: NotReady["problem"]) {
    super(problem.detail);
    this.problem = problem;
  }
}

function problemOf(error: unknown): NotReady["problem"] {
  if (error instanceof NotReady) return error.problem;
  const text = error instanceof Error ? error.message : String(error);
  return error instanceof BadImage ? { code: "image_invalid", detail: text } : { code: "app_unhealthy", detail: `The node could not start the app: ${text}` };
}

const PULL_PAUSES_MS = [200, 500, 1000, 2000];
const LOOK_EVERY_MS = 2000;
const LOG_TAIL_LINES = 20;

export class Instance {
  readonly #deps: InstanceDeps;
  readonly #container: Container;
  readonly #meter: InstanceMeter;
  readonly #stop = new AbortController();
  readonly #log: Log;
  #desired: DesiredInstance;
  #saved: SavedInstance;
  readonly #resumed: boolean;
  #netns: Netns | undefined;
  #mounted = false;
  #timings: Record<string, number> = {};
  /** Resolves when nothing of it is left but its log, or when it has failed and waits to be told to go. */
  ended: Promise<void> = Promise.resolve();

  constructor(deps: InstanceDeps, desired: DesiredInstance, saved?: SavedInstance) {
    this.#deps = deps;
    this.#desired = desired;
    this.#container = new Container(deps.host, desired);
    this.#meter = new InstanceMeter(join(this.#container.dir, "usage.json"), this.#container.cgroupsPath, saved !== undefined);
    // Every restart waits for it again.
    setMaxListeners(0, this.#stop.signal);
    this.#log = deps.log.child({ instanceId: desired.id, app: desired.appName });
    this.#resumed = saved !== undefined;
    this.#saved = saved ?? { desired, phase: "pulling", netns: null, pid: null, startTime: null, everReady: false, restarts: 0, crashes: 0, lastExit: null, problem: null };
  }

  get logFile(): string {
    return this.#container.logFile;
  }

  get layerNames(): string[] {
    return this.#desired.layers.map((layer) => layerName(layer.diffId));
  }

  /** Layers' URLs grow old: newer ones are for pulls to come. */
  refresh(desired: DesiredInstance): void {
    this.#desired = desired;
  }

  report(): InstanceReport {
    const { phase, restarts, lastExit, problem } = this.#saved;
    return {
      id: this.#desired.id,
      phase,
      ...(this.#netns ? { address: this.#netns.address, port: this.#desired.port } : {}),
      restarts,
      ...(lastExit ? { lastExit } : {}),
      ...(problem ? { problem } : {}),
      timingsMs: this.#timings,
    };
  }

  /** Looks at the kernel's counters. */
  usage(): InstanceUsage {
    // What has ended was counted to its end.
    if (this.#saved.pid !== null) this.#meter.sample();
    return { id: this.#desired.id, ...this.#meter.said(), ended: false };
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
          if (!running) await this.#startFresh();
          const exit = await this.#run();
          if (exit) await this.#afterCrash(exit);
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
    if (netns) this.#netns = this.#deps.pool.adopt(netns);
    if (this.#netns) this.#meter.adoptNetwork(this.#netns);
    if (pid === null) {
      // Its agent may have ended while creating it.
      if (this.#resumed) await this.#container.forget();
      return false;
    }
    if ((await startTimeOf(pid)) === startTime) {
      this.#log.info({ pid }, "adopted");
      // Its agent may have ended between creating and starting it; a container that runs refuses a second start.
      if (this.#saved.phase === "starting") this.#startAnew();
      return true;
    }
    const exit = await this.#readExit();
    if (!everReady) throw this.#exitProblem(exit);
    await this.#afterCrash(exit);
    return false;
  }

  #startAnew(): void {
    try {
      this.#container.start();
    } catch (error) {
      this.#log.debug({ err: error }, "it had been started");
    }
  }

  /** From nothing to a started process. */
  async #startFresh(): Promise<void> {
    const startedAt = performance.now();
    const lap = this.#stopwatch();
    const secrets = await this.#deps.host.secrets.untilRead(() => this.#desired, this.#stop.signal);
    if (secrets?.kind === "unavailable") throw new NotReady({ code: "secrets_unavailable", detail: secrets.detail });
    await this.#pull();
    lap("pull");
    const [netns] = await Promise.all([this.#connect(), this.#mount()]);
    lap("mount");
    await this.#container.writeBundle(netns, secrets);
    this.#set({ phase: "starting", netns: netns.name, problem: null });
    this.#throwIfStopped();
    lap("prepare");
    this.#meter.beginRun();
    const pid = await this.#container.create();
    lap("create");
    // Saved before it runs: an agent that is killed here finds it again.
    this.#set({ pid, startTime: (await startTimeOf(pid)) ?? null });
    this.#container.start();
    lap("start");
    this.#timings["running"] = Math.round((performance.now() - startedAt) * 10) / 10;
  }

  async #connect(): Promise<Netns> {
    if (this.#netns === undefined) {
      this.#netns = await this.#deps.pool.acquire();
      this.#meter.beginNetwork(this.#netns);
    }
    return this.#netns;
  }

  /** Once; an instance of a former agent may be mounted already. */
  async #mount(): Promise<void> {
    if (this.#mounted) return;
    if (!this.#resumed || !(await mountPoints()).has(this.#container.rootPath)) {
      await this.#container.mountRoot(await this.#deps.tenantLayers(this.#desired));
    }
    this.#mounted = true;
  }

  async #pull(): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#deps.store.ensure(this.#desired.layers, this.#stop.signal);
        return;
      } catch (error) {
        this.#throwIfStopped();
        const detail = error instanceof Error ? error.message : String(error);
        const pause = PULL_PAUSES_MS[attempt];
        if (error instanceof BadLayer || pause === undefined) throw new NotReady({ code: "image_pull_failed", detail });
        this.#log.warn({ err: error }, "a layer was not fetched");
        await sleep(pause, undefined, { signal: this.#stop.signal }).catch(() => {});
      }
    }
  }

  /** Until the process ends by itself (its exit) or is told to stop (undefined). @throws NotReady before it was ready */
  async #run(): Promise<Exit | undefined> {
    const startedAt = performance.now();
    const watching = new AbortController();
    const exited = this.#untilExit(watching.signal);
    try {
      if (this.#saved.phase !== "ready") {
        const first = await this.#untilReadyOr(exited, startedAt);
        if (first === "stop") return undefined;
        if (first !== "ready") {
          if (!this.#saved.everReady) throw this.#exitProblem(first);
          return first;
        }
        this.#timings["ready"] = Math.round((performance.now() - startedAt) * 10) / 10;
        this.#set({ phase: "ready", everReady: true });
      }
      const end = await Promise.race([exited, this.#untilStop()]);
      if (end === "stop") return undefined;
      if (performance.now() - startedAt > BACKOFF_RESET_MS) this.#saved.crashes = 0;
      return end;
    } finally {
      watching.abort();
    }
  }

  async #untilReadyOr(exited: Promise<Exit>, startedAt: number): Promise<"ready" | "stop" | Exit> {
    const { readyTimeoutMs, port, readiness } = this.#desired;
    const probing = new AbortController();
    try {
      const ready = untilReady(this.#netns?.address ?? "", this.#desired, probing.signal).then(() => "ready" as const);
      const late = sleep(readyTimeoutMs, "late" as const, { signal: probing.signal }).catch(() => "late" as const);
      const first = await Promise.race([exited, ready, late, this.#untilStop()]);
      if (first !== "late") return first;
      const listeners = await readListeners(this.#saved.pid ?? 0);
      throw new NotReady(explainNotReady(port, listeners, performance.now() - startedAt, readiness.kind === "http" ? readiness.path : undefined));
    } finally {
      probing.abort();
    }
  }

  /** The monitor's word is a reason to look; a monitor that died is noticed by looking at the process. */
  #untilExit(signal: AbortSignal): Promise<Exit> {
    return new Promise((resolve) => {
      const look = async () => {
        const { pid, startTime } = this.#saved;
        await keepOlder(this.#container.logFile);
        if (pid === null || (await startTimeOf(pid)) !== startTime) {
          if (!signal.aborted) resolve(await this.#readExit());
        } else if ((await readOomKills(this.#container.cgroupsPath)) > 0) {
          // The kernel took one process; half an app is no app.
          await this.#container.kill("KILL");
        }
      };
      const unlisten = this.#deps.exits.listen(this.#desired.id, () => void look());
      const timer = setInterval(() => void look(), LOOK_EVERY_MS);
      signal.addEventListener("abort", () => {
        unlisten();
        clearInterval(timer);
      });
      void look();
    });
  }

  async #readExit(): Promise<Exit> {
    // The process may have ended a moment before its monitor has written the code.
    for (let tries = 0; tries < 10 && (await this.#container.readExit()) === undefined; tries++) await sleep(20);
    const code = (await this.#container.readExit()) ?? 137;
    const oomKilled = (await readOomKills(this.#container.cgroupsPath)) > 0;
    return { code, oomKilled, at: new Date().toISOString() };
  }

  #exitProblem(exit: Exit): NotReady {
    this.#saved.lastExit = exit;
    const limit = `${Math.round(this.#desired.limits.memoryBytes / 2 ** 20)} MiB`;
    return exit.oomKilled
      ? new NotReady({ code: "app_out_of_memory", detail: `The app needed more than its ${limit} of memory while starting. Deploy with a larger --memory.` })
      : new NotReady({ code: "app_exited", detail: `The app exited with code ${exit.code} before it was ready.` });
  }

  async #afterCrash(exit: Exit): Promise<void> {
    this.#log.warn({ exit }, "crashed");
    this.#saved.lastExit = exit;
    await this.#backOff(exit.oomKilled ? { code: "app_out_of_memory", detail: "The app ran out of memory." } : { code: "app_exited", detail: `The app exited with code ${exit.code}.` });
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
    this.#set({ phase: "backing-off", pid: null, startTime: null, crashes, restarts, problem: { ...problem, logTail: await this.#logTail() } });
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
    if (pid !== null && (await startTimeOf(pid)) === startTime) {
      this.#set({ phase: "stopping" });
      const watching = new AbortController();
      const exited = this.#untilExit(watching.signal);
      await this.#container.kill(this.#desired.stopSignal || "SIGTERM");
      const grace = sleep(this.#desired.stopGraceMs, "late" as const, { signal: watching.signal }).catch(() => "late" as const);
      const end = await Promise.race([exited, grace]);
      if (end === "late") {
        await this.#container.kill("KILL");
        this.#saved.lastExit = await exited;
      } else {
        this.#saved.lastExit = end;
      }
      watching.abort();
    }
    await this.#remove();
    await this.#release();
    this.#saved = { ...this.#saved, phase: "stopped", pid: null };
    this.#deps.onChange();
  }

  /** Ends the process, if it runs; what it used is counted before its counters go. */
  async #forget(): Promise<void> {
    await this.#countRun();
    await this.#container.forget();
  }

  async #countRun(): Promise<void> {
    if (this.#saved.pid === null) return;
    this.#meter.endRun((await this.#container.exitedAt()) ?? Date.now());
    this.#saved = { ...this.#saved, pid: null };
  }

  /** Removes all but the log and what it used, which the API is told until it has it. */
  async #remove(): Promise<void> {
    await this.#countRun();
    this.#deps.lastUsage.keep(this.#desired.id, this.#meter.said());
    await this.#container.remove();
  }

  async #release(): Promise<void> {
    await this.#forget();
    const netns = this.#netns;
    this.#netns = undefined;
    if (netns) await this.#deps.pool.release(netns);
  }

  async #logTail(): Promise<string[]> {
    const entries = await tailLog(this.#container.logFile, this.#desired.id, LOG_TAIL_LINES);
    return entries.map((entry) => entry.text.slice(0, 2000));
  }

  #untilStop(): Promise<"stop"> {
    const { signal } = this.#stop;
    if (signal.aborted) return Promise.resolve("stop");
    return new Promise((resolve) => signal.addEventListener("abort", () => resolve("stop"), { once: true }));
  }

  #throwIfStopped(): void {
    if (this.#stop.signal.aborted) throw new Error("told to stop");
  }

  #stopwatch(): (name: string) => void {
    let at = performance.now();
    this.#timings = {};
    return (name) => {
      const now = performance.now();
      this.#timings[name] = Math.round((now - at) * 10) / 10;
      at = now;
    };
  }

  /** A few kilobytes to the page cache: waiting for a thread would take longer than the writing. */
  #set(change: Partial<SavedInstance>): void {
    this.#saved = { ...this.#saved, desired: this.#desired, ...change };
    const path = join(this.#container.dir, "state.json");
    mkdirSync(this.#container.dir, { recursive: true, mode: 0o711 });
    writeFileSync(`${path}.new`, JSON.stringify(this.#saved), { mode: 0o600 });
    renameSync(`${path}.new`, path);
    this.#deps.onChange();
  }
}

export async function readSaved(instancesDir: string, id: string): Promise<SavedInstance | undefined> {
  const text = await readFile(join(instancesDir, id, "state.json"), "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as SavedInstance);
}
