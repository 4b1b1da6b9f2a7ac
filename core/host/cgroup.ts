/** Reading and ending control groups, on v1 and v2. Paths are below each hierarchy's root, `/berth-bth/ins_…`. */
import { existsSync, readFileSync } from "node:fs";
import { readdir, rmdir } from "node:fs/promises";
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

/** How many processes of the group the kernel has ended for want of memory. 0 when the group is gone. */
export async function readOomKills(path: string): Promise<number> {
  const file = cgroupVersion() === "v2" ? join(ROOT, path, "memory.events") : join(ROOT, "memory", path, "memory.oom_control");
  let text = "";
  try {
    // At once, before anything else can happen: the group may be removed by the time a promise is kept.
    text = readFileSync(file, "utf8");
  } catch {
    // The group is gone.
  }
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
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
