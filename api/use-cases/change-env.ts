/** `PATCH /v1/apps/{app}/env`. */
import type { Actor, Deps } from "../deps.ts";
import type { IfMatch } from "../preconditions.ts";
import { changeConfig, type ConfigChanged } from "./change-config.ts";

/** @throws AppError not_found, version_mismatch, quota_exceeded, invalid_config */
export function changeEnv(deps: Deps, actor: Actor, nameOrId: string, patch: Record<string, string | null>, ifMatch: IfMatch): Promise<ConfigChanged> {
  return changeConfig(deps, actor, nameOrId, { reason: "env", settingsPatch: {}, envPatch: patch, labelsPatch: {} }, ifMatch);
}
