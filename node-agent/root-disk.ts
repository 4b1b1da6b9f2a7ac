/**
 * A container's root: its image with a disk of bounded size on top, that all its writes go to. What is on the disk stays
 * while the instance lives, and not longer than the host is up.
 */
import { chownSync, close, closeSync, existsSync, mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync, type StatsFs } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { giveUpDisk, holdsImage, mountDisk, type Disks } from "../core/host/disks.ts";
import { limitGroup, limitWriteback, loopBelow, unlimitWriteback } from "../core/host/io-limits.ts";
import { isMountPoint, mountOverlay, unmount } from "../core/host/mounts.ts";
import type { Bind } from "../core/sandbox/spec.ts";
import { holdMount, mountHeld, umountSoon } from "../core/host/syscalls.ts";
import type { DesiredInstance, Full } from "../core/contract/node-channel.ts";
import { layerName } from "./plan.ts";

/** Of the overlay: what every disk begins with. */
export const DISK_DIRECTORIES = ["upper", "work"];

const LOOK_EVERY_MS = 4000;
/** ext4 refuses large writes a little before the last block. */
const NEARLY_FULL_BYTES = 2 * 2 ** 20;
const DETACH_TIMEOUT_MS = 20_000;
const DETACH_PAUSE_MS = 20;

export class RootDisk {
  readonly #disks: Disks;
  readonly #dir: string;
  readonly #bundle: string;
  #limited: Promise<void> = Promise.resolve();
  /** The root while its container has it: mounted for that alone. */
  #held: number | undefined;
  #full: Full[] = [];
  #lookAgainAt = 0;

  /** `dir`: the container's own, on a disk; `bundle`: the same in memory, where what is mounted is. */
  constructor(disks: Disks, dir: string, bundle: string) {
    this.#disks = disks;
    this.#dir = dir;
    this.#bundle = bundle;
  }

  /** Where the container's root is mounted. */
  get rootPath(): string {
    return join(this.#bundle, "root");
  }

  /** The disk as the host's device, such as `7:12`, while it is mounted. */
  get loop(): string | undefined {
    return existsSync(this.#loopFile) ? readFileSync(this.#loopFile, "utf8") : undefined;
  }

  get #image(): string {
    return join(this.#dir, "disk.img");
  }

  get #loopFile(): string {
    return join(this.#bundle, "loop");
  }

  /** Where the disk is mounted by itself, for a moment. */
  get #diskPath(): string {
    return join(this.#bundle, "disk");
  }

  /** What an earlier start wrote is there. `layersDir`: as the tenant sees the store. */
  async mount({ uidBase, layers, limits }: Pick<DesiredInstance, "uidBase" | "layers" | "limits">, layersDir: () => Promise<string>): Promise<void> {
    if (this.#held !== undefined) return this.#mountHeld(this.#held);
    if (isMountPoint(this.rootPath)) return;
    const names = layers.map((layer) => layerName(layer.diffId));
    // The same layer twice: the upper one has all that the lower one has.
    const lowers = names.filter((name, index) => names.lastIndexOf(name) === index);
    for (const dir of [this.#dir, this.#diskPath, this.rootPath]) mkdirSync(dir, { recursive: true, mode: 0o755 });
    // A former agent may have ended between the two mounts.
    await unmount(this.#diskPath);
    await this.#untilDetached();
    await this.#disks.prepare(this.#image, { bytes: limits.diskBytes, inodes: limits.inodesMax });
    const base = await layersDir();
    const loop = await mountDisk(this.#image, this.#diskPath);
    try {
      writeFileSync(this.#loopFile, loop);
      const [upper = "", work = ""] = DISK_DIRECTORIES.map((name) => join(this.#diskPath, name));
      chownSync(upper, uidBase, uidBase);
      mountOverlay({ base, lowers: lowers.length > 0 ? lowers : ["empty"], upper, work, target: this.rootPath });
    } finally {
      // The overlay holds it. A mount less for every container to come, whose namespace begins as a copy of this one.
      await umountSoon(this.#diskPath);
    }
    this.#limited = limitWriteback(loop, limits);
    this.#limited.catch(() => {});
  }

  #mountHeld(held: number): void {
    mountHeld(held, this.rootPath);
    closeSync(held);
    this.#held = undefined;
  }

  /** What a container alone has mounted goes after its end, and may have to be written first. */
  async #untilDetached(): Promise<void> {
    for (const deadline = performance.now() + DETACH_TIMEOUT_MS; this.#isAttached; await sleep(DETACH_PAUSE_MS)) {
      if (performance.now() > deadline) throw new Error(`${this.#image} is still in use`);
    }
  }

  get #isAttached(): boolean {
    const { loop } = this;
    return loop !== undefined && holdsImage(loop, this.#image);
  }

  /** After the container was created: it has the root mounted, and a mount here would be one more for every container to come, whose namespace begins as a copy of this one. */
  async leaveToContainer(): Promise<void> {
    this.#held = holdMount(this.rootPath);
    await umountSoon(this.rootPath);
  }

  /** When the container's group is there, and before anything of it runs. @throws Error when what it writes cannot be held to its limits */
  async limit(cgroupsPath: string, limits: DesiredInstance["limits"], mounted: readonly Bind[], { withReads }: { withReads: boolean }): Promise<void> {
    await this.#limited;
    const loops = new Set([this.loop ?? [], mounted.flatMap(({ source }) => loopBelow(source) ?? [])].flat());
    for (const loop of loops) {
      limitGroup(loop, cgroupsPath, "write", limits);
      if (withReads) limitGroup(loop, cgroupsPath, "read", limits);
    }
  }

  /** With `giveUp` nothing that is not on the disk yet is written there any more. */
  async unmount({ giveUp = false } = {}): Promise<void> {
    const { loop } = this;
    if (loop !== undefined && this.#isAttached) {
      if (giveUp) giveUpDisk(loop, this.#diskPath);
      unlimitWriteback(loop);
    }
    for (const path of [this.rootPath, this.#diskPath]) await unmount(path);
    // On a thread: the disk may be written then.
    if (this.#held !== undefined) await promisify(close)(this.#held);
    this.#held = undefined;
    // Of a container that has just ended the kernel may still hold it: whoever mounts it again waits for that.
    if (!this.#isAttached) rmSync(this.#loopFile, { force: true });
  }

  /** What is used up, or nearly. Looked at from time to time. `pid`: of its process, if it runs. */
  fullness(pid: number | null): { full?: Full[] } {
    if (performance.now() > this.#lookAgainAt) {
      this.#lookAgainAt = performance.now() + LOOK_EVERY_MS;
      this.#full = this.#look(pid);
    }
    return this.#full.length > 0 ? { full: this.#full } : {};
  }

  #look(pid: number | null): Full[] {
    if (this.#held !== undefined) return fullOf(statfsSync(`/proc/self/fd/${this.#held}`));
    if (isMountPoint(this.rootPath)) return fullOf(statfsSync(this.rootPath));
    if (pid === null) return [];
    try {
      // A former agent left it to the process.
      return fullOf(statfsSync(`/proc/${pid}/root`));
    } catch {
      // That has just ended.
      return [];
    }
  }
}

function fullOf({ bsize, blocks, bavail, files, ffree }: Pick<StatsFs, "bsize" | "blocks" | "bavail" | "files" | "ffree">): Full[] {
  const isFull = bavail * bsize < NEARLY_FULL_BYTES || bavail * 100 < blocks;
  return [...(isFull ? (["disk"] as const) : []), ...(ffree * 100 < files ? (["inodes"] as const) : [])];
}
