/** `GET /v1/apps/{app}/events`: what happened to its instances and why, newest first. */
import type { AppEvent } from "../../core/contract/api.ts";
import { AppError } from "../../core/contract/errors.ts";
import { listEvents as readEvents } from "../../core/db/queries/events.ts";
import type { Actor, Deps } from "../deps.ts";
import { toEvent } from "../views/app.ts";
import { requireApp } from "./require.ts";

/** @throws AppError not_found, invalid_request */
export async function listEvents(deps: Deps, actor: Actor, nameOrId: string, page: { limit: number; cursor?: string | undefined }): Promise<{ items: AppEvent[]; nextCursor: string | null }> {
  if (page.cursor !== undefined && !/^[1-9][0-9]{0,14}$/.test(page.cursor)) throw new AppError("invalid_request", "cursor: take it from `nextCursor` of the page before.");
  const app = await requireApp(deps.db, actor, nameOrId);
  const before = page.cursor === undefined ? undefined : Number(page.cursor);
  const rows = await readEvents(deps.db, actor.tenantId, app.id, page.limit + 1, before);
  const items = rows.slice(0, page.limit);
  return { items: items.map(toEvent), nextCursor: rows.length > page.limit ? String(items.at(-1)?.id ?? "") : null };
}
