/**
 * What one Berth on this host is made of: addresses, directories, secrets. Kept in `$BERTH_DATA/config.json` (mode
 * 0600), so that the next `up`, and `down`, find it as it was. The environment wins and is remembered.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { z } from "zod";
import { createToken } from "../core/tokens.ts";
import { postgresStatus } from "./local/postgres.ts";
import { redisStatus } from "./local/redis.ts";
import { s3Status } from "./local/s3.ts";
import { freePort, isFree } from "./ports.ts";

export const REPOSITORY = new URL("..", import.meta.url).pathname.replace(/\/$/, "");

/** Option of Node.js with which programs of ours start sooner. Not in their environment: other programs would get it from them. */
export const QUICK_IMPORTS = `--import=${new URL("quick-imports.ts", import.meta.url)}`;
export const DEFAULT_DATA = "/var/lib/berth";
export const DEFAULT_CACHE = "/var/cache/berth";

/** Variables of the CLI, which say nothing about the Berth to start. */
const NOT_SETTINGS = new Set(["BERTH_TOKEN", "BERTH_API", "BERTH_CONTEXT", "BERTH_DATA", "BERTH_DEBUG", "BERTH_TEST_RUN"]);
/** Only the API and workers may know these. */
const STORE_SETTING = /^BERTH_(DATABASE|REDIS|S3|SECRET|KMS)_/;
/** Only the API may know these. */
const SIGN_IN_SETTING = /^BERTH_OIDC_/;

const Listen = z.string().regex(/^[\d.]+:\d{1,5}$/, "must be an IPv4 address and a port, like 127.0.0.1:7070");
const Subnet = z.string().regex(/^\d+\.\d+\.0\.0\/16$/, "must be an IPv4 network like 10.201.0.0/16");

const SettingsSchema = z.looseObject({
  BERTH_CACHE: z.string().default(DEFAULT_CACHE),
  BERTH_NET_PREFIX: z.string().regex(/^[a-z][a-z0-9]{0,3}$/, "must be one to four of a-z and 0-9, a letter first").default("bth"),
  BERTH_SUBNET: Subnet.default("10.201.0.0/16"),
  BERTH_BUILD_SUBNET: Subnet.default("10.202.0.0/16"),
  BERTH_API_LISTEN: Listen.default("127.0.0.1:7070"),
  BERTH_GATEWAY_LISTEN: Listen.default("127.0.0.1:8080"),
  BERTH_NODE_NAME: z.string().default(hostname()),
  BERTH_GATEWAY_NAME: z.string().default(hostname()),
  BERTH_TENANT: z.string().default("main"),
});

const SecretsSchema = z.object({
  postgresPassword: z.string(),
  redisPassword: z.string(),
  s3AccessKeyId: z.string(),
  s3SecretAccessKey: z.string(),
  nodeToken: z.string(),
  gatewayToken: z.string(),
  /** Of this host's operator; made anew when it was revoked. */
  operatorToken: z.string(),
});
const PortsSchema = z.object({ postgres: z.number(), redis: z.number(), s3: z.number() });

const SavedSchema = z.object({
  version: z.literal(1),
  /** What the environment said. */
  settings: z.record(z.string(), z.string()),
  /** What was added since is made when it is missing. */
  secrets: z.preprocess((saved) => ({ ...newSecrets(), ...(saved as object) }), SecretsSchema),
  ports: PortsSchema,
});
type Saved = z.infer<typeof SavedSchema>;

export interface BerthConfig {
  dataDir: string;
  runDir: string;
  logDir: string;
  cacheDir: string;
  toolchain: string;
  toolchainBin: string;
  netPrefix: string;
  apiListen: { host: string; port: number };
  gatewayListen: { host: string; port: number };
  /** Where this host's own programs reach the API. */
  apiUrl: string;
  gatewayUrl: string;
  publicUrl: string;
  appsUrl: string;
  tenant: string;
  nodeName: string;
  gatewayName: string;
  /** External ones are used as they are; local ones are started here. */
  stores: {
    postgres: { external: true; url: string } | { external: false; url?: never };
    redis: { external: true; url: string } | { external: false; url?: never };
    s3: { external: true; env: Record<string, string> } | { external: false; env?: never };
  };
  /** Who holds the master keys of tenants' secrets; `file` is made here when there is none. */
  secretKeys: { file: string; isOwn: boolean } | { command: string };
  ports: z.infer<typeof PortsSchema>;
  secrets: z.infer<typeof SecretsSchema>;
  /** False in tests: no fsync. */
  durable: boolean;
  /** Settings for every part, stores' and sign-in's left out. */
  settings: Record<string, string>;
  /** The identity provider's. */
  signIn: Record<string, string>;
  redisPrefix: string;
}

export class ConfigError extends Error {}

export function configFile(dataDir: string): string {
  return join(dataDir, "config.json");
}

export function dataDirOf(env: NodeJS.ProcessEnv): string {
  return resolve(env["BERTH_DATA"] || DEFAULT_DATA);
}

/** The saved configuration, or undefined when this directory never held a Berth. */
export function readConfig(dataDir: string, options: { durable?: boolean } = {}): BerthConfig | undefined {
  const path = configFile(dataDir);
  if (!existsSync(path)) return undefined;
  const parsed = SavedSchema.safeParse(parseJson(path));
  if (!parsed.success) throw new ConfigError(`${path} is not a valid configuration: ${z.prettifyError(parsed.error)}`);
  return complete(dataDir, parsed.data, options.durable ?? true);
}

function parseJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new ConfigError(`${path} cannot be read: ${(error as Error).message}`);
  }
}

/** The configuration of the environment and of what was saved; saves it. Secrets and ports are made the first time. */
export async function prepareConfig(env: NodeJS.ProcessEnv, options: { durable?: boolean; anyPorts?: boolean } = {}): Promise<BerthConfig> {
  const dataDir = dataDirOf(env);
  const path = configFile(dataDir);
  const before = existsSync(path) ? SavedSchema.safeParse(parseJson(path)) : undefined;
  if (before?.success === false) throw new ConfigError(`${path} is not a valid configuration: ${z.prettifyError(before.error)}`);
  const given = Object.entries(env).filter(
    (entry): entry is [string, string] => entry[0].startsWith("BERTH_") && !NOT_SETTINGS.has(entry[0]) && entry[1] !== undefined && entry[1] !== "",
  );
  const saved: Saved = {
    version: 1,
    settings: { ...before?.data.settings, ...Object.fromEntries(given) },
    secrets: before?.data.secrets ?? newSecrets(),
    ports: await usablePorts(dataDir, before?.data.ports, options.anyPorts ?? false),
  };
  const config = complete(dataDir, saved, options.durable ?? true);
  mkdirSync(dataDir, { recursive: true, mode: 0o755 });
  writeFileSync(`${path}.new`, `${JSON.stringify(saved, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
  return config;
}

/** The operator's token was revoked: from now on it is this one. */
export function replaceOperatorToken(config: BerthConfig): void {
  const path = configFile(config.dataDir);
  const saved = SavedSchema.parse(parseJson(path));
  config.secrets.operatorToken = saved.secrets.operatorToken = createToken();
  writeFileSync(`${path}.new`, `${JSON.stringify(saved, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

function complete(dataDir: string, saved: Saved, durable: boolean): BerthConfig {
  const parsed = SettingsSchema.safeParse(saved.settings);
  if (!parsed.success) {
    throw new ConfigError(parsed.error.issues.map((issue) => `${issue.path.join(".")} ${issue.message} (it is «${saved.settings[String(issue.path[0])]}»)`).join("\n"));
  }
  const settings = parsed.data as z.infer<typeof SettingsSchema> & Record<string, string>;
  const apiListen = address(settings.BERTH_API_LISTEN);
  const gatewayListen = address(settings.BERTH_GATEWAY_LISTEN);
  const local = (listen: { host: string; port: number }) => `http://${listen.host === "0.0.0.0" ? "127.0.0.1" : listen.host}:${listen.port}`;
  const s3 = Object.fromEntries(Object.entries(settings).filter(([name]) => name.startsWith("BERTH_S3_")));
  if (settings["BERTH_S3_ENDPOINT"] !== undefined && (s3["BERTH_S3_ACCESS_KEY_ID"] === undefined || s3["BERTH_S3_SECRET_ACCESS_KEY"] === undefined)) {
    throw new ConfigError("BERTH_S3_ENDPOINT is given without BERTH_S3_ACCESS_KEY_ID and BERTH_S3_SECRET_ACCESS_KEY");
  }
  const cacheDir = resolve(settings.BERTH_CACHE);
  return {
    dataDir,
    runDir: join(dataDir, "run"),
    logDir: join(dataDir, "log"),
    cacheDir,
    toolchain: settings["BERTH_TOOLCHAIN"] ?? join(cacheDir, "toolchain/root"),
    toolchainBin: settings["BERTH_TOOLCHAIN_BIN"] ?? join(cacheDir, "toolchain/bin"),
    netPrefix: settings.BERTH_NET_PREFIX,
    apiListen,
    gatewayListen,
    apiUrl: local(apiListen),
    gatewayUrl: local(gatewayListen),
    publicUrl: settings["BERTH_PUBLIC_URL"] ?? local(apiListen),
    appsUrl: settings["BERTH_APPS_URL"] ?? `http://berth.localhost:${gatewayListen.port}`,
    tenant: settings.BERTH_TENANT,
    nodeName: settings.BERTH_NODE_NAME,
    gatewayName: settings.BERTH_GATEWAY_NAME,
    stores: {
      postgres: settings["BERTH_DATABASE_URL"] === undefined ? { external: false } : { external: true, url: settings["BERTH_DATABASE_URL"] },
      redis: settings["BERTH_REDIS_URL"] === undefined ? { external: false } : { external: true, url: settings["BERTH_REDIS_URL"] },
      s3: s3["BERTH_S3_ACCESS_KEY_ID"] === undefined ? { external: false } : { external: true, env: s3 },
    },
    secretKeys:
      settings["BERTH_KMS_COMMAND"] === undefined
        ? { file: settings["BERTH_SECRET_KEYS_FILE"] ?? join(dataDir, "secret-keys.json"), isOwn: settings["BERTH_SECRET_KEYS_FILE"] === undefined }
        : { command: settings["BERTH_KMS_COMMAND"] },
    ports: saved.ports,
    secrets: saved.secrets,
    durable,
    settings: Object.fromEntries(Object.entries(settings).filter(([name]) => !STORE_SETTING.test(name) && !SIGN_IN_SETTING.test(name))),
    signIn: Object.fromEntries(Object.entries(settings).filter(([name]) => SIGN_IN_SETTING.test(name))),
    redisPrefix: settings["BERTH_REDIS_PREFIX"] ?? "berth:",
  };
}

function address(listen: string): { host: string; port: number } {
  const at = listen.lastIndexOf(":");
  return { host: listen.slice(0, at), port: Number(listen.slice(at + 1)) };
}

function newSecrets(): z.infer<typeof SecretsSchema> {
  const secret = () => randomBytes(24).toString("hex");
  return {
    postgresPassword: secret(),
    redisPassword: secret(),
    s3AccessKeyId: randomBytes(10).toString("hex").toUpperCase(),
    s3SecretAccessKey: secret(),
    nodeToken: secret(),
    gatewayToken: secret(),
    operatorToken: createToken(),
  };
}

/** Ports of the local stores: those that they have, as long as nobody else has taken one in the meantime. */
async function usablePorts(dataDir: string, before: Saved["ports"] | undefined, any: boolean): Promise<Saved["ports"]> {
  const usable = async (name: keyof Saved["ports"], status: (dir: string) => number | undefined, preferred: number) => {
    const port = before?.[name] ?? preferred;
    if (status(join(dataDir, name)) !== undefined) return port;
    const acceptable = before !== undefined || !any;
    return acceptable && (await isFree("127.0.0.1", port)) ? port : freePort();
  };
  return {
    postgres: await usable("postgres", postgresStatus, 7071),
    redis: await usable("redis", redisStatus, 7072),
    s3: await usable("s3", s3Status, 7073),
  };
}
