/** `PATCH /v1/apps/{app}`. */
import type { App, Deployment } from "../../core/contract/api.ts";
import type { SettingsPatch } from "../../core/contract/release-config.ts";
import type { Actor, Deps } from "../deps.ts";
import { changeConfig } from "./change-config.ts";
import { getApp } from "./get-app.ts";

/** @throws AppError not_found */
export async function updateApp(deps: Deps, actor: Actor, nameOrId: string, settings: SettingsPatch): Promise<{ deployment: Deployment } | { app: App }> {
  if (Object.keys(settings).length > 0) {
    const deployment = await changeConfig(deps, actor, nameOrId, { reason: "settings", settingsPatch: settings, envPatch: {} });
    if (deployment !== undefined) return { deployment };
  }
  return { app: await getApp(deps, actor, nameOrId) };
}
