/** From the sums that nodes say of instances to the cpu and memory that an app uses now. Pure. */
import type { InstanceId } from "../contract/ids.ts";
import type { CountedUsage } from "./usage.ts";

/** One instance: its last sums, and what it used between those and the ones before; null: not known yet. */
interface Seen {
  usage: CountedUsage;
  cpuMillis: number | null;
  memoryBytes: number | null;
}
export type LoadMemory = ReadonlyMap<InstanceId, Seen>;

export interface InstanceLoad {
  cpuMillis: number | null;
  memoryBytes: number | null;
  memory: LoadMemory;
}

/** Nodes say their sums every 15 s: what is older than three of those is of a node that is away. */
const VALID_MS = 45_000;

/**
 * Sums over all of the app's instances. One that is not known yet (it is new, or its node is away) is taken to use what
 * the others use on average, so that new instances do not look like less load.
 */
export function instanceLoad(before: LoadMemory | undefined, said: readonly { id: InstanceId; usage: CountedUsage | null }[], nowMs: number): InstanceLoad {
  const memory = new Map<InstanceId, Seen>();
  for (const { id, usage } of said) if (usage !== null) memory.set(id, see(before?.get(id), usage));
  const fresh = [...memory.values()].filter(({ usage }) => nowMs - usage.at < VALID_MS);
  const sum = (key: "cpuMillis" | "memoryBytes") => {
    const values = fresh.flatMap((one) => one[key] ?? []);
    return values.length === 0 ? null : (values.reduce((total, value) => total + value, 0) / values.length) * said.length;
  };
  return { cpuMillis: sum("cpuMillis"), memoryBytes: sum("memoryBytes"), memory };
}

function see(before: Seen | undefined, usage: CountedUsage): Seen {
  if (before?.usage.at === usage.at) return before;
  const ms = before === undefined || before.usage.since !== usage.since ? 0 : usage.at - before.usage.at;
  if (before === undefined || ms <= 0) return { usage, cpuMillis: null, memoryBytes: null };
  return { usage, cpuMillis: (usage.cpuMicros - before.usage.cpuMicros) / ms, memoryBytes: ((usage.memoryByteSeconds - before.usage.memoryByteSeconds) * 1000) / ms };
}
