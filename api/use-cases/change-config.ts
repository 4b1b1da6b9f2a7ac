/** What `PATCH /v1/apps/{app}` and `PATCH /v1/apps/{app}/env` share: a changed configuration is a new release. */
import type { Deployment } from "../../core/contract/api.ts";
import type { SettingsPatch } from "../../core/contract/release-config.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { findDeployment } from "../../core/db/queries/deployments.ts";
import { deployWithoutBuild } from "../../core/db/system-queries/publish-release.ts";
import type { Actor, Deps } from "../deps.ts";
import { toDeployment } from "../views/deployment.ts";
import { requireApp } from "./require.ts";

export interface ConfigChange {
  reason: "env" | "settings";
  settingsPatch: SettingsPatch;
  envPatch: Record<string, string | null>;
}

/** The deployment that rolls the change out; undefined when the app has nothing to run yet. @throws AppError not_found */
export async function changeConfig(deps: Deps, actor: Actor, nameOrId: string, change: ConfigChange): Promise<Deployment | undefined> {
  const now = deps.clock();
  const { app, published, details } = await deps.db.transaction(async (tx) => {
    const found = await requireApp(tx, actor, nameOrId);
    const outcome = await deployWithoutBuild(tx, { tenantId: actor.tenantId, appId: found.id, ...change, actor: `token:${actor.tokenId}` }, now);
    // Names only: a value may be a secret.
    const names = change.reason === "env" ? { names: Object.keys(change.envPatch) } : { settings: change.settingsPatch };
    await writeAudit(tx, actor, `app.${change.reason}`, found.id, { name: found.name, ...names });
    const [id] = outcome?.deployments ?? [];
    return { app: found, published: outcome, details: id === undefined ? undefined : await findDeployment(tx, actor.tenantId, id) };
  });
  deps.bells.ring("reconcile", app.id);
  deps.bells.ring("route", app.id);
  for (const id of published?.deployments ?? []) deps.bells.ring("deployment", id);
  return details === undefined ? undefined : toDeployment(details, actor, deps.config);
}
