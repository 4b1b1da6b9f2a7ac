/** What `PATCH /v1/apps/{app}` and `PATCH /v1/apps/{app}/env` share: a changed configuration is a new release. */
import type { App, Deployment } from "../../core/contract/api.ts";
import type { LabelsPatch } from "../../core/contract/labels.ts";
import type { Image, Settings, SettingsPatch } from "../../core/contract/release-config.ts";
import type { AppRow } from "../../core/db/queries/apps.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { findDeployment } from "../../core/db/queries/deployments.ts";
import type { Tx } from "../../core/db/client.ts";
import { deployWithoutBuild } from "../../core/db/system-queries/publish-release.ts";
import { lockApp } from "../../core/db/system-queries/rollout.ts";
import type { Actor, Deps } from "../deps.ts";
import { checkVersion, type IfMatch } from "../preconditions.ts";
import { toApp } from "../views/app.ts";
import { toDeployment } from "../views/deployment.ts";
import { loadContainerImages } from "./registry-images.ts";
import { changedLabels, relabel } from "./relabel.ts";
import { requireApp, requireAppDetails } from "./require.ts";
import { envDetail } from "./shared-env.ts";

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
  const { init, sidecars } = change.settingsPatch;
  const images = await loadContainerImages(deps, actor, { init: init ?? [], sidecars: sidecars ?? [] });
  const { published, deployment, app } = await deps.db.transaction(async (tx) => {
    const { id } = await requireApp(tx, actor, nameOrId);
    await lockApp(tx, id);
    // Read again: whoever had the lock may have changed it.
    const before = await requireApp(tx, actor, id);
    checkVersion(before.version, ifMatch);
    const hasNews = isNews(before, change);
    await relabel(tx, actor, before, change.labelsPatch, !hasNews);
    const outcome = hasNews ? await release(tx, actor, before, { ...change, images }, now) : undefined;
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

async function release(tx: Tx, actor: Actor, app: AppRow, { reason, settingsPatch, envPatch, labelsPatch, images }: ConfigChange & { images: Record<string, Image> }, now: Date) {
  const outcome = await deployWithoutBuild(tx, { tenantId: actor.tenantId, appId: app.id, settingsPatch, envPatch, reason, images }, now);
  const labels = changedLabels(app, labelsPatch);
  const detail = { name: app.name, ...(outcome === undefined ? {} : { deployment: outcome.deployments[0] }) };
  if (reason === "env") {
    // Names alone: a value may be a secret.
    const changed = Object.keys(envPatch).filter((name) => (app.env[name] ?? null) !== envPatch[name]);
    await writeAudit(tx, actor, "app.env", app.id, { ...detail, ...envDetail(envPatch, changed) });
  } else {
    const before = Object.fromEntries(Object.keys(settingsPatch).map((name) => [name, app.settings[name as keyof Settings] ?? null]));
    await writeAudit(tx, actor, "app.settings", app.id, detail, {
      before: { ...before, ...(labels && { labels: app.labels }) },
      after: { ...settingsPatch, ...(labels && { labels }) },
    });
  }
  return outcome;
}
