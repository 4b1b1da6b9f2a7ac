/**
 * Reads and writes of the node's disk. On cgroup v2 the group that an instance has by its spec (`linux.resources.blockIO`)
 * holds all of them. On v1 it holds reads alone: what is written back later is nobody's there, so each instance's own loop
 * device is limited as well, for the kernel and for the instance.
 */
import { existsSync, readFileSync, realpathSync, statSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cgroupVersion } from "./cgroup.ts";

export interface IoLimits {
  ioBytesPerSecond: number;
  ioOperationsPerSecond: number;
}

const HIERARCHY = "/sys/fs/cgroup/blkio";
const filesOf = (group: string) => ["write_bps", "write_iops"].map((name) => join(HIERARCHY, group, `blkio.throttle.${name}_device`)) as [string, string];
const [WRITEBACK_BYTES, WRITEBACK_OPERATIONS] = filesOf("/");

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

/** Limits what is written back to a loop device, on v1. The first time for a device takes 30 ms, in which it does nothing else. */
export async function limitWriteback(loop: string, { ioBytesPerSecond, ioOperationsPerSecond }: IoLimits): Promise<void> {
  if (cgroupVersion() === "v2" || !existsSync(WRITEBACK_BYTES)) return;
  await writeFile(WRITEBACK_BYTES, `${loop} ${ioBytesPerSecond}`);
  await writeFile(WRITEBACK_OPERATIONS, `${loop} ${ioOperationsPerSecond}`);
}

/** The same for what a group writes to it itself, as when it flushes a file. At once: the device has limits already. */
export function limitWrites(loop: string, cgroupsPath: string, { ioBytesPerSecond, ioOperationsPerSecond }: IoLimits): void {
  const [bytes, operations] = filesOf(cgroupsPath);
  if (cgroupVersion() === "v2" || !existsSync(bytes)) return;
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
