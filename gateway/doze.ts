/**
 * Which instances may sleep by now: pure but for what it remembers, time as an argument. The agents decide when their
 * instances sleep; a gateway does not wait to be told. It takes an instance for awake only for a lease after it saw a
 * request of its app or woke it, and the lease is half of what agents wait: whatever is sent without asking finds it
 * running. Taking one that runs for asleep costs a question. `docs/decisions/temperatures.md`.
 */
import type { Endpoint, Route } from "../core/contract/gateway-channel.ts";
import type { InstanceId } from "../core/contract/ids.ts";
import { awakeLeaseMs } from "../core/domain/temperature.ts";

interface Slot {
  leaseMs: number;
  endpoints: readonly Endpoint[];
  awake: Set<InstanceId>;
  awakeUntil: number;
  wokenAt: Map<InstanceId, number>;
  /** Requests so far, as of the last look. */
  requests: number | undefined;
}

const LONGEST_LOOK_MS = 5000;
const SHORTEST_LOOK_MS = 25;

export class Doze {
  readonly #slots = new Map<string, Slot>();
  #lookedAt = 0;

  /** `isNews`: said by the API just now, not read from the disk. */
  setRoute(slot: string, route: Route, now: number, isNews: boolean): void {
    if (route.freezeAfterMs === undefined || route.hosts.length === 0) {
      this.#slots.delete(slot);
      return;
    }
    const before = this.#slots.get(slot);
    const leaseMs = awakeLeaseMs(route.freezeAfterMs);
    const mine = before ?? { leaseMs, endpoints: [], awake: new Set(), awakeUntil: 0, wokenAt: new Map(), requests: undefined };
    const known = new Set(mine.endpoints.map((one) => one.instanceId));
    const here = new Set(route.endpoints.map((one) => one.instanceId));
    for (const id of mine.awake) if (!here.has(id)) mine.awake.delete(id);
    for (const id of mine.wokenAt.keys()) if (!here.has(id)) mine.wokenAt.delete(id);
    for (const { instanceId, temperature = "running" } of route.endpoints) {
      if (temperature !== "running") mine.awake.delete(instanceId);
      else if (isNews && !known.has(instanceId)) this.#wake(mine, instanceId, leaseMs, now);
    }
    this.#slots.set(slot, { ...mine, leaseMs, endpoints: route.endpoints });
  }

  isAsleep(slot: string, instanceId: InstanceId): boolean {
    const mine = this.#slots.get(slot);
    // What cannot be woken gets its requests all the same: its node thaws it when they come.
    return mine !== undefined && !mine.awake.has(instanceId) && mine.endpoints.some((one) => one.instanceId === instanceId && one.wake !== undefined);
  }

  /** Endpoints that must be woken before they get a request, and can be. */
  sleepers(slot: string): Endpoint[] {
    const mine = this.#slots.get(slot);
    return mine === undefined ? [] : mine.endpoints.filter((one) => one.wake !== undefined && !mine.awake.has(one.instanceId));
  }

  woken(slot: string, instanceId: InstanceId, now: number): void {
    const mine = this.#slots.get(slot);
    if (mine?.endpoints.some((one) => one.instanceId === instanceId) === true) this.#wake(mine, instanceId, mine.leaseMs, now);
  }

  #wake(mine: Pick<Slot, "awake" | "awakeUntil" | "wokenAt">, id: InstanceId, leaseMs: number, now: number): void {
    mine.awake.add(id);
    mine.wokenAt.set(id, now);
    mine.awakeUntil = Math.max(mine.awakeUntil, now + leaseMs);
  }

  /** How long until the next look is due; undefined: nothing may sleep. Often enough for the shortest lease. */
  lookEveryMs(): number | undefined {
    if (this.#slots.size === 0) return undefined;
    const shortest = Math.min(...[...this.#slots.values()].map(({ leaseMs }) => leaseMs));
    return Math.min(LONGEST_LOOK_MS, Math.max(SHORTEST_LOOK_MS, shortest / 4));
  }

  /**
   * One look at HAProxy's counters. A request since the last look came after that look at the earliest: the lease runs
   * from there. Gives the slots whose lease has ended, and the endpoints of busy apps to wake (again): of several
   * instances each must know that its app is busy, also when it gets no request itself.
   */
  look(backends: ReadonlyMap<string, { requests: number; inFlight: number }>, now: number): { dozed: string[]; renew: { slot: string; endpoint: Endpoint }[] } {
    const dozed: string[] = [];
    const renew: { slot: string; endpoint: Endpoint }[] = [];
    for (const [slot, mine] of this.#slots) {
      const { requests = 0, inFlight = 0 } = backends.get(slot) ?? {};
      const isBusy = inFlight > 0 || (mine.requests !== undefined && requests !== mine.requests);
      mine.requests = requests;
      if (isBusy) mine.awakeUntil = Math.max(mine.awakeUntil, (inFlight > 0 ? now : this.#lookedAt) + mine.leaseMs);
      if (now >= mine.awakeUntil && mine.awake.size > 0) {
        mine.awake.clear();
        dozed.push(slot);
      } else if (isBusy && mine.awake.size > 0 && mine.endpoints.length > 1) {
        const isDue = (one: Endpoint) => !mine.awake.has(one.instanceId) || now - (mine.wokenAt.get(one.instanceId) ?? -Infinity) > mine.leaseMs / 2;
        renew.push(...mine.endpoints.filter((one) => one.wake !== undefined && isDue(one)).map((endpoint) => ({ slot, endpoint })));
      }
    }
    this.#lookedAt = now;
    return { dozed, renew };
  }
}
