/**
 * What the kernel counts not only for a container's own ids but, all containers together, for the user who made their user
 * namespaces: the host's root. Left as hosts come, one tenant uses it up for all others and for Berth itself. The memory
 * that it takes is counted for each container, and bounds what is lifted here.
 */
import { readFileSync, writeFileSync } from "node:fs";
import type { Log } from "../log.ts";
import { limitProcess, RLIM_INFINITY } from "./syscalls.ts";

const INT_MAX = 2 ** 31 - 1;
/** Of the whole host. https://docs.kernel.org/admin-guide/sysctl/ */
export const HOST_LIMITS: Readonly<Record<string, number>> = {
  "fs/aio-max-nr": INT_MAX,
  "fs/file-max": INT_MAX,
  "fs/inotify/max_user_instances": INT_MAX,
  "fs/inotify/max_user_watches": INT_MAX,
  // The most that the kernel takes.
  "kernel/pid_max": 2 ** 22,
  "kernel/pty/max": 2 ** 20,
  "kernel/threads-max": 2 ** 22,
  // Who is next to whom, in all network namespaces together, two for each instance: above 512 the kernel clears up at each
  // one more and lets first packets wait. https://docs.kernel.org/networking/ip-sysctl.html
  "net/ipv4/neigh/default/gc_thresh3": 32_768,
  "net/ipv4/neigh/default/gc_thresh2": 16_384,
  "net/ipv4/neigh/default/gc_thresh1": 8192,
};

/** Source of the numbers: `asm-generic/resource.h`. */
const SHARED = [
  { type: "RLIMIT_SIGPENDING", number: 11, max: 1024 },
  // One queue as large as usual.
  { type: "RLIMIT_MSGQUEUE", number: 12, max: 131_072 },
];
const RLIMIT_CORE = 4;
/** As a runtime takes them, for programs that join a container. */
export const SHARED_RLIMITS = SHARED.map(({ type, max }) => ({ type, soft: max, hard: max }));

/** Before this process starts any that inherits from it. */
export function liftSharedLimits(log: Log): void {
  for (const [name, most] of Object.entries(HOST_LIMITS)) {
    const path = `/proc/sys/${name}`;
    try {
      if (Number(readFileSync(path, "utf8")) < most) writeFileSync(path, String(most));
    } catch (error) {
      log.warn({ err: error, name }, "a limit of the host was not lifted: one tenant can use it up");
    }
  }
  const fixed = SHARED.filter(({ number }) => !limitProcess(process.pid, number, RLIM_INFINITY));
  if (fixed.length > 0) log.info({ limits: fixed.map(({ type }) => type) }, "without CAP_SYS_RESOURCE all containers together have no more than this process");
}

/** For this process and all that it starts: what a sandbox has in its memory is its tenant's. */
export function forbidCoreFiles(): void {
  limitProcess(process.pid, RLIMIT_CORE, 0n);
}

/**
 * A created container's first process, before it is started. Not in its spec: the runtime would take the limits before it
 * makes the user namespace, and what that process may have then is what all containers together may.
 */
export function limitShared(pid: number): void {
  for (const { type, number, max } of SHARED) if (!limitProcess(pid, number, BigInt(max))) throw new Error(`${type} was not set`);
}
