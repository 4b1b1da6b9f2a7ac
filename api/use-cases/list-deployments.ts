/** `GET /v1/apps/{app}/deployments`, newest first. */
import type { Deployment } from "../../core/contract/api.ts";
import { AppError } from "../../core/contract/errors.ts";
import { parseId } from "../../core/contract/ids.ts";
import { listDeployments as readDeployments } from "../../core/db/queries/deployments.ts";
import type { Actor, Deps } from "../deps.ts";
import { toDeployment } from "../views/deployment.ts";
import { requireApp } from "./require.ts";

/** @throws AppError not_found, invalid_request */
export async function listDeployments(
  deps: Deps,
  actor: Actor,
  nameOrId: string,
  page: { limit: number; cursor?: string | undefined },
): Promise<{ items: Deployment[]; nextCursor: string | null }> {
  const before = page.cursor === undefined ? undefined : parseId("deployment", page.cursor);
  if (page.cursor !== undefined && before === undefined) throw new AppError("invalid_request", "cursor: take it from `nextCursor` of the page before.");
  const app = await requireApp(deps.db, actor, nameOrId);
  const rows = await readDeployments(deps.db, actor.tenantId, app.id, page.limit + 1, before);
  const shown = rows.slice(0, page.limit);
  return {
    items: shown.map((details) => toDeployment(details, actor, deps.config)),
    nextCursor: rows.length > page.limit ? (shown.at(-1)?.deployment.id ?? null) : null,
  };
}
