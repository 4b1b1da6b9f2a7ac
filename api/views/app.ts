/** Rows as the API shows them: apps, releases and instances. */
import type { App, AppEvent, Instance, Release } from "../../core/contract/api.ts";
import { appUrl } from "../../core/contract/names.ts";
import type { AppDetails, AppRow } from "../../core/db/queries/apps.ts";
import type { EventRow } from "../../core/db/queries/events.ts";
import type { InstanceDetails } from "../../core/db/queries/instances.ts";
import type { ReleaseRow } from "../../core/db/queries/releases.ts";
import { causeInWords } from "../../core/domain/events.ts";
import type { Actor, Deps } from "../deps.ts";

const releaseName = (number: number | null) => (number === null ? null : `v${number}`);

export function toApp(details: AppDetails, actor: Pick<Actor, "tenantName">, config: Pick<Deps["config"], "appsUrl">): App {
  const { app } = details;
  return {
    id: app.id,
    name: app.name,
    url: appUrl(app.name, actor.tenantName, config.appsUrl, app.settings),
    settings: app.settings,
    labels: app.labels,
    version: app.version,
    liveRelease: releaseName(details.liveNumber),
    targetRelease: releaseName(details.targetNumber),
    instances: { ready: details.ready, wanted: details.wanted },
    maintenance: app.maintenance,
    createdAt: app.createdAt.toISOString(),
  };
}

export function toRelease(release: ReleaseRow, app: Pick<AppRow, "liveReleaseId">): Release {
  return {
    id: release.id,
    name: `v${release.number}`,
    reason: release.reason,
    manifestDigest: release.image.manifestDigest,
    live: app.liveReleaseId === release.id,
    envNames: [...new Set([...Object.keys(release.sharedEnv), ...Object.keys(release.env)])].toSorted(),
    secrets: release.secrets.map(({ name, kind, version }) => ({ name, kind, version })),
    settings: release.settings,
    createdAt: release.createdAt.toISOString(),
    liveAt: release.liveAt?.toISOString() ?? null,
  };
}

export function toEvent({ at, kind, instanceId, cause, detail }: EventRow): AppEvent {
  return { at: at.toISOString(), kind, instance: instanceId, cause, because: cause === null ? null : causeInWords(cause), detail };
}

export function toInstance({ instance, node, releaseNumber }: InstanceDetails): Instance {
  const { report } = instance;
  const temperature = report?.temperature;
  return {
    id: instance.id,
    release: `v${releaseNumber}`,
    node,
    state: instance.state,
    phase: instance.phase,
    restarts: report?.restarts ?? 0,
    lastExit: report?.lastExit ?? null,
    full: report?.full ?? [],
    problem: report?.problem ?? null,
    containers: (report?.containers ?? []).map((one) => ({ ...one, lastExit: one.lastExit ?? null, problem: one.problem ?? null })),
    temperature: temperature === undefined || instance.phase !== "ready" ? null : { ...temperature, cause: temperature.cause ?? null },
    timingsMs: report?.timingsMs ?? {},
    createdAt: instance.createdAt.toISOString(),
    readyAt: instance.readyAt?.toISOString() ?? null,
  };
}
