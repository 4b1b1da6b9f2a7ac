/** `GET /v1/apps/{app}/explain`: why it has the instances that it has, in words. */
import type { Explanation } from "../../core/contract/api.ts";
import { listInstances } from "../../core/db/queries/instances.ts";
import { findRelease } from "../../core/db/queries/releases.ts";
import { explainApp as explain } from "../../core/domain/events.ts";
import { sleepPolicy } from "../../core/domain/temperature.ts";
import type { Actor, Deps } from "../deps.ts";
import { requireApp } from "./require.ts";

/** @throws AppError not_found */
export async function explainApp(deps: Deps, actor: Actor, nameOrId: string): Promise<Explanation> {
  const app = await requireApp(deps.db, actor, nameOrId);
  const [instances, live] = await Promise.all([
    listInstances(deps.db, actor.tenantId, app.id),
    app.liveReleaseId === null ? undefined : findRelease(deps.db, actor.tenantId, app.id, app.liveReleaseId),
  ]);
  // What is wanted of an app is what its live release says, not what the next one will.
  const settings = live?.settings ?? app.settings;
  const facts = {
    scaling: settings.scaling,
    replicas: settings.replicas,
    concurrency: settings.concurrency,
    freezeAfterMs: sleepPolicy(settings)?.freezeAfterMs,
    isLive: live !== undefined,
    isRollingOut: app.targetReleaseId !== null && app.targetReleaseId !== app.liveReleaseId,
    scaledTo: app.scaledTo,
    scaledBy: app.scaledBy,
    scaledAtMs: app.scaledAt?.getTime() ?? null,
    instances: instances.map(({ instance: { state, phase, report } }) => ({ state, phase, temperature: report?.temperature?.is ?? null, cause: report?.temperature?.cause ?? null })),
  };
  return { app: app.name, sentences: explain(facts, deps.clock().getTime()) };
}
