/** `GET /v1/apps/{app}/secrets` and `GET /v1/secrets`: names, kinds, versions, times. */
import { AppError } from "../../core/contract/errors.ts";
import { SECRET_NAME, type Secret } from "../../core/contract/secrets.ts";
import { listSecrets as readSecrets } from "../../core/db/queries/secrets.ts";
import type { Actor, Deps } from "../deps.ts";
import { toSecret } from "../views/secret.ts";
import { requireApp, requireWholeTenant } from "./require.ts";

/** `app` null: the shared ones. @throws AppError not_found, invalid_request */
export async function listSecrets(
  deps: Deps,
  actor: Actor,
  app: string | null,
  page: { limit: number; cursor?: string | undefined },
): Promise<{ items: Secret[]; nextCursor: string | null }> {
  if (page.cursor !== undefined && !SECRET_NAME.test(page.cursor)) throw new AppError("invalid_request", "cursor: take it from `nextCursor` of the page before.");
  if (app === null) requireWholeTenant(actor);
  const appId = app === null ? null : (await requireApp(deps.db, actor, app)).id;
  const rows = await readSecrets(deps.db, actor.tenantId, appId, page.limit + 1, page.cursor);
  const items = rows.slice(0, page.limit);
  return { items: items.map(toSecret), nextCursor: rows.length > page.limit ? (items.at(-1)?.name ?? null) : null };
}
