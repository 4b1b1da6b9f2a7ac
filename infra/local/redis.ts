/** A Redis server of Berth's own: its own directory, port and password. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { runningPid, startDetached, stopByPidFile, waitUntil } from "../process.ts";

export interface RedisOptions {
  /** Holds the append-only file, `redis.conf`, `redis.log` and `redis.pid`. */
  dir: string;
  port: number;
  password: string;
  durable: boolean;
  dieWithParent?: boolean;
}

const READY_TIMEOUT_MS = 30_000;

export function redisUrl(options: { port: number; password: string }): string {
  return `redis://:${options.password}@127.0.0.1:${options.port}/0`;
}

export function redisStatus(dir: string): number | undefined {
  return runningPid(join(dir, "redis.pid"));
}

/** Starts the server unless it runs. Resolves when it answers. */
export async function startRedis(options: RedisOptions): Promise<string> {
  const { dir } = options;
  const pidFile = join(dir, "redis.pid");
  const logFile = join(dir, "redis.log");
  mkdirSync(dir, { recursive: true });
  chmodSync(dir, 0o700);
  if (runningPid(pidFile) === undefined) {
    // The password goes by file: arguments can be read by everyone on the host.
    writeFileSync(join(dir, "redis.conf"), configuration(options), { mode: 0o600 });
    startDetached({
      argv: ["redis-server", join(dir, "redis.conf")],
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C.UTF-8" },
      logFile,
      pidFile,
      ...(options.dieWithParent === true ? { dieWithParent: "SIGKILL" as const } : {}),
    });
  }
  await waitUntil("Redis", () => answers(redisUrl(options)), { pidFile, logFile, timeoutMs: READY_TIMEOUT_MS });
  return redisUrl(options);
}

export async function stopRedis(dir: string, options: { immediate?: boolean } = {}): Promise<boolean> {
  return stopByPidFile(join(dir, "redis.pid"), { signal: options.immediate === true ? "SIGKILL" : "SIGTERM" });
}

function configuration(options: RedisOptions): string {
  return [
    "bind 127.0.0.1",
    `port ${options.port}`,
    `dir ${options.dir}`,
    `requirepass ${options.password}`,
    "daemonize no",
    // Queues lose jobs when keys are evicted.
    "maxmemory-policy noeviction",
    `appendonly ${options.durable ? "yes" : "no"}`,
    'save ""',
    "loglevel warning",
    "",
  ].join("\n");
}

async function answers(url: string): Promise<boolean> {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0, connectTimeout: 1000 });
  redis.on("error", () => {});
  try {
    await redis.connect();
    return (await redis.ping()) === "PONG";
  } catch {
    return false;
  } finally {
    redis.disconnect();
  }
}
