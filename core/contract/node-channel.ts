/**
 * The node channel: one WebSocket that the agent opens to `GET /v1/node/channel`
 * (`Authorization: Bearer <node token>`). JSON text messages, one object each, `type` tells which.
 * Messages are bells with content: each carries the whole state it speaks of, so losing one and
 * sending the next is enough.
 */
import { z } from "zod";
import { LivenessSchema, PreStopSchema, ReadinessSchema, StartupSchema } from "./checks.ts";
import { IsolationSchema } from "./isolation.ts";
import { idSchema } from "./ids.ts";
import { DesiredMountSchema, DesiredVolumeSchema, VolumesReportSchema } from "./node-volumes.ts";
import { InstanceNetworkSchema } from "./network-rules.ts";
import { NodeNetworkSchema, PrivateNetworkSchema } from "./private-network.ts";
import { ContainerNameSchema, ContainerRefSchema, RestartPolicySchema } from "./pods.ts";
import { ImageLayerSchema } from "./release-config.ts";
import { ScheduledMinSchema } from "./scaling.ts";
import { ResourceLimitsSchema } from "./resource-limits.ts";
import { SECRET_NAME } from "./secrets.ts";
import { SessionDownSchema, SessionTargetSchema, SessionUpSchema } from "./sessions.ts";
import { ScratchListSchema } from "./volumes.ts";
import { WakeAddressSchema } from "./wake.ts";
import { TEMPERATURE_CAUSES, TEMPERATURES } from "../domain/temperature.ts";

export const NODE_CHANNEL_PATH = "/v1/node/channel";
/** `POST` with the node's own token: a JWT for the channel. */
export const NODE_TOKEN_PATH = "/v1/node/token";
export const NodeTokenSchema = z.object({ token: z.string(), expiresInSeconds: z.number().int() }).meta({ id: "NodeToken" });

/**
 * Secrets of an instance. The agent holds values in memory alone; what it writes to disk says `withheld` in their place.
 * `unavailable`: they cannot be opened, so it does not start.
 */
const InstanceSecretsSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("values"),
    /** `NAME=value`; no name is in `env`, too. */
    env: z.array(z.string()),
    /** Files below `/run/secrets/`; content in base64. */
    files: z.array(z.object({ name: z.string().regex(SECRET_NAME), content: z.base64() })),
  }),
  z.object({ kind: z.literal("withheld") }),
  z.object({ kind: z.literal("unavailable"), detail: z.string() }),
]);
export type InstanceSecrets = z.infer<typeof InstanceSecretsSchema>;

/** A container beside the app's: what it does not say is as the instance has it. */
const DesiredContainerSchema = z.object({
  name: ContainerNameSchema,
  layers: z.array(ImageLayerSchema.extend({ url: z.string() })),
  args: z.array(z.string()),
  env: z.array(z.string()),
  workingDir: z.string(),
  user: z.string(),
  volumes: z.array(z.string()),
  stopSignal: z.string(),
  limits: z.object({ memoryBytes: z.number().int(), cpuMillis: z.number().int(), pidsMax: z.number().int() }),
  restartPolicy: RestartPolicySchema,
  /** It gets the instance's secrets. */
  hasSecrets: z.boolean(),
});
export type DesiredContainer = z.infer<typeof DesiredContainerSchema>;
const DesiredInitSchema = DesiredContainerSchema.extend({ timeoutMs: z.number().int() });
const DesiredSidecarSchema = DesiredContainerSchema.extend({
  startup: StartupSchema.optional(),
  readiness: ReadinessSchema.optional(),
  liveness: LivenessSchema.optional(),
  preStop: PreStopSchema.optional(),
});
export type DesiredInit = z.infer<typeof DesiredInitSchema>;
export type DesiredSidecar = z.infer<typeof DesiredSidecarSchema>;

/** One instance as the node must run it. The plan left nothing open: the agent only carries it out. */
export const DesiredInstanceSchema = z.object({
  id: idSchema("instance"),
  appId: idSchema("app"),
  appName: z.string(),
  tenantId: idSchema("tenant"),
  releaseId: idSchema("release"),
  /** First host id of the tenant's own 65,536. */
  uidBase: z.number().int(),
  hostname: z.string(),
  layers: z.array(ImageLayerSchema.extend({ url: z.string() })),
  /** ENTRYPOINT + CMD, after the release's command has replaced CMD. */
  args: z.array(z.string()),
  env: z.array(z.string()),
  /** Absent: it has none. */
  secrets: InstanceSecretsSchema.optional(),
  workingDir: z.string(),
  /** As in an image's USER: `name`, `uid`, `name:group`, `uid:gid`; empty is root. */
  user: z.string(),
  volumes: z.array(z.string()),
  /** Volumes that it sees. */
  mounts: z.array(DesiredMountSchema).optional(),
  scratch: ScratchListSchema.optional(),
  stopSignal: z.string(),
  port: z.number().int(),
  startup: StartupSchema.optional(),
  readiness: ReadinessSchema,
  readyTimeoutMs: z.number().int(),
  liveness: LivenessSchema.optional(),
  preStop: PreStopSchema.optional(),
  /** Absent: crun. */
  isolation: IsolationSchema.optional(),
  stopGraceMs: z.number().int(),
  /** Absent: always. */
  restartPolicy: RestartPolicySchema.optional(),
  /** Absent: it is one container. */
  init: z.array(DesiredInitSchema).optional(),
  sidecars: z.array(DesiredSidecarSchema).optional(),
  /** When it cools, if nobody asks for it; absent: it always runs. `core/domain/temperature.ts`. */
  sleep: z
    .object({
      freezeAfterMs: z.number().int().positive(),
      standbyAfterMs: z.number().int().nullable(),
      coldAfterMs: z.number().int().nullable(),
      schedule: z.array(ScheduledMinSchema).readonly().optional(),
    })
    .optional(),
  /** It runs to its end, once: no check, no request, no second start. Absent: it serves. */
  run: z.object({ /** From its start. */ deadlineMs: z.number().int().positive() }).optional(),
  /** It is frozen until this is taken away: its release was live before, and may be again. */
  keptWarm: z.boolean().optional(),
  limits: z.object({
    memoryBytes: z.number().int(),
    cpuMillis: z.number().int(),
    pidsMax: z.number().int(),
    logBytes: z.number().int(),
    ...ResourceLimitsSchema.shape,
  }),
  network: InstanceNetworkSchema.optional(),
});
export type DesiredInstance = z.infer<typeof DesiredInstanceSchema>;

export const DesiredStateSchema = z.object({
  type: z.literal("desired"),
  /** Grows with every change; the agent refuses one that is older than what it has. */
  generation: z.number().int().nonnegative(),
  /** All that must run on this node: what is not named is stopped and removed. */
  instances: z.array(DesiredInstanceSchema),
  /** Images of volumes. What is not named is left alone. */
  volumes: z.array(DesiredVolumeSchema).optional(),
});
export type DesiredState = z.infer<typeof DesiredStateSchema>;

export const ExitSchema = z.object({
  /** Exit code; 128 + signal when a signal ended it. */
  code: z.number().int(),
  oomKilled: z.boolean(),
  /** The most that all its processes had at once, `/dev/shm` and files in memory among it. */
  memoryPeakBytes: z.number().int().nonnegative().optional(),
  at: z.iso.datetime(),
});
export type Exit = z.infer<typeof ExitSchema>;

/** disk: bytes; inodes: files and directories. */
export const FullSchema = z.enum(["disk", "inodes"]);
export type Full = z.infer<typeof FullSchema>;

/** waiting: its turn has not come; completed: it has ended, as it should or as its restart policy leaves it. */
export const CONTAINER_STATES = ["waiting", "starting", "running", "backing-off", "completed", "failed"] as const;

const ProblemSchema = z.object({
  code: z.enum(["app_exited", "app_not_listening", "app_wrong_port", "app_unhealthy", "app_out_of_memory", "image_pull_failed", "image_invalid", "secrets_unavailable", "volume_failed", "init_failed", "sidecar_failed", "command_failed", "job_deadline"]),
  detail: z.string(),
  logTail: z.array(z.string()),
});

/** A container beside the app's. */
export const ContainerReportSchema = z.object({
  name: ContainerNameSchema,
  kind: z.enum(["init", "sidecar"]),
  state: z.enum(CONTAINER_STATES),
  /** As its readiness check says; without one while it runs. */
  ready: z.boolean(),
  restarts: z.number().int().nonnegative(),
  lastExit: ExitSchema.optional(),
  problem: ProblemSchema.optional(),
});
export type ContainerReport = z.infer<typeof ContainerReportSchema>;

/**
 * pulling: layers on their way; starting: the process runs, not ready yet; ready: takes requests;
 * backing-off: crashed, waits to start again; stopping: asked to end; stopped: ended, as it was told to;
 * failed: never became ready (its log and exit are in the report); the agent starts it no more;
 * running: the process of what runs to its end; completed: ended by itself, or by its deadline, and is left so.
 */
export const PHASES = ["pulling", "starting", "ready", "backing-off", "stopping", "stopped", "failed", "running", "completed"] as const;
export const PhaseSchema = z.enum(PHASES);
export type Phase = z.infer<typeof PhaseSchema>;

export const InstanceReportSchema = z.object({
  id: idSchema("instance"),
  phase: PhaseSchema,
  /** Where the gateway reaches it, from the phase `starting` on. */
  address: z.string().optional(),
  port: z.number().int().optional(),
  restarts: z.number().int().nonnegative(),
  /** How warm one that is ready is kept, since when, and why; one that sleeps is woken through the node's `wake`. */
  temperature: z.object({ is: z.enum(TEMPERATURES), since: z.iso.datetime(), cause: z.enum(TEMPERATURE_CAUSES).optional() }).optional(),
  lastExit: ExitSchema.optional(),
  /** What of its disk has no room left: what it writes fails. */
  full: z.array(FullSchema).optional(),
  /** Why it failed or waits: a stable code and a sentence, with the last log lines. */
  problem: ProblemSchema.optional(),
  /** Beside the app's own, in the order in which they start. */
  containers: z.array(ContainerReportSchema).optional(),
  /** Durations of the last start, in ms. */
  timingsMs: z.record(z.string(), z.number()).optional(),
});
export type InstanceReport = z.infer<typeof InstanceReportSchema>;

/** Not «int», which ends at 2^53: a year of a large instance has more byte-seconds. */
const sum = () => z.number().nonnegative().refine(Number.isInteger, "must be a whole number");

/** What an instance used so far, as sums: one that is said twice, late or never changes nothing. */
export const InstanceUsageSchema = z.object({
  id: idSchema("instance"),
  /** When its node began to count, ms since 1970: sums of a later one begin at zero again. */
  since: sum(),
  cpuMicros: sum(),
  memoryByteSeconds: sum(),
  egressBytes: sum(),
  ingressBytes: sum(),
  /** It is gone from the node: these are its last sums, said until they are `counted`. */
  ended: z.boolean(),
});
export type InstanceUsage = z.infer<typeof InstanceUsageSchema>;

export const LogEntrySchema = z.object({
  instanceId: z.string(),
  /** Which of the instance's containers wrote it; absent: the app's own. */
  container: ContainerNameSchema.optional(),
  stream: z.enum(["stdout", "stderr", "system"]),
  time: z.iso.datetime(),
  text: z.string(),
}).meta({ id: "LogEntry" });
export type LogEntry = z.infer<typeof LogEntrySchema>;

/** Agent → API. */
export const FromNodeSchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("hello"),
    /** The generation that it acts on now; 0 when it has none. */
    generation: z.number().int().nonnegative(),
    version: z.string(),
    capacity: z.object({ memoryBytes: z.number(), cpuMillis: z.number(), instances: z.number() }),
    facts: z.record(z.string(), z.string()),
    /** Where gateways wake its instances. */
    wake: WakeAddressSchema.optional(),
    network: NodeNetworkSchema.optional(),
  }),
  /** Every instance that the node knows; the API treats it as the whole truth about this node. */
  z.object({
    type: z.literal("report"),
    generation: z.number().int(),
    instances: z.array(InstanceReportSchema),
    /** Of those that are here only from time to time, of those that ended always. */
    usage: z.array(InstanceUsageSchema).optional(),
    volumes: VolumesReportSchema.optional(),
  }),
  /** Log lines that were asked for; `done` closes the request (also when the instance is unknown). */
  z.object({ type: z.literal("logs"), requestId: z.string(), entries: z.array(LogEntrySchema), done: z.boolean() }),
  /** The last one of a session is `exit` or `problem`. */
  z.object({ type: z.literal("session"), sessionId: z.string(), event: SessionUpSchema }),
  /** An instance here has asked for this app of its tenant, which has none. */
  z.object({ type: z.literal("wanted"), appId: idSchema("app") }),
]);
export type FromNode = z.infer<typeof FromNodeSchema>;

/** API → agent. */
export const ToNodeSchema = z.discriminatedUnion("type", [
  DesiredStateSchema,
  PrivateNetworkSchema,
  z.object({
    type: z.literal("logs-open"),
    requestId: z.string(),
    instanceId: idSchema("instance"),
    /** `main`: the app's own; absent: all of the instance. */
    container: ContainerRefSchema.optional(),
    tailLines: z.number().int().min(0).max(10_000),
    follow: z.boolean(),
  }),
  z.object({ type: z.literal("logs-close"), requestId: z.string() }),
  /** The last sums of these instances are in the ledger: the agent may forget them. */
  z.object({ type: z.literal("counted"), instanceIds: z.array(idSchema("instance")) }),
  z.object({ type: z.literal("session-open"), sessionId: z.string(), instanceId: idSchema("instance"), target: SessionTargetSchema }),
  z.object({ type: z.literal("session"), sessionId: z.string(), event: SessionDownSchema }),
  /** Whoever asked for it is gone. */
  z.object({ type: z.literal("session-close"), sessionId: z.string() }),
]);
export type ToNode = z.infer<typeof ToNodeSchema>;
