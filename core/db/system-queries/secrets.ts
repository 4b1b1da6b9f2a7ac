/** Opening secrets for those who run and build, pruning what nobody names, sealing anew with a newer key. */
import { and, asc, eq, gt, ne, sql } from "drizzle-orm";
import type { AppId, Id, TenantId } from "../../contract/ids.ts";
import type { Secrets } from "../../secrets/secrets.ts";
import type { Db } from "../client.ts";
import { writeSystemAudit } from "../queries/audit.ts";
import { effectiveSecrets, type EffectiveSecret } from "../queries/secrets.ts";
import { releases, secrets, secretVersions } from "../schema.ts";

type SecretId = Id<"secret">;

/** A version of a secret, and whose it must be. */
export interface WantedSecret {
  tenantId: TenantId;
  id: SecretId;
  version: number;
}

export const placeOf = ({ tenantId, id, version }: WantedSecret) => `${tenantId} ${id} ${version}`;

/** Values in memory, or why one cannot be opened: one tenant's trouble must not keep others from running. */
export type OpenedSecrets = Map<string, Buffer | Error>;

/** Each of these once. Whatever is no secret of the tenant that asks is not found. */
export async function openVersions(db: Db, box: Secrets, wanted: readonly WantedSecret[]): Promise<OpenedSecrets> {
  const opened: OpenedSecrets = new Map();
  const asked = new Map(wanted.map((one) => [placeOf(one), one]));
  if (asked.size === 0) return opened;
  const pairs = JSON.stringify([...asked.values()]);
  const rows = await db
    .select({ tenantId: secrets.tenantId, id: secrets.id, name: secrets.name, version: secretVersions.number, sealed: secretVersions.sealed, keyId: secretVersions.keyId })
    .from(secretVersions)
    .innerJoin(secrets, eq(secrets.id, secretVersions.secretId))
    .where(sql`(${secrets.tenantId}, ${secrets.id}, ${secretVersions.number}) in (select w.* from jsonb_to_recordset(${pairs}::jsonb) as w("tenantId" text, id text, version int))`);
  for (const place of asked.keys()) opened.set(place, new Error("the version of the secret is gone"));
  await Promise.all(
    rows.map(async ({ tenantId, id, name, version, sealed, keyId }) => {
      const value = await box.open({ sealed, keyId }, { tenantId, secretId: id, name, version }).catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
      opened.set(placeOf({ tenantId, id, version }), value);
    }),
  );
  return opened;
}

export interface BuildSecret {
  id: SecretId;
  name: string;
  version: number;
  value: Buffer;
}

/** What a build of the app may mount, of it what is wanted, opened. @throws AppError secrets_unavailable */
export async function openBuildSecrets(db: Db, box: Secrets, build: { tenantId: TenantId; appId: AppId }, wanted: (all: EffectiveSecret[]) => EffectiveSecret[]): Promise<BuildSecret[]> {
  const { tenantId, appId } = build;
  const found = wanted((await effectiveSecrets(db, tenantId, appId)).filter(({ kind }) => kind === "build"));
  const opened = await openVersions(db, box, found.map(({ id, version }) => ({ tenantId, id, version })));
  return found.map(({ id, name, version }) => {
    const value = opened.get(placeOf({ tenantId, id, version }));
    if (!Buffer.isBuffer(value)) throw value ?? new Error(`${id} was not opened`);
    return { id, name, version, value };
  });
}

/** A release that is being written may be about to name a version that has just been followed by another. */
const PRUNE_AFTER_HOURS = 1;

/** Removes versions that neither is the present one nor is named by a release, then secrets of which nothing is left. Returns how many versions. */
export async function pruneSecretVersions(db: Db): Promise<number> {
  return db.transaction(async (tx) => {
    const gone = await tx.execute(sql`
      delete from ${secretVersions} v using ${secrets} s
      where s.id = v.secret_id and v.number <> s.version and s.updated_at < now() - make_interval(hours => ${PRUNE_AFTER_HOURS})
        and not exists (
          select from ${releases} r where r.tenant_id = s.tenant_id
            and r.secrets @> jsonb_build_array(jsonb_build_object('id', s.id, 'version', v.number)))`);
    await tx.execute(sql`
      delete from ${secrets} s
      where s.version = 0 and s.updated_at < now() - make_interval(hours => ${PRUNE_AFTER_HOURS})
        and not exists (select from ${secretVersions} v where v.secret_id = s.id)`);
    return gone.rowCount ?? 0;
  });
}

export interface Reseal {
  resealed: number;
  /** Could not be opened: their key is missing, or they were changed. */
  failed: { secretId: SecretId; version: number; reason: string }[];
}

const RESEAL_BATCH = 100;

/**
 * Seals anew what an older key sealed. May be broken off and begun again at any time, beside a running Berth: each
 * version is written by itself, if it is still as it was read.
 */
export async function resealSecrets(db: Db, box: Secrets, onProgress: (resealed: number) => void = () => {}): Promise<Reseal> {
  const current = await box.currentKey();
  const result: Reseal = { resealed: 0, failed: [] };
  let after: { secretId: SecretId; number: number } | undefined;
  for (;;) {
    const rows = await db
      .select({ tenantId: secrets.tenantId, secretId: secretVersions.secretId, name: secrets.name, number: secretVersions.number, sealed: secretVersions.sealed, keyId: secretVersions.keyId })
      .from(secretVersions)
      .innerJoin(secrets, eq(secrets.id, secretVersions.secretId))
      .where(and(ne(secretVersions.keyId, current), after && gt(sql`(${secretVersions.secretId}, ${secretVersions.number})`, sql`(${after.secretId}, ${after.number})`)))
      .orderBy(asc(secretVersions.secretId), asc(secretVersions.number))
      .limit(RESEAL_BATCH);
    if (rows.length === 0) {
      if (result.resealed > 0) await writeSystemAudit(db, null, "secrets.reseal", `key:${current}`, { resealed: result.resealed, failed: result.failed.length });
      return result;
    }
    for (const row of rows) {
      after = row;
      const binding = { tenantId: row.tenantId, secretId: row.secretId, name: row.name, version: row.number };
      try {
        const value = await box.open(row, binding);
        const next = await box.seal(value, binding).finally(() => value.fill(0));
        await db
          .update(secretVersions)
          .set(next)
          .where(and(eq(secretVersions.secretId, row.secretId), eq(secretVersions.number, row.number), eq(secretVersions.keyId, row.keyId)));
        result.resealed++;
      } catch (error) {
        result.failed.push({ secretId: row.secretId, version: row.number, reason: error instanceof Error ? error.message : String(error) });
      }
    }
    onProgress(result.resealed);
  }
}
