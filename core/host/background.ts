/** Giving way: a control group with a small part of its weight, on all cpus but the first. v1 and v2. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { cpuShares, cpuWeight } from "../domain/cpu-quota.ts";
import { cgroupVersion } from "./cgroup.ts";

const ROOT = "/sys/fs/cgroup";
const BACKGROUND_SHARE = 1 / 8;

/** Cpus of the host that control groups may have, the first first. */
export function hostCpus(): number[] {
  return cpusIn(readFileSync(join(ROOT, cgroupVersion() === "v2" ? "cpuset.cpus.effective" : "cpuset/cpuset.cpus"), "utf8"));
}

/** From the kernel's list, such as `0-2,5`. Source: `man 7 cpuset`, List format. */
export function cpusIn(list: string): number[] {
  return list.trim().split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

/** Into the background. The first of the `cpus` is kept free: it is the one that most interrupts come to. Of a group that is gone there is nothing to do. */
export function giveWay(path: string, cpuMillis: number, cpus: readonly number[]): void {
  setWeight(path, cpuMillis, BACKGROUND_SHARE);
  setCpus(path, cpus.slice(1), "narrow");
}

/** And out of it again. */
export function takePart(path: string, cpuMillis: number, cpus: readonly number[]): void {
  setWeight(path, cpuMillis, 1);
  setCpus(path, cpus, "widen");
}

function setWeight(path: string, cpuMillis: number, share: number): void {
  if (cgroupVersion() === "v2") write(join(ROOT, path, "cpu.weight"), String(Math.max(1, Math.round(cpuWeight(cpuMillis) * share))));
  else write(join(ROOT, "cpu", path, "cpu.shares"), String(Math.max(2, Math.round(cpuShares(cpuMillis) * share))));
}

function setCpus(path: string, cpus: readonly number[], direction: "narrow" | "widen"): void {
  if (cgroupVersion() === "v2") {
    haveCpusets(dirname(path));
    return write(join(ROOT, path, "cpuset.cpus"), cpus.join(","));
  }
  // On v1 no group may have a cpu that the one above it has not.
  const groups = tree(join(ROOT, "cpuset", path));
  for (const group of direction === "narrow" ? groups.toReversed() : groups) write(join(group, "cpuset.cpus"), cpus.join(","));
}

/** The group's directory before those below it. */
function tree(dir: string): string[] {
  try {
    return [dir, ...readdirSync(dir, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? tree(join(dir, entry.name)) : []))];
  } catch {
    return [];
  }
}

/** v2: whether a group has such a file is said above it, from the top down. */
function haveCpusets(path: string): void {
  if (path !== "/") haveCpusets(dirname(path));
  write(join(ROOT, path, "cgroup.subtree_control"), "+cpuset");
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text, { flag: "r+" });
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (!["ENOENT", "ENODEV"].includes(code)) throw error;
  }
}
