/**
 * Processes that outlive the command which started them, each known by a pid file.
 * A pid file holds pid, start time and boot id, so that a pid that was used again is never taken for ours.
 */
import { mkdirSync, openSync, closeSync, readFileSync, rmSync, renameSync, writeFileSync, existsSync, statSync, readSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startTimeOf, TICK_MS } from "../core/host/process-stat.ts";
import { start } from "../core/host/spawn.ts";

const BOOT_ID = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();

/** How long ago the process started; 0 when there is none. */
export function uptimeMs(pid: number): number {
  const ticks = Number(startTimeOf(pid) ?? Number.NaN);
  const upSeconds = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
  return Number.isNaN(ticks) ? 0 : Math.max(0, upSeconds * 1000 - ticks * TICK_MS);
}

export function writePidFile(path: string, pid: number): void {
  const startTime = startTimeOf(pid);
  if (startTime === undefined) return;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, `${pid} ${startTime} ${BOOT_ID}\n`);
  renameSync(`${path}.new`, path);
}

/** The pid in the file if exactly that process still runs. */
export function runningPid(path: string): number | undefined {
  return runningPids(path)[0];
}

/** The same for files with several processes, one a line. */
export function runningPids(path: string): number[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return [];
  }
  return text.split("\n").flatMap((line) => {
    const [pid, startTime, bootId] = line.split(" ");
    const ours = pid !== undefined && startTime !== undefined && bootId === BOOT_ID && startTimeOf(Number(pid)) === startTime;
    return ours ? [Number(pid)] : [];
  });
}

export interface DetachedOptions {
  argv: readonly string[];
  env: NodeJS.ProcessEnv;
  cwd?: string;
  /** stdout and stderr are appended to it. */
  logFile: string;
  pidFile: string;
  /** Users other than root run through setpriv. */
  user?: string;
  /** The signal that the kernel sends when the starting process ends: for tests, which must leave nothing behind. */
  dieWithParent?: NodeJS.Signals;
}

/** Starts a process of its own session and writes its pid file. */
export function startDetached(options: DetachedOptions): number {
  mkdirSync(dirname(options.logFile), { recursive: true });
  const log = openSync(options.logFile, "a", 0o640);
  try {
    const child = start([...wrapper(options), ...options.argv], {
      detached: true,
      stdio: ["ignore", log, log],
      env: options.env,
      cwd: options.cwd ?? "/",
    });
    // A program that cannot be started shows as «not running» to whoever waits for it.
    child.on("error", () => {});
    child.unref();
    if (child.pid === undefined) throw new Error(`«${options.argv[0]}» could not be started`);
    writePidFile(options.pidFile, child.pid);
    return child.pid;
  } finally {
    closeSync(log);
  }
}

/** setpriv replaces itself by the program, so the pid stays. */
function wrapper(options: DetachedOptions): string[] {
  const asUser = options.user !== undefined && process.getuid?.() === 0;
  if (!asUser && options.dieWithParent === undefined) return [];
  return [
    "setpriv",
    ...(asUser ? [`--reuid=${options.user}`, `--regid=${options.user}`, "--init-groups"] : []),
    ...(options.dieWithParent === undefined ? [] : [`--pdeathsig=${options.dieWithParent.replace(/^SIG/, "")}`]),
    "--",
  ];
}

/** Ends all processes of the file: the signal, then SIGKILL after `timeoutMs`. Returns whether there was something to stop. */
export async function stopByPidFile(path: string, options: { signal?: NodeJS.Signals; timeoutMs?: number } = {}): Promise<boolean> {
  const pids = runningPids(path);
  for (const pid of pids) signalPid(pid, options.signal ?? "SIGTERM");
  if (!(await ended(path, options.timeoutMs ?? 10_000))) {
    for (const pid of runningPids(path)) signalPid(pid, "SIGKILL");
    await ended(path, 5000);
  }
  rmSync(path, { force: true });
  return pids.length > 0;
}

/** Whether the processes of the pid file have ended within the time. */
export async function ended(path: string, timeoutMs: number): Promise<boolean> {
  for (const deadline = Date.now() + timeoutMs; runningPids(path).length > 0; await sleep(15)) {
    if (Date.now() > deadline) return false;
  }
  return true;
}

export function signalPid(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** The last lines of a log file; an empty string when there is none. */
export function tailOf(path: string, lines = 20): string {
  if (!existsSync(path)) return "";
  const { size } = statSync(path);
  const length = Math.min(size, 64 * 1024);
  const buffer = Buffer.alloc(length);
  const file = openSync(path, "r");
  try {
    readSync(file, buffer, 0, length, size - length);
  } finally {
    closeSync(file);
  }
  return buffer.toString("utf8").trimEnd().split("\n").slice(-lines).join("\n");
}

/** A part did not come up; carries where to read why. */
export class StartError extends Error {
  readonly logFile: string;

  constructor(what: string, logFile: string) {
    const tail = tailOf(logFile);
    super(`${what}\n  log: ${logFile}${tail === "" ? "" : `\n${tail.replace(/^/gm, "  | ")}`}`);
    this.name = "StartError";
    this.logFile = logFile;
  }
}

/** Asks until the answer is true. Throws StartError when the process ends or the time is over. */
export async function waitUntil(
  name: string,
  answer: () => Promise<boolean>,
  options: { pidFile: string; logFile: string; timeoutMs: number },
): Promise<void> {
  const deadline = Date.now() + options.timeoutMs;
  while (!(await answer())) {
    if (runningPid(options.pidFile) === undefined) throw new StartError(`${name} ended while it was starting`, options.logFile);
    if (Date.now() > deadline) throw new StartError(`${name} was not ready after ${options.timeoutMs / 1000} s`, options.logFile);
    await sleep(25);
  }
}
