/** `PATCH /v1/apps/{app}`. */
import type { AppPatch } from "../../core/contract/api.ts";
import type { Actor, Deps } from "../deps.ts";
import type { IfMatch } from "../preconditions.ts";
import { changeConfig, type ConfigChanged } from "./change-config.ts";

/** @throws AppError not_found, version_mismatch, quota_exceeded, invalid_config */
export function updateApp(deps: Deps, actor: Actor, nameOrId: string, { settings, labels }: AppPatch, ifMatch: IfMatch): Promise<ConfigChanged> {
  return changeConfig(deps, actor, nameOrId, { reason: "settings", settingsPatch: settings, envPatch: {}, labelsPatch: labels }, ifMatch);
}
