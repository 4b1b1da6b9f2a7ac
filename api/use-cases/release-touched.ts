/** A change of secrets or shared variables becomes a new release of every app that it touches. */
import type { SecretChange } from "../../core/contract/secrets.ts";
import type { AppId, DeploymentId } from "../../core/contract/ids.ts";
import type { Tx } from "../../core/db/client.ts";
import { appsSharing, type SharingApp } from "../../core/db/queries/secrets.ts";
import { deployWithoutBuild } from "../../core/db/system-queries/publish-release.ts";
import { lockApp } from "../../core/db/system-queries/rollout.ts";
import type { Actor, Deps } from "../deps.ts";

export interface Released {
  deployments: SecretChange["deployments"];
  /** For the bells, after the commit. */
  apps: AppId[];
  ended: DeploymentId[];
}

interface Touched {
  id: AppId;
  name: string;
}

/** In the transaction of the change, under the locks of the apps. */
export async function releaseTouched(tx: Tx, actor: Actor, touched: readonly Touched[], reason: "env" | "secrets", now: Date): Promise<Released> {
  const released: Released = { deployments: [], apps: [], ended: [] };
  for (const { id, name } of touched) {
    const outcome = await deployWithoutBuild(tx, { tenantId: actor.tenantId, appId: id, settingsPatch: {}, envPatch: {}, reason }, now);
    const [deployment, ...ended] = outcome?.deployments ?? [];
    if (deployment === undefined) continue;
    released.deployments.push({ id: deployment, app: name });
    released.apps.push(id);
    released.ended.push(deployment, ...ended);
  }
  return released;
}

/** The apps that share the tenant's configuration and run something, locked in the order of their ids: whoever locks several does it so. */
export async function lockSharing(tx: Tx, actor: Actor): Promise<SharingApp[]> {
  for (const { id } of await appsSharing(tx, actor.tenantId)) await lockApp(tx, id);
  // Read again: while the locks were waited for, some may have changed or gone.
  return appsSharing(tx, actor.tenantId);
}

/** For the audit: what rolls the change out, where something does. */
export function deploymentsIn({ deployments }: Released): { deployments?: string[] } {
  return deployments.length === 0 ? {} : { deployments: deployments.map(({ id }) => id) };
}

export function ringReleased({ bells }: Deps, { apps, ended }: Released): void {
  for (const id of apps) bells.ring("reconcile", id);
  for (const id of ended) bells.ring("deployment", id);
}
