/** The OCI registry. */
import { sql } from "drizzle-orm";
import { boolean, index, jsonb, pgTable, primaryKey, text } from "drizzle-orm/pg-core";
import type { Id } from "../../contract/ids.ts";
import { at, bytea, bytes, createdAt } from "./columns.ts";

/** Name of the tenant that a repository belongs to, as in `core/db/queries/quota.ts`. */
const tenantOf = sql`split_part(repository, '/', 1)`;

/** Bytes in the blob store, one row a digest, however many repositories hold it. A row exists only when the bytes are whole. */
export const blobs = pgTable("blobs", {
  digest: text("digest").primaryKey(),
  sizeBytes: bytes("size_bytes").notNull(),
  storageKey: text("storage_key").notNull(),
  createdAt: createdAt(),
  /** Last time something pointed to it; garbage collection spares young ones. */
  touchedAt: at("touched_at").notNull().defaultNow(),
});

/** Which repository may read a blob: knowing a digest grants nothing. Repository is `<tenant name>/<app>` or `library/<image>`. */
export const repositoryBlobs = pgTable(
  "repository_blobs",
  {
    repository: text("repository").notNull(),
    digest: text("digest").notNull().references(() => blobs.digest),
    createdAt: createdAt(),
  },
  (t) => [primaryKey({ columns: [t.repository, t.digest] }), index("repository_blobs_digest").on(t.digest), index("repository_blobs_tenant").on(tenantOf)],
);

export const manifests = pgTable(
  "manifests",
  {
    repository: text("repository").notNull(),
    digest: text("digest").notNull(),
    mediaType: text("media_type").notNull(),
    content: bytea("content").notNull(),
    subjectDigest: text("subject_digest"),
    artifactType: text("artifact_type"),
    createdAt: createdAt(),
  },
  (t) => [
    primaryKey({ columns: [t.repository, t.digest] }),
    index("manifests_subject").on(t.repository, t.subjectDigest),
    index("manifests_tenant").on(tenantOf),
  ],
);

export const tags = pgTable(
  "tags",
  {
    repository: text("repository").notNull(),
    tag: text("tag").notNull(),
    digest: text("digest").notNull(),
    updatedAt: at("updated_at").notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.repository, t.tag] }), index("tags_digest").on(t.repository, t.digest)],
);

/** Blob uploads under way. */
export const uploads = pgTable(
  "uploads",
  {
    id: text("id").$type<Id<"upload">>().primaryKey(),
    repository: text("repository").notNull(),
    offsetBytes: bytes("offset_bytes").notNull().default(0),
    /** Keys of the pieces in the blob store, in order. */
    pieces: jsonb("pieces").$type<{ key: string; sizeBytes: number }[]>().notNull().default([]),
    /** State of the running SHA-256 over `offsetBytes`, base64 (hash-wasm `save()`). */
    hashState: text("hash_state"),
    /** True while a request appends: a second one at the same time gets 409. */
    busy: boolean("busy").notNull().default(false),
    createdAt: createdAt(),
    updatedAt: at("updated_at").notNull().defaultNow(),
  },
  (t) => [index("uploads_stale").on(t.updatedAt), index("uploads_tenant").on(tenantOf)],
);
