/**
 * Starting a container moves its process into a control group, and the kernel then waits for an RCU grace period, 10 to
 * 30 ms, unless the host favours such changes over forks and exits. A host whose work is starting containers does.
 * Source: `favordynmods` in https://docs.kernel.org/admin-guide/cgroup-v2.html
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runUnchecked } from "../core/host/spawn.ts";

const OPTION = "favordynmods";
/** Says that it was this Berth that turned it on: `infra/down` turns it off again. */
const marker = (runDir: string) => join(runDir, "favordynmods");

/** The v2 tree's mount point and options; hosts with controllers on v1 have it beside them. Pure. */
export function unifiedMount(mountinfo: string): { path: string; options: string[] } | undefined {
  for (const line of mountinfo.split("\n")) {
    const [mount = "", superblock = ""] = line.split(" - ");
    const [type, , options = ""] = superblock.split(" ");
    const path = mount.split(" ")[4];
    if (type === "cgroup2" && path !== undefined) return { path, options: options.split(",") };
  }
  return undefined;
}

const here = () => unifiedMount(readFileSync("/proc/self/mountinfo", "utf8"));
/** With source and target both named, no option is added to these. */
const remount = (path: string, options: readonly string[]) => runUnchecked(["mount", "-t", "cgroup2", "-o", ["remount", ...options].join(","), "cgroup2", path]);

/** Turns it on where the kernel (6.0 and newer) has it. Gives a sentence for people. */
export async function favorCgroupChanges(runDir: string): Promise<string> {
  const found = here();
  if (found === undefined) return "no v2 tree: starts take longer";
  if (found.options.includes(OPTION)) return "quick changes";
  const { code } = await remount(found.path, [...found.options, OPTION]);
  if (code !== 0) return "this kernel has no favordynmods: starts take longer";
  writeFileSync(marker(runDir), "");
  return "quick changes (favordynmods)";
}

/** Turns off what this Berth turned on. */
export async function restoreCgroupChanges(runDir: string): Promise<void> {
  if (!existsSync(marker(runDir))) return;
  const found = here();
  if (found !== undefined) await remount(found.path, found.options.filter((option) => option !== OPTION));
  rmSync(marker(runDir), { force: true });
}
