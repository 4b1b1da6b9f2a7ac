/** The processes of one Berth on this host, as the supervisor starts them. Pure, but for the hash of the sources. */
import { createHash } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { QUICK_IMPORTS, REPOSITORY, type BerthConfig } from "./config.ts";
import { postgresUrl } from "./local/postgres.ts";
import { redisUrl } from "./local/redis.ts";
import { s3Env } from "./local/s3.ts";

export const PART_NAMES = ["api", "worker", "agent", "gateway"] as const;
export type PartName = (typeof PART_NAMES)[number];

/** How long each may take to end in order. */
export const STOP_TIMEOUTS_MS: Record<PartName, number> = { api: 15_000, worker: 20_000, agent: 15_000, gateway: 15_000 };

export const PartSchema = z.object({
  name: z.enum(PART_NAMES),
  argv: z.array(z.string()),
  env: z.record(z.string(), z.string()),
  logFile: z.string(),
  pidFile: z.string(),
  /** What ends it for a restart: the gateway's controller leaves its proxy serving when it is killed, and only then. */
  restartSignal: z.enum(["SIGTERM", "SIGKILL"]),
  /** How long it may take to end in order. */
  stopTimeoutMs: z.number(),
  /** Changes with anything that makes a restart worthwhile. */
  fingerprint: z.string(),
  /** False: it is stopped and stays so. */
  enabled: z.boolean(),
});
export type Part = z.infer<typeof PartSchema>;
export const PartsSchema = z.array(PartSchema);

export function partsFile(config: BerthConfig): string {
  return join(config.runDir, "parts.json");
}

export function supervisorPidFile(config: BerthConfig): string {
  return join(config.runDir, "supervisor.pid");
}

/** The three stores as the API and the workers reach them. */
export function storeEnv(config: BerthConfig): Record<string, string> {
  const { stores, ports, secrets } = config;
  return {
    BERTH_DATABASE_URL: stores.postgres.external ? stores.postgres.url : postgresUrl({ port: ports.postgres, password: secrets.postgresPassword }),
    BERTH_REDIS_URL: stores.redis.external ? stores.redis.url : redisUrl({ port: ports.redis, password: secrets.redisPassword }),
    BERTH_REDIS_PREFIX: config.redisPrefix,
    ...(stores.s3.external ? stores.s3.env : s3Env(localS3(config))),
  };
}

/** The master keys of tenants' secrets, for the API and the workers alone. */
export function secretKeysEnv({ secretKeys }: BerthConfig): Record<string, string> {
  return "command" in secretKeys ? { BERTH_KMS_COMMAND: secretKeys.command } : { BERTH_SECRET_KEYS_FILE: secretKeys.file };
}

const BILLING = "BERTH_BILLING_";

/** The billing hook and its secret, for the workers alone. */
function billingEnv({ settings }: BerthConfig): Record<string, string> {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => name.startsWith(BILLING)));
}

export function localS3(config: BerthConfig) {
  const { s3AccessKeyId: accessKeyId, s3SecretAccessKey: secretAccessKey } = config.secrets;
  return { dir: join(config.dataDir, "s3"), port: config.ports.s3, bucket: "berth", accessKeyId, secretAccessKey };
}

/** What every program gets from the environment that `up` was called in, and where those in Node.js keep what they have compiled. */
export function baseEnv({ cacheDir }: Pick<BerthConfig, "cacheDir">, env: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const passed = [
    "HOME", "LANG", "TMPDIR", "BERTH_TEST_RUN", "NODE_COMPILE_CACHE", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
  ];
  const kept = passed.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]] as const]));
  const system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  return { NODE_COMPILE_CACHE: join(cacheDir, "compiled"), HOME: "/root", LANG: "C.UTF-8", ...Object.fromEntries(kept), PATH: `${REPOSITORY}/node_modules/.bin:${system}`, NODE_ENV: "production" };
}

export function buildParts(config: BerthConfig, env: NodeJS.ProcessEnv = process.env, disabled: ReadonlySet<PartName> = new Set()): Part[] {
  const common = {
    ...baseEnv(config, env),
    ...Object.fromEntries(Object.entries(config.settings).filter(([name]) => !name.startsWith(BILLING))),
    BERTH_DATA: config.dataDir,
    BERTH_APPS_URL: config.appsUrl,
    BERTH_PUBLIC_URL: config.publicUrl,
    BERTH_API_URL: config.apiUrl,
    BERTH_TOOLCHAIN: config.toolchain,
    BERTH_TOOLCHAIN_BIN: config.toolchainBin,
    BERTH_CRUN: join(config.toolchainBin, "crun"),
  };
  const inSandboxNamespace = ["nsenter", `--mount=${join(config.runDir, "mnt")}`, "--"];
  const make = (name: PartName, folder: string, wrapper: string[], own: Record<string, string>): Part => {
    const argv = [...wrapper, process.execPath, QUICK_IMPORTS, join(REPOSITORY, folder, "main.ts")];
    const partEnv = { ...common, ...own };
    return {
      name,
      argv,
      env: partEnv,
      logFile: join(config.logDir, `${name}.log`),
      pidFile: join(config.runDir, `${name}.pid`),
      restartSignal: name === "gateway" ? "SIGKILL" : "SIGTERM",
      stopTimeoutMs: STOP_TIMEOUTS_MS[name],
      fingerprint: createHash("sha256").update(JSON.stringify([argv, partEnv, sourcesHash(["core", folder, "package-lock.json"]), changedAt(own["BERTH_SECRET_KEYS_FILE"])])).digest("hex"),
      enabled: !disabled.has(name),
    };
  };
  return [
    make("api", "api", [], { ...storeEnv(config), ...secretKeysEnv(config), ...config.signIn }),
    make("worker", "workers", inSandboxNamespace, { ...storeEnv(config), ...secretKeysEnv(config), ...billingEnv(config), BERTH_WORKER_DATA: join(config.dataDir, "worker") }),
    make("agent", "node-agent", inSandboxNamespace, {
      BERTH_NODE_TOKEN: config.secrets.nodeToken,
      BERTH_NODE_NAME: config.nodeName,
      BERTH_NODE_DATA: join(config.dataDir, "node"),
    }),
    make("gateway", "gateway", [], {
      BERTH_GATEWAY_TOKEN: config.secrets.gatewayToken,
      BERTH_GATEWAY_DATA: join(config.dataDir, "gateway"),
    }),
  ];
}

/** A file that parts read once. */
const changedAt = (file: string | undefined) => (file === undefined ? undefined : statSync(file, { throwIfNoEntry: false })?.mtimeMs);

/** Of names, sizes and times of sources, files and folders; tests are left out. */
export function sourcesHash(sources: readonly string[]): string {
  const hash = createHash("sha256");
  for (const source of sources.map((name) => join(REPOSITORY, name))) {
    const files = statSync(source).isDirectory() ? readdirSync(source, { recursive: true, encoding: "utf8" }).map((name) => join(source, name)) : [source];
    for (const file of files.sort()) {
      const { size, mtimeMs } = statSync(file);
      if (!file.endsWith(".test.ts") && !statSync(file).isDirectory()) hash.update(`${file} ${size} ${mtimeMs}\n`);
    }
  }
  return hash.digest("hex");
}
