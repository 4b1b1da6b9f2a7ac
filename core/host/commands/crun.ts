/** Argument arrays of crun. Pure. */
import { join } from "node:path";
import type { RuntimeClass } from "./runtime-class.ts";

export interface Runtime {
  /** Path of crun. */
  crun: string;
  /** Where crun keeps its state. */
  stateDir: string;
}

/**
 * Set to 1: crun does not run a copy of itself each time, which a container that finds it could not write to, as long as it
 * is on a read-only mount. Source: libcrun's `is_self_cloned`.
 */
export const CRUN_UNCOPIED = "_LIBCONTAINER_CLONED_BINARY";

const base = ({ crun, stateDir }: Runtime) => [crun, "--root", stateDir, "--cgroup-manager=cgroupfs"];

/** Ends what runs and forgets it. */
export const crunDelete = (runtime: Runtime, id: string) => [...base(runtime), "delete", "--force", id];
/** Runs in the foreground, with the caller's streams and `preservedFds` more of them after the first three. */
export const crunRun = (runtime: Runtime, id: string, bundle: string, preservedFds = 0) => [...base(runtime), "run", `--preserve-fds=${preservedFds}`, "--bundle", bundle, id];

/** crun as the runtime of instances. */
export const crunClass = (runtime: Runtime): RuntimeClass => ({
  stateDir: runtime.stateDir,
  program: runtime.crun,
  globalArgs: [`--root=${runtime.stateDir}`, "--cgroup-manager=cgroupfs"],
  kill: (id, signal) => [...base(runtime), "kill", "--", id, signal],
  delete: (id) => crunDelete(runtime, id),
  exec: ({ id, processFd, pidFile, hasTerminal }) => [
    ...base(runtime), "exec", ...(hasTerminal ? ["--tty"] : []), `--process=/proc/self/fd/${processFd}`, `--pid-file=${pidFile}`, id,
  ],
  execNotStarted: 255,
  // What `crun start` does, without a program of its own. Source: libcrun's `libcrun_status_write_exec_fifo`.
  start: (id) => ({ fifo: join(runtime.stateDir, id, "exec.fifo") }),
  hasOwnKernel: false,
});

/** Runs a program on a terminal of its own and of this size, for a caller that has pipes alone. Wants `SHELL=/bin/sh`. */
export const onTerminal = (argv: readonly string[], { rows, columns }: { rows: number; columns: number }) => [
  "script", "--quiet", "--flush", "--return", "--command", `stty rows ${rows} columns ${columns}; exec ${argv.map(quoted).join(" ")}`, "/dev/null",
];

const quoted = (word: string) => `'${word.replaceAll("'", `'\\''`)}'`;

/** Changes the size of the terminal that the process has as its first descriptor. */
export const resizeTerminal = (pid: number, rows: number, columns: number) => ["stty", "--file", `/proc/${pid}/fd/0`, "rows", String(rows), "columns", String(columns)];

/** Runs a program in another network namespace. */
export const inNetns = (netnsPath: string, argv: readonly string[]) => ["nsenter", `--net=${netnsPath}`, "--", ...argv];
