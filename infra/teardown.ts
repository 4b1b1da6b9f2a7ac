/**
 * Taking down what one Berth has put into the host: processes, mounts, networks, limits. All are found by what is this
 * Berth's alone: pid files, its pinned mount namespace, its cgroup, its network prefix.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync, rmdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { unlimitFreeLoops } from "../core/host/io-limits.ts";
import { CommandError, run, runUnchecked, type RunResult } from "../core/host/spawn.ts";
import type { BerthConfig } from "./config.ts";
import { stopPostgres } from "./local/postgres.ts";
import { stopRedis } from "./local/redis.ts";
import { stopS3 } from "./local/s3.ts";
import { STOP_TIMEOUTS_MS, supervisorPidFile, type PartName } from "./parts.ts";
import { signalPid, stopByPidFile } from "./process.ts";

const CGROUP_ROOT = "/sys/fs/cgroup";
const KILL_TIMEOUT_MS = 10_000;

/** Ends the supervisor first, so that nothing comes back. */
export async function stopSupervisor(config: BerthConfig): Promise<boolean> {
  return stopByPidFile(supervisorPidFile(config), { timeoutMs: 30_000 });
}

/** Ends the parts in order. Returns the names of those that ran. */
export async function stopParts(config: BerthConfig, names: readonly PartName[]): Promise<string[]> {
  const stopped: string[] = [];
  for (const name of names) {
    const pidFile = join(config.runDir, `${name}.pid`);
    if (await stopByPidFile(pidFile, { timeoutMs: STOP_TIMEOUTS_MS[name] })) stopped.push(name);
    rmSync(`${pidFile}.fingerprint`, { force: true });
  }
  return stopped;
}

/** The proxy of a gateway that was killed and not started again. */
export async function stopProxy(config: BerthConfig): Promise<boolean> {
  return stopByPidFile(join(config.dataDir, "gateway/haproxy.pid"), { signal: "SIGUSR1", timeoutMs: 5000 });
}

export async function stopLocalStores(config: BerthConfig, options: { immediate?: boolean } = {}): Promise<string[]> {
  const { dataDir } = config;
  const [postgres, redis, s3] = await Promise.all([
    stopPostgres(join(dataDir, "postgres"), options),
    stopRedis(join(dataDir, "redis"), options),
    stopS3(join(dataDir, "s3"), options),
  ]);
  return [postgres ? "PostgreSQL" : "", redis ? "Redis" : "", s3 ? "S3" : ""].filter((name) => name !== "");
}

/** This Berth's cgroup in every hierarchy of the host. */
export function cgroupsOf(netPrefix: string): string[] {
  const name = `berth-${netPrefix}`;
  const roots = [CGROUP_ROOT, ...readdirSync(CGROUP_ROOT).map((entry) => join(CGROUP_ROOT, entry))];
  return roots.map((root) => join(root, name)).filter((path) => existsSync(path) && statSync(path).isDirectory());
}

function processesIn(cgroup: string): number[] {
  const own = readPids(join(cgroup, "cgroup.procs"));
  return [...own, ...subgroups(cgroup).flatMap(processesIn)];
}

function subgroups(cgroup: string): string[] {
  try {
    return readdirSync(cgroup, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => join(cgroup, entry.name));
  } catch {
    return [];
  }
}

function readPids(path: string): number[] {
  try {
    return readFileSync(path, "utf8").split("\n").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Processes whose mount namespace is the pinned one: conmon, and helpers of the agent and the worker. */
function processesInNamespace(pin: string): number[] {
  const inode = pinnedInode(pin);
  if (inode === undefined) return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return readlinkSync(`/proc/${name}/ns/mnt`) === `mnt:[${inode}]`;
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** The namespace's number, or undefined when nothing is pinned there. */
function pinnedInode(pin: string): number | undefined {
  if (!isMountPoint(pin)) return undefined;
  return statSync(pin).ino;
}

function isMountPoint(path: string): boolean {
  return readFileSync("/proc/self/mountinfo", "utf8").split("\n").some((line) => line.split(" ")[4] === path);
}

/** Ends all containers and builds, and what watches them. Returns how many processes that were. */
export async function killSandboxes(config: BerthConfig): Promise<number> {
  const pin = join(config.runDir, "mnt");
  const seen = new Set<number>();
  const left = () => [...new Set([...cgroupsOf(config.netPrefix).flatMap(processesIn), ...processesInNamespace(pin)])];
  for (let fewest = Infinity, deadline = 0; ; await sleep(30)) {
    const pids = left();
    if (pids.length === 0) return seen.size;
    // Looking at a thousand processes of a busy host may itself take seconds.
    if (pids.length < fewest) [fewest, deadline] = [pids.length, Date.now() + KILL_TIMEOUT_MS];
    for (const pid of pids) {
      seen.add(pid);
      signalPid(pid, "SIGKILL");
    }
    // A frozen process ends when it is thawed.
    for (const cgroup of cgroupsOf(config.netPrefix)) thaw(cgroup);
    if (Date.now() > deadline) throw new Error(`processes ${pids.join(", ")} do not end`);
  }
}

function thaw(cgroup: string): void {
  for (const [file, value] of [["freezer.state", "THAWED"], ["cgroup.freeze", "0"]] as const) {
    try {
      if (existsSync(join(cgroup, file))) writeFileSync(join(cgroup, file), value);
    } catch {
      // The group went away.
    }
  }
  subgroups(cgroup).forEach(thaw);
}

/** Removes namespaces, links, the nft table, cgroups and the pinned mount namespace. */
export async function removeFromHost(config: BerthConfig): Promise<void> {
  const { netPrefix, runDir } = config;
  const pin = join(runDir, "mnt");
  const inside = isMountPoint(pin) ? ["nsenter", `--mount=${pin}`, "--"] : [];
  for (const name of namespacesOf(netPrefix)) {
    await runUnchecked([...inside, "ip", "netns", "delete", name]);
    await runUnchecked(["ip", "netns", "delete", name]);
    // Mounted in the pinned mount namespace, its file stays behind here.
    rmSync(join("/run/netns", name), { force: true });
  }
  for (const link of await linksOf(netPrefix)) await runUnchecked(["ip", "link", "delete", link]);
  for (const table of await nftTablesOf(netPrefix)) await nft(["delete", "table", "inet", table]);
  for (const cgroup of cgroupsOf(netPrefix)) await removeCgroup(cgroup);
  if (isMountPoint(pin)) await run(["umount", "--lazy", pin]);
  while (isMountPoint(runDir)) await run(["umount", "--lazy", runDir]);
  unlimitFreeLoops();
}

export function namespacesOf(netPrefix: string): string[] {
  return existsSync("/run/netns") ? readdirSync("/run/netns").filter((name) => name.startsWith(`${netPrefix}-`)) : [];
}

/** Links of the host that carry this Berth's prefix and are of a kind that it makes. */
export async function linksOf(netPrefix: string): Promise<string[]> {
  const { stdout } = await runUnchecked(["ip", "-j", "-d", "link", "show"]);
  const links = JSON.parse(stdout || "[]") as { ifname: string; linkinfo?: { info_kind?: string } }[];
  return links
    .filter(({ ifname, linkinfo }) => ifname.startsWith(netPrefix) && ["veth", "bridge", "dummy", "ifb", "vxlan"].includes(linkinfo?.info_kind ?? ""))
    .map(({ ifname }) => ifname);
}

/** `berth_<prefix>` and those of builds, `berth_<prefix>_…`. */
export async function nftTablesOf(netPrefix: string): Promise<string[]> {
  const names = (await nft(["list", "tables", "inet"])).stdout.split("\n").map((line) => line.trim().split(" ")[2] ?? "");
  return names.filter((name) => name === `berth_${netPrefix}` || name.startsWith(`berth_${netPrefix}_`));
}

/** Fails, or crashes (1.0.6), when another program changes the host's tables while it reads them: then it is asked again. */
async function nft(args: readonly string[]): Promise<RunResult> {
  for (let tries = 1; ; tries++) {
    const result = await runUnchecked(["nft", ...args]);
    if (result.code === 0) return result;
    if (tries === 8) throw new CommandError(["nft", ...args], result);
    await sleep(50 * tries);
  }
}

/** A cgroup is busy for a moment after its last process. */
async function removeCgroup(cgroup: string): Promise<void> {
  for (const group of subgroups(cgroup)) await removeCgroup(group);
  for (let tries = 0; existsSync(cgroup); tries++) {
    try {
      rmdirSync(cgroup);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
      if (tries > 100) throw error;
      await sleep(20);
    }
  }
}
