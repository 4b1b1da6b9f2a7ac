/** What the autoscaler reads and writes. */
import { and, eq, inArray, isNull, ne, or, sql } from "drizzle-orm";
import type { AppId, InstanceId } from "../../contract/ids.ts";
import type { Settings } from "../../contract/release-config.ts";
import type { ScaleCause } from "../../domain/autoscale.ts";
import type { CountedUsage } from "../../domain/usage.ts";
import type { Db, Tx } from "../client.ts";
import { apps, deployments, instances, releases } from "../schema.ts";
import { writeEvent } from "./events.ts";

/** An app whose number of instances follows demand. */
export interface ScaledApp {
  id: AppId;
  settings: Settings;
  scaledTo: number | null;
  /** Instances of the live release that take requests. */
  ready: number;
  /** What was counted of those; empty where nobody asks for cpu or memory. */
  used: { id: InstanceId; usage: CountedUsage | null }[];
}

/** Apps with a live release that is scaled, and is not being replaced: but a canary may take days, and the live one serves. */
export async function readScaledApps(db: Db): Promise<ScaledApp[]> {
  const hasCanary = sql`exists (select 1 from ${deployments} d where d.app_id = apps.id and d.state = 'releasing' and d.release_id = apps.target_release_id and d.step is not null)`;
  const ready = sql`from ${instances} i where i.app_id = apps.id and i.state = 'wanted' and i.phase = 'ready' and i.release_id = apps.live_release_id`;
  return db
    .select({
      id: apps.id,
      settings: releases.settings,
      scaledTo: apps.scaledTo,
      ready: sql<number>`(select count(*)::int ${ready})`,
      used: sql<ScaledApp["used"]>`case when ${releases.settings}->'scaling' ?| array['cpuPercent', 'memoryPercent']
        then (select coalesce(jsonb_agg(jsonb_build_object('id', i.id, 'usage', i.usage)), '[]') ${ready}) else '[]' end`,
    })
    .from(apps)
    .innerJoin(releases, eq(releases.id, apps.liveReleaseId))
    .where(and(isNull(apps.deletedAt), sql`${releases.settings} ? 'scaling'`, or(eq(apps.targetReleaseId, apps.liveReleaseId), hasCanary)));
}

/** True when the number changed. `from` is what the decision was made on: a request that woke the app meanwhile wins. */
export async function scaleApp(db: Db | Tx, appId: AppId, from: number | null, to: number, by: ScaleCause, now: Date): Promise<boolean> {
  const same = from === null ? isNull(apps.scaledTo) : eq(apps.scaledTo, from);
  const changed = await db
    .update(apps)
    .set({ scaledTo: to, scaledBy: by, scaledAt: now })
    .where(and(eq(apps.id, appId), same, or(isNull(apps.scaledTo), ne(apps.scaledTo, to))))
    .returning({ id: apps.id });
  if (changed.length === 0) return false;
  // Before its first decision an app has one.
  if ((from ?? 1) !== to) await writeEvent(db, appId, { kind: "scaled", cause: by, detail: { from: from ?? 1, to } }, now);
  return true;
}

/** A request is held for the app: if it sleeps, it gets an instance. */
export async function wakeApp(db: Db, appId: AppId, now: Date): Promise<boolean> {
  const [woken] = await db.update(apps).set({ scaledTo: 1, scaledBy: "request", scaledAt: now }).where(and(eq(apps.id, appId), eq(apps.scaledTo, 0))).returning({ id: apps.id });
  if (woken !== undefined) await writeEvent(db, appId, { kind: "scaled", cause: "request", detail: { from: 0, to: 1 } }, now);
  return woken !== undefined;
}

/** A gateway could not wake these: the rollout loop places others, where there is another node. */
export async function markNotWoken(db: Db, appId: AppId, ids: readonly InstanceId[], now: Date): Promise<void> {
  if (ids.length === 0) return;
  await db.update(instances).set({ notWokenAt: now }).where(and(inArray(instances.id, [...ids]), eq(instances.appId, appId), eq(instances.state, "wanted"), isNull(instances.notWokenAt)));
}
