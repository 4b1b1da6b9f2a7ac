/** Rows of the registry. What a repository may show is what has a row for it: a digest by itself grants nothing. */
import { and, asc, eq, gt, inArray, lt, or, sql } from "drizzle-orm";
import type { Id } from "../../contract/ids.ts";
import type { Db, Tx } from "../client.ts";
import type { AuditChange } from "../queries/audit.ts";
import { parseManifest } from "../../registry/manifest.ts";
import { requireRoomInRegistry } from "../queries/quota.ts";
import { blobs, manifests, repositoryBlobs, tags, uploads } from "../schema.ts";

export type UploadRow = typeof uploads.$inferSelect;
export type ManifestRow = typeof manifests.$inferSelect;
type UploadId = Id<"upload">;

/** A request whose process died lets others go on with its upload after this long. */
const BUSY_SECONDS = 45;
const NOT_BUSY = or(eq(uploads.busy, false), lt(uploads.updatedAt, sql`now() - make_interval(secs => ${BUSY_SECONDS})`));

/** Size and place of a blob that the repository has. */
export async function findBlob(db: Db, repository: string, digest: string): Promise<{ sizeBytes: number; storageKey: string } | undefined> {
  const [row] = await db
    .select({ sizeBytes: blobs.sizeBytes, storageKey: blobs.storageKey })
    .from(repositoryBlobs)
    .innerJoin(blobs, eq(blobs.digest, repositoryBlobs.digest))
    .where(and(eq(repositoryBlobs.repository, repository), eq(repositoryBlobs.digest, digest)));
  return row;
}

/** Which of the blobs the repository lacks, and which have another size than is said. */
export async function checkBlobs(db: Db, repository: string, wanted: readonly { digest: string; size: number }[]): Promise<{ missing: string[]; misSized: string[] }> {
  if (wanted.length === 0) return { missing: [], misSized: [] };
  const found = await db
    .select({ digest: blobs.digest, sizeBytes: blobs.sizeBytes })
    .from(repositoryBlobs)
    .innerJoin(blobs, eq(blobs.digest, repositoryBlobs.digest))
    .where(and(eq(repositoryBlobs.repository, repository), inArray(repositoryBlobs.digest, [...new Set(wanted.map(({ digest }) => digest))])));
  const sizes = new Map(found.map(({ digest, sizeBytes }) => [digest, sizeBytes]));
  const those = (test: (size: number | undefined, said: number) => boolean) => [...new Set(wanted.filter(({ digest, size }) => test(sizes.get(digest), size)).map(({ digest }) => digest))];
  return { missing: those((size) => size === undefined), misSized: those((size, said) => size !== undefined && size !== said) };
}

export async function missingManifests(db: Db, repository: string, digests: readonly string[]): Promise<string[]> {
  if (digests.length === 0) return [];
  const rows = await db.select({ digest: manifests.digest }).from(manifests).where(and(eq(manifests.repository, repository), inArray(manifests.digest, [...digests])));
  const found = new Set(rows.map((row) => row.digest));
  return digests.filter((digest) => !found.has(digest));
}

/** Makes the whole bytes of an upload visible in its repository. @throws AppError quota_exceeded */
export async function publishBlob(db: Db, upload: UploadRow, blob: { digest: string; sizeBytes: number; storageKey: string }): Promise<void> {
  const { repository } = upload;
  await db.transaction(async (tx) => {
    await requireRoomForBlob(tx, repository, blob.digest, blob.sizeBytes - upload.offsetBytes);
    await tx.execute(sql`
      with stored as (
        insert into ${blobs} (digest, size_bytes, storage_key) values (${blob.digest}, ${blob.sizeBytes}, ${blob.storageKey})
        on conflict (digest) do update set touched_at = now()
      )
      insert into ${repositoryBlobs} (repository, digest) values (${repository}, ${blob.digest}) on conflict do nothing`);
  });
}

/** Lets `to` read a blob that `from` has. False when `from` has none. @throws AppError quota_exceeded */
export async function mountBlob(db: Db, from: string, to: string, digest: string): Promise<boolean> {
  const blob = await findBlob(db, from, digest);
  if (blob === undefined) return false;
  return db.transaction(async (tx) => {
    await requireRoomForBlob(tx, to, digest, blob.sizeBytes);
    const rows = await tx.execute(sql`
      insert into ${repositoryBlobs} (repository, digest)
      select ${to}, digest from ${repositoryBlobs} where repository = ${from} and digest = ${digest}
      on conflict (repository, digest) do update set digest = excluded.digest returning digest`);
    return rows.rows.length > 0;
  });
}

/** Lets `to` read a manifest that `from` has, with all that it names: its blobs, and of an index its manifests. */
export async function linkManifest(tx: Tx, from: string, to: string, digest: string): Promise<void> {
  if (from === to) return;
  const named = await namedBy(tx, from, digest);
  // A blob that `from` lacks is not linked.
  await tx.execute(sql`
    with linked as (
      insert into ${repositoryBlobs} (repository, digest)
      select ${to}, b.digest from ${repositoryBlobs} b where b.repository = ${from} and b.digest = any(${sql.param(named)}::text[])
      on conflict do nothing
    )
    insert into ${manifests} (repository, digest, media_type, content, subject_digest, artifact_type)
    select ${to}, m.digest, m.media_type, m.content, m.subject_digest, m.artifact_type
    from ${manifests} m where m.repository = ${from} and m.digest = any(${sql.param(named)}::text[])
    on conflict do nothing`);
}

/** The digest, and all below it. Read here: JSON may hold what PostgreSQL takes none of, and be deeper. */
async function namedBy(tx: Tx, repository: string, digest: string): Promise<string[]> {
  const named = new Set([digest]);
  // A set grows while it is walked.
  for (const each of named) {
    const row = await findManifest(tx, repository, { digest: each });
    if (row === undefined) continue;
    const manifest = parseManifest(row.content.toString("utf8"), row.mediaType);
    for (const part of manifest.kind === "index" ? manifest.manifests : [manifest.config, ...manifest.layers]) named.add(part.digest);
  }
  return [...named];
}

/** What the tenant holds already, in whatever repository, costs nothing more. */
async function requireRoomForBlob(tx: Tx, repository: string, digest: string, askedBytes: number): Promise<void> {
  const { rows } = await tx.execute(sql`
    select 1 from ${repositoryBlobs} r where r.digest = ${digest} and split_part(r.repository, '/', 1) = split_part(${repository}::text, '/', 1) limit 1`);
  if (rows.length === 0) await requireRoomInRegistry(tx, repository, askedBytes);
}

/** Before bytes are taken: whether there is room for them. @throws AppError quota_exceeded */
export async function checkRoom(db: Db, repository: string, askedBytes: number): Promise<void> {
  await db.transaction((tx) => requireRoomInRegistry(tx, repository, askedBytes));
}

export async function unlinkBlob(db: Db, repository: string, digest: string, onChange: OnChange): Promise<boolean> {
  return db.transaction(async (tx) => {
    const [gone] = await tx.delete(repositoryBlobs).where(and(eq(repositoryBlobs.repository, repository), eq(repositoryBlobs.digest, digest))).returning({ digest: repositoryBlobs.digest });
    if (gone !== undefined) await onChange(tx, { before: gone });
    return gone !== undefined;
  });
}

// ---- uploads ----

/** `busy`: for the request that makes it alone. */
export async function createUpload(db: Db, upload: { id: UploadId; repository: string; busy: boolean }): Promise<UploadRow> {
  const [row] = await db.insert(uploads).values(upload).returning();
  if (!row) throw new Error("the upload was not written");
  return row;
}

export async function findUpload(db: Db, repository: string, id: UploadId): Promise<UploadRow | undefined> {
  const [row] = await db.select().from(uploads).where(and(eq(uploads.id, id), eq(uploads.repository, repository)));
  return row;
}

/** Takes the upload for one request; undefined when there is none, or when another request has it. */
export async function takeUpload(db: Db, repository: string, id: UploadId): Promise<UploadRow | undefined> {
  const [row] = await db
    .update(uploads)
    .set({ busy: true, updatedAt: sql`now()` })
    .where(and(eq(uploads.id, id), eq(uploads.repository, repository), NOT_BUSY))
    .returning();
  return row;
}

/** Says that the request that has the upload still works on it. */
export async function touchUpload(db: Db, id: UploadId): Promise<void> {
  await db.update(uploads).set({ updatedAt: sql`now()` }).where(eq(uploads.id, id));
}

/** Counts what came and gives the upload back; false, and nothing counts, when another request went on with it meanwhile. */
export async function appendUpload(db: Db, before: UploadRow, change: Pick<UploadRow, "offsetBytes" | "pieces" | "hashState">): Promise<boolean> {
  const changed = await db
    .update(uploads)
    .set({ ...change, busy: false, updatedAt: sql`now()` })
    .where(and(eq(uploads.id, before.id), eq(uploads.offsetBytes, before.offsetBytes)))
    .returning({ id: uploads.id });
  return changed.length > 0;
}

export async function giveUploadBack(db: Db, id: UploadId): Promise<void> {
  await db.update(uploads).set({ busy: false }).where(eq(uploads.id, id));
}

export async function deleteUpload(db: Db, id: UploadId): Promise<void> {
  await db.delete(uploads).where(eq(uploads.id, id));
}

/** Takes uploads that nobody has touched since then, for throwing them away; no two callers get the same. */
export async function takeStaleUploads(db: Db, before: Date, limit: number): Promise<UploadRow[]> {
  const stale = db.select({ id: uploads.id }).from(uploads).where(lt(uploads.updatedAt, before)).limit(limit).for("update", { skipLocked: true });
  return db.update(uploads).set({ busy: true, updatedAt: sql`now()` }).where(inArray(uploads.id, stale)).returning();
}

// ---- manifests and tags ----

export async function findManifest(db: Db | Tx, repository: string, reference: { digest: string } | { tag: string }): Promise<ManifestRow | undefined> {
  if ("digest" in reference) {
    const [row] = await db.select().from(manifests).where(and(eq(manifests.repository, repository), eq(manifests.digest, reference.digest)));
    return row;
  }
  const [row] = await db
    .select({ manifest: manifests })
    .from(tags)
    .innerJoin(manifests, and(eq(manifests.repository, tags.repository), eq(manifests.digest, tags.digest)))
    .where(and(eq(tags.repository, repository), eq(tags.tag, reference.tag)));
  return row?.manifest;
}

/** Called in the transaction of a change, when there is one: it writes who made it. */
export type OnChange = (tx: Tx, change: AuditChange) => Promise<void>;

/** @throws AppError quota_exceeded */
export async function putManifest(db: Db, row: Omit<ManifestRow, "createdAt">, tag: string | undefined, onChange: OnChange): Promise<void> {
  await db.transaction(async (tx) => {
    if ((await findManifest(tx, row.repository, { digest: row.digest })) === undefined) await requireRoomInRegistry(tx, row.repository, row.content.length);
    const made = await tx.insert(manifests).values(row).onConflictDoNothing().returning({ digest: manifests.digest });
    const at = and(eq(tags.repository, row.repository), eq(tags.tag, tag ?? ""));
    const [before] = tag === undefined ? [] : await tx.select({ digest: tags.digest }).from(tags).where(at).for("update");
    if (tag !== undefined) {
      const set = { digest: row.digest, updatedAt: sql`now()` };
      await tx.insert(tags).values({ repository: row.repository, tag, digest: row.digest }).onConflictDoUpdate({ target: [tags.repository, tags.tag], set });
    }
    const isMoved = tag !== undefined && before?.digest !== row.digest;
    if (made.length > 0 || isMoved) await onChange(tx, { ...(before && { before }), after: { digest: row.digest } });
  });
}

export async function deleteTag(db: Db, repository: string, tag: string, onChange: OnChange): Promise<boolean> {
  return db.transaction(async (tx) => {
    const [gone] = await tx.delete(tags).where(and(eq(tags.repository, repository), eq(tags.tag, tag))).returning({ digest: tags.digest });
    if (gone !== undefined) await onChange(tx, { before: gone });
    return gone !== undefined;
  });
}

/** The manifest and the tags that point to it. */
export async function deleteManifest(db: Db, repository: string, digest: string, onChange: OnChange): Promise<boolean> {
  return db.transaction(async (tx) => {
    const untagged = await tx.delete(tags).where(and(eq(tags.repository, repository), eq(tags.digest, digest))).returning({ tag: tags.tag });
    const gone = await tx.delete(manifests).where(and(eq(manifests.repository, repository), eq(manifests.digest, digest))).returning({ digest: manifests.digest });
    if (gone.length > 0) await onChange(tx, { before: { digest, tags: untagged.map(({ tag }) => tag) } });
    return gone.length > 0;
  });
}

export async function listTags(db: Db, repository: string, after: string, limit: number): Promise<string[]> {
  const rows = await db
    .select({ tag: tags.tag })
    .from(tags)
    .where(and(eq(tags.repository, repository), gt(tags.tag, after)))
    .orderBy(asc(tags.tag))
    .limit(limit);
  return rows.map((row) => row.tag);
}

/** Whether anything was ever pushed there and is still. */
export async function repositoryExists(db: Db, repository: string): Promise<boolean> {
  const [row] = await db.select({ one: sql`1` }).from(manifests).where(eq(manifests.repository, repository)).limit(1);
  return row !== undefined;
}

/** `readable`: repositories, or `<first part>/*` for all below it. */
export async function listRepositories(db: Db, readable: readonly string[], after: string, limit: number): Promise<string[]> {
  if (readable.length === 0) return [];
  const mayRead = or(...readable.map((name) => (name.endsWith("/*") ? sql`starts_with(${manifests.repository}, ${name.slice(0, -1)})` : eq(manifests.repository, name))));
  const rows = await db
    .selectDistinct({ repository: manifests.repository })
    .from(manifests)
    .where(and(mayRead, gt(manifests.repository, after)))
    .orderBy(asc(manifests.repository))
    .limit(limit);
  return rows.map((row) => row.repository);
}

/** Manifests about another, by digest, with their sizes in bytes. */
export async function listReferrers(db: Db, repository: string, subject: string, options: { artifactType: string | undefined; after: string; limit: number }): Promise<{ digest: string; sizeBytes: number }[]> {
  const { artifactType, after, limit } = options;
  return db
    .select({ digest: manifests.digest, sizeBytes: sql<number>`octet_length(${manifests.content})` })
    .from(manifests)
    .where(
      and(
        eq(manifests.repository, repository),
        eq(manifests.subjectDigest, subject),
        gt(manifests.digest, after),
        artifactType === undefined ? undefined : eq(manifests.artifactType, artifactType),
      ),
    )
    .orderBy(asc(manifests.digest))
    .limit(limit);
}

export async function findManifests(db: Db, repository: string, digests: readonly string[]): Promise<ManifestRow[]> {
  if (digests.length === 0) return [];
  return db.select().from(manifests).where(and(eq(manifests.repository, repository), inArray(manifests.digest, [...digests]))).orderBy(asc(manifests.digest));
}
