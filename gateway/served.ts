/** What watched instances answered, as HAProxy counts it by server. Pure but for what it remembers to have said. */
import type { FromGateway, Route } from "../core/contract/gateway-channel.ts";
import type { InstanceId } from "../core/contract/ids.ts";
import type { Stats } from "./commands/runtime.ts";

const LOOK_EVERY_MS = 1000;
/** The message takes so many. */
const MOST = 1000;

export class ServedWatch {
  readonly #slots = new Set<string>();
  readonly #said = new Map<InstanceId, string>();
  #lookedAtMs = -Infinity;

  setRoute(slot: string, { watched, hosts }: Pick<Route, "watched" | "hosts">): void {
    if (watched !== true || hosts.length === 0) this.#slots.delete(slot);
    else if (!this.#slots.has(slot)) {
      this.#slots.add(slot);
      // At once: how the release before did must be known when the new one is live.
      this.#lookedAtMs = -Infinity;
    }
    if (this.#slots.size === 0) this.#said.clear();
  }

  /** What was said may be lost. */
  forget(): void {
    this.#said.clear();
  }

  /** How long until the next look is due; undefined: nothing is watched. */
  get lookEveryMs(): number | undefined {
    return this.#slots.size === 0 ? undefined : LOOK_EVERY_MS;
  }

  /** The slots to look at, when it is time to. */
  due(nowMs: number): string[] {
    if (nowMs - this.#lookedAtMs < LOOK_EVERY_MS) return [];
    this.#lookedAtMs = nowMs;
    return [...this.#slots];
  }

  /** What the API must be told, if anything. An instance that was a canary's may have a server in two slots. */
  look(found: readonly Stats["servers"][], process: string): Extract<FromGateway, { type: "served" }> | undefined {
    const sums = new Map<InstanceId, { requests: number; errors: number }>();
    for (const servers of found.flatMap((slots) => [...slots.values()])) {
      for (const [name, { served, errors }] of servers) {
        const id = name as InstanceId;
        const before = sums.get(id) ?? { requests: 0, errors: 0 };
        sums.set(id, { requests: before.requests + served, errors: before.errors + errors });
      }
    }
    const news = [...sums].filter(([id, { requests, errors }]) => requests > 0 && this.#said.get(id) !== `${requests} ${errors}`).slice(0, MOST);
    if (news.length === 0) return undefined;
    for (const [id, { requests, errors }] of news) this.#said.set(id, `${requests} ${errors}`);
    return { type: "served", process, instances: news.map(([instanceId, sum]) => ({ instanceId, ...sum })) };
  }
}
