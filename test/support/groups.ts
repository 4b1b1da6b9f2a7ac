/** Reading the control groups of a test's node, on v1 and v2. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = "/sys/fs/cgroup";
export const IO_V1 = existsSync(join(ROOT, "blkio/blkio.throttle.write_bps_device"));

/** A file of a group, such as `berth-n0a/ins_…`: on v1 in the controller's hierarchy, on v2 in the one tree. */
export function readGroup(group: string, controller: string, v1: string, v2: string): string {
  const old = join(ROOT, controller, group, v1);
  return readFileSync(existsSync(old) ? old : join(ROOT, group, v2), "utf8").trim();
}

/** What a group may read and write, as `254:0 write_bps 4194304`; nothing of what has no limit. */
export function ioLimits(group: string): string[] {
  if (!IO_V1) return readFileSync(join(ROOT, group, "io.max"), "utf8").trim().split("\n").flatMap((line) => {
    const [device, ...limits] = line.split(" ");
    return limits.filter((limit) => !limit.endsWith("=max")).map((limit) => `${device} ${limit.replace(/^(r|w)(bps|iops)=/, (_, way: string, what: string) => `${way === "r" ? "read" : "write"}_${what} `)}`);
  });
  return ["read_bps", "read_iops", "write_bps", "write_iops"].flatMap((name) =>
    readFileSync(join(ROOT, "blkio", group, `blkio.throttle.${name}_device`), "utf8").trim().split("\n").map((line) => line.replace(" ", ` ${name} `)));
}
