/** What runs: the configuration of an app, frozen into each release, and what an image says of itself. */
import { z } from "zod";
import { LivenessSchema, PreStopSchema, ReadinessSchema, StartupSchema } from "./checks.ts";
import type { Id } from "./ids.ts";
import { CommandSchema, ReleaseCommandSchema } from "./jobs.ts";
import { networkSettings, networkSettingsPatch } from "./network-rules.ts";
import { RequestFeaturesPatchSchema, RequestFeaturesSchema } from "./request-features.ts";
import { haveDistinctNames, InitContainersSchema, RestartPolicySchema, SidecarsSchema } from "./pods.ts";
import { ScalingPatchSchema, ScalingSchema } from "./scaling.ts";
import { MountsSchema, ScratchListSchema } from "./volumes.ts";
import { AutoRollbackSchema, KeepWarmMsSchema, StrategySchema } from "./strategy.ts";
import { RESOURCE_SETTINGS, RESOURCE_SETTINGS_PATCH } from "./resource-limits.ts";
import { IsolationSchema } from "./isolation.ts";

/** Limits and behaviour that an app's owner sets. Every field has a default; limits are on. */
export const SettingsSchema = z.object({
  replicas: z.number().int().min(0).max(100).default(1),
  /** In place of `replicas`; naming those takes it away. */
  scaling: ScalingSchema.optional(),
  /**
   * Without a request, traffic or work for so long, an instance is frozen: it keeps its memory and gets no cpu until
   * something comes for it. 0: never. Without it a minute where `scaling` is set, else never.
   */
  freezeAfterMs: z.number().int().max(86_400_000).refine((ms) => ms === 0 || ms >= 1000, "is 0 or at least 1000").optional(),
  /** TCP port that the app listens on; without it the image's first EXPOSE, else 8080. */
  port: z.number().int().min(1).max(65_535).optional(),
  /** Replaces the image's CMD. */
  command: CommandSchema.optional(),
  /** Runs to its end before an instance of a release starts. */
  releaseCommand: ReleaseCommandSchema.optional(),
  memoryBytes: z.number().int().min(16 * 2 ** 20).max(64 * 2 ** 30).default(512 * 2 ** 20),
  /** Thousandths of one cpu. */
  cpuMillis: z.number().int().min(10).max(64_000).default(1000),
  pidsMax: z.number().int().min(8).max(32_768).default(1024),
  logBytes: z.number().int().min(65_536).max(2 ** 30).default(16 * 2 ** 20),
  ...RESOURCE_SETTINGS,
  readiness: ReadinessSchema.default({ kind: "tcp" }),
  /** From the start of the process until it must be ready. */
  readyTimeoutMs: z.number().int().min(500).max(3_600_000).default(60_000),
  /** Without it only the process's end restarts it. */
  liveness: LivenessSchema.optional(),
  preStop: PreStopSchema.optional(),
  /** From SIGTERM (or STOPSIGNAL) to SIGKILL; `preStop` has its part of it. */
  stopGraceMs: z.number().int().min(0).max(300_000).default(30_000),
  /** Until the response's first byte, and between bytes. */
  requestTimeoutMs: z.number().int().min(1000).max(3_600_000).default(300_000),
  /** Requests that one instance gets at the same time. */
  concurrency: z.number().int().min(1).max(1000).default(80),
  /** What the gateway does with its requests. */
  http: RequestFeaturesSchema.optional(),
  strategy: StrategySchema.optional(),
  autoRollback: AutoRollbackSchema.optional(),
  keepWarmMs: KeepWarmMsSchema.optional(),
  mounts: MountsSchema.optional(),
  scratch: ScratchListSchema.optional(),
  ...networkSettings,
  isolation: IsolationSchema.default("crun"),
  /** What is asked before all other checks. */
  startup: StartupSchema.optional(),
  /** `always` without it. What is not started again stays as it is until the next release. */
  restartPolicy: RestartPolicySchema.optional(),
  /** Run to their end before the others start, in this order. */
  init: InitContainersSchema.optional(),
  /** Start before the app, in this order, and stop after it, in the opposite one. */
  sidecars: SidecarsSchema.optional(),
})
  .refine(haveDistinctNames, { path: ["sidecars"], message: "two containers have the same name" })
  .meta({ id: "Settings" });
export type Settings = z.infer<typeof SettingsSchema>;
/** Settings as a change: only what is named changes. */
export const SettingsPatchSchema = z.object({
  replicas: SettingsSchema.shape.replicas.unwrap().optional(),
  scaling: ScalingPatchSchema.nullable().optional(),
  freezeAfterMs: SettingsSchema.shape.freezeAfterMs.nullable(),
  port: SettingsSchema.shape.port.nullable(),
  command: SettingsSchema.shape.command.nullable(),
  releaseCommand: SettingsSchema.shape.releaseCommand.nullable(),
  memoryBytes: SettingsSchema.shape.memoryBytes.unwrap().optional(),
  cpuMillis: SettingsSchema.shape.cpuMillis.unwrap().optional(),
  pidsMax: SettingsSchema.shape.pidsMax.unwrap().optional(),
  logBytes: SettingsSchema.shape.logBytes.unwrap().optional(),
  ...RESOURCE_SETTINGS_PATCH,
  readiness: SettingsSchema.shape.readiness.unwrap().optional(),
  readyTimeoutMs: SettingsSchema.shape.readyTimeoutMs.unwrap().optional(),
  liveness: SettingsSchema.shape.liveness.nullable(),
  preStop: SettingsSchema.shape.preStop.nullable(),
  stopGraceMs: SettingsSchema.shape.stopGraceMs.unwrap().optional(),
  requestTimeoutMs: SettingsSchema.shape.requestTimeoutMs.unwrap().optional(),
  concurrency: SettingsSchema.shape.concurrency.unwrap().optional(),
  http: RequestFeaturesPatchSchema.nullable().optional(),
  strategy: SettingsSchema.shape.strategy.nullable(),
  autoRollback: SettingsSchema.shape.autoRollback.nullable(),
  keepWarmMs: SettingsSchema.shape.keepWarmMs.nullable(),
  /** All of them: those that are not named go. */
  mounts: SettingsSchema.shape.mounts.nullable(),
  scratch: SettingsSchema.shape.scratch.nullable(),
  ...networkSettingsPatch,
  isolation: IsolationSchema.optional(),
  startup: SettingsSchema.shape.startup.nullable(),
  restartPolicy: SettingsSchema.shape.restartPolicy.nullable(),
  init: SettingsSchema.shape.init.nullable(),
  sidecars: SettingsSchema.shape.sidecars.nullable(),
}).strict().meta({ id: "SettingsPatch" });
export type SettingsPatch = z.infer<typeof SettingsPatchSchema>;

/**
 * env: a variable of the app; file: a file below `/run/secrets/` of its instances; build: for `RUN --mount=type=secret`
 * of its builds alone.
 */
export const SECRET_KINDS = ["env", "file", "build"] as const;
export type SecretKind = (typeof SECRET_KINDS)[number];

/** A secret as a release holds it: which version of which one, never its value. */
export interface ReleaseSecret {
  id: Id<"secret">;
  name: string;
  kind: "env" | "file";
  version: number;
}

export const DIGEST = /^sha256:[0-9a-f]{64}$/;
export const DigestSchema = z.string().regex(DIGEST, "a digest is «sha256:» and 64 hexadecimal digits");

export const ImageLayerSchema = z.object({
  digest: DigestSchema,
  /** Digest of the uncompressed tar. */
  diffId: DigestSchema,
  sizeBytes: z.number().int().nonnegative(),
  mediaType: z.string(),
});
export type ImageLayer = z.infer<typeof ImageLayerSchema>;

/** The part of an image's manifest and config that running it needs, lowest layer first. */
export const ImageSchema = z.object({
  manifestDigest: DigestSchema,
  layers: z.array(ImageLayerSchema).max(256),
  entrypoint: z.array(z.string()),
  cmd: z.array(z.string()),
  env: z.array(z.string()),
  workingDir: z.string(),
  user: z.string(),
  exposedPorts: z.array(z.number().int()),
  volumes: z.array(z.string()),
  stopSignal: z.string(),
});
export type Image = z.infer<typeof ImageSchema>;

export const DEFAULT_PORT = 8080;

/** The port that the app must listen on: the setting, else the image's lowest EXPOSE, else 8080. */
export function effectivePort(settings: Pick<Settings, "port">, image: Pick<Image, "exposedPorts">): number {
  return settings.port ?? image.exposedPorts[0] ?? DEFAULT_PORT;
}
