/** Argument array of conmon. Pure. */
import type { RuntimeClass } from "./runtime-class.ts";

export interface Monitor {
  /** Path of conmon. */
  conmon: string;
  id: string;
  bundle: string;
  pidFile: string;
  /** Gets the monitor's own id. */
  ownPidFile: string;
  /** `<exitDir>/<id>` gets the exit code. */
  exitDir: string;
  socketDir: string;
  logFile: string;
  /** The log starts anew when it has grown to this. */
  logBytes: number;
}

/** Creates the container, which then waits to be started; keeps its output and its exit code; outlives the agent. */
export const conmon = ({ program, globalArgs }: RuntimeClass, monitor: Monitor) => [
  monitor.conmon,
  "--api-version=1",
  "-c", monitor.id,
  "-u", monitor.id,
  "-n", monitor.id,
  "-r", program,
  ...globalArgs.flatMap((argument) => ["--runtime-arg", argument]),
  "-b", monitor.bundle,
  "-p", monitor.pidFile,
  "-P", monitor.ownPidFile,
  "--exit-dir", monitor.exitDir,
  "--socket-dir-path", monitor.socketDir,
  "-l", `k8s-file:${monitor.logFile}`,
  "--log-size-max", String(monitor.logBytes),
  "--log-level=error",
];
