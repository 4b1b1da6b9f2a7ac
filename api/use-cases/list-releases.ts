/** `GET /v1/apps/{app}/releases`, newest first. */
import type { Release } from "../../core/contract/api.ts";
import { AppError } from "../../core/contract/errors.ts";
import { listReleases as readReleases } from "../../core/db/queries/releases.ts";
import type { Actor, Deps } from "../deps.ts";
import { toRelease } from "../views/app.ts";
import { requireApp } from "./require.ts";

/** @throws AppError not_found, invalid_request */
export async function listReleases(
  deps: Deps,
  actor: Actor,
  nameOrId: string,
  page: { limit: number; cursor?: string | undefined },
): Promise<{ items: Release[]; nextCursor: string | null }> {
  if (page.cursor !== undefined && !/^[1-9][0-9]{0,8}$/.test(page.cursor)) throw new AppError("invalid_request", "cursor: take it from `nextCursor` of the page before.");
  const app = await requireApp(deps.db, actor, nameOrId);
  const before = page.cursor === undefined ? undefined : Number(page.cursor);
  const rows = await readReleases(deps.db, actor.tenantId, app.id, page.limit + 1, before);
  const items = rows.slice(0, page.limit);
  const last = items.at(-1);
  return { items: items.map((row) => toRelease(row, app)), nextCursor: rows.length > page.limit && last !== undefined ? String(last.number) : null };
}
