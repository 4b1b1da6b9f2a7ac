/** Telling whether a process is still the one that was started: by its id and its start time. */
import { readFileSync } from "node:fs";

/** Start time of the process in clock ticks since boot, or undefined when there is none. Zombies count as ended. */
export async function startTimeOf(pid: number): Promise<string | undefined> {
  let text: string;
  try {
    // From the kernel's memory: waiting for a thread would take longer.
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  // The name in parentheses may hold spaces; the fields behind it do not.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state] = fields;
  return state === "Z" || state === "X" ? undefined : fields[19];
}
