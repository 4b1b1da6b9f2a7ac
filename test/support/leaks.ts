/** What tests may leave behind on a host: processes, mounts, network namespaces, links, nft tables, cgroups, loop devices. */
import { globSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { runUnchecked } from "../../core/host/spawn.ts";

/** Stops need a moment to take effect. */
const GRACE_MS = 5000;

/** Everything that is there now, one sentence each. */
export async function snapshot(): Promise<Set<string>> {
  const names = async (kind: string, argv: string[], pattern: RegExp) => {
    const { stdout } = await runUnchecked(argv).catch(() => ({ stdout: "" }));
    return stdout.split("\n").flatMap((line) => {
      const name = pattern.exec(line)?.[1];
      return name === undefined ? [] : [`${kind} ${name}`];
    });
  };
  return new Set([
    ...(await names("network namespace", ["ip", "netns", "list"], /^(\S+)/)),
    ...(await names("link", ["ip", "-o", "link", "show"], /^\d+: ([^:@]+)/)),
    ...(await names("nft table", ["nft", "list", "tables"], /^table (.+)$/)),
    ...readFileSync("/proc/self/mountinfo", "utf8").split("\n").flatMap((line) => line.split(" ")[4] ?? []).filter((path) => path !== IPROUTE2).map((path) => `mount ${path}`),
    ...globSync(["/sys/fs/cgroup/berth-*", "/sys/fs/cgroup/*/berth-*"]).map((path) => `cgroup ${path}`),
    ...loops(),
    ...processesOfThisRun(),
  ]);
}

/** Files that loop devices hold. */
function loops(): string[] {
  return globSync("/sys/block/loop*/loop/backing_file").flatMap((path) => {
    try {
      return [`loop device of ${readFileSync(path, "utf8").trim()}`];
    } catch {
      return [];
    }
  });
}

/** The first `ip netns add` since the host started makes this a mount, once and for all. */
const IPROUTE2 = "/run/netns";

/** Processes that carry this run's mark in their environment or arguments, but for the runner's own. */
function processesOfThisRun(): string[] {
  const mark = process.env["BERTH_TEST_RUN"];
  if (mark === undefined) return [];
  return globSync("/proc/[0-9]*").flatMap((path) => {
    const pid = Number(path.slice("/proc/".length));
    if (pid === process.pid) return [];
    try {
      const command = readFileSync(`${path}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      const environment = readFileSync(`${path}/environ`, "utf8");
      return environment.includes(mark) || command.includes(mark) ? [`process ${pid} ${command.slice(0, 200)}`] : [];
    } catch {
      return [];
    }
  });
}

/** Berths that run on this host beside the tests: what they make and remove is no leak. */
function foreignBerths(): { prefix: string; dataDir: string }[] {
  const mark = process.env["BERTH_TEST_RUN"];
  return globSync("/proc/[0-9]*/environ").flatMap((path) => {
    try {
      const environment = readFileSync(path, "utf8");
      const value = (name: string) => new RegExp(`(?:^|\\0)${name}=([^\\0]+)`).exec(environment)?.[1];
      const [prefix, dataDir] = [value("BERTH_NET_PREFIX"), value("BERTH_DATA")];
      return prefix === undefined || dataDir === undefined || (mark !== undefined && environment.includes(mark)) ? [] : [{ prefix, dataDir }];
    } catch {
      return [];
    }
  });
}

function belongsTo(leak: string, { prefix, dataDir }: { prefix: string; dataDir: string }): boolean {
  const starts = [`network namespace ${prefix}-`, `link ${prefix}`, `nft table inet berth_${prefix}`, `mount ${dataDir}/`, `loop device of ${dataDir}/`];
  return starts.some((start) => leak.startsWith(start)) || leak.endsWith(`/berth-${prefix}`);
}

/** What is there now and was not before, after things had time to end. */
export async function awaitNoLeaks(before: ReadonlySet<string>): Promise<string[]> {
  for (const deadline = Date.now() + GRACE_MS; ; await sleep(200)) {
    const foreign = foreignBerths();
    const leaks = [...(await snapshot())].filter((each) => !before.has(each) && !foreign.some((berth) => belongsTo(each, berth)));
    if (leaks.length === 0 || Date.now() > deadline) return leaks;
  }
}
