/** The autoscaler: looks at every scaled app again and again, decides, and rings the rollout loop where the number changes. */
import type { Redis } from "ioredis";
import type { Bells } from "../../core/bells.ts";
import type { AppId } from "../../core/contract/ids.ts";
import type { Db } from "../../core/db/client.ts";
import { openLeader } from "../../core/db/leader.ts";
import { connectedGateways } from "../../core/db/system-queries/gateways.ts";
import { pruneEvents } from "../../core/db/system-queries/events.ts";
import { readScaledApps, scaleApp, type ScaledApp } from "../../core/db/system-queries/scaling.ts";
import { decideScale, newScaleMemory, type ScaleMemory } from "../../core/domain/autoscale.ts";
import { instanceLoad, type LoadMemory } from "../../core/domain/instance-load.ts";
import { scalePolicy } from "../../core/domain/scaling.ts";
import { readLoad, type Load } from "../../core/load.ts";
import type { Log } from "../../core/log.ts";
import { repeat } from "../repeat.ts";

const PRUNE_EVERY_MS = 3_600_000;

export interface AutoscaleDeps {
  db: Db;
  redis: Redis;
  redisPrefix: string;
  bells: Bells;
  log: Log;
  clock: () => Date;
  everyMs: number;
}

/** What is known of one app from one pass to the next. */
interface AppMemory {
  scale: ScaleMemory;
  load: LoadMemory;
}

/** Starts the loop; the function it gives back stops it after the pass under way. */
export function startAutoscale(deps: AutoscaleDeps): () => Promise<void> {
  const leader = openLeader(deps.db, "autoscale");
  let memories = new Map<AppId, AppMemory>();
  let prunedAt = 0;
  const stop = repeat(deps.everyMs, async () => {
    try {
      if (await leader.isLeader()) {
        memories = await onePass(deps, memories);
        const now = deps.clock();
        if (now.getTime() - prunedAt > PRUNE_EVERY_MS) {
          await pruneEvents(deps.db, now);
          prunedAt = now.getTime();
        }
      }
      // Who leads next has its own memory: this one would be old by the time it leads again.
      else memories = new Map();
    } catch (error) {
      // Without Redis or PostgreSQL nothing is known: every app keeps what it has.
      deps.log.warn({ err: error }, "autoscaling was skipped");
    }
  });
  return async () => {
    await stop();
    await leader.close();
  };
}

async function onePass(deps: AutoscaleDeps, memories: ReadonlyMap<AppId, AppMemory>): Promise<Map<AppId, AppMemory>> {
  const now = deps.clock();
  const apps = await readScaledApps(deps.db);
  const gateways = await connectedGateways(deps.db, now);
  const loads = await readLoad(deps.redis, deps.redisPrefix, gateways, apps.map(({ id }) => id), now.getTime());
  const kept = new Map<AppId, AppMemory>();
  for (const app of apps) {
    const memory = await scaleOne(deps, app, loads.get(app.id), memories.get(app.id), now);
    if (memory !== undefined) kept.set(app.id, memory);
  }
  return kept;
}

async function scaleOne(deps: AutoscaleDeps, app: ScaledApp, load: Load | undefined, before: AppMemory | undefined, now: Date): Promise<AppMemory | undefined> {
  const policy = scalePolicy(app.settings, now.getTime());
  if (policy === undefined) return undefined;
  // Asleep: the gateway wakes it. What it then does is measured from that moment.
  if (app.scaledTo === 0 && policy.min === 0) return undefined;
  const { memory: loadMemory, ...used } = instanceLoad(before?.load, app.used, now.getTime());
  const sample = { inFlight: 0, ratePerSecond: 0, ...load, ...used, ready: app.ready };
  const { desired, cause, memory } = decideScale(policy, before?.scale ?? newScaleMemory(now.getTime()), sample, now.getTime());
  if (await scaleApp(deps.db, app.id, app.scaledTo, desired, cause, now)) {
    deps.log.info({ appId: app.id, from: app.scaledTo, to: desired, cause, load, ...used }, "scaled");
    deps.bells.ring("reconcile", app.id);
    // A route of an app that sleeps holds its requests.
    deps.bells.ring("route", app.id);
  }
  return { scale: memory, load: loadMemory };
}
