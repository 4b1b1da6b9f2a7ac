/** Starting and stopping one Berth on this host, step by step: used by `infra/up`, `infra/down` and the tests. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { eq } from "drizzle-orm";
import { openDb, type Db } from "../core/db/client.ts";
import { migrateDatabase } from "../core/db/migrate.ts";
import { gateways, nodes, secretVersions } from "../core/db/schema.ts";
import { createToken, ensureGateway, ensureNode, ensureOperatorToken, ensureTenant } from "../core/db/system-queries/bootstrap.ts";
import { makeKeyFile } from "../core/secrets/key-file.ts";
import { ConfigError, QUICK_IMPORTS, replaceOperatorToken, REPOSITORY, type BerthConfig } from "./config.ts";
import { checkExternalStores } from "./external-stores.ts";
import { checkListen, runLogged } from "./host.ts";
import { startPostgres } from "./local/postgres.ts";
import { startRedis } from "./local/redis.ts";
import { startS3 } from "./local/s3.ts";
import { baseEnv, buildParts, localS3, partsFile, sourcesHash, storeEnv, supervisorPidFile, type Part, type PartName } from "./parts.ts";
import { runningPid, signalPid, startDetached, StartError, stopByPidFile, tailOf, uptimeMs } from "./process.ts";

const READY_TIMEOUT_MS = 60_000;
/** Whatever runs for so long has started. */
const STEADY_MS = 20_000;
const SUPERVISOR_SOURCES = ["infra/supervisor.ts", "infra/parts.ts", "infra/process.ts"];

/** The environment of the scripts in `infra/`. */
export function scriptEnv(config: BerthConfig): Record<string, string> {
  return {
    ...baseEnv(config),
    ...config.settings,
    BERTH_DATA: config.dataDir,
    BERTH_CACHE: config.cacheDir,
    BERTH_TOOLCHAIN: config.toolchain,
    BERTH_TOOLCHAIN_BIN: config.toolchainBin,
    BERTH_API_URL: config.apiUrl,
    BERTH_PUBLIC_URL: config.publicUrl,
  };
}

/** Runs one of the scripts in `infra/`; its output goes to `log/<name>.log`. */
export async function runScript(config: BerthConfig, name: string, argv: readonly string[], onLine?: (line: string) => void, env: Record<string, string> = {}): Promise<void> {
  await runLogged([join(REPOSITORY, "infra", argv[0] ?? ""), ...argv.slice(1)], {
    env: { ...scriptEnv(config), ...env },
    logFile: join(config.logDir, `${name}.log`),
    ...(onLine === undefined ? {} : { onLine }),
  });
}

/** Starts the stores that were not given from outside. Returns what it started, for people. */
export async function startStores(config: BerthConfig): Promise<string> {
  const { stores, ports, secrets, durable, dataDir } = config;
  await checkExternalStores(config);
  await Promise.all([
    stores.postgres.external ? undefined : startPostgres({ dir: join(dataDir, "postgres"), port: ports.postgres, password: secrets.postgresPassword, durable }),
    stores.redis.external ? undefined : startRedis({ dir: join(dataDir, "redis"), port: ports.redis, password: secrets.redisPassword, durable }),
    stores.s3.external ? undefined : startS3(localS3(config)),
  ]);
  const told = (name: string, external: boolean, port: number) => `${name} ${external ? "(yours)" : `127.0.0.1:${port}`}`;
  return [told("PostgreSQL", stores.postgres.external, ports.postgres), told("Redis", stores.redis.external, ports.redis), told("S3", stores.s3.external, ports.s3)].join(", ");
}

export async function migrate(config: BerthConfig): Promise<void> {
  await migrateDatabase(storeEnv(config)["BERTH_DATABASE_URL"] ?? "");
}

export async function withDb<T>(config: BerthConfig, use: (db: Db) => Promise<T>): Promise<T> {
  const { db, close } = openDb(storeEnv(config)["BERTH_DATABASE_URL"] ?? "", { max: 2, name: "berth-infra" });
  try {
    return await use(db);
  } finally {
    await close();
  }
}

/** Makes the file of master keys the first time. A lost one is not replaced: what it sealed could never be opened again. */
async function ensureSecretKeys({ secretKeys }: BerthConfig, db: Db): Promise<void> {
  if ("command" in secretKeys || existsSync(secretKeys.file)) return;
  const [sealed] = await db.select({ keyId: secretVersions.keyId }).from(secretVersions).limit(1);
  if (sealed !== undefined) throw new ConfigError(`${secretKeys.file} is gone, and secrets are sealed with it (key «${sealed.keyId}»): bring it back from a backup`);
  if (!secretKeys.isOwn) throw new ConfigError(`BERTH_SECRET_KEYS_FILE: there is no ${secretKeys.file}`);
  makeKeyFile(secretKeys.file, new Date().toISOString().slice(0, 10));
}

/** The rows without which nothing can begin: tenant, operator, this node, this gateway; and the key of all secrets. */
export async function bootstrap(config: BerthConfig): Promise<void> {
  await withDb(config, async (db) => {
    await ensureSecretKeys(config, db);
    await ensureTenant(db, config.tenant);
    if (!(await ensureOperatorToken(db, config.secrets.operatorToken))) {
      replaceOperatorToken(config);
      await ensureOperatorToken(db, config.secrets.operatorToken);
    }
    await ensureNode(db, config.nodeName, config.secrets.nodeToken);
    await ensureGateway(db, config.gatewayName, config.secrets.gatewayToken);
  });
}

/** A new token of a tenant, which is made when there is none. */
export async function issueToken(config: BerthConfig, tenant: string, name: string): Promise<string> {
  return withDb(config, async (db) => {
    const { id } = await ensureTenant(db, tenant);
    return (await createToken(db, id, { name })).token;
  });
}

/** Has the supervisor run the parts, but for the disabled ones; restarts those that have changed. */
export async function startParts(config: BerthConfig, disabled: ReadonlySet<PartName> = new Set()): Promise<Part[]> {
  const parts = buildParts(config, process.env, disabled);
  await checkListen(config, parts.filter((part) => part.enabled));
  mkdirSync(config.runDir, { recursive: true });
  const file = partsFile(config);
  writeFileSync(`${file}.new`, JSON.stringify(parts, null, 2), { mode: 0o600 });
  renameSync(`${file}.new`, file);
  const pid = await currentSupervisor(config);
  if (pid !== undefined) signalPid(pid, "SIGHUP");
  else {
    writeFileSync(`${supervisorPidFile(config)}.fingerprint`, sourcesHash(SUPERVISOR_SOURCES));
    startDetached({
      argv: [process.execPath, QUICK_IMPORTS, join(REPOSITORY, "infra/supervisor.ts"), file],
      env: baseEnv(config),
      logFile: join(config.logDir, "supervisor.log"),
      pidFile: supervisorPidFile(config),
    });
  }
  return parts;
}

/** The running supervisor. One of other sources is ended; its parts go on. */
async function currentSupervisor(config: BerthConfig): Promise<number | undefined> {
  const pidFile = supervisorPidFile(config);
  const pid = runningPid(pidFile);
  if (pid === undefined) return undefined;
  const fingerprint = existsSync(`${pidFile}.fingerprint`) ? readFileSync(`${pidFile}.fingerprint`, "utf8") : "";
  if (fingerprint === sourcesHash(SUPERVISOR_SOURCES)) return pid;
  await stopByPidFile(pidFile, { timeoutMs: 30_000 });
  return undefined;
}

/** Until the API answers with its stores, and the node and the gateway have reported to it after `since`. */
export async function waitHealthy(config: BerthConfig, parts: readonly Part[], since: Date, say: (text: string) => void = () => {}): Promise<void> {
  const logs = Object.fromEntries(parts.map((part) => [part.name, part.logFile])) as Record<PartName, string>;
  const deadline = Date.now() + READY_TIMEOUT_MS;
  const until = async (what: string, logFile: string, answer: () => Promise<boolean>) => {
    say(`waiting for ${what}`);
    while (!(await answer())) {
      if (Date.now() > deadline) throw new StartError(`${what}: not after ${READY_TIMEOUT_MS / 1000} s`, logFile);
      await sleep(50);
    }
  };
  await until("the API to answer", logs.api, () => isReady(config.apiUrl));
  await withDb(config, async (db) => {
    const seen = (at: Date | null | undefined) => at !== null && at !== undefined && at.getTime() >= since.getTime() - 1000;
    await until("the node agent to report", logs.agent, async () => {
      const [row] = await db.select({ at: nodes.lastSeenAt }).from(nodes).where(eq(nodes.name, config.nodeName));
      return seen(row?.at);
    });
    await until("the gateway to report", logs.gateway, async () => {
      const [row] = await db.select({ at: gateways.lastSeenAt }).from(gateways).where(eq(gateways.name, config.gatewayName));
      return seen(row?.at);
    });
  });
  const worker = parts.find((part) => part.name === "worker" && part.enabled);
  if (worker !== undefined) await until("the worker to start", worker.logFile, async () => workerRuns(worker));
}

/** It reports to nobody: its log says that it has started, after its process has. */
function workerRuns({ pidFile, logFile }: Part): boolean {
  const pid = runningPid(pidFile);
  if (pid === undefined) return false;
  const startedAt = new Date(Date.now() - uptimeMs(pid)).toISOString();
  return tailOf(logFile, 500).split("\n").some((line) => line.includes('"worker started"') && (/"time":"([^"]+)"/.exec(line)?.[1] ?? "") >= startedAt) || uptimeMs(pid) > STEADY_MS;
}

async function isReady(apiUrl: string): Promise<boolean> {
  try {
    const response = await fetch(`${apiUrl}/readyz`, { signal: AbortSignal.timeout(3000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

