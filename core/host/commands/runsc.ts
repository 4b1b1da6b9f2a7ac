/** Argument arrays of runsc (gVisor). Pure. Source of the flags: `runsc flags`, `runsc help`. */
import type { RuntimeClass } from "./runtime-class.ts";

export interface Runsc {
  /** Path of runsc. */
  runsc: string;
  stateDir: string;
}

/** The writable layer is the overlay that the node has mounted already: none of its own on top. */
const FLAGS = ["--platform=systrap", "--network=sandbox", "--overlay2=none"];

/**
 * runsc takes a namespace for the host's own when it has `/proc/sys/net/core/rmem_default`, which since Linux 6.13 every
 * one has, and refuses to give it a network: that path is hidden from it.
 */
const HIDDEN = "/proc/sys/net";
const hidingSysctls = (argv: readonly string[]) => ["unshare", "--mount", "--propagation=private", "--", "sh", "-c", `mount -t tmpfs none ${HIDDEN} && exec "$@"`, "sh", ...argv];

/** gVisor as the runtime of instances: a kernel of its own in user space between the app and the host's. */
export const gvisorClass = ({ runsc, stateDir }: Runsc): RuntimeClass => {
  const globalArgs = [`--root=${stateDir}`, ...FLAGS];
  const base = [runsc, ...globalArgs];
  return {
    stateDir,
    program: runsc,
    globalArgs,
    kill: (id, signal) => [...base, "kill", "--", id, signal],
    delete: (id) => [...base, "delete", "--force", "--", id],
    // Whether it has a terminal stands in what it is to run.
    exec: ({ id, processFd, pidFile, innerPidFile }) => [...base, "exec", `--process=/proc/self/fd/${processFd}`, `--pid-file=${pidFile}`, `--internal-pid-file=${innerPidFile}`, "--", id],
    execNotStarted: 128,
    start: (id) => ({ argv: hidingSysctls([...base, "start", "--", id]) }),
    hasOwnKernel: true,
    killInner: (id, pid, signal) => [...base, "kill", `--pid=${pid}`, "--", id, signal],
  };
};
