/** Rows of the registry. What a repository may show is what has a row for it: a digest by itself grants nothing. */
import { and, asc, eq, gt, inArray, like, lt, or, sql } from "drizzle-orm";
import { newId, type Id } from "../../contract/ids.ts";
import type { Db } from "../client.ts";
import { blobs, manifests, repositoryBlobs, tags, uploads } from "../schema.ts";

export type UploadRow = typeof uploads.$inferSelect;
export type ManifestRow = typeof manifests.$inferSelect;
type UploadId = Id<"upload">;

/** An append whose process died lets others go on after this long. */
const BUSY_FOR = sql`interval '2 minutes'`;

/** Size and place of a blob that the repository has. */
export async function findBlob(db: Db, repository: string, digest: string): Promise<{ sizeBytes: number; storageKey: string } | undefined> {
  const [row] = await db
    .select({ sizeBytes: blobs.sizeBytes, storageKey: blobs.storageKey })
    .from(repositoryBlobs)
    .innerJoin(blobs, eq(blobs.digest, repositoryBlobs.digest))
    .where(and(eq(repositoryBlobs.repository, repository), eq(repositoryBlobs.digest, digest)));
  return row;
}

/** Which of the digests the repository lacks. */
export async function missingBlobs(db: Db, repository: string, digests: readonly string[]): Promise<string[]> {
  if (digests.length === 0) return [];
  const rows = await db
    .select({ digest: repositoryBlobs.digest })
    .from(repositoryBlobs)
    .where(and(eq(repositoryBlobs.repository, repository), inArray(repositoryBlobs.digest, [...digests])));
  const found = new Set(rows.map((row) => row.digest));
  return digests.filter((digest) => !found.has(digest));
}

export async function missingManifests(db: Db, repository: string, digests: readonly string[]): Promise<string[]> {
  if (digests.length === 0) return [];
  const rows = await db.select({ digest: manifests.digest }).from(manifests).where(and(eq(manifests.repository, repository), inArray(manifests.digest, [...digests])));
  const found = new Set(rows.map((row) => row.digest));
  return digests.filter((digest) => !found.has(digest));
}

/** Whether the bytes are in the store already, for anybody: decides whether they are stored again, never what is answered. */
export async function isStored(db: Db, digest: string): Promise<boolean> {
  const touched = await db.update(blobs).set({ touchedAt: sql`now()` }).where(eq(blobs.digest, digest)).returning({ digest: blobs.digest });
  return touched.length > 0;
}

/** Makes whole bytes visible in a repository. */
export async function publishBlob(db: Db, repository: string, blob: { digest: string; sizeBytes: number; storageKey: string }): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.insert(blobs).values(blob).onConflictDoUpdate({ target: blobs.digest, set: { touchedAt: sql`now()` } });
    await tx.insert(repositoryBlobs).values({ repository, digest: blob.digest }).onConflictDoNothing();
  });
}

/** Lets `to` read a blob that `from` has. False when `from` has none. */
export async function mountBlob(db: Db, from: string, to: string, digest: string): Promise<boolean> {
  const rows = await db.execute(sql`
    insert into ${repositoryBlobs} (repository, digest)
    select ${to}, digest from ${repositoryBlobs} where repository = ${from} and digest = ${digest}
    on conflict (repository, digest) do update set digest = excluded.digest returning digest`);
  return rows.rows.length > 0;
}

export async function unlinkBlob(db: Db, repository: string, digest: string): Promise<boolean> {
  const gone = await db.delete(repositoryBlobs).where(and(eq(repositoryBlobs.repository, repository), eq(repositoryBlobs.digest, digest))).returning({ digest: repositoryBlobs.digest });
  return gone.length > 0;
}

// ---- uploads ----

export async function createUpload(db: Db, repository: string): Promise<UploadId> {
  const id = newId("upload");
  await db.insert(uploads).values({ id, repository });
  return id;
}

export async function findUpload(db: Db, repository: string, id: UploadId): Promise<UploadRow | undefined> {
  const [row] = await db.select().from(uploads).where(and(eq(uploads.id, id), eq(uploads.repository, repository)));
  return row;
}

/** Takes the upload for one append; undefined when there is none, or when another request appends. */
export async function takeUpload(db: Db, repository: string, id: UploadId): Promise<UploadRow | undefined> {
  const [row] = await db
    .update(uploads)
    .set({ busy: true, updatedAt: sql`now()` })
    .where(and(eq(uploads.id, id), eq(uploads.repository, repository), or(eq(uploads.busy, false), lt(uploads.updatedAt, sql`now() - ${BUSY_FOR}`))))
    .returning();
  return row;
}

export async function appendUpload(db: Db, id: UploadId, change: Pick<UploadRow, "offsetBytes" | "pieces" | "hashState">): Promise<void> {
  await db.update(uploads).set({ ...change, busy: false, updatedAt: sql`now()` }).where(eq(uploads.id, id));
}

export async function giveUploadBack(db: Db, id: UploadId): Promise<void> {
  await db.update(uploads).set({ busy: false }).where(eq(uploads.id, id));
}

export async function deleteUpload(db: Db, id: UploadId): Promise<void> {
  await db.delete(uploads).where(eq(uploads.id, id));
}

/** Uploads that nobody has touched since then, oldest first. */
export async function staleUploads(db: Db, before: Date, limit: number): Promise<UploadRow[]> {
  return db.select().from(uploads).where(lt(uploads.updatedAt, before)).orderBy(asc(uploads.updatedAt)).limit(limit);
}

// ---- manifests and tags ----

export async function findManifest(db: Db, repository: string, reference: { digest: string } | { tag: string }): Promise<ManifestRow | undefined> {
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

export async function putManifest(db: Db, row: Omit<ManifestRow, "createdAt">, tag: string | undefined): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.insert(manifests).values(row).onConflictDoNothing();
    if (tag !== undefined) {
      await tx
        .insert(tags)
        .values({ repository: row.repository, tag, digest: row.digest })
        .onConflictDoUpdate({ target: [tags.repository, tags.tag], set: { digest: row.digest, updatedAt: sql`now()` } });
    }
  });
}

export async function deleteTag(db: Db, repository: string, tag: string): Promise<boolean> {
  const gone = await db.delete(tags).where(and(eq(tags.repository, repository), eq(tags.tag, tag))).returning({ tag: tags.tag });
  return gone.length > 0;
}

/** The manifest and the tags that point to it. */
export async function deleteManifest(db: Db, repository: string, digest: string): Promise<boolean> {
  return db.transaction(async (tx) => {
    await tx.delete(tags).where(and(eq(tags.repository, repository), eq(tags.digest, digest)));
    const gone = await tx.delete(manifests).where(and(eq(manifests.repository, repository), eq(manifests.digest, digest))).returning({ digest: manifests.digest });
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

export async function listRepositories(db: Db, prefix: string, after: string, limit: number): Promise<string[]> {
  const rows = await db
    .selectDistinct({ repository: manifests.repository })
    .from(manifests)
    .where(and(like(manifests.repository, `${prefix}%`), gt(manifests.repository, after)))
    .orderBy(asc(manifests.repository))
    .limit(limit);
  return rows.map((row) => row.repository);
}

export async function listReferrers(db: Db, repository: string, subject: string): Promise<ManifestRow[]> {
  return db.select().from(manifests).where(and(eq(manifests.repository, repository), eq(manifests.subjectDigest, subject))).orderBy(asc(manifests.digest)).limit(1000);
}
