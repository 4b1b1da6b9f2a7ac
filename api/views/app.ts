/** Rows as the API shows them: apps, releases and instances. */
import type { App, Instance, Release } from "../../core/contract/api.ts";
import { appUrl } from "../../core/contract/names.ts";
import type { AppDetails, AppRow } from "../../core/db/queries/apps.ts";
import type { InstanceDetails } from "../../core/db/queries/instances.ts";
import type { ReleaseRow } from "../../core/db/queries/releases.ts";
import type { Actor, Deps } from "../deps.ts";

const releaseName = (number: number | null) => (number === null ? null : `v${number}`);

export function toApp(details: AppDetails, actor: Pick<Actor, "tenantName">, config: Pick<Deps["config"], "appsUrl">): App {
  const { app } = details;
  return {
    id: app.id,
    name: app.name,
    url: appUrl(app.name, actor.tenantName, config.appsUrl),
    settings: app.settings,
    labels: app.labels,
    version: app.version,
    liveRelease: releaseName(details.liveNumber),
    targetRelease: releaseName(details.targetNumber),
    instances: { ready: details.ready, wanted: details.wanted },
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

export function toInstance({ instance, node, releaseNumber }: InstanceDetails): Instance {
  const { report } = instance;
  return {
    id: instance.id,
    release: `v${releaseNumber}`,
    node,
    state: instance.state,
    phase: instance.phase,
    restarts: report?.restarts ?? 0,
    lastExit: report?.lastExit ?? null,
    problem: report?.problem ?? null,
    timingsMs: report?.timingsMs ?? {},
    createdAt: instance.createdAt.toISOString(),
    readyAt: instance.readyAt?.toISOString() ?? null,
  };
}
