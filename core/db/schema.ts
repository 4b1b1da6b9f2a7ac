/** The one truth. Tables of PostgreSQL, with drizzle-orm; `npm run migrations` writes the SQL into `migrations/`. */
import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  customType,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  serial,
  text,
  timestamp,
  uniqueIndex,
} from "drizzle-orm/pg-core";
import type { AppId, BuildId, DeploymentId, Id, InstanceId, NodeId, ReleaseId, TenantId } from "../contract/ids.ts";
import type { Failure } from "../contract/errors.ts";
import type { Image, Settings } from "../contract/release-config.ts";
import type { InstanceReport, Phase } from "../contract/node-channel.ts";
import {
  BUILD_STATES,
  DEPLOYMENT_STATES,
  INSTANCE_STATES,
  type BuildState,
  type DeploymentState,
  type InstanceState,
} from "../domain/states.ts";

const at = (name: string) => timestamp(name, { withTimezone: true, mode: "date" });
const createdAt = () => at("created_at").notNull().defaultNow();
const bytes = (name: string) => bigint(name, { mode: "number" });
const bytea = customType<{ data: Buffer }>({ dataType: () => "bytea" });
const oneOf = (column: string, values: readonly string[]) =>
  sql.raw(`${column} in (${values.map((v) => `'${v}'`).join(", ")})`);

export const tenants = pgTable("tenants", {
  id: text("id").$type<TenantId>().primaryKey(),
  name: text("name").notNull().unique(),
  /** Ordinal of its id range on hosts: `core/domain/id-ranges.ts`. Never reused. */
  ordinal: serial("ordinal").notNull().unique(),
  createdAt: createdAt(),
});

export const tokens = pgTable(
  "tokens",
  {
    id: text("id").$type<Id<"token">>().primaryKey(),
    tenantId: text("tenant_id").$type<TenantId>().notNull().references(() => tenants.id, { onDelete: "cascade" }),
    name: text("name").notNull(),
    /** SHA-256 of the token, hexadecimal: the token has 160 random bits, so a fast hash is enough. */
    hash: text("hash").notNull().unique(),
    createdAt: createdAt(),
    expiresAt: at("expires_at"),
    revokedAt: at("revoked_at"),
    lastUsedAt: at("last_used_at"),
  },
  (t) => [index("tokens_tenant").on(t.tenantId)],
);

export const apps = pgTable(
  "apps",
  {
    id: text("id").$type<AppId>().primaryKey(),
    tenantId: text("tenant_id").$type<TenantId>().notNull().references(() => tenants.id, { onDelete: "cascade" }),
    name: text("name").notNull(),
    /** What the next release is made with. */
    settings: jsonb("settings").$type<Settings>().notNull(),
    env: jsonb("env").$type<Record<string, string>>().notNull().default({}),
    /** The release whose instances the gateway serves. */
    liveReleaseId: text("live_release_id").$type<ReleaseId>(),
    /** The release that should be live; differs from the live one during a rollout. */
    targetReleaseId: text("target_release_id").$type<ReleaseId>(),
    createdAt: createdAt(),
    /** Set by `destroy`: the loop stops the instances, then the row is removed. */
    deletedAt: at("deleted_at"),
  },
  (t) => [
    uniqueIndex("apps_name").on(t.tenantId, t.name).where(sql`${t.deletedAt} is null`),
    index("apps_tenant").on(t.tenantId, t.id),
  ],
);

export const builds = pgTable(
  "builds",
  {
    id: text("id").$type<BuildId>().primaryKey(),
    tenantId: text("tenant_id").$type<TenantId>().notNull().references(() => tenants.id, { onDelete: "cascade" }),
    appId: text("app_id").$type<AppId>().notNull().references(() => apps.id, { onDelete: "cascade" }),
    state: text("state").$type<BuildState>().notNull().default("queued"),
    /** Blob store key of the upload as it came. */
    contextKey: text("context_key").notNull(),
    contextFormat: text("context_format").$type<"tar" | "tar.gz" | "tar.zst" | "dockerfile">().notNull(),
    contextBytes: bytes("context_bytes").notNull(),
    dockerfilePath: text("dockerfile_path").notNull().default("Dockerfile"),
    target: text("target"),
    buildArgs: jsonb("build_args").$type<Record<string, string>>().notNull().default({}),
    /** Digest of all that the image depends on; null when something cannot be known before building. */
    buildKey: text("build_key"),
    /** Fence: grows when a worker takes the build; every write of a worker names its own. */
    attempt: integer("attempt").notNull().default(0),
    worker: text("worker"),
    leaseUntil: at("lease_until"),
    cancelRequestedAt: at("cancel_requested_at"),
    manifestDigest: text("manifest_digest"),
    failure: jsonb("failure").$type<Failure>(),
    /** Durations in ms by phase name. */
    timingsMs: jsonb("timings_ms").$type<Record<string, number>>().notNull().default({}),
    createdAt: createdAt(),
    startedAt: at("started_at"),
    finishedAt: at("finished_at"),
  },
  (t) => [
    index("builds_app").on(t.appId, t.id),
    index("builds_open").on(t.state, t.leaseUntil).where(sql`${t.state} in ('queued', 'running')`),
    index("builds_key").on(t.appId, t.buildKey),
    check("builds_state", oneOf("state", BUILD_STATES)),
  ],
);

export const releases = pgTable(
  "releases",
  {
    id: text("id").$type<ReleaseId>().primaryKey(),
    tenantId: text("tenant_id").$type<TenantId>().notNull().references(() => tenants.id, { onDelete: "cascade" }),
    appId: text("app_id").$type<AppId>().notNull().references(() => apps.id, { onDelete: "cascade" }),
    /** 1, 2, 3 … within the app, as people see it: `v3`. */
    number: integer("number").notNull(),
    /** Repository path within the registry, `<tenant>/<app>`, and what it holds. */
    repository: text("repository").notNull(),
    image: jsonb("image").$type<Image>().notNull(),
    settings: jsonb("settings").$type<Settings>().notNull(),
    env: jsonb("env").$type<Record<string, string>>().notNull(),
    buildId: text("build_id").$type<BuildId>(),
    buildKey: text("build_key"),
    /** Why it was made: `deploy`, `env`, `settings`, `rollback to v3`. */
    reason: text("reason").notNull(),
    createdAt: createdAt(),
    /** When it first was live; null: never. */
    liveAt: at("live_at"),
  },
  (t) => [uniqueIndex("releases_number").on(t.appId, t.number)],
);

export const deployments = pgTable(
  "deployments",
  {
    id: text("id").$type<DeploymentId>().primaryKey(),
    tenantId: text("tenant_id").$type<TenantId>().notNull().references(() => tenants.id, { onDelete: "cascade" }),
    appId: text("app_id").$type<AppId>().notNull().references(() => apps.id, { onDelete: "cascade" }),
    state: text("state").$type<DeploymentState>().notNull(),
    buildId: text("build_id").$type<BuildId>(),
    releaseId: text("release_id").$type<ReleaseId>(),
    /** What this deployment changes in the app's settings and environment, applied when its release is made. */
    settingsPatch: jsonb("settings_patch").$type<Record<string, unknown>>().notNull().default({}),
    envPatch: jsonb("env_patch").$type<Record<string, string>>().notNull().default({}),
    reason: text("reason").notNull(),
    failure: jsonb("failure").$type<Failure>(),
    cancelRequestedAt: at("cancel_requested_at"),
    timingsMs: jsonb("timings_ms").$type<Record<string, number>>().notNull().default({}),
    createdAt: createdAt(),
    releasedAt: at("released_at"),
    finishedAt: at("finished_at"),
  },
  (t) => [
    index("deployments_app").on(t.appId, t.id),
    index("deployments_build").on(t.buildId),
    index("deployments_open").on(t.state).where(sql`${t.state} in ('building', 'releasing')`),
    check("deployments_state", oneOf("state", DEPLOYMENT_STATES)),
  ],
);

export const nodes = pgTable("nodes", {
  id: text("id").$type<NodeId>().primaryKey(),
  name: text("name").notNull().unique(),
  tokenHash: text("token_hash").notNull().unique(),
  /** Grows in the same transaction as any change of what the node must run. */
  generation: bigint("generation", { mode: "number" }).notNull().default(0),
  /** What the agent last said it acts on. */
  seenGeneration: bigint("seen_generation", { mode: "number" }).notNull().default(0),
  capacity: jsonb("capacity").$type<{ memoryBytes: number; cpuMillis: number; instances: number }>(),
  facts: jsonb("facts").$type<Record<string, string>>().notNull().default({}),
  lastSeenAt: at("last_seen_at"),
  createdAt: createdAt(),
});

export const gateways = pgTable("gateways", {
  id: text("id").$type<Id<"gateway">>().primaryKey(),
  name: text("name").notNull().unique(),
  tokenHash: text("token_hash").notNull().unique(),
  lastSeenAt: at("last_seen_at"),
  /** Highest `counts` message that was added up. */
  countsSequence: bigint("counts_sequence", { mode: "number" }).notNull().default(0),
  createdAt: createdAt(),
});

export const instances = pgTable(
  "instances",
  {
    id: text("id").$type<InstanceId>().primaryKey(),
    tenantId: text("tenant_id").$type<TenantId>().notNull().references(() => tenants.id, { onDelete: "cascade" }),
    appId: text("app_id").$type<AppId>().notNull().references(() => apps.id, { onDelete: "cascade" }),
    releaseId: text("release_id").$type<ReleaseId>().notNull().references(() => releases.id, { onDelete: "cascade" }),
    nodeId: text("node_id").$type<NodeId>().notNull().references(() => nodes.id),
    state: text("state").$type<InstanceState>().notNull().default("wanted"),
    /** What the node last said of it; null until it has. */
    phase: text("phase").$type<Phase>(),
    report: jsonb("report").$type<InstanceReport>(),
    createdAt: createdAt(),
    readyAt: at("ready_at"),
    drainingAt: at("draining_at"),
    /** Ids of gateways that hold no request for it any more. */
    drainedBy: jsonb("drained_by").$type<string[]>().notNull().default([]),
    goneAt: at("gone_at"),
  },
  (t) => [
    index("instances_app").on(t.appId).where(sql`${t.state} <> 'gone'`),
    index("instances_node").on(t.nodeId).where(sql`${t.state} <> 'gone'`),
    index("instances_release").on(t.releaseId),
    check("instances_state", oneOf("state", INSTANCE_STATES)),
  ],
);

/** Requests per app and minute, added up from the gateways. */
export const appCounts = pgTable(
  "app_counts",
  {
    appId: text("app_id").$type<AppId>().notNull().references(() => apps.id, { onDelete: "cascade" }),
    minute: at("minute").notNull(),
    requests: bytes("requests").notNull().default(0),
    responses2xx: bytes("responses_2xx").notNull().default(0),
    responses4xx: bytes("responses_4xx").notNull().default(0),
    responses5xx: bytes("responses_5xx").notNull().default(0),
    bytesIn: bytes("bytes_in").notNull().default(0),
    bytesOut: bytes("bytes_out").notNull().default(0),
  },
  (t) => [primaryKey({ columns: [t.appId, t.minute] })],
);

/** Who changed what, written in the transaction of the change. */
export const audit = pgTable(
  "audit",
  {
    id: text("id").$type<Id<"audit">>().primaryKey(),
    tenantId: text("tenant_id").$type<TenantId>(),
    /** `token:tok_…`, `node:nod_…` or `system`. */
    actor: text("actor").notNull(),
    verb: text("verb").notNull(),
    target: text("target").notNull(),
    /** No secret values, ever. */
    detail: jsonb("detail").$type<Record<string, unknown>>().notNull().default({}),
    at: at("at").notNull().defaultNow(),
  },
  (t) => [index("audit_tenant").on(t.tenantId, t.id)],
);

// ---- registry ----

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
  (t) => [primaryKey({ columns: [t.repository, t.digest] }), index("repository_blobs_digest").on(t.digest)],
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
  (t) => [index("uploads_stale").on(t.updatedAt)],
);

/** Keys that sign the JWTs of the registry. */
export const signingKeys = pgTable("signing_keys", {
  kid: text("kid").primaryKey(),
  /** JWK, private. */
  jwk: jsonb("jwk").$type<Record<string, unknown>>().notNull(),
  createdAt: createdAt(),
  retiredAt: at("retired_at"),
});
