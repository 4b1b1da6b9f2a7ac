/**
 * Which instances work in the background: those that want much cpu while there is too little for all, and somebody else
 * has a little to do. What they leave is for the calm ones, whose few milliseconds then come when they are asked for.
 * `docs/decisions/background.md`. Pure.
 */

export interface CpuReading {
  /** Since the instance began. */
  cpuMicros: number;
  /** What it may use, thousandths of one cpu. */
  cpuMillis: number;
}

/** What former looks said of one instance. */
export interface Watched {
  cpuMicros: number;
  /** Looks since it was busy while cpu was short. */
  sinceBusy: number;
  /** Looks since it did anything worth a name. */
  sinceActive: number;
  inBackground: boolean;
}

/** Share of the time in which some process waited for a cpu; below it nobody is much in anybody's way. */
const SHORT_SHARE = 0.25;
/** Who uses half of what it may is not waiting for requests, it works. */
const BUSY_SHARE = 0.5;
/** What uses less harms nobody, however little it may use. */
const BUSY_MILLIS = 50;
const ACTIVE_MILLIS = 1;
/** So many looks later it is forgotten: one who works in bursts is not moved to and fro. */
const FORGOTTEN_AFTER = 10;

/** Whether a look is worth its while. `waitedShare`: 0 to 1, of all processes of the host. */
export function mustLook(watched: ReadonlyMap<unknown, Watched>, waitedShare: number): boolean {
  return waitedShare >= SHORT_SHARE || [...watched.values()].some(({ inBackground }) => inBackground);
}

/** The next look at all instances. One that is new is only noted: how much it uses is known at the second look. */
export function lookAtCpu<Id>(before: ReadonlyMap<Id, Watched>, readings: ReadonlyMap<Id, CpuReading>, elapsedMicros: number, waitedShare: number): Map<Id, Watched> {
  const isShort = waitedShare >= SHORT_SHARE;
  const seen = [...readings].map(([id, reading]) => [id, look(before.get(id), reading, elapsedMicros, isShort)] as const);
  const isCalmOneActive = seen.some(([, { sinceBusy, sinceActive }]) => sinceBusy >= FORGOTTEN_AFTER && sinceActive < FORGOTTEN_AFTER);
  return new Map(seen.map(([id, each]) => [id, { ...each, inBackground: isCalmOneActive && each.sinceBusy < FORGOTTEN_AFTER }]));
}

function look(before: Watched | undefined, { cpuMicros, cpuMillis }: CpuReading, elapsedMicros: number, isShort: boolean): Omit<Watched, "inBackground"> {
  if (before === undefined) return { cpuMicros, sinceBusy: FORGOTTEN_AFTER, sinceActive: FORGOTTEN_AFTER };
  // A container that was started anew counts from zero.
  const used = cpuMicros >= before.cpuMicros ? cpuMicros - before.cpuMicros : cpuMicros;
  const usedMillis = (used * 1000) / elapsedMicros;
  const isBusy = isShort && usedMillis >= BUSY_MILLIS && usedMillis >= BUSY_SHARE * cpuMillis;
  return {
    cpuMicros,
    sinceBusy: isBusy ? 0 : Math.min(FORGOTTEN_AFTER, before.sinceBusy + 1),
    sinceActive: usedMillis >= ACTIVE_MILLIS ? 0 : Math.min(FORGOTTEN_AFTER, before.sinceActive + 1),
  };
}
