/** `/v1/apps/{app}/maintenance`: a switch of the app at its gateways. No release, and no instance, knows of it. */
import type { App } from "../../core/contract/api.ts";
import type { Maintenance } from "../../core/contract/request-features.ts";
import { writeMaintenance } from "../../core/db/queries/apps.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { lockApp } from "../../core/db/system-queries/rollout.ts";
import type { Actor, Deps } from "../deps.ts";
import { toApp } from "../views/app.ts";
import { requireApp, requireAppDetails } from "./require.ts";

/** Null ends it. What is so already is no change. @throws AppError not_found */
export async function setMaintenance(deps: Deps, actor: Actor, nameOrId: string, maintenance: Maintenance | null): Promise<App> {
  const app = await deps.db.transaction(async (tx) => {
    const { id } = await requireApp(tx, actor, nameOrId);
    await lockApp(tx, id);
    const before = await requireApp(tx, actor, id);
    if (before.maintenance?.retryAfterS !== maintenance?.retryAfterS) {
      await writeMaintenance(tx, actor.tenantId, id, maintenance);
      await writeAudit(tx, actor, "app.maintenance", id, { name: before.name }, { before: { maintenance: before.maintenance }, after: { maintenance } });
    }
    return toApp(await requireAppDetails(tx, actor, id), actor, deps.config);
  });
  deps.bells.ring("route", app.id);
  return app;
}
