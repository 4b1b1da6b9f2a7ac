/**
 * Reads and writes of the node's disk. The group that an instance has by its spec (`linux.resources.blockIO`) holds reads
 * alone, since what a loop device writes to its file is the file's owner's. So each group's own loop devices are limited as
 * well: on v2 for the group, to which all counts that is written back for it later; on v1, where that is nobody's, for the
 * kernel and for the group.
 */
import { existsSync, readFileSync, realpathSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cgroupVersion } from "./cgroup.ts";
import { writeSlowly } from "./slow-file.ts";

export interface IoLimits {
  ioBytesPerSecond: number;
  ioOperationsPerSecond: number;
}

const ROOT = "/sys/fs/cgroup";
type Way = "read" | "write";
const filesOf = (group: string, way: Way) => ["bps", "iops"].map((what) => join(ROOT, "blkio", group, `blkio.throttle.${way}_${what}_device`)) as [string, string];
const [WRITEBACK_BYTES, WRITEBACK_OPERATIONS] = filesOf("/", "write");

/** The whole disk that holds the path, as `254:0`; undefined when there is no one disk, as below an overlay, btrfs or memory. */
export function diskBelow(path: string): string | undefined {
  const { dev } = statSync(path);
  // As glibc's `gnu_dev_major` and `gnu_dev_minor`.
  const number = `${((dev >> 8) & 0xfff)}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`;
  const device = `/sys/dev/block/${number}`;
  if (!existsSync(device)) return undefined;
  // Only whole disks can be limited.
  const whole = existsSync(join(device, "partition")) ? join(realpathSync(device), "..") : device;
  return readFileSync(join(whole, "dev"), "utf8").trim();
}

/** The loop device that holds the path, as `7:0`; undefined when none does. */
export function loopBelow(path: string): string | undefined {
  const disk = diskBelow(path);
  return disk?.startsWith("7:") ? disk : undefined;
}

/** Limits what is written back to a loop device, on v1. The first time for a device takes 30 ms, in which it does nothing else. */
export async function limitWriteback(loop: string, { ioBytesPerSecond, ioOperationsPerSecond }: IoLimits): Promise<void> {
  if (cgroupVersion() === "v2" || !existsSync(WRITEBACK_BYTES)) return;
  await writeSlowly(WRITEBACK_BYTES, `${loop} ${ioBytesPerSecond}`);
  await writeSlowly(WRITEBACK_OPERATIONS, `${loop} ${ioOperationsPerSecond}`);
}

/** The same for what a group writes to it, or reads: on v1 what it writes itself, as when it flushes a file. At once: the device has limits already. */
export function limitGroup(loop: string, cgroupsPath: string, way: Way, { ioBytesPerSecond, ioOperationsPerSecond }: IoLimits): void {
  if (cgroupVersion() === "v2") {
    const file = join(ROOT, cgroupsPath, "io.max");
    if (existsSync(file)) writeFileSync(file, `${loop} ${way[0]}bps=${ioBytesPerSecond} ${way[0]}iops=${ioOperationsPerSecond}`);
    return;
  }
  const [bytes, operations] = filesOf(cgroupsPath, way);
  if (!existsSync(bytes)) return;
  writeFileSync(bytes, `${loop} ${ioBytesPerSecond}`);
  writeFileSync(operations, `${loop} ${ioOperationsPerSecond}`);
}

/** Takes that limit away: at once, before the device is anybody else's. */
export function unlimitWriteback(loop: string): void {
  if (cgroupVersion() === "v2") return;
  for (const file of [WRITEBACK_BYTES, WRITEBACK_OPERATIONS]) if (existsSync(file)) writeFileSync(file, `${loop} 0`);
}

/** The same for all loop devices that nothing uses: what was killed could not take its limits away. */
export function unlimitFreeLoops(): void {
  if (cgroupVersion() === "v2" || !existsSync(WRITEBACK_BYTES)) return;
  for (const [, loop = "", index] of readFileSync(WRITEBACK_BYTES, "utf8").matchAll(/^(7:(\d+)) /gm)) {
    if (!existsSync(`/sys/block/loop${index}/loop`)) unlimitWriteback(loop);
  }
}
