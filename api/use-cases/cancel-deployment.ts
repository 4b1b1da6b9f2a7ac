/** `POST /v1/deployments/{id}/cancel` and `POST /v1/builds/{id}/cancel`. */
import type { Build, Deployment } from "../../core/contract/api.ts";
import { AppError } from "../../core/contract/errors.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { cancelBuild as markBuild, cancelRollout, findBuild } from "../../core/db/queries/builds.ts";
import { findDeployment } from "../../core/db/queries/deployments.ts";
import { lockApp } from "../../core/db/system-queries/rollout.ts";
import type { Actor, Deps } from "../deps.ts";
import { toBuild, toDeployment } from "../views/deployment.ts";
import { requireBuild, requireDeployment } from "./require-deployment.ts";

/** A build that runs is asked to stop and ends within a second; a queued one has ended; a rollout goes back to the live release. @throws AppError not_found, not_cancellable */
export async function cancelDeployment(deps: Deps, actor: Actor, id: string): Promise<Deployment> {
  const now = deps.clock();
  const { details, buildId } = await deps.db.transaction(async (tx) => {
    const { deployment } = await requireDeployment(tx, actor, id);
    await lockApp(tx, deployment.appId);
    const build = deployment.buildId === null || deployment.state !== "building" ? undefined : await markBuild(tx, actor.tenantId, deployment.buildId, now);
    if (build === undefined && !(await cancelRollout(tx, deployment, now))) throw new AppError("not_cancellable", "The deployment has ended.");
    const after = await findDeployment(tx, actor.tenantId, deployment.id);
    await writeAudit(tx, actor, "deployment.cancel", deployment.id, {}, { before: { state: deployment.state }, after: { state: after?.deployment.state } });
    return { details: after, buildId: build?.running === true ? deployment.buildId : null };
  });
  if (details === undefined) throw new Error("the deployment is gone");
  if (buildId !== null) deps.bells.ring("buildCancel", buildId);
  deps.bells.ring("deployment", details.deployment.id);
  deps.bells.ring("reconcile", details.deployment.appId);
  return toDeployment(details, actor, deps.config);
}

/** @throws AppError not_found, not_cancellable */
export async function cancelBuild(deps: Deps, actor: Actor, id: string): Promise<Build> {
  const now = deps.clock();
  const { build, cancelled } = await deps.db.transaction(async (tx) => {
    const found = await requireBuild(tx, actor, id);
    await lockApp(tx, found.appId);
    const marked = await markBuild(tx, actor.tenantId, found.id, now);
    if (marked === undefined) throw new AppError("not_cancellable", `The build is ${found.state}.`);
    const after = await findBuild(tx, actor.tenantId, found.id);
    await writeAudit(tx, actor, "build.cancel", found.id, { deployments: marked.deployments }, { before: { state: found.state }, after: { state: after?.state } });
    return { build: after, cancelled: marked };
  });
  if (build === undefined) throw new Error("the build is gone");
  if (cancelled.running) deps.bells.ring("buildCancel", build.id);
  for (const deployment of cancelled.deployments) deps.bells.ring("deployment", deployment);
  return toBuild(build);
}
