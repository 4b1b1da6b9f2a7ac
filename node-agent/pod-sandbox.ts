/**
 * gVisor's kernel for an instance of several containers: a container of its own that only sleeps, there before the others
 * and gone after them. `docs/decisions/pods.md`.
 */
import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { DesiredInstance } from "../core/contract/node-channel.ts";
import { readOomKills, removeCgroup } from "../core/host/cgroup.ts";
import type { SandboxCommands } from "../core/host/commands/runtime-class.ts";
import { thaw } from "../core/host/freezer.ts";
import type { Netns } from "../core/host/net.ts";
import { startTimeOf } from "../core/host/process-stat.ts";
import { run, runUnchecked } from "../core/host/spawn.ts";
import { SANDBOX_ROOT_DIRECTORIES, sandboxSpec, SLEEP_FOREVER } from "../core/sandbox/spec.ts";
import type { ContainerHost } from "./container.ts";
import { groupSize } from "./plan.ts";

/** No container's name. */
const NAME = "_sandbox";
const TIMEOUT_MS = 20_000;
const LOOK_EVERY_MS = 20;

/** Of the group around the instance's containers. */
export const sandboxGroup = (groupPath: string) => `${groupPath}/${NAME}`;
export const sandboxId = (groupPath: string) => `${basename(groupPath)}.${NAME}`;

export interface PodSandboxOptions {
  host: Pick<ContainerHost, "bundlesDir" | "openFiles" | "ioDevice" | "sandboxRoot">;
  commands: SandboxCommands;
  desired: () => DesiredInstance;
  groupPath: string;
  isResumed: boolean;
  /** Gives the namespace its address again: a sandbox takes it for itself. */
  restore: (netns: Netns) => Promise<void>;
  /** How a container ended is still to be read. */
  isInUse: () => boolean;
}

export class PodSandbox {
  readonly #options: PodSandboxOptions;
  readonly #id: string;
  readonly #dir: string;
  readonly #group: string;
  #process: { pid: number; startTime: string | undefined } | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(options: PodSandboxOptions) {
    this.#options = options;
    this.#id = sandboxId(options.groupPath);
    this.#group = sandboxGroup(options.groupPath);
    this.#dir = join(options.host.bundlesDir, this.#id);
    if (options.isResumed) this.#process = readProcess(this.#stateFile);
  }

  get #stateFile(): string {
    return join(this.#dir, "state.json");
  }

  /** Of its kernel, while that runs. */
  get pid(): number | undefined {
    const { pid, startTime } = this.#process ?? {};
    return pid !== undefined && startTime !== undefined && startTimeOf(pid) === startTime ? pid : undefined;
  }

  /** What runs out of memory is of no more use, whichever process the kernel chose. */
  async #isWell(): Promise<boolean> {
    return this.pid !== undefined && (await readOomKills(this.#group)) === 0;
  }

  /** One that has ended took all containers with it: until each of them was looked at. @throws Error when it is told to stop */
  async untilUnused(stop: AbortSignal): Promise<void> {
    for (const deadline = performance.now() + TIMEOUT_MS; !(await this.#isWell()) && this.#options.isInUse() && performance.now() < deadline; ) {
      await sleep(LOOK_EVERY_MS, undefined, { signal: stop });
    }
  }

  /** Runs when this resolves. @throws CommandError */
  up(netns: Netns): Promise<void> {
    this.#last = this.#last.catch(() => {}).then(async () => ((await this.#isWell()) ? undefined : this.#make(netns)));
    return this.#last;
  }

  async #make(netns: Netns): Promise<void> {
    const { host, commands, desired, restore } = this.#options;
    await this.down();
    mkdirSync(this.#dir, { recursive: true, mode: 0o711 });
    const { uidBase, hostname, limits } = desired();
    const spec = sandboxSpec({ rootPath: host.sandboxRoot, uidBase, hostname, netnsPath: netns.path, cgroupsPath: this.#group, limits: { ...limits, ...groupSize(desired()), openFiles: host.openFiles }, ioDevice: host.ioDevice });
    writeFileSync(join(this.#dir, "config.json"), JSON.stringify(spec), { mode: 0o600 });
    await restore(netns);
    const pidFile = join(this.#dir, "pid");
    await run(commands.create(this.#id, this.#dir, pidFile), { timeoutMs: TIMEOUT_MS });
    const pid = Number(readFileSync(pidFile, "utf8"));
    const startTime = startTimeOf(pid);
    await run(commands.start(this.#id), { timeoutMs: TIMEOUT_MS });
    this.#process = { pid, startTime };
    writeFileSync(this.#stateFile, JSON.stringify(this.#process), { mode: 0o600 });
  }

  /** Ends it, and all that still runs in it. */
  async down(): Promise<void> {
    thaw(this.#options.groupPath);
    await runUnchecked(this.#options.commands.delete(this.#id));
    this.#process = undefined;
    await removeCgroup(this.#group);
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

/** What every such sandbox has as its root: a program that sleeps. Gives its path. */
export function makeSandboxRoot(path: string, program: string): string {
  for (const each of SANDBOX_ROOT_DIRECTORIES) mkdirSync(join(path, each), { recursive: true, mode: 0o755 });
  const own = join(path, SLEEP_FOREVER);
  copyFileSync(program, `${own}.new`);
  renameSync(`${own}.new`, own);
  return path;
}

function readProcess(path: string): { pid: number; startTime: string } | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as { pid: number; startTime: string };
  } catch {
    return undefined;
  }
}
