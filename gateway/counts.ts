/** From HAProxy's counters, which start at zero with each of its processes, to what each app had since the last message. Pure. */
import { z } from "zod";
import { AppCountsSchema, type AppCounts } from "../core/contract/gateway-channel.ts";
import type { AppId } from "../core/contract/ids.ts";
import type { BackendStats } from "./commands/runtime.ts";

/** requests, 2xx, 4xx, 5xx, bytes in, bytes out, in flight. */
const SeenSchema = z.tuple([z.number(), z.number(), z.number(), z.number(), z.number(), z.number(), z.number()]);
type Seen = z.infer<typeof SeenSchema>;

export const CountsMessageSchema = z.object({ sequence: z.number().int(), apps: z.array(AppCountsSchema) });
export type CountsMessage = z.infer<typeof CountsMessageSchema>;

/** Kept on disk, so that a new controller neither repeats nor loses what the former one counted. */
export const CountsStateSchema = z.object({
  sequence: z.number().int(),
  /** The HAProxy process that `seen` is of. */
  process: z.string(),
  /** By slot, as of the last collection. */
  seen: z.record(z.string(), SeenSchema),
  /** The last messages, oldest first: sent again on each new connection, for nobody acknowledges them. */
  outbox: z.array(CountsMessageSchema),
});
export type CountsState = z.infer<typeof CountsStateSchema>;

const OUTBOX_MAX = 12;
const ZERO: Seen = [0, 0, 0, 0, 0, 0, 0];

/** Time is where sequences begin: a gateway that lost its data goes on above what it said before. */
export function emptyCounts(now: Date): CountsState {
  return { sequence: now.getTime(), process: "", seen: {}, outbox: [] };
}

/** HAProxy was started anew: its counters are zero. */
export function newProcess(state: CountsState, process: string): CountsState {
  return { ...state, process, seen: {} };
}

/** One collection. A process that is not the known one was counted by nobody: it is where counting begins. */
export function collect(
  state: CountsState,
  process: string,
  backends: ReadonlyMap<string, BackendStats>,
  appOf: ReadonlyMap<string, AppId>,
): { state: CountsState; message: CountsMessage | undefined } {
  const known = state.process === process;
  const seen: Record<string, Seen> = {};
  const apps: AppCounts[] = [];
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
    apps.push({ appId, requests, responses2xx, responses4xx, responses5xx, bytesIn, bytesOut, inFlight: stats.inFlight });
  }
  if (apps.length === 0) return { state: { ...state, process, seen }, message: undefined };
  const message = { sequence: state.sequence + 1, apps };
  return { state: { sequence: message.sequence, process, seen, outbox: [...state.outbox, message].slice(-OUTBOX_MAX) }, message };
}
