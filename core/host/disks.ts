/**
 * Disks of bounded size, in bytes and in inodes: sparse files with an ext4 of their own. Making and mounting one takes two
 * milliseconds and starts no program. `docs/decisions/writable-layer.md`.
 */
import { closeSync, ftruncateSync, globSync, openSync, readFileSync, readSync, renameSync, writeSync } from "node:fs";
import { mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { ext4Options, imageBytes, isClean, loopConfig, makeExt4, SUPERBLOCK_BYTES, type DiskSize } from "./commands/disk.ts";
import { run } from "./spawn.ts";
import { ioctl, ioctlSoon, mountNow, mountSoon, nextData, umountNow } from "./syscalls.ts";

const LOOP_CTL_GET_FREE = 0x4c82;
const LOOP_CONFIGURE = 0x4c0a;
/** Source: the kernel's `fs/ext4/ext4.h`. */
const EXT4_IOC_SHUTDOWN = 0x8004_587d;
const GOING_FLAGS_NOLOGFLUSH = 2;
const LOOP_MAJOR = 7;
/** Another program may take the device that was free a moment ago. */
const ATTACH_TRIES = 20;
const BLOCK = 4096;
/** Sizes whose empty file systems are kept in memory, about 100 KiB each. */
const TEMPLATES = 32;

/** An empty file system: what of it is not zeros. */
type Template = readonly { offset: number; bytes: Buffer }[];

export class Disks {
  readonly #dir: string;
  readonly #directories: readonly string[];
  readonly #templates = new Map<string, Promise<Template>>();

  /** `dir`: for the first disk of each size; `directories`: what every disk begins with. */
  constructor(dir: string, directories: readonly string[]) {
    this.#dir = dir;
    this.#directories = directories;
  }

  /** Makes the file, unless it is there and was unmounted in order: then what is on it stays. */
  async prepare(image: string, size: DiskSize): Promise<void> {
    const key = `${size.bytes}-${size.inodes}`;
    const template = this.#templates.get(key) ?? this.#make(join(this.#dir, `${key}.img`), size);
    this.#templates.delete(key);
    this.#templates.set(key, template);
    template.catch(() => this.#templates.delete(key));
    for (const oldest of [...this.#templates.keys()].slice(0, -TEMPLATES)) this.#templates.delete(oldest);
    const parts = await template;
    if (isClean(startOf(image))) return;
    const file = openSync(`${image}.new`, "w", 0o600);
    try {
      ftruncateSync(file, imageBytes(size));
      for (const { offset, bytes } of parts) writeSync(file, bytes, 0, bytes.length, offset);
    } finally {
      closeSync(file);
    }
    renameSync(`${image}.new`, image);
  }

  async #make(path: string, size: DiskSize): Promise<Template> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const contents = `${path}.d`;
    const file = await open(path, "w+", 0o600);
    try {
      await file.truncate(imageBytes(size));
      for (const name of this.#directories) await mkdir(join(contents, name), { recursive: true, mode: 0o755 });
      await run(makeExt4(path, contents, size));
      return readParts(file.fd);
    } finally {
      await file.close();
      for (const each of [path, contents]) await rm(each, { recursive: true, force: true });
    }
  }
}

/** Mounts the file, for as long as something holds the mount; gives the loop device's number, as `7:12`. `isLasting`: it outlives a crash of the host. */
export async function mountDisk(image: string, target: string, { isLasting = false } = {}): Promise<string> {
  const file = openSync(image, "r+");
  const control = openSync("/dev/loop-control", "r+");
  try {
    for (let attempt = 1; ; attempt++) {
      const index = ioctl(control, LOOP_CTL_GET_FREE);
      const path = `/dev/loop${index}`;
      const device = openSync(path, "r+");
      try {
        if (!(await ioctlSoon(device, LOOP_CONFIGURE, loopConfig(file, isLasting), { isRepeatable: attempt === ATTACH_TRIES }))) continue;
        await mountSoon(path, target, "ext4", ext4Options(isLasting), { isPlain: true });
        return `${LOOP_MAJOR}:${index}`;
      } finally {
        closeSync(device);
      }
    }
  } finally {
    closeSync(control);
    closeSync(file);
  }
}

/** Whether the device, such as `7:12`, holds the file now. */
export function holdsImage(loop: string, image: string): boolean {
  try {
    return readFileSync(`/sys/block/loop${loop.split(":")[1]}/loop/backing_file`, "utf8").trim() === image;
  } catch {
    return false;
  }
}

/** The devices that hold the file now, such as `/dev/loop12`. */
export function loopsOf(image: string): string[] {
  return globSync("/sys/block/loop*/loop/backing_file").map((file) => `/dev/${file.split("/")[3]}`).filter((device) => holdsImage(numberOf(device), image));
}

/** As the kernel has it, `7:12`. */
export function numberOf(device: string): string {
  return `${LOOP_MAJOR}:${device.slice("/dev/loop".length)}`;
}

/** Before the last unmounting of what nobody wants any more: nothing that is in memory alone is written to the disk first. */
export function giveUpDisk(loop: string, at: string): void {
  mountNow(`/dev/loop${loop.split(":")[1]}`, at, "ext4", ext4Options(false), { isPlain: true });
  try {
    const directory = openSync(at, "r");
    try {
      const how = Buffer.alloc(4);
      how.writeUInt32LE(GOING_FLAGS_NOLOGFLUSH);
      ioctl(directory, EXT4_IOC_SHUTDOWN, how);
    } finally {
      closeSync(directory);
    }
  } finally {
    umountNow(at);
  }
}

/** Empty when there is none. */
function startOf(image: string): Buffer {
  const start = Buffer.alloc(SUPERBLOCK_BYTES);
  try {
    const file = openSync(image, "r");
    try {
      return start.subarray(0, readSync(file, start, 0, start.length, 0));
    } finally {
      closeSync(file);
    }
  } catch {
    return start.subarray(0, 0);
  }
}

function readParts(file: number): Template {
  const parts: { offset: number; bytes: Buffer }[] = [];
  for (let data = nextData(file, 0); data !== undefined; data = nextData(file, data.end)) {
    for (let offset = data.start; offset < data.end; offset += BLOCK) {
      const block = Buffer.alloc(BLOCK);
      readSync(file, block, 0, BLOCK, offset);
      if (!block.every((byte) => byte === 0)) parts.push({ offset, bytes: block });
    }
  }
  return parts;
}
