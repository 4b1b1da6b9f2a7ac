/** A local S3-compatible store as a child process, for hosts that have none: see docs/decisions/local-s3.md. */
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runningPid, startDetached, stopByPidFile, waitUntil } from "../process.ts";

export interface S3Options {
  /** Holds `objects/`, `s3.log` and `s3.pid`. */
  dir: string;
  port: number;
  bucket: string;
  accessKeyId: string;
  secretAccessKey: string;
  dieWithParent?: boolean;
}

const READY_TIMEOUT_MS = 30_000;
const SERVER = new URL("s3-server.ts", import.meta.url).pathname;

/** What the parts read: BERTH_S3_*. */
export function s3Env(options: S3Options): Record<string, string> {
  return {
    BERTH_S3_ENDPOINT: `http://127.0.0.1:${options.port}`,
    BERTH_S3_REGION: "us-east-1",
    BERTH_S3_BUCKET: options.bucket,
    BERTH_S3_ACCESS_KEY_ID: options.accessKeyId,
    BERTH_S3_SECRET_ACCESS_KEY: options.secretAccessKey,
  };
}

export function s3Status(dir: string): number | undefined {
  return runningPid(join(dir, "s3.pid"));
}

/** Starts the server unless it runs. Resolves when it answers. */
export async function startS3(options: S3Options): Promise<Record<string, string>> {
  const { dir } = options;
  const pidFile = join(dir, "s3.pid");
  const logFile = join(dir, "s3.log");
  mkdirSync(join(dir, "objects"), { recursive: true });
  chmodSync(dir, 0o700);
  const { size, mtimeMs } = statSync(SERVER);
  const version = `${size} ${mtimeMs}`;
  const versionFile = join(dir, "s3.version");
  // One of older sources is replaced.
  if (runningPid(pidFile) !== undefined && (!existsSync(versionFile) || readFileSync(versionFile, "utf8") !== version)) await stopS3(dir);
  if (runningPid(pidFile) === undefined) {
    writeFileSync(versionFile, version);
    startDetached({
      argv: [process.execPath, SERVER],
      env: {
        PATH: "/usr/bin:/bin",
        BERTH_S3_DIRECTORY: join(dir, "objects"),
        BERTH_S3_PORT: String(options.port),
        BERTH_S3_BUCKET: options.bucket,
        BERTH_S3_ACCESS_KEY_ID: options.accessKeyId,
        BERTH_S3_SECRET_ACCESS_KEY: options.secretAccessKey,
      },
      logFile,
      pidFile,
      ...(options.dieWithParent === true ? { dieWithParent: "SIGKILL" as const } : {}),
    });
  }
  await waitUntil("the local S3 store", () => answers(options.port), { pidFile, logFile, timeoutMs: READY_TIMEOUT_MS });
  return s3Env(options);
}

export async function stopS3(dir: string, options: { immediate?: boolean } = {}): Promise<boolean> {
  return stopByPidFile(join(dir, "s3.pid"), { signal: options.immediate === true ? "SIGKILL" : "SIGTERM" });
}

async function answers(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(1000) });
    await response.body?.cancel();
    return response.status === 403;
  } catch {
    return false;
  }
}
