/** Containers beside an app's own, with names as Kubernetes has them. `docs/pods.md`. */
import { z } from "zod";
import { LivenessSchema, PreStopSchema, ReadinessSchema, StartupSchema } from "./checks.ts";
import { EnvSchema } from "./env.ts";

/** The name of the app's own container. */
export const MAIN = "main";
const CONTAINERS_MAX = 8;
/** All of it travels to the node with each instance. */
const TEXT_MAX_CHARS = 32_768;

/** always: whatever it ended with; on-failure: unless it ended with 0; never: neither. */
export const RestartPolicySchema = z.enum(["always", "on-failure", "never"]).meta({ id: "RestartPolicy" });
export type RestartPolicy = z.infer<typeof RestartPolicySchema>;

/** Any container of an instance, `main` too. */
export const ContainerRefSchema = z
  .string()
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, "a container's name has lower-case letters, digits and hyphens, and no hyphen at its ends");

export const ContainerNameSchema = ContainerRefSchema.refine((name) => name !== MAIN, `«${MAIN}» is the app's own container`);

const container = {
  name: ContainerNameSchema,
  /** Of the registry, the tenant's own or the catalogue's; without it the app's. */
  image: z.string().min(1).max(512).optional(),
  /** Replaces the image's CMD. */
  command: z.array(z.string().max(32_768).refine((word) => !word.includes("\0"), "a word has no NUL byte")).min(1).max(256).optional(),
  env: EnvSchema.default({}),
  /** Whether it gets the app's variables and secrets, below its own `env`. Without it, whether it runs the app's image. */
  appEnv: z.boolean().optional(),
  memoryBytes: z.number().int().min(16 * 2 ** 20).max(64 * 2 ** 30).default(128 * 2 ** 20),
  /** Thousandths of one cpu. */
  cpuMillis: z.number().int().min(10).max(64_000).default(250),
  pidsMax: z.number().int().min(8).max(32_768).default(256),
};

/** Runs to its end, before anything else of the instance starts. */
export const InitContainerSchema = z
  .object({
    ...container,
    /** `on-failure`: tried again, with pauses that grow, until `timeoutMs` have passed. */
    restartPolicy: RestartPolicySchema.exclude(["always"]).default("on-failure"),
    /** From its first start until it must have ended with 0. */
    timeoutMs: z.number().int().min(500).max(3_600_000).default(60_000),
  })
  .strict()
  .meta({ id: "InitContainer" });
export type InitContainer = z.infer<typeof InitContainerSchema>;

type Checked = { kind: string; port?: number | undefined } | undefined;
const namesPort = (check: Checked) => check === undefined || check.kind === "exec" || check.port !== undefined;

/** Runs beside the app: starts before it, stops after it. */
export const SidecarSchema = z
  .object({
    ...container,
    restartPolicy: RestartPolicySchema.default("always"),
    /** What starts after it waits until this is well. */
    startup: StartupSchema.optional(),
    /** While it is not well, the instance gets no requests. */
    readiness: ReadinessSchema.optional(),
    liveness: LivenessSchema.optional(),
    preStop: PreStopSchema.optional(),
  })
  .strict()
  .refine(({ startup, readiness, liveness, preStop }) => [startup, readiness, liveness, preStop].every(namesPort), "a sidecar's checks over the network name their port")
  .meta({ id: "Sidecar" });
export type Sidecar = z.infer<typeof SidecarSchema>;

interface Named {
  name: string;
}
const areFew = (all: readonly Named[]) => JSON.stringify(all).length <= TEXT_MAX_CHARS;

function several<T extends z.ZodType<Named>>(schema: T) {
  return z
    .array(schema)
    .max(CONTAINERS_MAX)
    .refine(areFew, `have at most ${TEXT_MAX_CHARS} characters together`);
}

export const InitContainersSchema = several(InitContainerSchema);
export const SidecarsSchema = several(SidecarSchema);

/** The app's other containers, in the order in which they start. */
export function otherContainers({ init = [], sidecars = [] }: { init?: readonly InitContainer[] | undefined; sidecars?: readonly Sidecar[] | undefined }): (InitContainer | Sidecar)[] {
  return [...init, ...sidecars];
}

/** Within an instance. */
export function haveDistinctNames(settings: Parameters<typeof otherContainers>[0]): boolean {
  const names = otherContainers(settings).map(({ name }) => name);
  return new Set(names).size === names.length;
}
