CREATE TABLE "domains" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"app_id" text NOT NULL,
	"host" text NOT NULL,
	"challenge" text NOT NULL,
	"verified_at" timestamp with time zone,
	"checked_at" timestamp with time zone,
	"next_look_at" timestamp with time zone DEFAULT now(),
	"problem" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "idempotency" (
	"tenant_id" text NOT NULL,
	"key" text NOT NULL,
	"fingerprint" text,
	"holder" text NOT NULL,
	"locked_until" timestamp with time zone NOT NULL,
	"answer" jsonb,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "idempotency_tenant_id_key_pk" PRIMARY KEY("tenant_id","key")
);
--> statement-breakpoint
CREATE TABLE "logins" (
	"id" text PRIMARY KEY NOT NULL,
	"state_hash" text NOT NULL,
	"browser_hash" text NOT NULL,
	"nonce" text NOT NULL,
	"verifier" text NOT NULL,
	"return_to" text NOT NULL,
	"invite_hash" text,
	"cli" jsonb,
	"code_hash" text,
	"user_id" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"answered_at" timestamp with time zone,
	CONSTRAINT "logins_state_hash_unique" UNIQUE("state_hash"),
	CONSTRAINT "logins_code_hash_unique" UNIQUE("code_hash")
);
--> statement-breakpoint
CREATE TABLE "sessions" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"tenant_id" text,
	"hash" text NOT NULL,
	"csrf" text NOT NULL,
	"ip" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"ended_at" timestamp with time zone,
	CONSTRAINT "sessions_hash_unique" UNIQUE("hash")
);
--> statement-breakpoint
CREATE TABLE "signing_keys" (
	"kid" text PRIMARY KEY NOT NULL,
	"public_jwk" jsonb NOT NULL,
	"private_jwk" "bytea" NOT NULL,
	"sealed_with" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"retired_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "tokens" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text,
	"kind" text DEFAULT 'deploy' NOT NULL,
	"user_id" text,
	"name" text NOT NULL,
	"scopes" jsonb NOT NULL,
	"app_id" text,
	"hash" text NOT NULL,
	"replaced_by" text,
	"created_by" text DEFAULT 'system' NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone,
	"revoked_at" timestamp with time zone,
	"last_used_at" timestamp with time zone,
	CONSTRAINT "tokens_hash_unique" UNIQUE("hash"),
	CONSTRAINT "tokens_kind" CHECK (kind in ('personal', 'deploy', 'operator')),
	CONSTRAINT "tokens_tenant_or_operator" CHECK (("tokens"."kind" = 'operator') = ("tokens"."tenant_id" is null))
);
--> statement-breakpoint
CREATE TABLE "trusts" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"name" text NOT NULL,
	"issuer" text NOT NULL,
	"audience" text NOT NULL,
	"claims" jsonb NOT NULL,
	"scopes" jsonb NOT NULL,
	"app_id" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "apps" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"name" text NOT NULL,
	"settings" jsonb NOT NULL,
	"env" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"labels" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"version" integer DEFAULT 1 NOT NULL,
	"live_release_id" text,
	"target_release_id" text,
	"former_release_id" text,
	"former_until" timestamp with time zone,
	"watch" jsonb,
	"scaled_to" integer,
	"maintenance" jsonb,
	"scaled_by" text,
	"scaled_at" timestamp with time zone,
	"preview_of" text,
	"expires_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"deleted_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "builds" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"app_id" text NOT NULL,
	"state" text DEFAULT 'queued' NOT NULL,
	"context_key" text NOT NULL,
	"context_format" text NOT NULL,
	"context_bytes" bigint NOT NULL,
	"log_bytes" bigint DEFAULT 0 NOT NULL,
	"dockerfile_path" text DEFAULT 'Dockerfile' NOT NULL,
	"target" text,
	"build_args" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"build_key" text,
	"attempt" integer DEFAULT 0 NOT NULL,
	"worker" text,
	"lease_until" timestamp with time zone,
	"cancel_requested_at" timestamp with time zone,
	"manifest_digest" text,
	"failure" jsonb,
	"timings_ms" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp with time zone,
	"claimed_at" timestamp with time zone,
	"finished_at" timestamp with time zone,
	CONSTRAINT "builds_state" CHECK (state in ('queued', 'running', 'succeeded', 'failed', 'cancelled'))
);
--> statement-breakpoint
CREATE TABLE "deployments" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"app_id" text NOT NULL,
	"state" text NOT NULL,
	"build_id" text,
	"release_id" text,
	"settings_patch" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"images" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"env_patch" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"reason" text NOT NULL,
	"step" integer,
	"step_at" timestamp with time zone,
	"failure" jsonb,
	"cancel_requested_at" timestamp with time zone,
	"timings_ms" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"released_at" timestamp with time zone,
	"finished_at" timestamp with time zone,
	CONSTRAINT "deployments_state" CHECK (state in ('building', 'releasing', 'live', 'failed', 'cancelled'))
);
--> statement-breakpoint
CREATE TABLE "instances" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"app_id" text NOT NULL,
	"release_id" text NOT NULL,
	"node_id" text NOT NULL,
	"state" text DEFAULT 'wanted' NOT NULL,
	"phase" text,
	"report" jsonb,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"ready_at" timestamp with time zone,
	"draining_at" timestamp with time zone,
	"drained_by" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"gone_at" timestamp with time zone,
	"not_woken_at" timestamp with time zone,
	"served" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"usage" jsonb,
	"run_id" text,
	"task" integer,
	"attempt" integer,
	"lost_at" timestamp with time zone,
	CONSTRAINT "instances_state" CHECK (state in ('wanted', 'draining', 'warm', 'stopping', 'gone'))
);
--> statement-breakpoint
CREATE TABLE "releases" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"app_id" text NOT NULL,
	"number" integer NOT NULL,
	"repository" text NOT NULL,
	"image" jsonb NOT NULL,
	"settings" jsonb NOT NULL,
	"images" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"env" jsonb NOT NULL,
	"shared_env" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"secrets" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"build_id" text,
	"build_key" text,
	"reason" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"live_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "secret_versions" (
	"secret_id" text NOT NULL,
	"number" integer NOT NULL,
	"sealed" "bytea" NOT NULL,
	"key_id" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "secret_versions_secret_id_number_pk" PRIMARY KEY("secret_id","number")
);
--> statement-breakpoint
CREATE TABLE "secrets" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"app_id" text,
	"name" text NOT NULL,
	"kind" text NOT NULL,
	"version" integer NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "secrets_kind" CHECK (kind in ('env', 'file', 'build'))
);
--> statement-breakpoint
CREATE TABLE "audit" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text,
	"actor" text NOT NULL,
	"actor_name" text DEFAULT '' NOT NULL,
	"ip" text,
	"request_id" text,
	"verb" text NOT NULL,
	"target" text NOT NULL,
	"detail" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"before" jsonb,
	"after" jsonb,
	"at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "app_events" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "app_events_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"tenant_id" text NOT NULL,
	"app_id" text NOT NULL,
	"instance_id" text,
	"kind" text NOT NULL,
	"cause" text,
	"detail" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "gateway_counts" (
	"gateway_id" text NOT NULL,
	"incarnation" text NOT NULL,
	"sequence" bigint NOT NULL,
	"updated_at" timestamp with time zone NOT NULL,
	CONSTRAINT "gateway_counts_gateway_id_incarnation_pk" PRIMARY KEY("gateway_id","incarnation")
);
--> statement-breakpoint
CREATE TABLE "gateways" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"token_hash" text NOT NULL,
	"last_seen_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "gateways_name_unique" UNIQUE("name"),
	CONSTRAINT "gateways_token_hash_unique" UNIQUE("token_hash")
);
--> statement-breakpoint
CREATE TABLE "nodes" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"token_hash" text NOT NULL,
	"generation" bigint DEFAULT 0 NOT NULL,
	"seen_generation" bigint DEFAULT 0 NOT NULL,
	"capacity" jsonb,
	"facts" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"wake" jsonb,
	"subnet" text,
	"address" text,
	"last_seen_at" timestamp with time zone,
	"silent_from" timestamp with time zone,
	"silent_until" timestamp with time zone,
	"placement" text DEFAULT 'open' NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "nodes_name_unique" UNIQUE("name"),
	CONSTRAINT "nodes_token_hash_unique" UNIQUE("token_hash"),
	CONSTRAINT "nodes_placement" CHECK (placement in ('open', 'cordoned', 'draining'))
);
--> statement-breakpoint
CREATE TABLE "jobs" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"app_id" text NOT NULL,
	"name" text NOT NULL,
	"schedule" text,
	"time_zone" text NOT NULL,
	"spec" jsonb NOT NULL,
	"concurrency_policy" text NOT NULL,
	"missed_runs" text NOT NULL,
	"starting_deadline_ms" integer NOT NULL,
	"history_keep" integer NOT NULL,
	"paused_at" timestamp with time zone,
	"decided_until" timestamp with time zone NOT NULL,
	"next_run_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "jobs_concurrency_policy" CHECK (concurrency_policy in ('allow', 'forbid', 'replace')),
	CONSTRAINT "jobs_missed_runs" CHECK (missed_runs in ('skip', 'run-once', 'run-all'))
);
--> statement-breakpoint
CREATE TABLE "runs" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"app_id" text NOT NULL,
	"job_id" text,
	"job_name" text,
	"deployment_id" text,
	"release_id" text,
	"trigger" text NOT NULL,
	"scheduled_for" timestamp with time zone,
	"spec" jsonb NOT NULL,
	"state" text DEFAULT 'pending' NOT NULL,
	"waiting" text,
	"cancel_requested_at" timestamp with time zone,
	"exit_code" integer,
	"failure" jsonb,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp with time zone,
	"finished_at" timestamp with time zone,
	CONSTRAINT "runs_state" CHECK (state in ('pending', 'running', 'succeeded', 'failed', 'cancelled', 'missed')),
	CONSTRAINT "runs_trigger" CHECK (trigger in ('once', 'manual', 'schedule', 'release'))
);
--> statement-breakpoint
CREATE TABLE "blobs" (
	"digest" text PRIMARY KEY NOT NULL,
	"size_bytes" bigint NOT NULL,
	"storage_key" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"touched_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "manifests" (
	"repository" text NOT NULL,
	"digest" text NOT NULL,
	"media_type" text NOT NULL,
	"content" "bytea" NOT NULL,
	"subject_digest" text,
	"artifact_type" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "manifests_repository_digest_pk" PRIMARY KEY("repository","digest")
);
--> statement-breakpoint
CREATE TABLE "repository_blobs" (
	"repository" text NOT NULL,
	"digest" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "repository_blobs_repository_digest_pk" PRIMARY KEY("repository","digest")
);
--> statement-breakpoint
CREATE TABLE "tags" (
	"repository" text NOT NULL,
	"tag" text NOT NULL,
	"digest" text NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "tags_repository_tag_pk" PRIMARY KEY("repository","tag")
);
--> statement-breakpoint
CREATE TABLE "uploads" (
	"id" text PRIMARY KEY NOT NULL,
	"repository" text NOT NULL,
	"offset_bytes" bigint DEFAULT 0 NOT NULL,
	"pieces" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"hash_state" text,
	"busy" boolean DEFAULT false NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "identities" (
	"issuer" text NOT NULL,
	"subject" text NOT NULL,
	"user_id" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "identities_issuer_subject_pk" PRIMARY KEY("issuer","subject")
);
--> statement-breakpoint
CREATE TABLE "invites" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"email" text NOT NULL,
	"role" text NOT NULL,
	"hash" text NOT NULL,
	"invited_by" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"accepted_at" timestamp with time zone,
	CONSTRAINT "invites_hash_unique" UNIQUE("hash"),
	CONSTRAINT "invites_role" CHECK (role in ('owner', 'developer', 'viewer'))
);
--> statement-breakpoint
CREATE TABLE "members" (
	"tenant_id" text NOT NULL,
	"user_id" text NOT NULL,
	"role" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "members_tenant_id_user_id_pk" PRIMARY KEY("tenant_id","user_id"),
	CONSTRAINT "members_role" CHECK (role in ('owner', 'developer', 'viewer'))
);
--> statement-breakpoint
CREATE TABLE "plans" (
	"name" text PRIMARY KEY NOT NULL,
	"limits" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "tenants" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"ordinal" serial NOT NULL,
	"plan" text,
	"limits" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"env" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"suspended_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "tenants_name_unique" UNIQUE("name"),
	CONSTRAINT "tenants_ordinal_unique" UNIQUE("ordinal")
);
--> statement-breakpoint
CREATE TABLE "users" (
	"id" text PRIMARY KEY NOT NULL,
	"email" text NOT NULL,
	"name" text NOT NULL,
	"is_operator" boolean DEFAULT false NOT NULL,
	"disabled_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "users_email_unique" UNIQUE("email")
);
--> statement-breakpoint
CREATE TABLE "app_counts" (
	"app_id" text NOT NULL,
	"minute" timestamp with time zone NOT NULL,
	"requests" bigint DEFAULT 0 NOT NULL,
	"responses_2xx" bigint DEFAULT 0 NOT NULL,
	"responses_4xx" bigint DEFAULT 0 NOT NULL,
	"responses_5xx" bigint DEFAULT 0 NOT NULL,
	"bytes_in" bigint DEFAULT 0 NOT NULL,
	"bytes_out" bigint DEFAULT 0 NOT NULL,
	CONSTRAINT "app_counts_app_id_minute_pk" PRIMARY KEY("app_id","minute")
);
--> statement-breakpoint
CREATE TABLE "usage" (
	"tenant_id" text NOT NULL,
	"app_id" text NOT NULL,
	"app_name" text NOT NULL,
	"hour" timestamp with time zone NOT NULL,
	"cpu_micros" bigint DEFAULT 0 NOT NULL,
	"memory_byte_seconds" numeric DEFAULT 0 NOT NULL,
	"storage_byte_seconds" numeric DEFAULT 0 NOT NULL,
	"requests" bigint DEFAULT 0 NOT NULL,
	"ingress_bytes" bigint DEFAULT 0 NOT NULL,
	"egress_bytes" bigint DEFAULT 0 NOT NULL,
	"build_millis" bigint DEFAULT 0 NOT NULL,
	CONSTRAINT "usage_tenant_id_hour_app_id_pk" PRIMARY KEY("tenant_id","hour","app_id")
);
--> statement-breakpoint
CREATE TABLE "usage_exports" (
	"tenant_id" text NOT NULL,
	"hour" timestamp with time zone NOT NULL,
	"sent_at" timestamp with time zone NOT NULL,
	CONSTRAINT "usage_exports_tenant_id_hour_pk" PRIMARY KEY("tenant_id","hour")
);
--> statement-breakpoint
CREATE TABLE "usage_passes" (
	"name" text PRIMARY KEY NOT NULL,
	"at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "volume_images" (
	"volume_id" text NOT NULL,
	"version" integer NOT NULL,
	"node_id" text NOT NULL,
	"state" text DEFAULT 'making' NOT NULL,
	"snapshot_id" text,
	"size_bytes" bigint,
	"used_bytes" bigint,
	"failure" jsonb,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "volume_images_volume_id_version_pk" PRIMARY KEY("volume_id","version"),
	CONSTRAINT "volume_images_state" CHECK (state in ('making', 'whole', 'removing'))
);
--> statement-breakpoint
CREATE TABLE "volume_operations" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"app_id" text NOT NULL,
	"volume_id" text NOT NULL,
	"kind" text NOT NULL,
	"state" text DEFAULT 'queued' NOT NULL,
	"reason" text DEFAULT 'manual' NOT NULL,
	"snapshot_id" text,
	"to_node_id" text,
	"version" integer,
	"failure" jsonb,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp with time zone,
	CONSTRAINT "volume_operations_kind" CHECK (kind in ('snapshot', 'restore', 'move')),
	CONSTRAINT "volume_operations_state" CHECK (state in ('queued', 'stopping', 'snapshotting', 'fetching', 'done', 'failed'))
);
--> statement-breakpoint
CREATE TABLE "volume_snapshots" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"volume_id" text NOT NULL,
	"state" text DEFAULT 'taking' NOT NULL,
	"reason" text NOT NULL,
	"version" integer NOT NULL,
	"node_id" text NOT NULL,
	"is_stopped" boolean DEFAULT false NOT NULL,
	"volume_bytes" bigint NOT NULL,
	"blob_key" text,
	"digest" text,
	"size_bytes" bigint,
	"image_bytes" bigint,
	"failure" jsonb,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone,
	CONSTRAINT "volume_snapshots_state" CHECK (state in ('taking', 'ready', 'failed', 'removing')),
	CONSTRAINT "volume_snapshots_reason" CHECK (reason in ('manual', 'daily', 'move'))
);
--> statement-breakpoint
CREATE TABLE "volumes" (
	"id" text PRIMARY KEY NOT NULL,
	"tenant_id" text NOT NULL,
	"app_id" text NOT NULL,
	"name" text NOT NULL,
	"size_bytes" bigint NOT NULL,
	"node_id" text,
	"version" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"deleted_at" timestamp with time zone
);
--> statement-breakpoint
ALTER TABLE "domains" ADD CONSTRAINT "domains_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "domains" ADD CONSTRAINT "domains_app_id_apps_id_fk" FOREIGN KEY ("app_id") REFERENCES "public"."apps"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "idempotency" ADD CONSTRAINT "idempotency_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "logins" ADD CONSTRAINT "logins_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tokens" ADD CONSTRAINT "tokens_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tokens" ADD CONSTRAINT "tokens_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tokens" ADD CONSTRAINT "tokens_app_id_apps_id_fk" FOREIGN KEY ("app_id") REFERENCES "public"."apps"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "trusts" ADD CONSTRAINT "trusts_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "trusts" ADD CONSTRAINT "trusts_app_id_apps_id_fk" FOREIGN KEY ("app_id") REFERENCES "public"."apps"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "apps" ADD CONSTRAINT "apps_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "apps" ADD CONSTRAINT "apps_preview_of_apps_id_fk" FOREIGN KEY ("preview_of") REFERENCES "public"."apps"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "builds" ADD CONSTRAINT "builds_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "builds" ADD CONSTRAINT "builds_app_id_apps_id_fk" FOREIGN KEY ("app_id") REFERENCES "public"."apps"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "deployments" ADD CONSTRAINT "deployments_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "deployments" ADD CONSTRAINT "deployments_app_id_apps_id_fk" FOREIGN KEY ("app_id") REFERENCES "public"."apps"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "instances" ADD CONSTRAINT "instances_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "instances" ADD CONSTRAINT "instances_app_id_apps_id_fk" FOREIGN KEY ("app_id") REFERENCES "public"."apps"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "instances" ADD CONSTRAINT "instances_release_id_releases_id_fk" FOREIGN KEY ("release_id") REFERENCES "public"."releases"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "instances" ADD CONSTRAINT "instances_node_id_nodes_id_fk" FOREIGN KEY ("node_id") REFERENCES "public"."nodes"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "releases" ADD CONSTRAINT "releases_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "releases" ADD CONSTRAINT "releases_app_id_apps_id_fk" FOREIGN KEY ("app_id") REFERENCES "public"."apps"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "secret_versions" ADD CONSTRAINT "secret_versions_secret_id_secrets_id_fk" FOREIGN KEY ("secret_id") REFERENCES "public"."secrets"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "secrets" ADD CONSTRAINT "secrets_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "secrets" ADD CONSTRAINT "secrets_app_id_apps_id_fk" FOREIGN KEY ("app_id") REFERENCES "public"."apps"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "gateway_counts" ADD CONSTRAINT "gateway_counts_gateway_id_gateways_id_fk" FOREIGN KEY ("gateway_id") REFERENCES "public"."gateways"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_app_id_apps_id_fk" FOREIGN KEY ("app_id") REFERENCES "public"."apps"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "runs" ADD CONSTRAINT "runs_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "runs" ADD CONSTRAINT "runs_app_id_apps_id_fk" FOREIGN KEY ("app_id") REFERENCES "public"."apps"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "runs" ADD CONSTRAINT "runs_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "runs" ADD CONSTRAINT "runs_deployment_id_deployments_id_fk" FOREIGN KEY ("deployment_id") REFERENCES "public"."deployments"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "runs" ADD CONSTRAINT "runs_release_id_releases_id_fk" FOREIGN KEY ("release_id") REFERENCES "public"."releases"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "repository_blobs" ADD CONSTRAINT "repository_blobs_digest_blobs_digest_fk" FOREIGN KEY ("digest") REFERENCES "public"."blobs"("digest") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "identities" ADD CONSTRAINT "identities_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "invites" ADD CONSTRAINT "invites_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "members" ADD CONSTRAINT "members_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "members" ADD CONSTRAINT "members_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tenants" ADD CONSTRAINT "tenants_plan_plans_name_fk" FOREIGN KEY ("plan") REFERENCES "public"."plans"("name") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "app_counts" ADD CONSTRAINT "app_counts_app_id_apps_id_fk" FOREIGN KEY ("app_id") REFERENCES "public"."apps"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "usage" ADD CONSTRAINT "usage_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "usage_exports" ADD CONSTRAINT "usage_exports_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "volume_images" ADD CONSTRAINT "volume_images_volume_id_volumes_id_fk" FOREIGN KEY ("volume_id") REFERENCES "public"."volumes"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "volume_images" ADD CONSTRAINT "volume_images_node_id_nodes_id_fk" FOREIGN KEY ("node_id") REFERENCES "public"."nodes"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "volume_operations" ADD CONSTRAINT "volume_operations_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "volume_operations" ADD CONSTRAINT "volume_operations_app_id_apps_id_fk" FOREIGN KEY ("app_id") REFERENCES "public"."apps"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "volume_operations" ADD CONSTRAINT "volume_operations_volume_id_volumes_id_fk" FOREIGN KEY ("volume_id") REFERENCES "public"."volumes"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "volume_operations" ADD CONSTRAINT "volume_operations_to_node_id_nodes_id_fk" FOREIGN KEY ("to_node_id") REFERENCES "public"."nodes"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "volume_snapshots" ADD CONSTRAINT "volume_snapshots_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "volume_snapshots" ADD CONSTRAINT "volume_snapshots_volume_id_volumes_id_fk" FOREIGN KEY ("volume_id") REFERENCES "public"."volumes"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "volume_snapshots" ADD CONSTRAINT "volume_snapshots_node_id_nodes_id_fk" FOREIGN KEY ("node_id") REFERENCES "public"."nodes"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "volumes" ADD CONSTRAINT "volumes_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "volumes" ADD CONSTRAINT "volumes_app_id_apps_id_fk" FOREIGN KEY ("app_id") REFERENCES "public"."apps"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "volumes" ADD CONSTRAINT "volumes_node_id_nodes_id_fk" FOREIGN KEY ("node_id") REFERENCES "public"."nodes"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "domains_verified" ON "domains" USING btree ("host") WHERE "domains"."verified_at" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "domains_claim" ON "domains" USING btree ("tenant_id","host");--> statement-breakpoint
CREATE INDEX "domains_app" ON "domains" USING btree ("app_id");--> statement-breakpoint
CREATE INDEX "domains_look" ON "domains" USING btree ("next_look_at") WHERE "domains"."next_look_at" is not null;--> statement-breakpoint
CREATE INDEX "idempotency_age" ON "idempotency" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "sessions_user" ON "sessions" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "tokens_tenant" ON "tokens" USING btree ("tenant_id","id");--> statement-breakpoint
CREATE INDEX "tokens_user" ON "tokens" USING btree ("user_id");--> statement-breakpoint
CREATE UNIQUE INDEX "trusts_name" ON "trusts" USING btree ("tenant_id","name");--> statement-breakpoint
CREATE INDEX "trusts_issuer" ON "trusts" USING btree ("issuer");--> statement-breakpoint
CREATE UNIQUE INDEX "apps_name" ON "apps" USING btree ("tenant_id","name") WHERE "apps"."deleted_at" is null;--> statement-breakpoint
CREATE INDEX "apps_tenant" ON "apps" USING btree ("tenant_id","id");--> statement-breakpoint
CREATE INDEX "apps_previews" ON "apps" USING btree ("preview_of","id") WHERE "apps"."preview_of" is not null;--> statement-breakpoint
CREATE INDEX "apps_labels" ON "apps" USING gin ("labels");--> statement-breakpoint
CREATE INDEX "builds_app" ON "builds" USING btree ("app_id","id");--> statement-breakpoint
CREATE INDEX "builds_open" ON "builds" USING btree ("state","lease_until") WHERE "builds"."state" in ('queued', 'running');--> statement-breakpoint
CREATE INDEX "builds_key" ON "builds" USING btree ("app_id","build_key");--> statement-breakpoint
CREATE INDEX "builds_context" ON "builds" USING btree ("context_key");--> statement-breakpoint
CREATE INDEX "builds_turn" ON "builds" USING btree ("tenant_id","started_at");--> statement-breakpoint
CREATE INDEX "builds_waiting" ON "builds" USING btree ("tenant_id","state") WHERE "builds"."state" in ('queued', 'running');--> statement-breakpoint
CREATE INDEX "deployments_app" ON "deployments" USING btree ("app_id","id");--> statement-breakpoint
CREATE INDEX "deployments_build" ON "deployments" USING btree ("build_id");--> statement-breakpoint
CREATE INDEX "deployments_open" ON "deployments" USING btree ("state") WHERE "deployments"."state" in ('building', 'releasing');--> statement-breakpoint
CREATE UNIQUE INDEX "instances_run" ON "instances" USING btree ("run_id","task","attempt") WHERE "instances"."run_id" is not null;--> statement-breakpoint
CREATE INDEX "instances_app" ON "instances" USING btree ("app_id") WHERE "instances"."state" <> 'gone';--> statement-breakpoint
CREATE INDEX "instances_node" ON "instances" USING btree ("node_id") WHERE "instances"."state" <> 'gone';--> statement-breakpoint
CREATE INDEX "instances_release" ON "instances" USING btree ("release_id");--> statement-breakpoint
CREATE UNIQUE INDEX "releases_number" ON "releases" USING btree ("app_id","number");--> statement-breakpoint
CREATE INDEX "secret_versions_key" ON "secret_versions" USING btree ("key_id");--> statement-breakpoint
CREATE UNIQUE INDEX "secrets_name" ON "secrets" USING btree ("tenant_id",coalesce("app_id", ''),"name");--> statement-breakpoint
CREATE INDEX "secrets_app" ON "secrets" USING btree ("app_id");--> statement-breakpoint
CREATE INDEX "audit_tenant" ON "audit" USING btree ("tenant_id","id");--> statement-breakpoint
CREATE INDEX "app_events_app" ON "app_events" USING btree ("app_id","id");--> statement-breakpoint
CREATE INDEX "app_events_at" ON "app_events" USING btree ("at");--> statement-breakpoint
CREATE UNIQUE INDEX "jobs_name" ON "jobs" USING btree ("app_id","name");--> statement-breakpoint
CREATE INDEX "jobs_due" ON "jobs" USING btree ("next_run_at") WHERE "jobs"."next_run_at" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "runs_scheduled" ON "runs" USING btree ("job_id","scheduled_for") WHERE "runs"."scheduled_for" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "runs_deployment" ON "runs" USING btree ("deployment_id") WHERE "runs"."deployment_id" is not null;--> statement-breakpoint
CREATE INDEX "runs_app" ON "runs" USING btree ("app_id","id");--> statement-breakpoint
CREATE INDEX "runs_job" ON "runs" USING btree ("job_id","id");--> statement-breakpoint
CREATE INDEX "runs_open" ON "runs" USING btree ("app_id") WHERE "runs"."state" in ('pending', 'running');--> statement-breakpoint
CREATE INDEX "manifests_subject" ON "manifests" USING btree ("repository","subject_digest");--> statement-breakpoint
CREATE INDEX "manifests_tenant" ON "manifests" USING btree (split_part(repository, '/', 1));--> statement-breakpoint
CREATE INDEX "repository_blobs_digest" ON "repository_blobs" USING btree ("digest");--> statement-breakpoint
CREATE INDEX "repository_blobs_tenant" ON "repository_blobs" USING btree (split_part(repository, '/', 1));--> statement-breakpoint
CREATE INDEX "tags_digest" ON "tags" USING btree ("repository","digest");--> statement-breakpoint
CREATE INDEX "uploads_stale" ON "uploads" USING btree ("updated_at");--> statement-breakpoint
CREATE INDEX "uploads_tenant" ON "uploads" USING btree (split_part(repository, '/', 1));--> statement-breakpoint
CREATE INDEX "identities_user" ON "identities" USING btree ("user_id");--> statement-breakpoint
CREATE UNIQUE INDEX "invites_open" ON "invites" USING btree ("tenant_id","email") WHERE "invites"."accepted_at" is null;--> statement-breakpoint
CREATE INDEX "members_user" ON "members" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "usage_hour" ON "usage" USING btree ("hour");--> statement-breakpoint
CREATE INDEX "usage_app" ON "usage" USING btree ("app_id","hour");--> statement-breakpoint
CREATE INDEX "volume_images_node" ON "volume_images" USING btree ("node_id");--> statement-breakpoint
CREATE UNIQUE INDEX "volume_operations_open" ON "volume_operations" USING btree ("volume_id") WHERE "volume_operations"."finished_at" is null;--> statement-breakpoint
CREATE INDEX "volume_operations_volume" ON "volume_operations" USING btree ("volume_id","id");--> statement-breakpoint
CREATE INDEX "volume_operations_app" ON "volume_operations" USING btree ("app_id") WHERE "volume_operations"."finished_at" is null;--> statement-breakpoint
CREATE INDEX "volume_snapshots_volume" ON "volume_snapshots" USING btree ("volume_id","id");--> statement-breakpoint
CREATE INDEX "volume_snapshots_node" ON "volume_snapshots" USING btree ("node_id") WHERE "volume_snapshots"."state" = 'taking';--> statement-breakpoint
CREATE INDEX "volume_snapshots_tenant" ON "volume_snapshots" USING btree ("tenant_id");--> statement-breakpoint
CREATE UNIQUE INDEX "volumes_name" ON "volumes" USING btree ("app_id","name") WHERE "volumes"."deleted_at" is null;--> statement-breakpoint
CREATE INDEX "volumes_tenant" ON "volumes" USING btree ("tenant_id");