/** `GET /v1/apps/{app}/env`: the variables of the next release. */
import type { Actor, Deps } from "../deps.ts";
import { requireApp } from "./require.ts";

/** `version` is the app's. @throws AppError not_found */
export async function getEnv(deps: Deps, actor: Actor, nameOrId: string): Promise<{ version: number; env: Record<string, string> }> {
  const { env, version } = await requireApp(deps.db, actor, nameOrId);
  return { version, env };
}
