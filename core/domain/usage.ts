/**
 * Metering: from counters that may start anew to sums that only grow, from sums to what a message adds, from there to
 * hours. Pure. Whatever is sent twice, late or in another order is counted once, because sums are sent, not differences.
 */

/** Sums since the instance was made, as its node counts them: they only grow. */
export interface UsageCounters {
  cpuMicros: number;
  memoryByteSeconds: number;
  /** From the instance to the network, answers to requests included. */
  egressBytes: number;
  /** From the network to the instance, requests included. */
  ingressBytes: number;
}

/** `since`: when its node began to count (ms since 1970). A node that lost its data counts from zero, with a later one. */
export type SaidUsage = UsageCounters & { since: number };

/** What was counted of an instance so far; `at`: up to when, by the clock of whoever counted (ms since 1970). */
export type CountedUsage = SaidUsage & { at: number };

export const NO_USAGE: UsageCounters = { cpuMicros: 0, memoryByteSeconds: 0, egressBytes: 0, ingressBytes: 0 };
const COUNTERS = ["cpuMicros", "memoryByteSeconds", "egressBytes", "ingressBytes"] as const satisfies readonly (keyof UsageCounters)[];

/** A node's meter of one instance. What was seen is of the container and the interface that are there now. */
export interface Meter extends SaidUsage {
  cpuSeenMicros: number;
  egressSeenBytes: number;
  ingressSeenBytes: number;
  /** Null: not sampled since the container began. */
  memorySeenBytes: number | null;
  /** When memory was last integrated, since the host's boot; null: nothing runs. */
  seenAtMs: number | null;
}

/** What the kernel says; null: there is nothing to read. */
export interface MeterSample {
  cpuMicros: number | null;
  memoryBytes: number | null;
  egressBytes: number | null;
  ingressBytes: number | null;
  /** Since the host's boot. */
  atMs: number;
}

export function newMeter(since: number): Meter {
  return { since, ...NO_USAGE, cpuSeenMicros: 0, egressSeenBytes: 0, ingressSeenBytes: 0, memorySeenBytes: null, seenAtMs: null };
}

/** A meter for what runs already, as what it counted was lost: it counts from here. */
export function meterFrom(since: number, sample: MeterSample): Meter {
  return { ...newMeter(since), ...seenOf(newMeter(since), sample) };
}

/** A new container is about to be created: its counters begin at zero. */
export function beginRun(meter: Meter): Meter {
  return { ...meter, cpuSeenMicros: 0, memorySeenBytes: null, seenAtMs: null };
}

/** It is about to be started: from now on its memory counts. */
export function startRun(meter: Meter, atMs: number): Meter {
  return { ...meter, memorySeenBytes: null, seenAtMs: atMs };
}

/** Nothing runs any more: the time until the next run is nobody's. */
export function endRun(meter: Meter): Meter {
  return { ...meter, memorySeenBytes: null, seenAtMs: null };
}

/** The instance has a new interface. */
export function beginNetwork(meter: Meter): Meter {
  return { ...meter, egressSeenBytes: 0, ingressSeenBytes: 0 };
}

/** Adds what came since the last sample. */
export function takeSample(meter: Meter, sample: MeterSample): Meter {
  const { cpuMicros, memoryBytes, egressBytes, ingressBytes, atMs } = sample;
  // A clock that went back is another boot's.
  const seconds = meter.seenAtMs === null ? 0 : Math.max(0, atMs - meter.seenAtMs) / 1000;
  const known = [meter.memorySeenBytes, memoryBytes].filter((value) => value !== null);
  const average = known.length === 0 ? 0 : known.reduce((sum, value) => sum + value, 0) / known.length;
  return {
    since: meter.since,
    cpuMicros: meter.cpuMicros + grown(meter.cpuSeenMicros, cpuMicros),
    egressBytes: meter.egressBytes + grown(meter.egressSeenBytes, egressBytes),
    ingressBytes: meter.ingressBytes + grown(meter.ingressSeenBytes, ingressBytes),
    memoryByteSeconds: meter.memoryByteSeconds + Math.round(average * seconds),
    ...seenOf(meter, sample),
  };
}

function seenOf(meter: Meter, { cpuMicros, memoryBytes, egressBytes, ingressBytes, atMs }: MeterSample) {
  return {
    cpuSeenMicros: cpuMicros ?? meter.cpuSeenMicros,
    egressSeenBytes: egressBytes ?? meter.egressSeenBytes,
    ingressSeenBytes: ingressBytes ?? meter.ingressSeenBytes,
    memorySeenBytes: memoryBytes,
    seenAtMs: memoryBytes === null ? null : atMs,
  };
}

/** What the meter says to others. */
export function saidOf({ since, cpuMicros, memoryByteSeconds, egressBytes, ingressBytes }: Meter): SaidUsage {
  return { since, cpuMicros, memoryByteSeconds, egressBytes, ingressBytes };
}

/** A counter that went back began anew. */
function grown(seen: number, now: number | null): number {
  if (now === null) return 0;
  return now >= seen ? now - seen : now;
}

export interface Advance {
  counted: CountedUsage;
  added: UsageCounters;
  /** When the time that it was used in began. */
  fromMs: number;
}

/** What a node's word adds to what was counted; undefined: nothing, it is a repetition or older. */
export function advance(before: CountedUsage | null, said: SaidUsage, startedAtMs: number, nowMs: number): Advance | undefined {
  if (before !== null && said.since < before.since) return undefined;
  const base = before !== null && said.since === before.since ? before : NO_USAGE;
  const counted: CountedUsage = { since: said.since, at: nowMs, ...NO_USAGE };
  const added: UsageCounters = { ...NO_USAGE };
  for (const name of COUNTERS) {
    counted[name] = Math.max(base[name], said[name]);
    added[name] = counted[name] - base[name];
  }
  if (COUNTERS.every((name) => added[name] === 0)) return undefined;
  return { counted, added, fromMs: before?.at ?? startedAtMs };
}

/** Columns of the ledger. */
export const USAGE_FIELDS = ["cpuMicros", "memoryByteSeconds", "storageByteSeconds", "requests", "ingressBytes", "egressBytes", "buildMillis"] as const;
export type UsageField = (typeof USAGE_FIELDS)[number];
export type UsageAmounts = Partial<Record<UsageField, bigint>>;

const HOUR_MS = 3_600_000;
/** What is told later than this after an hour's end belongs to the next one: an hour that was sent to billing stays as it was. */
const LATE_MS = 5 * 60_000;

export const hourOf = (ms: number) => Math.floor(ms / HOUR_MS) * HOUR_MS;

/** The first hour that is still added to. */
export const firstOpenHour = (nowMs: number) => hourOf(nowMs - LATE_MS);

/** Hours that begin before this are complete. Twice the time for those who are late: clocks differ, and transactions last. */
export const completeBefore = (nowMs: number) => hourOf(nowMs - 2 * LATE_MS);

/** Divides amounts over the hours between two moments by time, to the last unit. What would fall into a closed hour goes to the first open one. */
export function spreadOverHours(amounts: UsageAmounts, fromMs: number, toMs: number, nowMs: number): { hour: Date; amounts: UsageAmounts }[] {
  const to = Math.min(toMs, nowMs);
  const from = Math.min(Math.max(fromMs, firstOpenHour(nowMs)), to);
  const ends: number[] = [];
  for (let end = hourOf(from) + HOUR_MS; end < to; end += HOUR_MS) ends.push(end);
  ends.push(to);
  return ends.map((end, index) => {
    const begin = index === 0 ? from : (ends[index - 1] ?? from);
    const part: UsageAmounts = {};
    for (const field of USAGE_FIELDS) {
      const amount = amounts[field];
      if (amount !== undefined) part[field] = upTo(amount, end - from, to - from) - (index === 0 ? 0n : upTo(amount, begin - from, to - from));
    }
    return { hour: new Date(Math.max(hourOf(begin), firstOpenHour(nowMs))), amounts: part };
  });
}

/** The share of the amount that the first `part` of `whole` milliseconds has. */
function upTo(amount: bigint, part: number, whole: number): bigint {
  return whole === 0 ? amount : (amount * BigInt(Math.round(part))) / BigInt(Math.round(whole));
}

/** Counters as amounts of the ledger. */
export function amountsOf(counters: UsageCounters): UsageAmounts {
  return {
    cpuMicros: BigInt(counters.cpuMicros),
    memoryByteSeconds: BigInt(counters.memoryByteSeconds),
    egressBytes: BigInt(counters.egressBytes),
    ingressBytes: BigInt(counters.ingressBytes),
  };
}
