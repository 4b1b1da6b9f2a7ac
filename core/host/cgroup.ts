/** Reading and ending control groups, on v1 and v2. Paths are below each hierarchy's root, `/berth-bth/ins_…`. */
import { existsSync } from "node:fs";
import { readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const ROOT = "/sys/fs/cgroup";
const REMOVE_TRIES = 50;
const REMOVE_PAUSE_MS = 20;

export type CgroupVersion = "v1" | "v2";

/** v2 when the root of the tree is the unified hierarchy; a hybrid host counts as v1, where the controllers are. */
export function cgroupVersion(): CgroupVersion {
  return existsSync(join(ROOT, "cgroup.controllers")) ? "v2" : "v1";
}

/** Directories of a group, one a hierarchy. */
async function directories(path: string): Promise<string[]> {
  if (cgroupVersion() === "v2") return [join(ROOT, path)];
  const hierarchies = await readdir(ROOT, { withFileTypes: true });
  return hierarchies.filter((entry) => entry.isDirectory() && entry.name !== "unified").map((entry) => join(ROOT, entry.name, path));
}

async function readText(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}

async function readNumber(path: string): Promise<number | undefined> {
  const value = Number.parseInt(await readText(path), 10);
  return Number.isNaN(value) ? undefined : value;
}

/** How many processes of the group the kernel has ended for want of memory. 0 when the group is gone. */
export async function readOomKills(path: string): Promise<number> {
  const file = cgroupVersion() === "v2" ? join(ROOT, path, "memory.events") : join(ROOT, "memory", path, "memory.oom_control");
  return Number(/^oom_kill (\d+)$/m.exec(await readText(file))?.[1] ?? 0);
}

/** Memory in bytes; undefined where the host does not tell. */
export async function readMemory(path: string): Promise<{ usageBytes: number | undefined; peakBytes: number | undefined }> {
  const [dir, usage, peak] =
    cgroupVersion() === "v2"
      ? [join(ROOT, path), "memory.current", "memory.peak"]
      : [join(ROOT, "memory", path), "memory.usage_in_bytes", "memory.max_usage_in_bytes"];
  return { usageBytes: await readNumber(join(dir, usage)), peakBytes: await readNumber(join(dir, peak)) };
}

/** Ids of the processes in the group. */
export async function readProcesses(path: string): Promise<number[]> {
  const file = cgroupVersion() === "v2" ? join(ROOT, path, "cgroup.procs") : join(ROOT, "pids", path, "cgroup.procs");
  return (await readText(file)).split("\n").filter(Boolean).map(Number);
}

/** Ends every process of the group at once. */
export async function killCgroup(path: string): Promise<void> {
  if (cgroupVersion() === "v2") {
    await writeFile(join(ROOT, path, "cgroup.kill"), "1").catch(() => {});
    return;
  }
  for (const pid of await readProcesses(path)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
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

/** Names of the groups right below a path. */
export async function listCgroups(path: string): Promise<string[]> {
  const dir = cgroupVersion() === "v2" ? join(ROOT, path) : join(ROOT, "pids", path);
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}
