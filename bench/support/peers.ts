/**
 * The peers that Berth is measured against: a Docker engine and podman from Debian's packages, each with its own data
 * directory and socket, without touching the host's bridges or firewall. Containers share the host's network: that
 * spares the peers the cost of a network of their own, so the ratios are on the careful side.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { run, runUnchecked, start } from "../../core/host/spawn.ts";

export interface Peer {
  name: string;
  /** `docker …` or `podman …` as an argument array. */
  argv(...args: string[]): string[];
  stop(): Promise<void>;
}

const STARTUP_TIMEOUT_MS = 30_000;

/** Starts a Docker engine of our own, or undefined when dockerd is not installed. */
export async function startDocker(dir: string): Promise<Peer | undefined> {
  const found = await runUnchecked(["sh", "-c", "command -v dockerd"]);
  if (found.code !== 0) return undefined;
  // The client of the same package, whatever else is called docker on this host.
  const client = join(dirname(found.stdout.trim()), "../bin/docker");
  await mkdir(dir, { recursive: true });
  const socket = `unix://${join(dir, "docker.sock")}`;
  const pidFile = join(dir, "docker.pid");
  const argv = (...args: string[]) => [client, "-H", socket, ...args];
  const child = start(
    ["dockerd", "--data-root", join(dir, "data"), "--exec-root", join(dir, "exec"), "-H", socket, "--pidfile", pidFile,
      "--bridge=none", "--iptables=false", "--ip6tables=false", "--insecure-registry", "127.0.0.0/8"],
    { stdio: "ignore" },
  );
  const deadline = Date.now() + STARTUP_TIMEOUT_MS;
  while ((await runUnchecked(argv("info"))).code !== 0) {
    if (Date.now() > deadline) throw new Error("dockerd did not answer within 30 s");
    await sleep(200);
  }
  return {
    name: "docker",
    argv,
    stop: async () => {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      process.kill(Number(await readFile(pidFile, "utf8")), "SIGTERM");
      await ended;
      await runUnchecked(["umount", join(dir, "exec/netns/default")]);
    },
  };
}

/** podman with its own storage, or undefined when it is not installed or cannot run containers on this host. */
export async function openPodman(dir: string, insecureRegistry: string): Promise<Peer | undefined> {
  if ((await runUnchecked(["sh", "-c", "command -v podman"])).code !== 0) return undefined;
  await mkdir(dir, { recursive: true });
  const registries = join(dir, "registries.conf");
  await writeFile(registries, `[[registry]]\nlocation = "${insecureRegistry}"\ninsecure = true\n`);
  const argv = (...args: string[]) => ["env", `CONTAINERS_REGISTRIES_CONF=${registries}`, "podman", "--root", join(dir, "root"), "--runroot", join(dir, "run"), "--runtime", "runc", "--cgroup-manager", "cgroupfs", ...args];
  if ((await runUnchecked(argv("info"))).code !== 0) return undefined;
  return { name: "podman", argv, stop: async () => void (await run(argv("system", "reset", "--force"))) };
}
