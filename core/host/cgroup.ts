/** Reading and ending control groups, on v1 and v2. Paths are below each hierarchy's root, `/berth-bth/ins_…`. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { readdir, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { writeSlowly } from "./slow-file.ts";
import { CPU_PERIOD_US, cpuQuotaUs, cpuShares, cpuWeight } from "../domain/cpu-quota.ts";

const ROOT = "/sys/fs/cgroup";
const REMOVE_TRIES = 50;
const REMOVE_PAUSE_MS = 20;

export type CgroupVersion = "v1" | "v2";

/** v2 when the root of the tree is the unified hierarchy; a hybrid host counts as v1, where the controllers are. */
export function cgroupVersion(): CgroupVersion {
  version ??= existsSync(join(ROOT, "cgroup.controllers")) ? "v2" : "v1";
  return version;
}
let version: CgroupVersion | undefined;

/** Directories of a group, one a hierarchy. */
async function directories(path: string): Promise<string[]> {
  if (cgroupVersion() === "v2") return [join(ROOT, path)];
  const hierarchies = await readdir(ROOT, { withFileTypes: true });
  return hierarchies.filter((entry) => entry.isDirectory() && entry.name !== "unified").map((entry) => join(ROOT, entry.name, path));
}

/** How many processes of the group the kernel has ended for want of memory. 0 when the group is gone. */
export async function readOomKills(path: string): Promise<number> {
  const file = cgroupVersion() === "v2" ? join(ROOT, path, "memory.events") : join(ROOT, "memory", path, "memory.oom_control");
  // At once, before anything else can happen: the group may be removed by the time a promise is kept.
  return numberIn(readText(file), /^oom_kill (\d+)$/m) ?? 0;
}

/** The same of the whole host, whatever group its processes are in: a reason to look. Undefined when the kernel does not count it. */
export function readHostOomKills(): number | undefined {
  return numberIn(readText("/proc/vmstat"), /^oom_kill (\d+)$/m) ?? undefined;
}

/** The most memory that the group has had at once; undefined when the kernel does not say it (v2 before 5.19), or the group is gone. */
export function readMemoryPeak(path: string): number | undefined {
  const file = cgroupVersion() === "v2" ? join(ROOT, path, "memory.peak") : join(ROOT, "memory", path, "memory.max_usage_in_bytes");
  return numberIn(readText(file), /^(\d+)/) ?? undefined;
}

/** Changes how much cpu the group may use. False when it is gone. */
export function setCpuQuota(path: string, cpuMillis: number): boolean {
  const quota = cpuQuotaUs(cpuMillis);
  const [file, value] = cgroupVersion() === "v2" ? [join(ROOT, path, "cpu.max"), `${quota} ${CPU_PERIOD_US}`] : [join(ROOT, "cpu", path, "cpu.cfs_quota_us"), String(quota)];
  try {
    writeFileSync(file, value, { flag: "r+" });
    return true;
  } catch {
    return false;
  }
}

/** Puts a process that runs already into a group of its own that limits its cpu alone. One that has ended meanwhile is no error. */
export async function confineCpu(path: string, pid: number, cpuMillis: number): Promise<void> {
  const isV2 = cgroupVersion() === "v2";
  const dir = join(ROOT, isV2 ? "" : "cpu", path);
  mkdirSync(dir, { recursive: true });
  if (isV2) writeFileSync(join(dir, "cpu.weight"), String(cpuWeight(cpuMillis)));
  else writeFileSync(join(dir, "cpu.shares"), String(cpuShares(cpuMillis)));
  setCpuQuota(path, cpuMillis);
  // Where the host does not favour such changes, the kernel waits.
  await writeSlowly(join(dir, "cgroup.procs"), String(pid)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ESRCH") throw error;
  });
}

export interface GroupUse {
  /** Of all processes that were ever in it, ended ones too. */
  cpuMicros: number;
  /** What cannot be given back at once: caches of files that nobody reads are left out. */
  memoryBytes: number;
}

/** What the group has used; a value is null when the kernel does not say it, as of a group that is gone. At once, as above. */
export function readGroupUse(path: string): { [K in keyof GroupUse]: number | null } {
  const isV2 = cgroupVersion() === "v2";
  const read = (controller: string, file: string) => readText(isV2 ? join(ROOT, path, file) : join(ROOT, controller, path, file));
  const cpu = isV2 ? numberIn(read("", "cpu.stat"), /^usage_usec (\d+)$/m) : numberIn(read("cpuacct", "cpuacct.usage"), /^(\d+)/);
  const whole = numberIn(read("memory", isV2 ? "memory.current" : "memory.usage_in_bytes"), /^(\d+)/);
  const idle = numberIn(read("memory", "memory.stat"), isV2 ? /^inactive_file (\d+)$/m : /^total_inactive_file (\d+)$/m) ?? 0;
  return {
    cpuMicros: cpu === null || isV2 ? cpu : Math.floor(cpu / 1000),
    memoryBytes: whole === null ? null : Math.max(0, whole - idle),
  };
}

function numberIn(text: string | undefined, pattern: RegExp): number | null {
  const found = text === undefined ? undefined : pattern.exec(text)?.[1];
  return found === undefined ? null : Number(found);
}

/** Undefined when there is no such file. */
function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

/** Removes the group and what is below it. The kernel needs a moment after the last process; gives up quietly after one second. */
export async function removeCgroup(path: string): Promise<void> {
  for (const dir of await directories(path)) await removeTree(dir);
}

async function removeTree(dir: string): Promise<void> {
  const children = await readdir(dir, { withFileTypes: true }).catch(() => []);
  for (const child of children) if (child.isDirectory()) await removeTree(join(dir, child.name));
  for (let attempt = 0; attempt < REMOVE_TRIES && existsSync(dir); attempt++) {
    const removed = await rmdir(dir).then(() => true, () => false);
    if (removed) return;
    await sleep(REMOVE_PAUSE_MS);
  }
}
