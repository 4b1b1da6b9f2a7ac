/** Finding what a request names. What belongs to another tenant is answered like what does not exist. */
import { AppError } from "../../core/contract/errors.ts";
import type { AppId } from "../../core/contract/ids.ts";
import { findApp, findAppDetails, type AppDetails, type AppRow } from "../../core/db/queries/apps.ts";
import type { Db, Tx } from "../../core/db/client.ts";
import type { Actor } from "../deps.ts";

/** @throws AppError not_found */
export async function requireApp(db: Db | Tx, actor: Actor, nameOrId: string): Promise<AppRow> {
  const found = await findApp(db, actor.tenantId, nameOrId);
  return found !== undefined && sees(actor, found) ? found : noApp(actor, nameOrId);
}

/** @throws AppError not_found */
export async function requireAppDetails(db: Db | Tx, actor: Actor, nameOrId: string): Promise<AppDetails> {
  const found = await findAppDetails(db, actor.tenantId, nameOrId);
  return found !== undefined && sees(actor, found.app) ? found : noApp(actor, nameOrId);
}

/** A token of one app sees no other, but for that one's previews. */
export function sees(actor: Pick<Actor, "appId">, app: { id: AppId; previewOf: AppId | null }): boolean {
  return actor.appId === null || actor.appId === app.id || actor.appId === app.previewOf;
}

/** What all apps of the tenant share is not for a token of one of them. @throws AppError forbidden */
export function requireWholeTenant(actor: Actor): void {
  if (actor.appId !== null) throw new AppError("forbidden", "This is shared by all apps of the tenant; the token is for one of them alone.");
}

function noApp(actor: Actor, nameOrId: string): never {
  throw new AppError("not_found", `${actor.tenantName} has no app «${nameOrId}».`);
}
