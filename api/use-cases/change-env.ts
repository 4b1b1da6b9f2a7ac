/** `PATCH /v1/apps/{app}/env`. */
import type { Deployment } from "../../core/contract/api.ts";
import type { Actor, Deps } from "../deps.ts";
import { changeConfig } from "./change-config.ts";
import { requireApp } from "./require.ts";

/** Undefined when nothing is there to roll out. @throws AppError not_found */
export async function changeEnv(deps: Deps, actor: Actor, nameOrId: string, patch: Record<string, string | null>): Promise<Deployment | undefined> {
  const { env } = await requireApp(deps.db, actor, nameOrId);
  const news = Object.entries(patch).some(([name, value]) => (env[name] ?? null) !== value);
  return news ? changeConfig(deps, actor, nameOrId, { reason: "env", settingsPatch: {}, envPatch: patch }) : undefined;
}
