/** A steady trickle of requests, to see whether something fails while something else happens. */
import { setTimeout as sleep } from "node:timers/promises";
import { ask } from "./stack.ts";

export interface Load {
  /** Ends it; gives what was seen. */
  stop(): Promise<{ total: number; failures: string[] }>;
}

/** Asks every `everyMs`, each time on a connection of its own, whether or not the last answer has come. */
export function startLoad(base: string, host: string, everyMs = 25): Load {
  const failures: string[] = [];
  const underWay = new Set<Promise<void>>();
  let total = 0;
  let going = true;
  const one = async () => {
    total++;
    const at = new Date().toISOString();
    try {
      const { status, body } = await ask(base, host);
      if (status !== 200) failures.push(`${at} ${status} ${body.slice(0, 120)}`);
    } catch (error) {
      failures.push(`${at} ${String(error)}`);
    }
  };
  const loop = (async () => {
    while (going) {
      const asked: Promise<void> = one().finally(() => underWay.delete(asked));
      underWay.add(asked);
      await sleep(everyMs);
    }
    await Promise.all(underWay);
  })();
  return {
    stop: async () => {
      going = false;
      await loop;
      return { total, failures };
    },
  };
}
