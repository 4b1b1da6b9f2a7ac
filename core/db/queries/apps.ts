/** Apps of one tenant. */
import { and, asc, eq, gt, isNull, sql } from "drizzle-orm";
import { parseId, type AppId, type ReleaseId, type TenantId } from "../../contract/ids.ts";
import type { Settings } from "../../contract/release-config.ts";
import type { Maintenance } from "../../contract/request-features.ts";
import type { LabelSelector } from "../../domain/labels.ts";
import type { Db, Tx } from "../client.ts";
import { apps, instances, releases } from "../schema.ts";
import { wantedSql } from "../wanted-replicas.ts";

export type AppRow = typeof apps.$inferSelect;

/** An app and the counts that are shown with it. */
export interface AppDetails {
  app: AppRow;
  liveNumber: number | null;
  targetNumber: number | null;
  ready: number;
  /** Replicas of the live release, else of the one that should become live. */
  wanted: number;
}

const byNameOrId = (nameOrId: string) => {
  const id = parseId("app", nameOrId);
  return id === undefined ? eq(apps.name, nameOrId) : eq(apps.id, id);
};

/** The tenant's app of this name or id, or undefined. */
export async function findApp(db: Db | Tx, tenantId: TenantId, nameOrId: string): Promise<AppRow | undefined> {
  const [row] = await db
    .select()
    .from(apps)
    .where(and(eq(apps.tenantId, tenantId), isNull(apps.deletedAt), byNameOrId(nameOrId)));
  return row;
}

export async function findAppDetails(db: Db | Tx, tenantId: TenantId, nameOrId: string): Promise<AppDetails | undefined> {
  const [row] = await details(db).where(and(eq(apps.tenantId, tenantId), isNull(apps.deletedAt), byNameOrId(nameOrId)));
  return row;
}

/** Without previews; oldest first, after the app with the id `after`; `only` that one. */
export function listApps(db: Db | Tx, tenantId: TenantId, limit: number, after: AppId | undefined, labels?: LabelSelector, only: AppId | null = null): Promise<AppDetails[]> {
  return details(db)
    .where(and(eq(apps.tenantId, tenantId), isNull(apps.deletedAt), isNull(apps.previewOf), after === undefined ? undefined : gt(apps.id, after), only === null ? undefined : eq(apps.id, only), labels && hasLabels(labels)))
    .orderBy(asc(apps.id))
    .limit(limit);
}

function hasLabels({ equal, differ, has, lacks }: LabelSelector) {
  const equals = (labels: Record<string, string>) => sql`${apps.labels} @> ${JSON.stringify(labels)}::jsonb`;
  return and(
    Object.keys(equal).length === 0 ? undefined : equals(equal),
    ...differ.map(([key, value]) => sql`not ${equals({ [key]: value })}`),
    ...has.map((key) => sql`${apps.labels} ? ${key}::text`),
    ...lacks.map((key) => sql`not ${apps.labels} ? ${key}::text`),
  );
}

/** For `previews.ts`, too. */
export function details(db: Db | Tx) {
  // Drizzle writes bare column names where a query has one table: the outer table must be named here.
  const release = (id: typeof apps.liveReleaseId | typeof apps.targetReleaseId, what: string) =>
    sql`(select ${sql.raw(what)} from ${releases} r where r.id = ${sql.raw(`apps.${id.name}`)})`;
  const wanted = (id: typeof apps.liveReleaseId | typeof apps.targetReleaseId) =>
    sql`(select ${wantedSql(sql.raw("r.settings"), sql.raw("apps.scaled_to"))} from ${releases} r where r.id = ${sql.raw(`apps.${id.name}`)})`;
  return db
    .select({
      app: apps,
      liveNumber: sql<number | null>`${release(apps.liveReleaseId, "r.number")}`,
      targetNumber: sql<number | null>`${release(apps.targetReleaseId, "r.number")}`,
      ready: sql<number>`(select count(*)::int from ${instances} i where i.app_id = apps.id and i.state = 'wanted' and i.phase = 'ready' and i.release_id = apps.live_release_id)`,
      wanted: sql<number>`coalesce(${wanted(apps.liveReleaseId)}, ${wanted(apps.targetReleaseId)}, 0)`,
    })
    .from(apps)
    .$dynamic();
}

/** False when the tenant has an app of this name. */
export async function insertApp(tx: Tx, row: Pick<AppRow, "id" | "tenantId" | "name" | "settings" | "env"> & Partial<Pick<AppRow, "labels" | "previewOf" | "expiresAt">>): Promise<boolean> {
  const made = await tx.insert(apps).values(row).onConflictDoNothing().returning({ id: apps.id });
  return made.length > 0;
}

/** Marks the app as destroyed; the rollout loop stops its instances and removes the row. False when it was before. */
export async function markDeleted(tx: Tx, tenantId: TenantId, appId: AppId, now: Date): Promise<boolean> {
  const marked = await tx
    .update(apps)
    .set({ deletedAt: now })
    .where(and(eq(apps.tenantId, tenantId), eq(apps.id, appId), isNull(apps.deletedAt)))
    .returning({ id: apps.id });
  return marked.length > 0;
}

/** Under the app's lock. */
export async function writeLabels(tx: Tx, tenantId: TenantId, appId: AppId, labels: Record<string, string>): Promise<void> {
  await tx
    .update(apps)
    .set({ labels, version: sql`${apps.version} + 1` })
    .where(and(eq(apps.tenantId, tenantId), eq(apps.id, appId)));
}

/** Null: it is over. Under the app's lock. */
export async function writeMaintenance(tx: Tx, tenantId: TenantId, appId: AppId, maintenance: Maintenance | null): Promise<void> {
  await tx
    .update(apps)
    .set({ maintenance, version: sql`${apps.version} + 1` })
    .where(and(eq(apps.tenantId, tenantId), eq(apps.id, appId)));
}

/** Points the app at a release, and gives it that release's configuration: the next release starts from it. */
export async function pointAt(
  tx: Tx,
  tenantId: TenantId,
  appId: AppId,
  release: { id: ReleaseId; settings: Settings; env: Record<string, string> },
): Promise<void> {
  await tx
    .update(apps)
    .set({ targetReleaseId: release.id, settings: release.settings, env: release.env, version: sql`${apps.version} + 1` })
    .where(and(eq(apps.tenantId, tenantId), eq(apps.id, appId)));
}
