/** The rollout loop: level-triggered, one pass at a time per app, rung by bells and by a timer. */
import type { Bells } from "../../core/bells.ts";
import { parseId, type AppId } from "../../core/contract/ids.ts";
import type { Db } from "../../core/db/client.ts";
import type { Destroyed } from "../../core/db/queries/destroy.ts";
import { endPreviews } from "../../core/db/system-queries/previews.ts";
import { appsToReconcile } from "../../core/db/system-queries/rollout.ts";
import type { Log } from "../../core/log.ts";
import { reconcileApp } from "./pass.ts";

const SWEEP_EVERY_MS = 2000;
const PREVIEWS_EVERY_MS = 30_000;

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
  let previewsAt = 0;
  const sweep = async () => {
    try {
      for (const appId of await appsToReconcile(deps.db, deps.clock())) look(appId);
      if (deps.clock().getTime() >= previewsAt) {
        previewsAt = deps.clock().getTime() + PREVIEWS_EVERY_MS;
        for (const ended of await endPreviews(deps.db, deps.clock())) ringFor(deps.bells, ended);
      }
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

function ringFor(bells: Bells, { apps, builds, deployments }: Destroyed): void {
  for (const id of apps) bells.ring("route", id);
  for (const id of apps) bells.ring("reconcile", id);
  for (const id of builds) bells.ring("buildCancel", id);
  for (const id of deployments) bells.ring("deployment", id);
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
