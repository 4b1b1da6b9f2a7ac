/** Secrets of one tenant. Values are here only as they were sealed. */
import { and, asc, eq, gt, isNull, sql, type SQL } from "drizzle-orm";
import { newId, type AppId, type Id, type ReleaseId, type TenantId } from "../../contract/ids.ts";
import type { SecretKind } from "../../contract/release-config.ts";
import type { Sealed } from "../../secrets/envelope.ts";
import type { Db, Tx } from "../client.ts";
import { apps, releases, secrets, secretVersions, tenants } from "../schema.ts";
import { requireRoom } from "./quota.ts";

export type SecretRow = typeof secrets.$inferSelect;
type SecretId = Id<"secret">;

/** The next version of a secret, sealed under its number. */
export interface NextVersion {
  secretId: SecretId;
  number: number;
}

/** `appId` null: shared by all apps of the tenant. */
const at = (tenantId: TenantId, appId: AppId | null) => and(eq(secrets.tenantId, tenantId), appId === null ? isNull(secrets.appId) : eq(secrets.appId, appId));

/** By name. Of an app: what it gets, its own before shared ones of the same name. */
export async function listSecrets(db: Db | Tx, tenantId: TenantId, appId: AppId | null, limit: number, after: string | undefined): Promise<SecretRow[]> {
  const isListed = and(gt(secrets.version, 0), after === undefined ? undefined : gt(secrets.name, after));
  if (appId === null) return db.select().from(secrets).where(and(at(tenantId, null), isListed)).orderBy(asc(secrets.name)).limit(limit);
  return db.selectDistinctOn([secrets.name]).from(secrets).where(and(ofApp(tenantId, appId), isListed)).orderBy(asc(secrets.name), nearestFirst(appId)).limit(limit);
}

function ofApp(tenantId: TenantId, appId: AppId | null): SQL | undefined {
  return and(eq(secrets.tenantId, tenantId), sql`(${secrets.appId} = ${appId} or ${secrets.appId} is null or ${secrets.appId} = ${previewed(appId)})`);
}

/** A preview gets what its app has. */
const previewed = (appId: AppId | null) => sql`(select ${apps.previewOf} from ${apps} where ${apps.id} = ${appId})`;
/** Its own, then those of the app that it is a preview of, then shared ones. */
const nearestFirst = (appId: AppId | null) => sql`(${secrets.appId} = ${appId}) desc nulls last, ${secrets.appId} nulls last`;

export interface EffectiveSecret {
  id: SecretId;
  name: string;
  kind: SecretKind;
  version: number;
  isShared: boolean;
}

/** What an app gets now, each name once: its own goes before the shared one. Null: one that is still to be made. */
export async function effectiveSecrets(db: Db | Tx, tenantId: TenantId, appId: AppId | null): Promise<EffectiveSecret[]> {
  const rows = await db
    .selectDistinctOn([secrets.name], { id: secrets.id, name: secrets.name, kind: secrets.kind, version: secrets.version, appId: secrets.appId })
    .from(secrets)
    .where(and(ofApp(tenantId, appId), gt(secrets.version, 0)))
    .orderBy(asc(secrets.name), nearestFirst(appId));
  return rows.map(({ appId: owner, ...row }) => ({ ...row, isShared: owner === null }));
}

/** Bytes of all values of the app's own, or of the shared ones, the frames of their seals included. */
export async function sealedBytes(tx: Tx, tenantId: TenantId, appId: AppId | null): Promise<number> {
  const [row] = await tx
    .select({ bytes: sql<string | null>`sum(octet_length(${secretVersions.sealed}))` })
    .from(secrets)
    .innerJoin(secretVersions, and(eq(secretVersions.secretId, secrets.id), eq(secretVersions.number, secrets.version)))
    .where(at(tenantId, appId));
  return Number(row?.bytes ?? 0);
}

/** The secret that is there, removed ones left out. */
export async function findSecret(db: Db | Tx, tenantId: TenantId, appId: AppId | null, name: string): Promise<SecretRow | undefined> {
  const [row] = await db.select().from(secrets).where(and(at(tenantId, appId), eq(secrets.name, name), gt(secrets.version, 0)));
  return row;
}

/** Changes of a tenant's shared configuration one after the other. Before the locks of apps. */
export async function lockShared(tx: Tx, tenantId: TenantId): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`shared:${tenantId}`}, 0))`);
}

/**
 * The version that comes next, for sealing; under the lock of the app or of the shared ones. Asks for room when the
 * name is new. Until `writeVersion` nothing of it is to be seen. @throws AppError quota_exceeded
 */
export async function nextVersion(tx: Tx, tenantId: TenantId, appId: AppId | null, name: string, kind: SecretKind): Promise<NextVersion> {
  const [found] = await tx.select().from(secrets).where(and(at(tenantId, appId), eq(secrets.name, name)));
  if (found === undefined || found.version === 0) await requireRoom(tx, tenantId, "secrets", 1);
  if (found === undefined) {
    const secretId = newId("secret");
    await tx.insert(secrets).values({ id: secretId, tenantId, appId, name, kind, version: 0 });
    return { secretId, number: 1 };
  }
  const [last] = await tx.select({ number: sql<number>`coalesce(max(${secretVersions.number}), 0)::int` }).from(secretVersions).where(eq(secretVersions.secretId, found.id));
  return { secretId: found.id, number: Math.max(found.version, last?.number ?? 0) + 1 };
}

export async function writeVersion(tx: Tx, { secretId, number }: NextVersion, kind: SecretKind, { sealed, keyId }: Sealed, now: Date): Promise<SecretRow> {
  await tx.insert(secretVersions).values({ secretId, number, sealed, keyId, createdAt: now });
  const [row] = await tx.update(secrets).set({ version: number, kind, updatedAt: now }).where(eq(secrets.id, secretId)).returning();
  if (row === undefined) throw new Error("the secret is gone");
  return row;
}

/** Takes it from the next release on; older ones keep their versions. The secret that it was, undefined when there was none. */
export async function removeSecret(tx: Tx, tenantId: TenantId, appId: AppId | null, name: string, now: Date): Promise<SecretRow | undefined> {
  const found = await findSecret(tx, tenantId, appId, name);
  if (found !== undefined) await tx.update(secrets).set({ version: 0, updatedAt: now }).where(eq(secrets.id, found.id));
  return found;
}

/**
 * For a rollback: the app's own secrets, those of builds left out, are again as the release has them, for the next
 * release starts from it. Shared ones are everybody's and stay. Gives the names of those that changed.
 */
export async function returnSecretsTo(tx: Tx, tenantId: TenantId, appId: AppId, releaseId: ReleaseId, now: Date): Promise<string[]> {
  const { rows } = await tx.execute<{ name: string }>(sql`
    with named as (
      select r->>'id' as id, r->>'kind' as kind, (r->>'version')::int as version
      from ${releases}, jsonb_array_elements(${releases.secrets}) r where ${releases.id} = ${releaseId}
    )
    update ${secrets} s set version = coalesce(was.version, 0), kind = coalesce(was.kind, s.kind), updated_at = ${now.toISOString()}::timestamptz
    from ${secrets} own left join named was on was.id = own.id
    where s.id = own.id and s.tenant_id = ${tenantId} and s.app_id = ${appId}
      and (was.id is not null or (s.kind <> 'build' and s.version > 0))
      and (s.version, s.kind) is distinct from (coalesce(was.version, 0), coalesce(was.kind, s.kind))
    returning s.name`);
  return rows.map(({ name }) => name);
}

/** An app that a change of something shared may touch, and what of its own hides shared names. */
export interface SharingApp {
  id: AppId;
  name: string;
  env: Record<string, string>;
  /** Of its own secrets. */
  ownNames: string[];
}

/** Those that run something, by id. */
export async function appsSharing(tx: Tx, tenantId: TenantId): Promise<SharingApp[]> {
  return tx
    .select({
      id: apps.id,
      name: apps.name,
      env: apps.env,
      ownNames: sql<string[]>`coalesce((select jsonb_agg(s.name) from ${secrets} s where s.app_id = apps.id and s.version > 0), '[]'::jsonb)`,
    })
    .from(apps)
    .where(and(eq(apps.tenantId, tenantId), isNull(apps.deletedAt), sql`coalesce(${apps.targetReleaseId}, ${apps.liveReleaseId}) is not null`))
    .orderBy(asc(apps.id));
}

export async function readSharedEnv(db: Db | Tx, tenantId: TenantId): Promise<Record<string, string>> {
  const [row] = await db.select({ env: tenants.env }).from(tenants).where(eq(tenants.id, tenantId));
  return row?.env ?? {};
}

export async function writeSharedEnv(tx: Tx, tenantId: TenantId, env: Record<string, string>): Promise<void> {
  await tx.update(tenants).set({ env }).where(eq(tenants.id, tenantId));
}
