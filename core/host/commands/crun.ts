/** Argument arrays of crun and conmon. Pure. */
import { join } from "node:path";

export interface Runtime {
  /** Path of crun. */
  crun: string;
  /** Where crun keeps its state. */
  stateDir: string;
}

const base = ({ crun, stateDir }: Runtime) => [crun, "--root", stateDir, "--cgroup-manager=cgroupfs"];

/** What a created container waits at; `crun start` writes one byte and removes it. Source: libcrun's `libcrun_status_write_exec_fifo`. */
export const crunFifo = ({ stateDir }: Runtime, id: string) => join(stateDir, id, "exec.fifo");
/** `signal` is an image's word: what begins with a hyphen is no option. */
export const crunKill = (runtime: Runtime, id: string, signal: string) => [...base(runtime), "kill", "--", id, signal];
/** Ends what runs and forgets it. */
export const crunDelete = (runtime: Runtime, id: string) => [...base(runtime), "delete", "--force", id];
/** Runs in the foreground, with the caller's streams and `preservedFds` more of them after the first three. */
export const crunRun = (runtime: Runtime, id: string, bundle: string, preservedFds = 0) => [...base(runtime), "run", `--preserve-fds=${preservedFds}`, "--bundle", bundle, id];

/** Where the caller of `crunExec` has a file with what to run, as JSON of an OCI process. */
const EXEC_SPEC_FD = 3;

/** Runs one more program in a container, with the caller's streams; `pidFile` is written when it runs. */
export const crunExec = (runtime: Runtime, id: string, pidFile: string, hasTerminal: boolean) => [
  ...base(runtime), "exec", ...(hasTerminal ? ["--tty"] : []), `--process=/proc/self/fd/${EXEC_SPEC_FD}`, `--pid-file=${pidFile}`, id,
];

/** Runs a program on a terminal of its own, for a caller that has pipes alone. Wants `SHELL=/bin/sh`. */
export const onTerminal = (argv: readonly string[]) => ["script", "--quiet", "--flush", "--return", "--command", `exec ${argv.map(quoted).join(" ")}`, "/dev/null"];

const quoted = (word: string) => `'${word.replaceAll("'", `'\\''`)}'`;

/** Changes the size of the terminal that the process has as its first descriptor. */
export const resizeTerminal = (pid: number, rows: number, columns: number) => ["stty", "--file", `/proc/${pid}/fd/0`, "rows", String(rows), "columns", String(columns)];

/** Runs a program in another network namespace. */
export const inNetns = (netnsPath: string, argv: readonly string[]) => ["nsenter", `--net=${netnsPath}`, "--", ...argv];

export interface Monitor {
  id: string;
  bundle: string;
  pidFile: string;
  /** `<exitDir>/<id>` gets the exit code. */
  exitDir: string;
  socketDir: string;
  logFile: string;
  /** The log starts anew when it has grown to this. */
  logBytes: number;
}

/** Creates the container (a byte into `crunFifo` starts it), keeps its output and its exit code; outlives the agent. */
export const conmon = (runtime: Runtime, monitor: Monitor) => [
  "conmon",
  "--api-version=1",
  "-c", monitor.id,
  "-u", monitor.id,
  "-n", monitor.id,
  "-r", runtime.crun,
  "--runtime-arg", `--root=${runtime.stateDir}`,
  "--runtime-arg", "--cgroup-manager=cgroupfs",
  "-b", monitor.bundle,
  "-p", monitor.pidFile,
  "--exit-dir", monitor.exitDir,
  "--socket-dir-path", monitor.socketDir,
  "-l", `k8s-file:${monitor.logFile}`,
  "--log-size-max", String(monitor.logBytes),
  "--log-level=error",
];
