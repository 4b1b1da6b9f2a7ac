/** Rows as the API shows them: deployments and builds. */
import type { Build, Deployment } from "../../core/contract/api.ts";
import { appUrl } from "../../core/contract/names.ts";
import type { BuildRow, DeploymentDetails } from "../../core/db/queries/deployments.ts";
import type { Actor, Deps } from "../deps.ts";

/** The reason of a deployment whose upload is what the live release was built from. */
export const ALREADY_LIVE = "already live";

export function toDeployment(details: DeploymentDetails, actor: Pick<Actor, "tenantName">, config: Pick<Deps["config"], "appsUrl">): Deployment {
  const { deployment, appName, appSettings, build, releaseNumber, instances } = details;
  return {
    id: deployment.id,
    app: appName,
    url: appUrl(appName, actor.tenantName, config.appsUrl, appSettings),
    state: deployment.state,
    alreadyLive: deployment.reason === ALREADY_LIVE,
    reason: deployment.reason,
    build: build === null ? null : toBuild(build),
    release: releaseNumber === null ? null : `v${releaseNumber}`,
    instances: instances.map(({ id, node, phase }) => ({ id, node, phase })),
    failure: deployment.failure,
    timingsMs: deployment.timingsMs,
    createdAt: deployment.createdAt.toISOString(),
    finishedAt: deployment.finishedAt?.toISOString() ?? null,
  };
}

export function toBuild(build: BuildRow): Build {
  return {
    id: build.id,
    state: build.state,
    manifestDigest: build.manifestDigest,
    failure: build.failure,
    timingsMs: build.timingsMs,
    createdAt: build.createdAt.toISOString(),
    startedAt: build.startedAt?.toISOString() ?? null,
    finishedAt: build.finishedAt?.toISOString() ?? null,
  };
}
