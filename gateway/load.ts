/**
 * What goes on at apps that follow demand, said to the API as soon as it changes: the autoscaler cannot be quicker than
 * what it knows. Pure but for what it remembers.
 */
import type { AppLoad, FromGateway, Route } from "../core/contract/gateway-channel.ts";
import type { AppId } from "../core/contract/ids.ts";

const LOOK_EVERY_MS = 1000;
/** What lasts is said again, should it have been forgotten. */
const REPEAT_MS = 5000;

interface Known {
  appId: AppId;
  /** Requests so far, as of the last look. */
  requests: number | undefined;
  said: { atMs: number; requests: number; inFlight: number } | undefined;
}

export class LoadWatch {
  readonly #slots = new Map<string, Known>();
  #lookedAtMs: number | undefined;

  setRoute(slot: string, { appId, hosts, followsDemand }: Route): void {
    if (followsDemand !== true || hosts.length === 0) this.#slots.delete(slot);
    else if (this.#slots.get(slot)?.appId !== appId) this.#slots.set(slot, { appId, requests: undefined, said: undefined });
  }

  /** What was said may be lost. */
  forget(): void {
    for (const known of this.#slots.values()) known.said = undefined;
  }

  /** How long until the next look is due; undefined: no app follows demand. */
  get lookEveryMs(): number | undefined {
    return this.#slots.size === 0 ? undefined : LOOK_EVERY_MS;
  }

  /** What the API must be told after a look at HAProxy's counters, if anything. */
  look(backends: ReadonlyMap<string, { requests: number; inFlight: number }>, nowMs: number): Extract<FromGateway, { type: "load" }> | undefined {
    const periodMs = Math.round(nowMs - (this.#lookedAtMs ?? nowMs));
    this.#lookedAtMs = nowMs;
    const apps: AppLoad[] = [];
    for (const [slot, known] of this.#slots) {
      const { requests: total = 0, inFlight = 0 } = backends.get(slot) ?? {};
      // Counters that went back are those of another process.
      const requests = known.requests === undefined ? 0 : total - (total < known.requests ? 0 : known.requests);
      known.requests = total;
      const { said } = known;
      const isNews = said === undefined || requests > 0 || inFlight !== said.inFlight || said.requests > 0;
      const isDue = inFlight > 0 && nowMs - (said?.atMs ?? 0) >= REPEAT_MS;
      if (!isNews && !isDue) continue;
      known.said = { atMs: nowMs, requests, inFlight };
      apps.push({ appId: known.appId, requests, inFlight });
    }
    return apps.length === 0 ? undefined : { type: "load", periodMs, apps };
  }
}
