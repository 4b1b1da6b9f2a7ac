/** The rollout loop: level-triggered, one pass at a time per app, rung by bells and by a timer. */
import type { Bells } from "../../core/bells.ts";
import { parseId, type AppId } from "../../core/contract/ids.ts";
import type { Db } from "../../core/db/client.ts";
import { appsToReconcile } from "../../core/db/system-queries/rollout.ts";
import type { Log } from "../../core/log.ts";
import { reconcileApp } from "./pass.ts";

const SWEEP_EVERY_MS = 2000;

export interface ReconcileDeps {
  db: Db;
  bells: Bells;
  log: Log;
  clock: () => Date;
}

/** Starts the loop; the function it gives back stops it after the passes under way. */
export function startReconcile(deps: ReconcileDeps): () => Promise<void> {
  const running = new Map<AppId, Promise<void>>();
  const again = new Set<AppId>();
  let stopped = false;

  const look = (appId: AppId) => {
    if (stopped) return;
    if (running.has(appId)) {
      again.add(appId);
      return;
    }
    const pass = onePass(deps, appId).finally(() => {
      running.delete(appId);
      if (again.delete(appId)) look(appId);
    });
    running.set(appId, pass);
  };
  const stopListening = deps.bells.listen("reconcile", (id) => {
    const appId = parseId("app", id);
    if (appId) look(appId);
  });
  const sweep = async () => {
    try {
      for (const appId of await appsToReconcile(deps.db)) look(appId);
    } catch (error) {
      deps.log.warn({ err: error }, "sweep failed");
    }
  };
  void sweep();
  const timer = setInterval(() => void sweep(), SWEEP_EVERY_MS);
  return async () => {
    stopped = true;
    clearInterval(timer);
    stopListening();
    await Promise.all(running.values());
  };
}

async function onePass(deps: ReconcileDeps, appId: AppId): Promise<void> {
  const startedAt = performance.now();
  try {
    const { actions, bells } = await reconcileApp(deps.db, appId, deps.clock);
    for (const { bell, id } of bells) deps.bells.ring(bell, id);
    if (actions.length > 0) {
      deps.log.info({ appId, actions, durationMs: Math.round(performance.now() - startedAt) }, "reconciled");
    }
  } catch (error) {
    // The sweep comes back to it.
    deps.log.warn({ appId, err: error }, "reconcile failed");
  }
}
