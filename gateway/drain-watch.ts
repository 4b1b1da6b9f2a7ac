/** Which draining instances hold no request any more. Pure but for what it remembers. */
import type { Route } from "../core/contract/gateway-channel.ts";
import type { InstanceId } from "../core/contract/ids.ts";

/** A request may be between the choice of its server and the connection to it: one look is not enough. */
const LOOKS_AT_ZERO = 2;

export class DrainWatch {
  readonly #bySlot = new Map<string, readonly InstanceId[]>();
  readonly #reported = new Set<InstanceId>();
  #looksAtZero = new Map<InstanceId, number>();

  setWanted(slot: string, route: Pick<Route, "endpoints" | "draining">): void {
    const staying = new Set(route.endpoints.map((one) => one.instanceId));
    const ids = route.draining.map((one) => one.instanceId).filter((id) => !staying.has(id));
    for (const id of this.#bySlot.get(slot) ?? []) {
      if (ids.includes(id)) continue;
      this.#reported.delete(id);
      this.#looksAtZero.delete(id);
    }
    if (ids.length === 0) this.#bySlot.delete(slot);
    else this.#bySlot.set(slot, ids);
  }

  /** Whether something is still to be attested. */
  get pending(): boolean {
    return [...this.#bySlot.values()].some((ids) => ids.some((id) => !this.#reported.has(id)));
  }

  slots(): string[] {
    return [...this.#bySlot].filter(([, ids]) => ids.some((id) => !this.#reported.has(id))).map(([slot]) => slot);
  }

  /**
   * One look at HAProxy's servers (requests that each works on or that wait for it; one it does not have holds none).
   * Gives those that are drained and not reported. Nothing is drained while a former process still has connections.
   */
  look(sessions: ReadonlyMap<string, number>, formerProcessRuns: boolean): InstanceId[] {
    const drained: InstanceId[] = [];
    const looks = new Map<InstanceId, number>();
    for (const id of [...this.#bySlot.values()].flat()) {
      if (this.#reported.has(id) || formerProcessRuns || (sessions.get(id) ?? 0) > 0) continue;
      const count = (this.#looksAtZero.get(id) ?? 0) + 1;
      looks.set(id, count);
      if (count >= LOOKS_AT_ZERO) drained.push(id);
    }
    this.#looksAtZero = looks;
    return drained;
  }

  reported(ids: readonly InstanceId[]): void {
    for (const id of ids) this.#reported.add(id);
  }

  /** The API may not have heard: all is reported again. */
  forgetReports(): void {
    this.#reported.clear();
  }
}
