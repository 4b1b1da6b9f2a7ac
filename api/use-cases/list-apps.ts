/** `GET /v1/apps`. */
import type { App } from "../../core/contract/api.ts";
import { AppError } from "../../core/contract/errors.ts";
import { parseId } from "../../core/contract/ids.ts";
import { listApps as readApps } from "../../core/db/queries/apps.ts";
import { parseSelector } from "../../core/domain/labels.ts";
import type { Actor, Deps } from "../deps.ts";
import { toApp } from "../views/app.ts";

export async function listApps(deps: Deps, actor: Actor, page: { limit: number; cursor?: string | undefined; label?: string[] | undefined }): Promise<{ items: App[]; nextCursor: string | null }> {
  const after = page.cursor === undefined ? undefined : parseId("app", page.cursor);
  if (page.cursor !== undefined && after === undefined) throw new AppError("invalid_request", "cursor: take it from `nextCursor` of the page before.");
  const selector = parseSelector(page.label ?? []);
  const rows = selector === undefined ? [] : await readApps(deps.db, actor.tenantId, page.limit + 1, after, selector, actor.appId);
  const items = rows.slice(0, page.limit);
  const nextCursor = rows.length > page.limit ? (items.at(-1)?.app.id ?? null) : null;
  return { items: items.map((row) => toApp(row, actor, deps.config)), nextCursor };
}
