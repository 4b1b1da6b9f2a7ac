/** Apps and what becomes of them: builds, releases, deployments, instances; their secrets. */
import { sql } from "drizzle-orm";
import { check, index, integer, jsonb, pgTable, primaryKey, text, uniqueIndex, type AnyPgColumn } from "drizzle-orm/pg-core";
import type { Failure } from "../../contract/errors.ts";
import type { AppId, BuildId, DeploymentId, Id, InstanceId, NodeId, ReleaseId, RunId, TenantId } from "../../contract/ids.ts";
import type { InstanceReport, Phase } from "../../contract/node-channel.ts";
import type { Maintenance } from "../../contract/request-features.ts";
import { SECRET_KINDS, type Image, type ReleaseSecret, type SecretKind, type Settings } from "../../contract/release-config.ts";
import {
  BUILD_STATES,
  DEPLOYMENT_STATES,
  INSTANCE_STATES,
  type BuildState,
  type DeploymentState,
  type InstanceState,
} from "../../domain/states.ts";
import type { ScaleCause } from "../../domain/autoscale.ts";
import type { CountedUsage } from "../../domain/usage.ts";
import { at, bytea, bytes, createdAt, oneOf } from "./columns.ts";
import { nodes } from "./fleet.ts";
import { tenants } from "./tenancy.ts";

export const apps = pgTable(
  "apps",
  {
    id: text("id").$type<AppId>().primaryKey(),
    tenantId: text("tenant_id").$type<TenantId>().notNull().references(() => tenants.id, { onDelete: "cascade" }),
    name: text("name").notNull(),
    /** What the next release is made with. */
    settings: jsonb("settings").$type<Settings>().notNull(),
    env: jsonb("env").$type<Record<string, string>>().notNull().default({}),
    labels: jsonb("labels").$type<Record<string, string>>().notNull().default({}),
    /** Grows with every change that a person makes: the `ETag`. */
    version: integer("version").notNull().default(1),
    /** The release whose instances the gateway serves. */
    liveReleaseId: text("live_release_id").$type<ReleaseId>(),
    /** The release that should be live; differs from the live one during a rollout. */
    targetReleaseId: text("target_release_id").$type<ReleaseId>(),
    /** The release that was live before: its instances are kept warm until then. */
    formerReleaseId: text("former_release_id").$type<ReleaseId>(),
    formerUntil: at("former_until"),
    /** The live release is taken back if it fails until then; of the former one so many of a hundred requests failed. */
    watch: jsonb("watch").$type<{ until: number; formerPercent: number }>(),
    /** Instances that the autoscaler wants, where the settings have `scaling`; null: it has not decided yet. */
    scaledTo: integer("scaled_to"),
    /** All its requests are answered 503 while it is there. */
    maintenance: jsonb("maintenance").$type<Maintenance>(),
    /** What set that number: `core/domain/autoscale.ts`, or `request` when one was held for it. */
    scaledBy: text("scaled_by").$type<ScaleCause | "request">(),
    scaledAt: at("scaled_at"),
    /** The app that it is a preview of, and until when it is kept. */
    previewOf: text("preview_of").$type<AppId>().references((): AnyPgColumn => apps.id, { onDelete: "set null" }),
    expiresAt: at("expires_at"),
    createdAt: createdAt(),
    /** Set by `destroy`: the loop stops the instances, then the row is removed. */
    deletedAt: at("deleted_at"),
  },
  (t) => [
    uniqueIndex("apps_name").on(t.tenantId, t.name).where(sql`${t.deletedAt} is null`),
    index("apps_tenant").on(t.tenantId, t.id),
    index("apps_previews").on(t.previewOf, t.id).where(sql`${t.previewOf} is not null`),
    index("apps_labels").using("gin", t.labels),
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
    /** 0 once it was removed. */
    contextBytes: bytes("context_bytes").notNull(),
    /** Of the archived log; 0 while there is none. */
    logBytes: bytes("log_bytes").notNull().default(0),
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
    /** When a worker first took it. */
    startedAt: at("started_at"),
    /** When the worker that has it took it. */
    claimedAt: at("claimed_at"),
    finishedAt: at("finished_at"),
  },
  (t) => [
    index("builds_app").on(t.appId, t.id),
    index("builds_open").on(t.state, t.leaseUntil).where(sql`${t.state} in ('queued', 'running')`),
    index("builds_key").on(t.appId, t.buildKey),
    index("builds_context").on(t.contextKey),
    index("builds_turn").on(t.tenantId, t.startedAt),
    index("builds_waiting").on(t.tenantId, t.state).where(sql`${t.state} in ('queued', 'running')`),
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
    /** Of its other containers, by the names that the settings have for them. */
    images: jsonb("images").$type<Record<string, Image>>().notNull().default({}),
    env: jsonb("env").$type<Record<string, string>>().notNull(),
    /** The tenant's shared variables as they were; the app's own go first. */
    sharedEnv: jsonb("shared_env").$type<Record<string, string>>().notNull().default({}),
    /** The versions of the secrets that it runs with. */
    secrets: jsonb("secrets").$type<ReleaseSecret[]>().notNull().default([]),
    buildId: text("build_id").$type<BuildId>(),
    buildKey: text("build_key"),
    /** Why it was made: `deploy`, `env`, `secrets`, `settings`, `rollback to v3`. */
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
    /** What images that its settings name were when it was asked for. */
    images: jsonb("images").$type<Record<string, Image>>().notNull().default({}),
    envPatch: jsonb("env_patch").$type<Record<string, string>>().notNull().default({}),
    reason: text("reason").notNull(),
    /** Of a canary: which of its steps is in force, and since when. */
    step: integer("step"),
    stepAt: at("step_at"),
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
    /** When a gateway could not wake it; null again once it runs. */
    notWokenAt: at("not_woken_at"),
    /** What gateways counted of it while its release was watched: requests and errors, by process of a gateway. */
    served: jsonb("served").$type<Record<string, [requests: number, errors: number]>>().notNull().default({}),
    /** What was counted of it so far: `core/domain/usage.ts`. */
    usage: jsonb("usage").$type<CountedUsage>(),
    /** Of what runs to its end: which run, which of its tasks, which attempt at it; null: it serves. No reference: the run may go first. */
    runId: text("run_id").$type<RunId>(),
    task: integer("task"),
    attempt: integer("attempt"),
    /** Since when its node is silent while others speak. */
    lostAt: at("lost_at"),
  },
  (t) => [
    uniqueIndex("instances_run").on(t.runId, t.task, t.attempt).where(sql`${t.runId} is not null`),
    index("instances_app").on(t.appId).where(sql`${t.state} <> 'gone'`),
    index("instances_node").on(t.nodeId).where(sql`${t.state} <> 'gone'`),
    index("instances_release").on(t.releaseId),
    check("instances_state", oneOf("state", INSTANCE_STATES)),
  ],
);

/** A name whose values are written, never read back. `appId` null: of all apps of the tenant; an app's own goes first. */
export const secrets = pgTable(
  "secrets",
  {
    id: text("id").$type<Id<"secret">>().primaryKey(),
    tenantId: text("tenant_id").$type<TenantId>().notNull().references(() => tenants.id, { onDelete: "cascade" }),
    appId: text("app_id").$type<AppId>().references(() => apps.id, { onDelete: "cascade" }),
    name: text("name").notNull(),
    kind: text("kind").$type<SecretKind>().notNull(),
    /** Number of the version that the next release gets; 0: removed. */
    version: integer("version").notNull(),
    createdAt: createdAt(),
    updatedAt: at("updated_at").notNull().defaultNow(),
  },
  (t) => [
    uniqueIndex("secrets_name").on(t.tenantId, sql`coalesce(${t.appId}, '')`, t.name),
    index("secrets_app").on(t.appId),
    check("secrets_kind", oneOf("kind", SECRET_KINDS)),
  ],
);

export const secretVersions = pgTable(
  "secret_versions",
  {
    secretId: text("secret_id").$type<Id<"secret">>().notNull().references(() => secrets.id, { onDelete: "cascade" }),
    number: integer("number").notNull(),
    /** Sealed value: `core/secrets/`. Bound to tenant, secret and number. */
    sealed: bytea("sealed").notNull(),
    /** Which key sealed it: a rotation finds what is left to do. */
    keyId: text("key_id").notNull(),
    createdAt: createdAt(),
  },
  (t) => [primaryKey({ columns: [t.secretId, t.number] }), index("secret_versions_key").on(t.keyId)],
);
