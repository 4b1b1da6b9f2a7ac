/** Releases of one tenant's apps. */
import { and, desc, eq, isNotNull, lt } from "drizzle-orm";
import { parseId, type AppId, type ReleaseId, type TenantId } from "../../contract/ids.ts";
import type { Db, Tx } from "../client.ts";
import { releases } from "../schema.ts";

export type ReleaseRow = typeof releases.$inferSelect;

const of = (tenantId: TenantId, appId: AppId) => and(eq(releases.tenantId, tenantId), eq(releases.appId, appId));

/** Newest first, before the release with the number `before`. */
export function listReleases(db: Db | Tx, tenantId: TenantId, appId: AppId, limit: number, before: number | undefined): Promise<ReleaseRow[]> {
  return db
    .select()
    .from(releases)
    .where(and(of(tenantId, appId), before === undefined ? undefined : lt(releases.number, before)))
    .orderBy(desc(releases.number))
    .limit(limit);
}

/** `v3`, `3` or an id. */
export async function findRelease(db: Db | Tx, tenantId: TenantId, appId: AppId, nameOrId: string): Promise<ReleaseRow | undefined> {
  const id = parseId("release", nameOrId);
  const number = /^v?([1-9][0-9]{0,8})$/.exec(nameOrId)?.[1];
  if (id === undefined && number === undefined) return undefined;
  const [row] = await db
    .select()
    .from(releases)
    .where(and(of(tenantId, appId), id === undefined ? eq(releases.number, Number(number)) : eq(releases.id, id)));
  return row;
}

/** The newest release before this one that has been live. */
export async function findReleaseBefore(db: Db | Tx, tenantId: TenantId, appId: AppId, releaseId: ReleaseId): Promise<ReleaseRow | undefined> {
  const [current] = await db.select({ number: releases.number }).from(releases).where(and(of(tenantId, appId), eq(releases.id, releaseId)));
  if (current === undefined) return undefined;
  const [row] = await db
    .select()
    .from(releases)
    .where(and(of(tenantId, appId), lt(releases.number, current.number), isNotNull(releases.liveAt)))
    .orderBy(desc(releases.number))
    .limit(1);
  return row;
}
