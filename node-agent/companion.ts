/** One container beside the app's own: each step of its life by itself; `pod.ts` decides when. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ContainerReport, DesiredInit, DesiredInstance, DesiredSidecar, Exit } from "../core/contract/node-channel.ts";
import type { InstanceId } from "../core/contract/ids.ts";
import type { Netns } from "../core/host/net.ts";
import { startTimeOf } from "../core/host/process-stat.ts";
import type { Bind } from "../core/sandbox/spec.ts";
import { Checkup } from "./checkup.ts";
import { Container } from "./container.ts";
import { Ending } from "./ending.ts";
import type { InstanceDeps } from "./instance-deps.ts";
import { tailLog } from "./logs.ts";
import { NotReady, problemOf } from "./not-ready.ts";
import { explainExec, groupSize } from "./plan.ts";
import { isWell, type Patient } from "./probe.ts";
import type { SecretValues } from "./secrets.ts";
import type { SessionHost } from "./session-peers.ts";

const LOG_TAIL_LINES = 20;
const LINE_MAX_CHARS = 2000;

/** What of it must survive the agent, in `container.json`. */
interface SavedCompanion {
  state: ContainerReport["state"];
  ready: boolean;
  pid: number | null;
  startTime: string | null;
  restarts: number;
  /** Crashes in a row. */
  crashes: number;
  lastExit: Exit | null;
  problem: ContainerReport["problem"] | null;
}

const FRESH: SavedCompanion = { state: "waiting", ready: false, pid: null, startTime: null, restarts: 0, crashes: 0, lastExit: null, problem: null };

/** The name that one of an instance's containers has on its node. */
export const containerId = (instanceId: string, name: string) => `${instanceId}.${name}`;

export class Companion {
  readonly desired: DesiredInit | DesiredSidecar;
  readonly kind: ContainerReport["kind"];
  readonly container: Container;
  readonly checkup: Checkup;
  readonly #deps: Pick<InstanceDeps, "exits" | "host" | "tenantLayers">;
  readonly #instance: () => DesiredInstance;
  readonly #ending: Ending;
  readonly #onChange: () => void;
  #netns: Netns | undefined;
  #saved: SavedCompanion;

  constructor(deps: InstanceDeps, instance: () => DesiredInstance, kind: ContainerReport["kind"], desired: DesiredInit | DesiredSidecar, group: string, isResumed: boolean) {
    this.#deps = deps;
    this.#instance = instance;
    this.#onChange = deps.onChange;
    this.desired = desired;
    this.kind = kind;
    this.container = new Container(deps.host, asInstance(instance(), desired), { path: group, name: desired.name });
    this.#saved = { ...FRESH, ...(isResumed ? readSaved(this.container.dir) : {}) };
    this.#ending = new Ending(this.container, deps.exits, () => this.#saved);
    const sidecar: Partial<DesiredSidecar> = desired;
    const { startup, liveness, readiness = { kind: "tcp" } } = sidecar;
    const checks = { readiness, readyTimeoutMs: 0, ...(startup ? { startup } : {}), ...(liveness ? { liveness } : {}) };
    this.checkup = new Checkup({ checks: () => checks, patient: () => this.patient, pid: () => this.#saved.pid });
  }

  get name(): string {
    return this.desired.name;
  }

  get saved(): Readonly<SavedCompanion> {
    return this.#saved;
  }

  get patient(): Patient {
    return { address: this.#netns?.address ?? "", port: 0, hasOwnKernel: this.container.runtime.hasOwnKernel, host: () => this.sessionHost(this.#netns as Netns) };
  }

  sessionHost(netns: Netns): SessionHost {
    return this.container.sessionHost(netns);
  }

  report(): ContainerReport {
    const { state, ready, restarts, lastExit, problem } = this.#saved;
    return { name: this.name, kind: this.kind, state, ready, restarts, ...(lastExit ? { lastExit } : {}), ...(problem ? { problem } : {}) };
  }

  set(change: Partial<SavedCompanion>): void {
    this.#saved = { ...this.#saved, ...change };
    writeSaved(this.container.dir, this.#saved);
    this.#onChange();
  }

  /** True when the process that a former agent started still runs. */
  async adopt(netns: Netns): Promise<boolean> {
    this.#netns = netns;
    const { pid, startTime } = this.#saved;
    if (pid === null || startTimeOf(pid) !== startTime) return false;
    // Its agent may have ended between creating and starting it; a container that runs refuses a second start.
    await this.container.start().catch(() => {});
    return true;
  }

  /** From nothing to a process that runs. Its layers are there. */
  async launch(netns: Netns, mounted: readonly Bind[], secrets: SecretValues | undefined): Promise<void> {
    this.#netns = netns;
    await this.container.forget();
    await this.container.mountRoot(() => this.#deps.tenantLayers(this.#instance()));
    if (secrets !== undefined) mkdirSync(this.#deps.host.secrets.dirOf(containerId(this.#instance().id, this.name)), { recursive: true, mode: 0o711 });
    this.container.writeBundle(netns, mounted, secrets);
    const pid = await this.container.create(mounted);
    // Saved before it runs: an agent that is killed here finds it again.
    this.set({ state: "starting", ready: false, pid, startTime: startTimeOf(pid) ?? null, problem: null });
    await this.container.start();
  }

  /** When its process is over. */
  untilExit(signal: AbortSignal): Promise<Exit> {
    return this.#ending.untilExit(containerId(this.#instance().id, this.name), signal);
  }

  /** How a process ended that a former agent had started; undefined: there was none. */
  async formerExit(): Promise<Exit | undefined> {
    return this.#saved.pid === null ? undefined : this.#ending.read();
  }

  /** In order: what comes before the stop, the stop signal, the kill. */
  async stop(stopGraceMs: number): Promise<Exit | undefined> {
    const { pid, startTime } = this.#saved;
    if (pid === null || startTimeOf(pid) !== startTime) return undefined;
    const { preStop } = this.desired as Partial<DesiredSidecar>;
    const first = preStop && ((signal: AbortSignal) => isWell(this.patient, preStop, stopGraceMs, signal));
    const desired = asInstance(this.#instance(), this.desired);
    return this.#ending.bringAbout({ ...desired, stopGraceMs }, { first });
  }

  /** No process of it is left; its files stay. */
  async forget(): Promise<void> {
    await this.container.forget();
    this.#saved = { ...this.#saved, pid: null, startTime: null, ready: false };
  }

  get #outOfMemory(): string {
    const mib = (bytes: number) => Math.round(bytes / 2 ** 20);
    if (this.container.sandboxId === undefined) return `It needed more than its ${mib(this.desired.limits.memoryBytes)} MiB of memory.`;
    return `The instance's containers needed more than their ${mib(groupSize(this.#instance()).memoryBytes)} MiB of memory together.`;
  }

  /** Why it does not run, for those who deployed it: a sentence, its exit and its last lines. */
  async explain(error: Exit | unknown): Promise<NotReady> {
    const exit = isExit(error) ? error : null;
    const lines = await tailLog(this.container.logFile, "", LOG_TAIL_LINES);
    const logTail = lines.map(({ text }) => text.slice(0, LINE_MAX_CHARS));
    const unable = exit === null ? undefined : explainExec(logTail.at(-1) ?? "");
    const why = unable?.detail ?? (exit === null ? problemOf(error).detail.replace(/^The app /, "It ").replace(/^The node could not start the app/, "The node could not start it") : exit.oomKilled ? this.#outOfMemory : `It exited with code ${exit.code}.`);
    const what = this.kind === "init" ? "init container" : "sidecar";
    const code = this.kind === "init" ? "init_failed" : "sidecar_failed";
    return new NotReady({ code, detail: `The ${what} «${this.name}» failed: ${why}` }, { lastExit: exit, logTail });
  }
}

const isExit = (value: unknown): value is Exit => typeof value === "object" && value !== null && "oomKilled" in value;

/** The instance as if this were its only container: what it does not say itself is as the instance has it. */
function asInstance(instance: DesiredInstance, { name, hasSecrets, limits, restartPolicy, ...own }: DesiredInit | DesiredSidecar): DesiredInstance {
  const { init: _init, sidecars: _sidecars, secrets, startup: _startup, liveness: _liveness, preStop: _preStop, ...shared } = instance;
  // More cpu at the start is the app's.
  const { startupCpuMillis: _boost, ...shares } = instance.limits;
  const { readiness, ...rest } = own as Omit<DesiredSidecar, "name" | "hasSecrets" | "limits" | "restartPolicy">;
  return {
    ...shared,
    ...rest,
    readiness: readiness ?? instance.readiness,
    id: containerId(instance.id, name) as InstanceId,
    limits: { ...shares, ...limits },
    restartPolicy,
    ...(hasSecrets && secrets ? { secrets } : {}),
  };
}

function writeSaved(dir: string, saved: SavedCompanion): void {
  const path = join(dir, "container.json");
  mkdirSync(dir, { recursive: true, mode: 0o711 });
  writeFileSync(`${path}.new`, JSON.stringify(saved), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

function readSaved(dir: string): SavedCompanion | undefined {
  try {
    return JSON.parse(readFileSync(join(dir, "container.json"), "utf8")) as SavedCompanion;
  } catch {
    return undefined;
  }
}
