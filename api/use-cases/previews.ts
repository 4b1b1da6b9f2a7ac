/**
 * `/v1/apps/{app}/previews`: an app beside an app, at a host of its own, with the same configuration and secrets. It
 * scales to zero, is left alone by the app's own releases, and is gone after a while.
 */
import type { Preview } from "../../core/contract/previews.ts";
import { AppError } from "../../core/contract/errors.ts";
import { newId, parseId } from "../../core/contract/ids.ts";
import type { Settings } from "../../core/contract/release-config.ts";
import { findApp, insertApp, type AppDetails, type AppRow } from "../../core/db/queries/apps.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { listPreviews as readPreviews, refreshPreview } from "../../core/db/queries/previews.ts";
import { requireRoom } from "../../core/db/queries/quota.ts";
import { lockApp } from "../../core/db/system-queries/rollout.ts";
import { APP_NAME_MAX, PREVIEW_MARK, previewAppName } from "../../core/domain/names.ts";
import { previewSettings } from "../../core/domain/settings.ts";
import type { Actor, Deps } from "../deps.ts";
import { keepInside } from "../idempotency.ts";
import { toApp } from "../views/app.ts";
import { requireApp, requireAppDetails } from "./require.ts";

/** @throws AppError not_found */
export async function listPreviews(deps: Deps, actor: Actor, nameOrId: string, page: { limit: number; cursor?: string | undefined }): Promise<{ items: Preview[]; nextCursor: string | null }> {
  const app = await requireApp(deps.db, actor, nameOrId);
  const after = page.cursor === undefined ? undefined : parseId("app", page.cursor);
  if (page.cursor !== undefined && after === undefined) throw new AppError("invalid_request", "cursor: take it from `nextCursor` of the page before.");
  const rows = await readPreviews(deps.db, actor.tenantId, app.id, page.limit + 1, after);
  const items = rows.slice(0, page.limit);
  return { items: items.map((row) => toPreview(row, app, actor, deps)), nextCursor: rows.length > page.limit ? (items.at(-1)?.app.id ?? null) : null };
}

/** Makes it, or lets it live on with the configuration that the app has now. @throws AppError not_found, invalid_name, conflict, quota_exceeded */
export async function putPreview(deps: Deps, actor: Actor, nameOrId: string, preview: string, expiresInMs: number): Promise<Preview> {
  const expiresAt = new Date(deps.clock().getTime() + expiresInMs);
  const made = await deps.db.transaction(async (tx) => {
    const app = await requireApp(tx, actor, nameOrId);
    if (app.previewOf !== null) throw new AppError("conflict", `«${app.name}» is a preview: it has none of its own.`);
    await lockApp(tx, app.id);
    const name = previewAppName(preview, app.name);
    if (name.length > APP_NAME_MAX) throw new AppError("invalid_name", `«${name}» has ${name.length} characters: the names of a preview and its app have at most ${APP_NAME_MAX - PREVIEW_MARK.length} together.`);
    const settings: Settings = previewSettings(app.settings);
    const found = await findApp(tx, actor.tenantId, name);
    if (found !== undefined && found.previewOf !== app.id) throw new AppError("conflict", `«${name}» is another app's.`);
    const id = found?.id ?? newId("app");
    if (found === undefined) {
      await requireRoom(tx, actor.tenantId, "apps", 1);
      await insertApp(tx, { id, tenantId: actor.tenantId, name, settings, env: app.env, previewOf: app.id, expiresAt });
    } else {
      await lockApp(tx, id);
      await refreshPreview(tx, actor.tenantId, id, { settings, env: app.env, expiresAt });
    }
    await writeAudit(tx, actor, "preview.put", id, { name, app: app.name, expiresAt: expiresAt.toISOString() });
    const shown = toPreview(await requireAppDetails(tx, actor, id), app, actor, deps);
    await keepInside(tx, actor, { status: 200, body: shown });
    return shown;
  });
  deps.bells.ring("route", made.app.id);
  return made;
}

function toPreview(details: AppDetails, of: AppRow, actor: Actor, { config }: Deps): Preview {
  const { app } = details;
  return { name: app.name.slice(0, -(PREVIEW_MARK.length + of.name.length)), of: of.name, app: toApp(details, actor, config), expiresAt: (app.expiresAt ?? app.createdAt).toISOString() };
}
