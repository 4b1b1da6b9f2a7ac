/**
 * The three stores for one test file: real servers of its own, in a directory of their own, on free ports.
 * They end with the test's process, also when that is killed.
 */
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, accessSync, constants } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrateDatabase } from "../../core/db/migrate.ts";
import { postgresStatus, startPostgres, stopPostgres, templatePassword, type PostgresOptions } from "../../infra/local/postgres.ts";
import { redisStatus, startRedis, stopRedis, type RedisOptions } from "../../infra/local/redis.ts";
import { s3Status, startS3, stopS3, type S3Options } from "../../infra/local/s3.ts";
import { freePort } from "../../infra/ports.ts";
import { runningPid, signalPid, writePidFile } from "../../infra/process.ts";

export type StoreName = "postgres" | "redis" | "s3";

export interface Stores {
  /** `<dir>/<store>`: their data. */
  dir: string;
  databaseUrl: string;
  redisUrl: string;
  redisPrefix: string;
  /** BERTH_S3_* */
  s3: Record<string, string>;
  /** All of BERTH_DATABASE_URL, BERTH_REDIS_URL, BERTH_REDIS_PREFIX and BERTH_S3_*. */
  env: Record<string, string>;
  /** Ends the server at once, as a crash would; its data stays. */
  kill(store: StoreName): Promise<void>;
  /** Starts it again with the same address and data. */
  start(store: StoreName): Promise<void>;
  /** Stops the server in its tracks, connections stay open: a store that hangs. `resume` goes on. */
  pause(store: StoreName): void;
  resume(store: StoreName): void;
  stop(): Promise<void>;
}

/** Where tests keep what takes long to make. */
export function cacheDir(): string {
  const dir = process.env["BERTH_CACHE"] ?? (process.getuid?.() === 0 ? "/var/cache/berth" : join(tmpdir(), `berth-cache-${process.getuid?.()}`));
  mkdirSync(dir, { recursive: true });
  accessSync(dir, constants.W_OK);
  return dir;
}

/** `only`: the stores that the test needs; all of them by default. `migrate: false` leaves the database empty. */
export async function startStores(options: { only?: readonly StoreName[]; migrate?: boolean } = {}): Promise<Stores> {
  const only = new Set<StoreName>(options.only ?? ["postgres", "redis", "s3"]);
  sweep();
  const dir = mkdtempSync(join(tmpdir(), "berth-stores-"));
  writePidFile(join(dir, "owner.pid"), process.pid);
  // The servers run as other users and must get through.
  chmodSync(dir, 0o711);
  const secret = () => randomBytes(24).toString("hex");
  const templateDir = join(cacheDir(), "templates");
  const postgres: PostgresOptions = {
    dir: join(dir, "postgres"),
    port: await freePort(),
    password: only.has("postgres") ? templatePassword(templateDir, secret) : "",
    durable: false,
    templateDir,
    dieWithParent: true,
  };
  const redis: RedisOptions = { dir: join(dir, "redis"), port: await freePort(), password: secret(), durable: false, dieWithParent: true };
  const s3: S3Options = {
    dir: join(dir, "s3"),
    port: await freePort(),
    bucket: "berth",
    accessKeyId: randomBytes(10).toString("hex").toUpperCase(),
    secretAccessKey: secret(),
    dieWithParent: true,
  };

  const starters = { postgres: () => startPostgres(postgres), redis: () => startRedis(redis), s3: () => startS3(s3) };
  const stoppers = { postgres: stopPostgres, redis: stopRedis, s3: stopS3 };
  const statuses = { postgres: postgresStatus, redis: redisStatus, s3: s3Status };
  const signal = (store: StoreName, name: "SIGSTOP" | "SIGCONT") => {
    const pid = statuses[store](join(dir, store));
    if (pid !== undefined) for (const each of store === "postgres" ? family(pid) : [pid]) signalPid(each, name);
  };
  const stop = async () => {
    for (const store of only) signal(store, "SIGCONT");
    await Promise.all([...only].map((store) => stoppers[store](join(dir, store), { immediate: true })));
    rmSync(dir, { recursive: true, force: true });
  };

  try {
    const [databaseUrl, redisUrl, s3Settings] = await Promise.all([
      only.has("postgres") ? starters.postgres() : "",
      only.has("redis") ? starters.redis() : "",
      only.has("s3") ? starters.s3() : ({} as Record<string, string>),
    ]);
    if (databaseUrl !== "" && options.migrate !== false) await migrateDatabase(databaseUrl);
    const redisPrefix = `t${randomBytes(3).toString("hex")}:`;
    return {
      dir,
      databaseUrl,
      redisUrl,
      redisPrefix,
      s3: s3Settings,
      env: {
        ...(databaseUrl === "" ? {} : { BERTH_DATABASE_URL: databaseUrl }),
        ...(redisUrl === "" ? {} : { BERTH_REDIS_URL: redisUrl, BERTH_REDIS_PREFIX: redisPrefix }),
        ...s3Settings,
      },
      kill: async (store) => void (await stoppers[store](join(dir, store), { immediate: true })),
      start: async (store) => void (await starters[store]()),
      pause: (store) => signal(store, "SIGSTOP"),
      resume: (store) => signal(store, "SIGCONT"),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Removes what tests left that were killed: their servers have ended with them. */
function sweep(): void {
  for (const name of readdirSync(tmpdir())) {
    const dir = join(tmpdir(), name);
    const abandoned = name.startsWith("berth-stores-") && existsSync(join(dir, "owner.pid")) && runningPid(join(dir, "owner.pid")) === undefined;
    if (abandoned) rmSync(dir, { recursive: true, force: true });
  }
}

/** The process and its direct children: PostgreSQL answers from children. */
function family(pid: number): number[] {
  const children = readChildren(pid);
  return [pid, ...children];
}

function readChildren(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
