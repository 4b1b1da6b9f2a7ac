/** Getting an instance's layers, with patience for a store that is away for a moment. */
import { setTimeout as sleep } from "node:timers/promises";
import type { DesiredInstance } from "../core/contract/node-channel.ts";
import type { Log } from "../core/log.ts";
import { BadLayer, type LayerStore } from "./layer-store.ts";
import { NotReady } from "./not-ready.ts";

const PAUSES_MS = [200, 500, 1000, 2000];

/** @throws NotReady; Error when the signal says to stop */
export async function pullLayers(store: LayerStore, layers: DesiredInstance["layers"], signal: AbortSignal, log: Log): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await store.ensure(layers, signal);
      return;
    } catch (error) {
      if (signal.aborted) throw new Error("told to stop", { cause: error });
      const detail = error instanceof Error ? error.message : String(error);
      const pause = PAUSES_MS[attempt];
      if (error instanceof BadLayer || pause === undefined) throw new NotReady({ code: "image_pull_failed", detail });
      log.warn({ err: error }, "a layer was not fetched");
      await sleep(pause, undefined, { signal }).catch(() => {});
    }
  }
}
