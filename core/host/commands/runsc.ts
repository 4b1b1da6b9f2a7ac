/** Argument arrays of runsc (gVisor). Pure. Source of the flags: `runsc flags`, `runsc help`. */
import { join } from "node:path";
import type { RuntimeClass } from "./runtime-class.ts";

export interface Runsc {
  /** Path of runsc. */
  runsc: string;
  stateDir: string;
  /** `node-agent/in-sandbox.sh`. */
  inSandbox: string;
}

/** The writable layer is the overlay that the node has mounted already: none of its own on top. */
const FLAGS = ["--platform=systrap", "--network=sandbox", "--overlay2=none"];

/**
 * runsc takes a namespace for the host's own when it has `/proc/sys/net/core/rmem_default`, which since Linux 6.13 every
 * one has, and refuses to give it a network: that path is hidden from it.
 */
const HIDDEN = "/proc/sys/net";
const hidingSysctls = (argv: readonly string[]) => ["unshare", "--mount", "--propagation=private", "--", "sh", "-c", `mount -t tmpfs none ${HIDDEN} && exec "$@"`, "sh", ...argv];

/** As `in-sandbox.sh` has it: to runsc, which takes the beginning of an id for the id, none is another's beginning. */
const inner = (id: string) => `${id}_`;

/** What it leaves running keeps its streams: who waits for their end would wait for that. */
const leavingOthers = (argv: readonly string[]) => ["sh", "-c", 'log=$(mktemp) && "$@" </dev/null >"$log" 2>&1; code=$?; cat "$log" >&2; rm -f "$log"; exit $code', "sh", ...argv];

/** In the bundle: what waits for the container's end waits at it for the start. */
const START_FIFO = "start";
const START_LOG = "start-log";
/** A container of a sandbox gets the streams of the program that starts it: they are those of what waits for its end. What was started before is not tried: its log would have the error. */
const withMonitorsStreams = (bundle: string, argv: readonly string[]) => [
  "sh", "-c", `[ -p "$0/${START_FIFO}" ] || exit 1; streams=/proc/$(cat "$0/pid")/fd; "$@" </dev/null >"$streams/1" 2>"$streams/2" || { code=$?; cat "$0/${START_LOG}" >&2; exit $code; }`, bundle, ...argv,
];

/** gVisor as the runtime of instances: a kernel of its own in user space between the app and the host's. */
export const gvisorClass = ({ runsc, stateDir, inSandbox }: Runsc): RuntimeClass => {
  const globalArgs = [`--root=${stateDir}`, ...FLAGS];
  const base = [runsc, ...globalArgs];
  const start = (id: string) => hidingSysctls([...base, "start", "--", id]);
  const killInner = (id: string, pid: number, signal: string) => [...base, "kill", `--pid=${pid}`, "--", id, signal];
  const alone: RuntimeClass = {
    stateDir,
    program: runsc,
    globalArgs,
    kill: (id, signal) => [...base, "kill", "--", id, signal],
    delete: (id) => [...base, "delete", "--force", "--", id],
    // Whether it has a terminal stands in what it is to run.
    exec: ({ id, processFd, pidFile, innerPidFile }) => [...base, "exec", `--process=/proc/self/fd/${processFd}`, `--pid-file=${pidFile}`, `--internal-pid-file=${innerPidFile}`, "--", id],
    execNotStarted: 128,
    start: (id) => ({ argv: start(id) }),
    hasOwnKernel: true,
    killInner,
  };
  const sandbox = {
    create: (id: string, bundle: string, pidFile: string) => leavingOthers([...base, "create", `--bundle=${bundle}`, `--pid-file=${pidFile}`, "--", id]),
    start,
    delete: alone.delete,
  };
  const container: RuntimeClass = {
    ...alone,
    program: inSandbox,
    globalArgs: [runsc, ...globalArgs],
    kill: (id, signal) => alone.kill(inner(id), signal),
    delete: (id) => alone.delete(inner(id)),
    exec: (program) => alone.exec({ ...program, id: inner(program.id) }),
    // What waits for its end is told of its start.
    start: (id, bundle) => ({ argv: withMonitorsStreams(bundle, [...base, `--log=${join(bundle, START_LOG)}`, "start", "--", inner(id)]), fifo: join(bundle, START_FIFO) }),
    killInner: (id, pid, signal) => killInner(inner(id), pid, signal),
  };
  return { ...alone, sandboxed: { sandbox, container } };
};
