/** What the API says on the wire, shared by `api/` (which describes its routes with it) and `cli/`. */
import { z } from "zod";
import { FailureSchema } from "./errors.ts";
import { idSchema } from "./ids.ts";
import { LabelsPatchSchema, LabelsSchema } from "./labels.ts";
import { AppNameSchema } from "./names.ts";
import { orNull } from "./or-null.ts";
import { ContainerReportSchema, ExitSchema, FullSchema, PhaseSchema } from "./node-channel.ts";
import { EnvSchema } from "./env.ts";
import { SettingsPatchSchema, SettingsSchema } from "./release-config.ts";
import { MaintenanceSchema } from "./request-features.ts";
import { ROLES, SCOPES, TOKEN_KINDS } from "../domain/access.ts";
import { EVENT_KINDS } from "../domain/events.ts";
import { TEMPERATURE_CAUSES, TEMPERATURES } from "../domain/temperature.ts";
import { BUILD_STATES, DEPLOYMENT_STATES, INSTANCE_STATES } from "../domain/states.ts";

const time = z.iso.datetime();

export const WhoamiSchema = z.object({
  tenant: z.object({ id: idSchema("tenant"), name: z.string() }),
  /** Null: a person's session. */
  token: z.object({ id: idSchema("token"), name: z.string(), kind: z.enum(TOKEN_KINDS), expiresAt: time.nullable() }).nullable(),
  /** Whom a personal token or a session acts for. */
  user: z.object({ id: idSchema("user"), role: z.enum(ROLES) }).nullable(),
  /** What may be done now: the token's scopes that the person's role has, too. */
  scopes: z.array(z.enum(SCOPES)),
  /** The one app that the token sees; null: all. */
  app: z.string().nullable(),
  /** Host and path prefix to push images to, for `docker login` and `docker push`. */
  registry: z.string(),
}).meta({ id: "Whoami" });

export const AppSchema = z.object({
  id: idSchema("app"),
  name: z.string(),
  url: z.url(),
  settings: SettingsSchema,
  labels: LabelsSchema,
  /** Grows with each change of settings, environment or labels: the `ETag` begins with it. */
  version: z.number().int(),
  /** `v` and the number of the release that serves; null before the first. */
  liveRelease: z.string().nullable(),
  targetRelease: z.string().nullable(),
  instances: z.object({ ready: z.number().int(), wanted: z.number().int() }),
  /** Null: its requests are served. */
  maintenance: orNull(MaintenanceSchema),
  createdAt: time,
}).meta({ id: "App" });
export type App = z.infer<typeof AppSchema>;

export const AppCreateSchema = z
  .object({ name: AppNameSchema, settings: SettingsPatchSchema.default({}), env: EnvSchema.default({}), labels: LabelsSchema.default({}) })
  .strict()
  .meta({ id: "AppCreate" });
/** Body of `PATCH /v1/apps/{app}`: 202 with a Deployment where there is an image to run, else 200 with the App. */
export const AppPatchSchema = z.object({ settings: SettingsPatchSchema.default({}), labels: LabelsPatchSchema.default({}) }).strict().meta({ id: "AppPatch" });
export type AppPatch = z.infer<typeof AppPatchSchema>;

export const BuildSchema = z.object({
  id: idSchema("build"),
  state: z.enum(BUILD_STATES),
  manifestDigest: z.string().nullable(),
  failure: orNull(FailureSchema),
  timingsMs: z.record(z.string(), z.number()),
  createdAt: time,
  startedAt: time.nullable(),
  finishedAt: time.nullable(),
}).meta({ id: "Build" });
export type Build = z.infer<typeof BuildSchema>;

export const DeploymentSchema = z.object({
  id: idSchema("deployment"),
  app: z.string(),
  /** Where the app answers. */
  url: z.url(),
  state: z.enum(DEPLOYMENT_STATES),
  /** True when this upload is what the live release was built from: nothing was built or started. */
  alreadyLive: z.boolean(),
  reason: z.string(),
  build: orNull(BuildSchema),
  /** `v` and the release's number, once it is made. */
  release: z.string().nullable(),
  instances: z.array(z.object({ id: idSchema("instance"), node: z.string(), phase: PhaseSchema.nullable() })),
  failure: orNull(FailureSchema),
  timingsMs: z.record(z.string(), z.number()),
  createdAt: time,
  finishedAt: time.nullable(),
}).meta({ id: "Deployment" });
export type Deployment = z.infer<typeof DeploymentSchema>;

/** The `config` of an upload: a JSON part of the multipart body, or the `Berth-Config` header (JSON) beside a plain body. */
export const DeployConfigSchema = z
  .object({
    dockerfile: z.string().min(1).max(1024).default("Dockerfile"),
    target: z.string().min(1).max(256).optional(),
    buildArgs: EnvSchema.default({}),
    env: EnvSchema.default({}),
    settings: SettingsPatchSchema.default({}),
    /** Of the app, from now on; no release holds them. */
    labels: LabelsPatchSchema.default({}),
  })
  .strict()
  .meta({ id: "DeployConfig" });
export type DeployConfig = z.infer<typeof DeployConfigSchema>;
export const DEPLOY_CONFIG_HEADER = "berth-config";

/** Body `application/json` of `POST /v1/apps/{app}/deployments`: an image that is in the registry. */
export const DeployImageSchema = DeployConfigSchema.pick({ env: true, settings: true, labels: true })
  .extend({ image: z.string().min(1).max(512) })
  .strict()
  .meta({ id: "DeployImage" });

export const ReleaseSchema = z.object({
  id: idSchema("release"),
  /** `v` and its number. */
  name: z.string(),
  reason: z.string(),
  manifestDigest: z.string(),
  live: z.boolean(),
  /** Of the app's variables and of those that it shares. */
  envNames: z.array(z.string()),
  secrets: z.array(z.object({ name: z.string(), kind: z.enum(["env", "file"]), version: z.number().int() })),
  settings: SettingsSchema,
  createdAt: time,
  liveAt: time.nullable(),
}).meta({ id: "Release" });
export type Release = z.infer<typeof ReleaseSchema>;

const ContainerSchema = ContainerReportSchema.omit({ lastExit: true, problem: true })
  .extend({ lastExit: orNull(ExitSchema), problem: orNull(z.object({ code: z.string(), detail: z.string(), logTail: z.array(z.string()) })) })
  .meta({ id: "Container" });

export const InstanceSchema = z.object({
  id: idSchema("instance"),
  release: z.string(),
  node: z.string(),
  state: z.enum(INSTANCE_STATES),
  phase: PhaseSchema.nullable(),
  restarts: z.number().int(),
  lastExit: ExitSchema.nullable(),
  /** What of its disk has no room left. */
  full: z.array(FullSchema),
  problem: z.object({ code: z.string(), detail: z.string(), logTail: z.array(z.string()) }).nullable(),
  /** Beside the app's own, in the order in which they start. */
  containers: z.array(ContainerSchema),
  /** How warm it is kept, since when and why; null while it is not ready. */
  temperature: z.object({ is: z.enum(TEMPERATURES), since: time, cause: z.enum(TEMPERATURE_CAUSES).nullable() }).nullable(),
  timingsMs: z.record(z.string(), z.number()),
  createdAt: time,
  readyAt: time.nullable(),
}).meta({ id: "Instance" });
export type Instance = z.infer<typeof InstanceSchema>;

export const AppEventSchema = z.object({
  at: time,
  kind: z.enum(EVENT_KINDS),
  instance: idSchema("instance").nullable(),
  /** Why, as a word that stays, and in words for people; null where there is nothing to say. */
  cause: z.string().nullable(),
  because: z.string().nullable(),
  detail: z.record(z.string(), z.union([z.string(), z.number()])),
}).meta({ id: "AppEvent" });
export type AppEvent = z.infer<typeof AppEventSchema>;

export const ExplanationSchema = z.object({ app: z.string(), sentences: z.array(z.string()) }).meta({ id: "Explanation" });
export type Explanation = z.infer<typeof ExplanationSchema>;

export const AppStatusSchema = z.object({
  app: AppSchema,
  instances: z.array(InstanceSchema),
  lastDeployment: orNull(DeploymentSchema),
}).meta({ id: "AppStatus" });
export type AppStatus = z.infer<typeof AppStatusSchema>;

/** `null` removes a variable. Answered with 202 and a Deployment where there is an image to run, else with 204. */
export const EnvPatchSchema = z.record(EnvSchema.keyType, EnvSchema.valueType.nullable()).meta({ id: "EnvPatch" });
export const RollbackSchema = z.object({ /** `v3`, or an id; the release before the live one without it. */ release: z.string().optional() }).strict().meta({ id: "Rollback" });

const page = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), /** Pass as `cursor` for the next page; null at the end. */ nextCursor: z.string().nullable() });
const pages = new WeakMap<z.ZodType, z.ZodType>();

/** A page of a list. Described as `<Item>Page`. */
export function pageOf<T extends z.ZodType>(item: T): ReturnType<typeof page<T>> {
  const known = pages.get(item) as ReturnType<typeof page<T>> | undefined;
  if (known !== undefined) return known;
  const name = item.meta()?.id;
  const made = name === undefined ? page(item) : page(item).meta({ id: `${name}Page` });
  pages.set(item, made);
  return made;
}

/**
 * Server-sent events of `GET /v1/deployments/{id}/events`: event `deployment` with a Deployment each time it
 * changed, the last one in an end state. Of `GET /v1/builds/{id}/logs`: event `log` with a BuildLogEntry (id = seq),
 * then event `end` with a Build. Of `GET /v1/apps/{app}/logs`: event `log` with a LogEntry.
 */
export const SSE_EVENTS = { deployment: "deployment", log: "log", end: "end" } as const;
