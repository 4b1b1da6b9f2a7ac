/** What runs to its end, once: within its deadline, over restarts of the agent. */
import type { DesiredInstance, Exit, InstanceReport } from "../core/contract/node-channel.ts";
import { startTimeOf } from "../core/host/process-stat.ts";
import type { Ending } from "./ending.ts";
import type { SavedInstance } from "./instance-state.ts";
import { crashProblem } from "./not-ready.ts";

export type RunToEnd = NonNullable<DesiredInstance["run"]>;

/** What of its instance it needs. */
export interface OneLife {
  id: string;
  saved: () => SavedInstance;
  set: (change: Partial<SavedInstance>) => void;
  adoptNetwork: () => void;
  /** Its process runs: adopted, or new. */
  begin: () => Promise<void>;
  untilStop: () => Promise<"stop">;
  /** The stop signal, the grace time, the kill. */
  bringAbout: () => Promise<Exit>;
  logTail: () => Promise<string[]>;
}

interface End {
  exit: Exit;
  isLate: boolean;
}

/** True: it has ended, and how is written down. False: it is told to stop, and runs still. What was begun is not begun again. */
export async function runToEnd(run: RunToEnd, memoryBytes: number, ending: Ending, life: OneLife): Promise<boolean> {
  const { pid, startTime } = life.saved();
  const hasEnded = pid !== null && startTimeOf(pid) !== startTime;
  if (hasEnded) life.adoptNetwork();
  else await life.begin();
  const end = hasEnded ? { exit: await ending.read(), isLate: false } : await untilEnd(run, ending, life);
  if (end === undefined) return false;
  const problem = problemOfEnd(end, run, memoryBytes);
  // Before anything of it goes: who comes after a crash here must not find a run without an end.
  life.set({ phase: "completed", lastExit: end.exit, problem: problem ? { ...problem, logTail: await life.logTail() } : null });
  return true;
}

async function untilEnd({ deadlineMs }: RunToEnd, ending: Ending, life: OneLife): Promise<End | undefined> {
  const startedAt = life.saved().startedAt ?? Date.now();
  if (life.saved().phase !== "running") life.set({ phase: "running", startedAt });
  const watching = new AbortController();
  const deadline = deadlineAt(startedAt + deadlineMs);
  try {
    const end = await Promise.race([ending.untilExit(life.id, watching.signal), life.untilStop(), deadline.passed]);
    if (end === "stop") return undefined;
    watching.abort();
    return end === "late" ? { exit: await life.bringAbout(), isLate: true } : { exit: end, isLate: false };
  } finally {
    watching.abort();
    deadline.cancel();
  }
}

/** Timers count at most so far. */
const TIMER_MAX_MS = 2 ** 31 - 1;

function deadlineAt(atMs: number): { passed: Promise<"late">; cancel: () => void } {
  let timer: NodeJS.Timeout | undefined;
  const passed = new Promise<"late">((resolve) => {
    const look = () => {
      const leftMs = atMs - Date.now();
      if (leftMs <= 0) resolve("late");
      else timer = setTimeout(look, Math.min(leftMs, TIMER_MAX_MS));
    };
    look();
  });
  return { passed, cancel: () => clearTimeout(timer) };
}

/** Why it counts as failed; undefined: it does not. */
function problemOfEnd({ exit, isLate }: End, { deadlineMs }: RunToEnd, memoryBytes: number): Omit<NonNullable<InstanceReport["problem"]>, "logTail"> | undefined {
  if (isLate) return { code: "job_deadline", detail: `The command ran longer than ${inWords(deadlineMs)}.` };
  if (exit.oomKilled) return crashProblem(exit, memoryBytes);
  return exit.code === 0 ? undefined : { code: "command_failed", detail: `The command exited with code ${exit.code}.` };
}

function inWords(ms: number): string {
  return ms % 60_000 === 0 ? `${ms / 60_000} min` : `${ms / 1000} s`;
}
