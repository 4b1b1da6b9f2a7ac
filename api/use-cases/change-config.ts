/** What `PATCH /v1/apps/{app}` and `PATCH /v1/apps/{app}/env` share: a changed configuration is a new release. */
import type { App, Deployment } from "../../core/contract/api.ts";
import type { LabelsPatch } from "../../core/contract/labels.ts";
import type { SettingsPatch } from "../../core/contract/release-config.ts";
import { writeLabels, type AppRow } from "../../core/db/queries/apps.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { findDeployment } from "../../core/db/queries/deployments.ts";
import type { Tx } from "../../core/db/client.ts";
import { deployWithoutBuild } from "../../core/db/system-queries/publish-release.ts";
import { lockApp } from "../../core/db/system-queries/rollout.ts";
import { applyLabelsPatch } from "../../core/domain/labels.ts";
import type { Actor, Deps } from "../deps.ts";
import { checkVersion, type IfMatch } from "../preconditions.ts";
import { toApp } from "../views/app.ts";
import { toDeployment } from "../views/deployment.ts";
import { requireApp, requireAppDetails } from "./require.ts";

export interface ConfigChange {
  reason: "env" | "settings";
  settingsPatch: SettingsPatch;
  envPatch: Record<string, string | null>;
  labelsPatch: LabelsPatch;
}

export interface ConfigChanged {
  /** What rolls it out; undefined when nothing has to be. */
  deployment: Deployment | undefined;
  app: App;
}

/** @throws AppError not_found, version_mismatch, quota_exceeded, invalid_config */
export async function changeConfig(deps: Deps, actor: Actor, nameOrId: string, change: ConfigChange, ifMatch: IfMatch): Promise<ConfigChanged> {
  const now = deps.clock();
  const { published, deployment, app } = await deps.db.transaction(async (tx) => {
    const { id } = await requireApp(tx, actor, nameOrId);
    await lockApp(tx, id);
    // Read again: whoever had the lock may have changed it.
    const before = await requireApp(tx, actor, id);
    checkVersion(before.version, ifMatch);
    await relabel(tx, actor, before, change.labelsPatch);
    const outcome = isNews(before, change) ? await release(tx, actor, before, change, now) : undefined;
    const [deploymentId] = outcome?.deployments ?? [];
    const details = deploymentId === undefined ? undefined : await findDeployment(tx, actor.tenantId, deploymentId);
    return {
      published: outcome,
      deployment: details && toDeployment(details, actor, deps.config),
      app: toApp(await requireAppDetails(tx, actor, id), actor, deps.config),
    };
  });
  deps.bells.ring("reconcile", app.id);
  deps.bells.ring("route", app.id);
  for (const id of published?.deployments ?? []) deps.bells.ring("deployment", id);
  return { deployment, app };
}

/** Settings are always taken as a change; variables that are already so are none. */
function isNews(app: AppRow, { settingsPatch, envPatch }: ConfigChange): boolean {
  return Object.keys(settingsPatch).length > 0 || Object.entries(envPatch).some(([name, value]) => (app.env[name] ?? null) !== value);
}

async function release(tx: Tx, actor: Actor, app: AppRow, { reason, settingsPatch, envPatch }: ConfigChange, now: Date) {
  const outcome = await deployWithoutBuild(tx, { tenantId: actor.tenantId, appId: app.id, settingsPatch, envPatch, reason, actor }, now);
  // Names only: a value may be a secret.
  const names = reason === "env" ? { names: Object.keys(envPatch) } : { settings: settingsPatch };
  await writeAudit(tx, actor, `app.${reason}`, app.id, { name: app.name, ...names });
  return outcome;
}

async function relabel(tx: Tx, actor: Actor, app: AppRow, patch: LabelsPatch): Promise<void> {
  if (!Object.entries(patch).some(([key, value]) => (app.labels[key] ?? null) !== value)) return;
  const labels = applyLabelsPatch(app.labels, patch);
  await writeLabels(tx, actor.tenantId, app.id, labels);
  await writeAudit(tx, actor, "app.labels", app.id, { name: app.name }, { before: { labels: app.labels }, after: { labels } });
}
