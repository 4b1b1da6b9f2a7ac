/** The control group around the containers of one instance: its limits are of the whole. v1 and v2. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { CPU_PERIOD_US, cpuQuotaUs, cpuShares, cpuWeight } from "../domain/cpu-quota.ts";
import type { Size } from "../domain/pods.ts";
import { cgroupVersion, type CgroupVersion } from "./cgroup.ts";

const ROOT = "/sys/fs/cgroup";

export interface GroupFile {
  /** Below the root of the tree. */
  path: string;
  text: string;
}

/** What is written, in this order; v2's controllers are switched on from the top. Pure. */
export function groupFiles(version: CgroupVersion, path: string, { memoryBytes, cpuMillis, pidsMax }: Size): GroupFile[] {
  const quota = String(cpuQuotaUs(cpuMillis));
  if (version === "v1") {
    const at = (controller: string, file: string, text: string) => ({ path: join(controller, path, file), text });
    return [
      at("cpu", "cpu.shares", String(cpuShares(cpuMillis))),
      at("cpu", "cpu.cfs_period_us", String(CPU_PERIOD_US)),
      at("cpu", "cpu.cfs_quota_us", quota),
      at("memory", "memory.limit_in_bytes", String(memoryBytes)),
      at("pids", "pids.max", String(pidsMax)),
    ];
  }
  const controllers = "+cpu +memory +pids";
  const above = ancestors(path).map((group) => ({ path: join(group, "cgroup.subtree_control"), text: controllers }));
  return [
    ...above,
    { path: join(path, "cpu.weight"), text: String(cpuWeight(cpuMillis)) },
    { path: join(path, "cpu.max"), text: `${quota} ${CPU_PERIOD_US}` },
    { path: join(path, "memory.max"), text: String(memoryBytes) },
    { path: join(path, "pids.max"), text: String(pidsMax) },
  ];
}

/** `/`, `/berth-bth`, without the group itself. */
function ancestors(path: string): string[] {
  const parent = dirname(path);
  return parent === "/" || parent === "." ? ["/"] : [...ancestors(parent), parent];
}

/** Whether there is such a group: no process of it outlives that. */
export function hasGroup(path: string): boolean {
  return existsSync(cgroupVersion() === "v2" ? join(ROOT, path) : join(ROOT, "memory", path));
}

/** Makes the group, or sets its limits anew. */
export function makeGroup(path: string, size: Size): void {
  const version = cgroupVersion();
  const files = groupFiles(version, path, size);
  if (version === "v2") mkdirSync(join(ROOT, path), { recursive: true });
  for (const file of files) {
    if (version === "v1") mkdirSync(dirname(join(ROOT, file.path)), { recursive: true });
    writeFileSync(join(ROOT, file.path), file.text);
  }
}
