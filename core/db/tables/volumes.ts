/** Volumes of apps: which there are, which file on which node holds each, their snapshots, what is being done with them. */
import { sql } from "drizzle-orm";
import { boolean, check, index, integer, jsonb, pgTable, primaryKey, text, uniqueIndex } from "drizzle-orm/pg-core";
import type { Failure } from "../../contract/errors.ts";
import type { AppId, Id, NodeId, TenantId } from "../../contract/ids.ts";
import {
  IMAGE_STATES,
  OPERATION_KINDS,
  OPERATION_STATES,
  SNAPSHOT_REASONS,
  SNAPSHOT_STATES,
  type ImageState,
  type OperationKind,
  type OperationState,
  type SnapshotReason,
  type SnapshotState,
} from "../../domain/volume-states.ts";
import { apps } from "./apps.ts";
import { at, bytes, createdAt, oneOf } from "./columns.ts";
import { nodes } from "./fleet.ts";
import { tenants } from "./tenancy.ts";

export const volumes = pgTable(
  "volumes",
  {
    id: text("id").$type<Id<"volume">>().primaryKey(),
    tenantId: text("tenant_id").$type<TenantId>().notNull().references(() => tenants.id, { onDelete: "cascade" }),
    appId: text("app_id").$type<AppId>().notNull().references(() => apps.id, { onDelete: "cascade" }),
    name: text("name").notNull(),
    sizeBytes: bytes("size_bytes").notNull(),
    /** Null until an instance that mounts it is placed: it stays on that node until it is moved. */
    nodeId: text("node_id").$type<NodeId>().references(() => nodes.id),
    /** Which of its images holds what it has: a restore makes another one and switches. 0: none yet. */
    version: integer("version").notNull().default(0),
    createdAt: createdAt(),
    /** Set by `delete`: the row goes when its images and snapshots are gone. */
    deletedAt: at("deleted_at"),
  },
  (t) => [uniqueIndex("volumes_name").on(t.appId, t.name).where(sql`${t.deletedAt} is null`), index("volumes_tenant").on(t.tenantId)],
);

export const volumeImages = pgTable(
  "volume_images",
  {
    volumeId: text("volume_id").$type<Id<"volume">>().notNull().references(() => volumes.id),
    version: integer("version").notNull(),
    nodeId: text("node_id").$type<NodeId>().notNull().references(() => nodes.id),
    state: text("state").$type<ImageState>().notNull().default("making"),
    /** What it is made from; null: it begins empty. */
    snapshotId: text("snapshot_id").$type<Id<"snapshot">>(),
    /** As its node last said. */
    sizeBytes: bytes("size_bytes"),
    usedBytes: bytes("used_bytes"),
    failure: jsonb("failure").$type<Failure>(),
    createdAt: createdAt(),
  },
  (t) => [primaryKey({ columns: [t.volumeId, t.version] }), index("volume_images_node").on(t.nodeId), check("volume_images_state", oneOf("state", IMAGE_STATES))],
);

export const volumeSnapshots = pgTable(
  "volume_snapshots",
  {
    id: text("id").$type<Id<"snapshot">>().primaryKey(),
    tenantId: text("tenant_id").$type<TenantId>().notNull().references(() => tenants.id, { onDelete: "cascade" }),
    volumeId: text("volume_id").$type<Id<"volume">>().notNull().references(() => volumes.id),
    state: text("state").$type<SnapshotState>().notNull().default("taking"),
    reason: text("reason").$type<SnapshotReason>().notNull(),
    /** Which image it is taken of, and where that is. */
    version: integer("version").notNull(),
    nodeId: text("node_id").$type<NodeId>().notNull().references(() => nodes.id),
    /** No instance writes meanwhile: nothing needs to be frozen. */
    isStopped: boolean("is_stopped").notNull().default(false),
    /** Of the volume, when it was taken. */
    volumeBytes: bytes("volume_bytes").notNull(),
    /** In the blob store; null until it is whole there. */
    blobKey: text("blob_key"),
    digest: text("digest"),
    sizeBytes: bytes("size_bytes"),
    /** Of the file system in it. */
    imageBytes: bytes("image_bytes"),
    failure: jsonb("failure").$type<Failure>(),
    createdAt: createdAt(),
    expiresAt: at("expires_at"),
  },
  (t) => [
    index("volume_snapshots_volume").on(t.volumeId, t.id),
    index("volume_snapshots_node").on(t.nodeId).where(sql`${t.state} = 'taking'`),
    index("volume_snapshots_tenant").on(t.tenantId),
    check("volume_snapshots_state", oneOf("state", SNAPSHOT_STATES)),
    check("volume_snapshots_reason", oneOf("reason", SNAPSHOT_REASONS)),
  ],
);

export const volumeOperations = pgTable(
  "volume_operations",
  {
    id: text("id").$type<Id<"operation">>().primaryKey(),
    tenantId: text("tenant_id").$type<TenantId>().notNull().references(() => tenants.id, { onDelete: "cascade" }),
    appId: text("app_id").$type<AppId>().notNull().references(() => apps.id, { onDelete: "cascade" }),
    volumeId: text("volume_id").$type<Id<"volume">>().notNull().references(() => volumes.id, { onDelete: "cascade" }),
    kind: text("kind").$type<OperationKind>().notNull(),
    state: text("state").$type<OperationState>().notNull().default("queued"),
    reason: text("reason").$type<SnapshotReason>().notNull().default("manual"),
    snapshotId: text("snapshot_id").$type<Id<"snapshot">>(),
    toNodeId: text("to_node_id").$type<NodeId>().references(() => nodes.id),
    /** Of the image that it makes. */
    version: integer("version"),
    failure: jsonb("failure").$type<Failure>(),
    createdAt: createdAt(),
    finishedAt: at("finished_at"),
  },
  (t) => [
    uniqueIndex("volume_operations_open").on(t.volumeId).where(sql`${t.finishedAt} is null`),
    index("volume_operations_volume").on(t.volumeId, t.id),
    index("volume_operations_app").on(t.appId).where(sql`${t.finishedAt} is null`),
    check("volume_operations_kind", oneOf("kind", OPERATION_KINDS)),
    check("volume_operations_state", oneOf("state", OPERATION_STATES)),
  ],
);
