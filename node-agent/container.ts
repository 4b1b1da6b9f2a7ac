/** One container's files, mounts and process: each step by itself; `instance.ts` decides when. */
import { closeSync, constants, existsSync, openSync, readFileSync, rmSync, unlinkSync, writeSync } from "node:fs";
import { readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { confineCpu, removeCgroup, setCpuQuota } from "../core/host/cgroup.ts";
import { conmon } from "../core/host/commands/conmon.ts";
import { CRUN_UNCOPIED } from "../core/host/commands/crun.ts";
import type { RuntimeClass } from "../core/host/commands/runtime-class.ts";
import { thaw } from "../core/host/freezer.ts";
import type { Disks } from "../core/host/disks.ts";
import { monitorCpuMillis } from "../core/domain/cpu-quota.ts";
import type { Netns } from "../core/host/net.ts";
import { limitShared } from "../core/host/shared-limits.ts";
import { runLine, runUnchecked } from "../core/host/spawn.ts";
import type { DesiredInstance, Full } from "../core/contract/node-channel.ts";
import { MAIN } from "../core/contract/pods.ts";
import type { Bind } from "../core/sandbox/spec.ts";
import type { Isolation } from "../core/contract/isolation.ts";
import { createError } from "./bad-image.ts";
import { writeBundle } from "./bundle.ts";
import { unmountScratch } from "./mounts.ts";
import { groupSize } from "./plan.ts";
import { sandboxGroup, sandboxId } from "./pod-sandbox.ts";
import { RootDisk } from "./root-disk.ts";
import type { SessionHost } from "./session-peers.ts";
import type { SecretStore, SecretValues } from "./secrets.ts";

export interface ContainerHost {
  runtimes: Readonly<Record<Isolation, RuntimeClass>>;
  /** Path of the program that monitors each container. */
  conmon: string;
  /** `<dir>/<id>` is an instance's own, on a disk. */
  instancesDir: string;
  /** The same in memory, for what runs alone. */
  bundlesDir: string;
  logsDir: string;
  exitDir: string;
  socketDir: string;
  secrets: SecretStore;
  disks: Disks;
  /** The whole disk below `instancesDir`, as `254:0`; undefined: it is none that can be limited. */
  ioDevice: string | undefined;
  cgroupParent: string;
  openFiles: number;
  /** What a sandbox of several containers has as its own root. */
  sandboxRoot: string;
  /** Where the node answers questions for names. */
  resolver: string;
}

export interface ContainerGroup {
  path: string;
  name: string;
}

/** Of the app's own container; undefined: it is the only one, and its group the instance's. */
export function mainGroup({ cgroupParent }: ContainerHost, { id, init = [], sidecars = [] }: DesiredInstance): ContainerGroup | undefined {
  return init.length + sidecars.length === 0 ? undefined : { path: `${cgroupParent}/${id}`, name: MAIN };
}

const CREATE_TIMEOUT_MS = 20_000;
const CREATE_TRIES = 3;
const MONITOR_PAUSE_MS = 2;

export class Container {
  readonly #host: ContainerHost;
  readonly #desired: DesiredInstance;
  readonly #root: RootDisk;
  readonly dir: string;
  /** What its runtime and its monitor have of it. */
  readonly #bundle: string;
  readonly logFile: string;
  readonly cgroupsPath: string;
  /** Of all containers of the instance. */
  readonly groupPath: string;
  readonly runtime: RuntimeClass;
  /** It shares that with the instance's other containers, and the control group with it. */
  readonly sandboxId: string | undefined;

  /** `group`: its instance's control group, when it is one of several in it. */
  constructor(host: ContainerHost, desired: DesiredInstance, group?: ContainerGroup) {
    this.#host = host;
    this.#desired = desired;
    this.dir = join(host.instancesDir, desired.id);
    this.#bundle = join(host.bundlesDir, desired.id);
    this.#root = new RootDisk(host.disks, this.dir, this.#bundle);
    this.logFile = join(host.logsDir, `${desired.id}.log`);
    this.groupPath = group?.path ?? `${host.cgroupParent}/${desired.id}`;
    const runtime = host.runtimes[desired.isolation ?? "crun"];
    const shared = group === undefined ? undefined : runtime.sandboxed;
    this.runtime = shared?.container ?? runtime;
    this.sandboxId = shared && sandboxId(this.groupPath);
    const ownGroup = group === undefined ? this.groupPath : `${group.path}/${group.name}`;
    this.cgroupsPath = shared === undefined ? ownGroup : sandboxGroup(this.groupPath);
  }

  /** What it may use: containers that share a sandbox have one limit together. */
  get memoryBytes(): number {
    return this.sandboxId === undefined ? this.#desired.limits.memoryBytes : groupSize(this.#desired).memoryBytes;
  }

  get exitFile(): string {
    return join(this.#host.exitDir, this.#desired.id);
  }

  /** Mounts the image with a writable layer on top, once; what an earlier start wrote there stays. `layersDir`: as the tenant sees the store. */
  mountRoot(layersDir: () => Promise<string>): Promise<void> {
    return this.#root.mount(this.#desired, layersDir);
  }

  /** What `create` reads: `bundle.ts`. @throws BadImage */
  writeBundle(netns: Netns, mounted: readonly Bind[], secrets?: SecretValues): void {
    writeBundle(this.#host, { ...this.#desired, dir: this.#bundle, rootPath: this.#root.rootPath, cgroupsPath: this.cgroupsPath, sandboxId: this.sandboxId, ioDevice: this.#host.ioDevice ?? this.#root.loop, mounted }, netns, secrets);
  }

  /** For programs beside the app: they run as its own process was created. */
  sessionHost({ address, path: netnsPath }: Netns): SessionHost {
    const { process: own } = JSON.parse(readFileSync(join(this.#bundle, "config.json"), "utf8")) as { process: SessionHost["process"] & { user: { uid: number; gid: number } } };
    const { id, uidBase } = this.#desired;
    const owner = { uid: uidBase + own.user.uid, gid: uidBase + own.user.gid };
    return { id, runtime: this.runtime, dir: this.#bundle, process: own, owner, address, netnsPath };
  }

  /** Creates the container under its monitor; gives the id of its first process, which waits for `start`. `mounted`: as in its bundle. @throws BadImage */
  async create(mounted: readonly Bind[]): Promise<number> {
    for (let attempt = 0; ; attempt++) {
      try {
        const pid = await this.#create();
        // Another kernel counts for itself.
        if (!this.runtime.hasOwnKernel) limitShared(pid);
        await Promise.all([this.#root.limit(this.cgroupsPath, this.#desired.limits, mounted, { withReads: this.#isWithoutDisk }), this.#limitMonitor(pid), this.#leaveRoot()]);
        return pid;
      } catch (error) {
        // A monitor that a former agent had begun may create it a moment after it was looked for.
        if (attempt === CREATE_TRIES || !(error instanceof Error && /already exists/.test(error.message))) throw error;
        await this.forget();
      }
    }
  }

  /** Its spec could not say what it may read: it has no group of its own, and the host no one disk. */
  get #isWithoutDisk(): boolean {
    return this.sandboxId !== undefined && this.#host.ioDevice === undefined;
  }

  /** gVisor's root is mounted for its helper when it starts. */
  async #leaveRoot(): Promise<void> {
    if (!this.runtime.hasOwnKernel) await this.#root.leaveToContainer();
  }

  get #monitorPidFile(): string {
    return join(this.#bundle, "monitor-pid");
  }

  get #monitorGroup(): string {
    // Not in the group of several containers: it writes while they are frozen.
    return `${this.#host.cgroupParent}/${this.#desired.id}.monitor`;
  }

  /** The monitor goes on before the program that began it has written its id. */
  async #monitorPid(): Promise<number> {
    for (const deadline = performance.now() + CREATE_TIMEOUT_MS; performance.now() < deadline; await sleep(MONITOR_PAUSE_MS)) {
      // In memory: waiting for a thread would take longer.
      const text = existsSync(this.#monitorPidFile) ? readFileSync(this.#monitorPidFile, "utf8") : "";
      if (/^\d+/.test(text)) return Number.parseInt(text, 10);
    }
    throw new Error("the container's monitor did not say its id");
  }

  /** Whoever writes much into the log pays for its writing. */
  async #limitMonitor(pid: number): Promise<void> {
    const cpuMillis = monitorCpuMillis(this.#desired.limits.cpuMillis);
    await confineCpu(this.#monitorGroup, await this.#monitorPid(), cpuMillis);
    // Of one that shares a sandbox this is no process of the app's.
    if (this.sandboxId !== undefined) await confineCpu(this.#monitorGroup, pid, cpuMillis);
  }

  async #create(): Promise<number> {
    // The id of a former monitor may be another process's by now.
    for (const file of [this.exitFile, this.#monitorPidFile]) rmSync(file, { force: true });
    const argv = conmon(this.runtime, {
      conmon: this.#host.conmon,
      id: this.#desired.id,
      bundle: this.#bundle,
      pidFile: join(this.#bundle, "pid"),
      ownPidFile: this.#monitorPidFile,
      exitDir: this.#host.exitDir,
      socketDir: this.#host.socketDir,
      logFile: this.logFile,
      // The older half is kept beside it.
      logBytes: Math.floor(this.#desired.limits.logBytes / 2),
    });
    const { line, stderr } = await runLine(argv, { timeoutMs: CREATE_TIMEOUT_MS, cwd: this.#bundle, env: { PATH: process.env["PATH"], _OCI_SYNCPIPE: "3", [CRUN_UNCOPIED]: process.env[CRUN_UNCOPIED] } });
    if (line === "") throw new Error(`the container's monitor ended: ${stderr.trim()}`);
    const { data, message } = JSON.parse(line) as { data: number; message?: string };
    if (data > 0) return data;
    const reason = (message ?? "").trim().split("\n").at(-1) ?? "";
    throw createError(reason, this.#desired.args[0] ?? "");
  }

  /** @throws Error when it was started before or has ended */
  async start(): Promise<void> {
    const { argv, fifo } = this.runtime.start(this.#desired.id, this.#bundle);
    try {
      if (argv !== undefined) await this.#startWith(argv);
    } finally {
      if (fifo !== undefined) writeByte(fifo);
    }
  }

  async #startWith(argv: readonly string[]): Promise<void> {
    const { code, stderr } = await runUnchecked(argv, { timeoutMs: CREATE_TIMEOUT_MS });
    if (code !== 0) throw createError(stderr.trim().split("\n").at(-1) ?? "", this.#desired.args[0] ?? "");
  }

  /** It is ready: from now on it has the cpu that it asked for, if it had more until now. */
  endBoost(): void {
    const { cpuMillis, startupCpuMillis = 0 } = this.#desired.limits;
    if (startupCpuMillis <= cpuMillis) return;
    const { startupCpuMillis: _boost, ...limits } = this.#desired.limits;
    setCpuQuota(this.cgroupsPath, this.sandboxId === undefined ? cpuMillis : groupSize({ ...this.#desired, limits }).cpuMillis);
  }

  /** What of its disk is used up. */
  fullness(pid: number | null): { full?: Full[] } {
    return this.#root.fullness(pid);
  }

  /** A container that has ended is no error. A frozen one would keep the signal for later: it is thawed. */
  async kill(signal: string): Promise<void> {
    thaw(this.groupPath);
    await runUnchecked(this.runtime.kill(this.#desired.id, signal));
  }

  /** Ends the process, if it runs, and makes the runtime forget the container; files and mounts stay for the next start. */
  async forget(): Promise<void> {
    thaw(this.groupPath);
    await runUnchecked(this.runtime.delete(this.#desired.id));
    if (this.sandboxId !== undefined) this.#endWaiting();
    await Promise.all([...(this.sandboxId === undefined ? [this.cgroupsPath] : []), this.#monitorGroup].map(removeCgroup));
    await rm(this.exitFile, { force: true });
  }

  /** What stands for it waits for its start, if that never came. */
  #endWaiting(): void {
    const { fifo } = this.runtime.start(this.#desired.id, this.#bundle);
    try {
      if (fifo !== undefined) writeByte(fifo);
    } catch {
      // It has been started.
    }
  }

  unmountRoot(): Promise<void> {
    return this.#root.unmount();
  }

  /** Removes all but the log. */
  async remove(): Promise<void> {
    await this.forget();
    await this.#root.unmount({ giveUp: true });
    await unmountScratch(this.dir);
    for (const path of [join(this.#host.socketDir, this.#desired.id), this.#bundle, this.dir]) await rm(path, { recursive: true, force: true });
    this.#host.secrets.remove(this.#desired.id);
  }

  /** The exit code that the monitor wrote, or undefined while it has not. */
  async readExit(): Promise<number | undefined> {
    const text = await readFile(this.exitFile, "utf8").catch(() => "");
    return /^\d+$/.test(text.trim()) ? Number(text) : undefined;
  }

  /** Whether somebody will still write it. */
  async isMonitored(): Promise<boolean> {
    const pid = await readFile(this.#monitorPidFile, "utf8").catch(() => "");
    const argv = await readFile(`/proc/${Number.parseInt(pid, 10)}/cmdline`, "utf8").catch(() => "");
    return argv.includes(`\0${this.#desired.id}\0`);
  }

  /** When the monitor wrote it, ms since 1970. */
  async exitedAt(): Promise<number | undefined> {
    const found = await stat(this.exitFile).catch(() => undefined);
    return found?.mtimeMs;
  }
}

/** The created process waits for it. @throws Error ENOENT or ENXIO when it was started before or has ended */
function writeByte(fifo: string): void {
  const descriptor = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
  try {
    writeSync(descriptor, "\n");
    unlinkSync(fifo);
  } finally {
    closeSync(descriptor);
  }
}
