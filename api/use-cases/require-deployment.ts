/** Finding the deployment or build that a request names; another tenant's is answered like none. */
import { AppError } from "../../core/contract/errors.ts";
import { parseId } from "../../core/contract/ids.ts";
import type { Db, Tx } from "../../core/db/client.ts";
import { findBuildOf } from "../../core/db/queries/builds.ts";
import { findDeployment, type BuildRow, type DeploymentDetails } from "../../core/db/queries/deployments.ts";
import type { Actor } from "../deps.ts";
import { sees } from "./require.ts";

/** @throws AppError not_found */
export async function requireDeployment(db: Db | Tx, actor: Actor, text: string): Promise<DeploymentDetails> {
  const id = parseId("deployment", text);
  const found = id === undefined ? undefined : await findDeployment(db, actor.tenantId, id);
  if (found === undefined || !sees(actor, { id: found.deployment.appId, previewOf: found.previewOf })) throw new AppError("not_found", `${actor.tenantName} has no deployment «${text}».`);
  return found;
}

/** @throws AppError not_found */
export async function requireBuild(db: Db | Tx, actor: Actor, text: string): Promise<BuildRow> {
  const id = parseId("build", text);
  const found = id === undefined ? undefined : await findBuildOf(db, actor.tenantId, id);
  if (found === undefined || !sees(actor, { id: found.build.appId, previewOf: found.previewOf })) throw new AppError("not_found", `${actor.tenantName} has no build «${text}».`);
  return found.build;
}
