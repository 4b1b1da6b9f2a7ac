/** `GET /v1/apps/{app}/explain`: why it has the instances that it has, in words. */
import type { Explanation } from "../../core/contract/api.ts";
import { listInstances } from "../../core/db/queries/instances.ts";
import { listVolumes, type VolumeDetails } from "../../core/db/queries/volumes.ts";
import { findRelease } from "../../core/db/queries/releases.ts";
import { explainVolumes, isExclusive, type ExplainedVolume } from "../../core/domain/mounts.ts";
import { holdsApp } from "../../core/domain/volume-states.ts";
import { explainApp as explain } from "../../core/domain/events.ts";
import { sleepPolicy } from "../../core/domain/temperature.ts";
import type { Actor, Deps } from "../deps.ts";
import { isNodeLost } from "../views/volume.ts";
import { requireApp } from "./require.ts";

/** @throws AppError not_found */
export async function explainApp(deps: Deps, actor: Actor, nameOrId: string): Promise<Explanation> {
  const app = await requireApp(deps.db, actor, nameOrId);
  const [instances, volumes, live] = await Promise.all([
    listInstances(deps.db, actor.tenantId, app.id),
    listVolumes(deps.db, actor.tenantId, app.id),
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
  const now = deps.clock();
  const mounted = (settings.mounts ?? []).flatMap((mount) => volumes.filter(({ volume }) => volume.name === mount.volume).map((details) => toExplained(details, isExclusive(mount), now)));
  return { app: app.name, sentences: [...explain(facts, now.getTime()), ...explainVolumes(mounted)] };
}

function toExplained(details: VolumeDetails, isAlone: boolean, now: Date): ExplainedVolume {
  const { volume, node, operation } = details;
  return { name: volume.name, node: node?.name ?? null, isNodeLost: isNodeLost(details, now), isHeld: operation !== null && holdsApp(operation.kind, operation.state), isExclusive: isAlone };
}

