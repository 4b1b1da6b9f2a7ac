/** Previews of one tenant's apps: apps themselves, which name another. */
import { and, asc, eq, gt, isNull, sql } from "drizzle-orm";
import type { AppId, TenantId } from "../../contract/ids.ts";
import type { Settings } from "../../contract/release-config.ts";
import type { Db, Tx } from "../client.ts";
import { apps } from "../schema.ts";
import { details, type AppDetails } from "./apps.ts";

/** Oldest first, after the one with the id `after`. */
export function listPreviews(db: Db | Tx, tenantId: TenantId, of: AppId, limit: number, after: AppId | undefined): Promise<AppDetails[]> {
  return details(db)
    .where(and(eq(apps.tenantId, tenantId), eq(apps.previewOf, of), isNull(apps.deletedAt), after === undefined ? undefined : gt(apps.id, after)))
    .orderBy(asc(apps.id))
    .limit(limit);
}

/** It lives on for a while, and its next release is made with the configuration that its app has now. */
export async function refreshPreview(tx: Tx, tenantId: TenantId, id: AppId, to: { settings: Settings; env: Record<string, string>; expiresAt: Date }): Promise<void> {
  await tx
    .update(apps)
    .set({ ...to, version: sql`${apps.version} + 1` })
    .where(and(eq(apps.tenantId, tenantId), eq(apps.id, id)));
}
