/** What the kernel says of one process. Source: `man 5 proc_pid_stat`. */
import { readFileSync } from "node:fs";

/** Linux counts a hundred ticks a second on every platform that Node runs on. */
export const TICK_MS = 10;

/** Clock ticks from boot to the process's start; undefined when there is none (a zombie is none). */
export function startTimeOf(pid: number): string | undefined {
  const fields = statOf(pid);
  return fields === undefined || fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
}

/** Whether there is one with that id, whichever it is; also one that has ended and that nobody has waited for. */
export function isProcess(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Cpu time that it has used with all its threads, in ms; 0 when it is gone. */
export function processCpuMs(pid: number): number {
  const [utime = 0, stime = 0] = statOf(pid)?.slice(11, 13).map(Number) ?? [];
  return (utime + stime) * TICK_MS;
}

/** From the third field on, the state. Synchronous: from the kernel's memory, waiting for a thread would take longer. */
function statOf(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the program's name in parentheses and may hold anything.
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}
