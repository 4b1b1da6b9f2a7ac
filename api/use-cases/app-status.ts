/** `GET /v1/apps/{app}/status`: the app, its instances and its last deployment. */
import type { AppStatus, Instance } from "../../core/contract/api.ts";
import { AppError } from "../../core/contract/errors.ts";
import { parseId } from "../../core/contract/ids.ts";
import { findLastDeployment } from "../../core/db/queries/deployments.ts";
import { listInstances as readInstances } from "../../core/db/queries/instances.ts";
import type { Actor, Deps } from "../deps.ts";
import { toApp, toInstance } from "../views/app.ts";
import { toDeployment } from "../views/deployment.ts";
import { requireApp, requireAppDetails } from "./require.ts";

/** @throws AppError not_found */
export async function appStatus(deps: Deps, actor: Actor, nameOrId: string): Promise<AppStatus> {
  const details = await requireAppDetails(deps.db, actor, nameOrId);
  const [instances, last] = await Promise.all([
    readInstances(deps.db, actor.tenantId, details.app.id),
    findLastDeployment(deps.db, actor.tenantId, details.app.id),
  ]);
  return {
    app: toApp(details, actor, deps.config),
    instances: instances.map(toInstance),
    lastDeployment: last === undefined ? null : toDeployment(last, actor, deps.config),
  };
}

/** `GET /v1/apps/{app}/instances`: those that are not gone. @throws AppError not_found, invalid_request */
export async function listInstances(
  deps: Deps,
  actor: Actor,
  nameOrId: string,
  page: { limit: number; cursor?: string | undefined },
): Promise<{ items: Instance[]; nextCursor: string | null }> {
  const after = page.cursor === undefined ? undefined : parseId("instance", page.cursor);
  if (page.cursor !== undefined && after === undefined) throw new AppError("invalid_request", "cursor: take it from `nextCursor` of the page before.");
  const app = await requireApp(deps.db, actor, nameOrId);
  const rows = await readInstances(deps.db, actor.tenantId, app.id, { limit: page.limit + 1, after });
  const items = rows.slice(0, page.limit).map(toInstance);
  return { items, nextCursor: rows.length > page.limit ? (items.at(-1)?.id ?? null) : null };
}
