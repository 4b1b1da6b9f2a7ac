/** `GET /v1/apps/{app}`. */
import type { App } from "../../core/contract/api.ts";
import type { Actor, Deps } from "../deps.ts";
import { toApp } from "../views/app.ts";
import { requireAppDetails } from "./require.ts";

/** @throws AppError not_found */
export async function getApp(deps: Deps, actor: Actor, nameOrId: string): Promise<App> {
  return toApp(await requireAppDetails(deps.db, actor, nameOrId), actor, deps.config);
}
