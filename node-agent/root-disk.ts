/**
 * A container's root: its image with a disk of bounded size on top, that all its writes go to. What is on the disk stays
 * while the instance lives, and not longer than the host is up.
 */
import { chownSync, existsSync, mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync, type StatsFs } from "node:fs";
import { join } from "node:path";
import { giveUpDisk, mountDisk, type Disks } from "../core/host/disks.ts";
import { limitWriteback, limitWrites, loopBelow, unlimitWriteback } from "../core/host/io-limits.ts";
import { isMountPoint, mountOverlay, unmount } from "../core/host/mounts.ts";
import type { Bind } from "../core/sandbox/spec.ts";
import { umountSoon } from "../core/host/syscalls.ts";
import type { DesiredInstance, Full } from "../core/contract/node-channel.ts";
import { layerName } from "./plan.ts";

/** Of the overlay: what every disk begins with. */
export const DISK_DIRECTORIES = ["upper", "work"];

const LOOK_EVERY_MS = 4000;
/** ext4 refuses large writes a little before the last block. */
const NEARLY_FULL_BYTES = 2 * 2 ** 20;

export class RootDisk {
  readonly #disks: Disks;
  readonly #dir: string;
  #limited: Promise<void> = Promise.resolve();
  #full: Full[] = [];
  #lookAgainAt = 0;

  /** `dir`: the container's own. */
  constructor(disks: Disks, dir: string) {
    this.#disks = disks;
    this.#dir = dir;
  }

  /** Where the container's root is mounted. */
  get rootPath(): string {
    return join(this.#dir, "root");
  }

  /** The disk as the host's device, such as `7:12`, while it is mounted. */
  get loop(): string | undefined {
    return existsSync(this.#loopFile) ? readFileSync(this.#loopFile, "utf8") : undefined;
  }

  get #loopFile(): string {
    return join(this.#dir, "loop");
  }

  /** Where the disk is mounted by itself, for a moment. */
  get #diskPath(): string {
    return join(this.#dir, "disk");
  }

  /** What an earlier start wrote is there. `layersDir`: as the tenant sees the store. */
  async mount({ uidBase, layers, limits }: Pick<DesiredInstance, "uidBase" | "layers" | "limits">, layersDir: () => Promise<string>): Promise<void> {
    if (isMountPoint(this.rootPath)) return;
    const names = layers.map((layer) => layerName(layer.diffId));
    // The same layer twice: the upper one has all that the lower one has.
    const lowers = names.filter((name, index) => names.lastIndexOf(name) === index);
    for (const dir of [this.#diskPath, this.rootPath]) mkdirSync(dir, { recursive: true, mode: 0o755 });
    const image = join(this.#dir, "disk.img");
    await this.#disks.prepare(image, { bytes: limits.diskBytes, inodes: limits.inodesMax });
    const base = await layersDir();
    // A former agent may have ended right here.
    await unmount(this.#diskPath);
    const loop = await mountDisk(image, this.#diskPath);
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

  /** When the container's group is there, and before anything of it runs. @throws Error when what it writes cannot be held to its limits */
  async limit(cgroupsPath: string, limits: DesiredInstance["limits"], mounted: readonly Bind[]): Promise<void> {
    await this.#limited;
    const loops = new Set([this.loop ?? [], mounted.flatMap(({ source }) => loopBelow(source) ?? [])].flat());
    for (const loop of loops) limitWrites(loop, cgroupsPath, limits);
  }

  /** With `giveUp` nothing that is not on the disk yet is written there any more. */
  async unmount({ giveUp = false } = {}): Promise<void> {
    const { loop } = this;
    if (loop !== undefined && isMountPoint(this.rootPath)) {
      if (giveUp) giveUpDisk(loop, this.#diskPath);
      unlimitWriteback(loop);
    }
    for (const path of [this.rootPath, this.#diskPath]) await unmount(path);
    rmSync(this.#loopFile, { force: true });
  }

  /** What is used up, or nearly. Looked at from time to time. */
  fullness(): { full?: Full[] } {
    if (performance.now() > this.#lookAgainAt) {
      this.#lookAgainAt = performance.now() + LOOK_EVERY_MS;
      this.#full = isMountPoint(this.rootPath) ? fullOf(statfsSync(this.rootPath)) : [];
    }
    return this.#full.length > 0 ? { full: this.#full } : {};
  }
}

function fullOf({ bsize, blocks, bavail, files, ffree }: Pick<StatsFs, "bsize" | "blocks" | "bavail" | "files" | "ffree">): Full[] {
  const isFull = bavail * bsize < NEARLY_FULL_BYTES || bavail * 100 < blocks;
  return [...(isFull ? (["disk"] as const) : []), ...(ffree * 100 < files ? (["inodes"] as const) : [])];
}
