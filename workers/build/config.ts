/** Settings of the build worker, read once at its start. */
import { isIPv4 } from "node:net";
import { z } from "zod";

const GIB = 2 ** 30;
const list = z.string().default("").transform((text) => text.split(",").map((part) => part.trim()).filter((part) => part !== ""));
/** `a=b,c=d` as pairs. */
const pairs = list.transform((parts, context) =>
  parts.flatMap((part) => {
    const equals = part.indexOf("=");
    if (equals > 0) return [[part.slice(0, equals), part.slice(equals + 1)] as const];
    context.addIssue(`«${part}» is not «name=value»`);
    return [];
  }),
);
const cidr = z.string().refine((text) => isIPv4(text.split("/")[0] ?? "") && /^[^/]+(?:\/(?:[0-9]|[12][0-9]|3[0-2]))?$/.test(text), "must be an IPv4 address or range such as 10.1.0.0/16");

export const BuildEnv = {
  BERTH_API_URL: z.url().default("http://127.0.0.1:7070"),
  BERTH_PUBLIC_URL: z.url().optional(),
  BERTH_DATA: z.string().startsWith("/").default("/var/lib/berth"),
  BERTH_WORKER_DATA: z.string().startsWith("/").optional(),
  BERTH_TOOLCHAIN: z.string().startsWith("/").optional(),
  BERTH_TOOLCHAIN_BIN: z.string().startsWith("/").optional(),
  BERTH_NET_PREFIX: z.string().regex(/^[a-z][a-z0-9]{0,3}$/).default("bth"),
  BERTH_BUILD_SUBNET: cidr.default("10.202.0.0/16"),
  BERTH_BUILD_CONCURRENCY: z.coerce.number().int().min(1).max(256).default(2),
  BERTH_BUILD_MEMORY_BYTES: z.coerce.number().int().min(128 * 2 ** 20).default(4 * GIB),
  BERTH_BUILD_CPU_MILLIS: z.coerce.number().int().min(100).default(4000),
  BERTH_BUILD_PIDS: z.coerce.number().int().min(64).default(4096),
  BERTH_BUILD_DISK_BYTES: z.coerce.number().int().min(256 * 2 ** 20).default(20 * GIB),
  BERTH_BUILD_TIMEOUT_MS: z.coerce.number().int().min(1000).default(3_600_000),
  BERTH_BUILD_LEASE_MS: z.coerce.number().int().min(1000).default(8000),
  /** Private ranges that builds may reach. */
  BERTH_BUILD_ALLOW_CIDRS: list.pipe(z.array(cidr)),
  /** `name=address`: names that builds resolve without asking anybody. */
  BERTH_BUILD_HOSTS: pairs,
  /** `/path/in/steps=/path/on/host`: files that every RUN sees, such as /etc/pip.conf. */
  BERTH_BUILD_FILES: pairs,
  /** Further certificate authorities (PEM) that buildah trusts: ADD, FROM. */
  BERTH_BUILD_CA_FILE: z.string().startsWith("/").optional(),
  /** Mirrors of docker.io beside Berth's registry; `http://` marks one without TLS. */
  BERTH_REGISTRY_MIRRORS: list,
  /** Whether docker.io itself is asked for what no mirror has. */
  BERTH_REGISTRY_DOCKER_IO: z.enum(["on", "off"]).default("on"),
};

export interface BuildConfig {
  apiUrl: string;
  publicHosts: string[];
  workerData: string;
  toolchain: string;
  crun: string;
  netPrefix: string;
  subnet: string;
  concurrency: number;
  limits: { memoryBytes: number; cpuMillis: number; pidsMax: number; diskBytes: number };
  timeoutMs: number;
  leaseMs: number;
  allowCidrs: string[];
  hosts: { name: string; address: string }[];
  files: { source: string; target: string }[];
  caFile: string | undefined;
  mirrors: { location: string; insecure: boolean }[];
  dockerIo: boolean;
}

const BuildEnvSchema = z.object(BuildEnv);

export function buildConfig(env: z.infer<typeof BuildEnvSchema>): BuildConfig {
  const toolchain = env.BERTH_TOOLCHAIN ?? `${env.BERTH_DATA}/toolchain/root`;
  return {
    apiUrl: env.BERTH_API_URL,
    publicHosts: env.BERTH_PUBLIC_URL === undefined ? [] : [new URL(env.BERTH_PUBLIC_URL).host],
    workerData: env.BERTH_WORKER_DATA ?? `${env.BERTH_DATA}/worker`,
    toolchain,
    crun: `${env.BERTH_TOOLCHAIN_BIN ?? `${toolchain}/../bin`}/crun`,
    netPrefix: env.BERTH_NET_PREFIX,
    subnet: env.BERTH_BUILD_SUBNET,
    concurrency: env.BERTH_BUILD_CONCURRENCY,
    limits: {
      memoryBytes: env.BERTH_BUILD_MEMORY_BYTES,
      cpuMillis: env.BERTH_BUILD_CPU_MILLIS,
      pidsMax: env.BERTH_BUILD_PIDS,
      diskBytes: env.BERTH_BUILD_DISK_BYTES,
    },
    timeoutMs: env.BERTH_BUILD_TIMEOUT_MS,
    leaseMs: env.BERTH_BUILD_LEASE_MS,
    allowCidrs: env.BERTH_BUILD_ALLOW_CIDRS,
    hosts: env.BERTH_BUILD_HOSTS.map(([name, address]) => ({ name, address })),
    files: env.BERTH_BUILD_FILES.map(([target, source]) => ({ source, target })),
    caFile: env.BERTH_BUILD_CA_FILE,
    mirrors: env.BERTH_REGISTRY_MIRRORS.map((text) => ({ location: text.replace(/^https?:\/\//, ""), insecure: text.startsWith("http://") })),
    dockerIo: env.BERTH_REGISTRY_DOCKER_IO === "on",
  };
}
