/** From HAProxy's counters, which start at zero with each of its processes, to what each app had since the last message. Pure. */
import { z } from "zod";
import { AppCountsSchema, type AppCounts } from "../core/contract/gateway-channel.ts";
import type { AppId } from "../core/contract/ids.ts";
import type { BackendStats } from "./commands/runtime.ts";

/** requests, 2xx, 4xx, 5xx, bytes in, bytes out, in flight. */
const SeenSchema = z.tuple([z.number(), z.number(), z.number(), z.number(), z.number(), z.number(), z.number()]);
type Seen = z.infer<typeof SeenSchema>;

const CountsMessageSchema = z.object({ sequence: z.number().int(), periodMs: z.number().int(), apps: z.array(AppCountsSchema) });
export type CountsMessage = z.infer<typeof CountsMessageSchema>;

/** Kept on disk, so that a new controller neither repeats nor loses what the former one counted. */
export const CountsStateSchema = z.object({
  /** Which count the sequence numbers are of: one that lost its data, or whose disk went back in time, is another. */
  incarnation: z.string(),
  sequence: z.number().int(),
  /** The HAProxy process that `seen` is of. */
  process: z.string(),
  /** By slot, as of the last collection. */
  seen: z.record(z.string(), SeenSchema),
  /** By app: counted, in no message yet. However long the API is away, there is one entry an app. */
  waiting: z.record(z.string(), AppCountsSchema),
  /** When the last message was made, ms since 1970. */
  since: z.number(),
  /** Messages that the API has not said to have counted, oldest first: sent again on each new connection. */
  outbox: z.array(CountsMessageSchema),
});
export type CountsState = z.infer<typeof CountsStateSchema>;

const OUTBOX_MAX = 12;
const ZERO: Seen = [0, 0, 0, 0, 0, 0, 0];

export function emptyCounts(incarnation: string, nowMs: number): CountsState {
  return { incarnation, sequence: 0, process: "", seen: {}, waiting: {}, since: nowMs, outbox: [] };
}

/** HAProxy was started anew: its counters are zero. */
export function newProcess(state: CountsState, process: string): CountsState {
  return { ...state, process, seen: {} };
}

/** One collection. A process that is not the known one was counted by nobody: it is where counting begins. */
export function collect(state: CountsState, process: string, backends: ReadonlyMap<string, BackendStats>, appOf: ReadonlyMap<string, AppId>): CountsState {
  const known = state.process === process;
  const seen: Record<string, Seen> = {};
  const waiting = { ...state.waiting };
  // An app may have two slots.
  const inFlight = new Map<AppId, number>();
  for (const [slot, stats] of backends) {
    const appId = appOf.get(slot);
    if (appId !== undefined) inFlight.set(appId, (inFlight.get(appId) ?? 0) + stats.inFlight);
  }
  for (const [slot, stats] of backends) {
    const now: Seen = [stats.requests, stats.responses2xx, stats.responses4xx, stats.responses5xx, stats.bytesIn, stats.bytesOut, stats.inFlight];
    if (now.some((value) => value !== 0)) seen[slot] = now;
    const before = state.seen[slot] ?? ZERO;
    const appId = appOf.get(slot);
    if (!known || appId === undefined) continue;
    // Counters that went back were cleared by hand.
    const since = (index: number) => ((now[index] ?? 0) >= (before[index] ?? 0) ? (now[index] ?? 0) - (before[index] ?? 0) : (now[index] ?? 0));
    const [requests, responses2xx, responses4xx, responses5xx, bytesIn, bytesOut] = [since(0), since(1), since(2), since(3), since(4), since(5)];
    if (requests + responses2xx + responses4xx + responses5xx + bytesIn + bytesOut === 0 && stats.inFlight === before[6]) continue;
    waiting[appId] = add(waiting[appId], { appId, requests, responses2xx, responses4xx, responses5xx, bytesIn, bytesOut, inFlight: inFlight.get(appId) ?? 0 });
  }
  return { ...state, process, seen, waiting };
}

function add(before: AppCounts | undefined, more: AppCounts): AppCounts {
  if (before === undefined) return more;
  return {
    ...more,
    requests: before.requests + more.requests,
    responses2xx: before.responses2xx + more.responses2xx,
    responses4xx: before.responses4xx + more.responses4xx,
    responses5xx: before.responses5xx + more.responses5xx,
    bytesIn: before.bytesIn + more.bytesIn,
    bytesOut: before.bytesOut + more.bytesOut,
  };
}

/** What waits becomes a message, unless nothing does, or too many are under way. The state is kept before it is sent. */
export function takeMessage(state: CountsState, nowMs: number): { state: CountsState; message: CountsMessage } | undefined {
  const apps = Object.values(state.waiting);
  if (apps.length === 0 || state.outbox.length >= OUTBOX_MAX) return undefined;
  const message = { sequence: state.sequence + 1, periodMs: Math.max(0, Math.round(nowMs - state.since)), apps };
  return { state: { ...state, sequence: message.sequence, waiting: {}, since: nowMs, outbox: [...state.outbox, message] }, message };
}

/**
 * The API has counted all up to this sequence. When that is more than was ever said, this state is an old copy: what
 * was counted since is not known, so a new count begins, under another name, where HAProxy's counters are.
 */
export function acknowledge(state: CountsState, counted: { incarnation: string; sequence: number }, nextIncarnation: string, nowMs: number): CountsState {
  if (counted.incarnation !== state.incarnation) return state;
  if (counted.sequence > state.sequence) return emptyCounts(nextIncarnation, nowMs);
  return { ...state, outbox: state.outbox.filter(({ sequence }) => sequence > counted.sequence) };
}
