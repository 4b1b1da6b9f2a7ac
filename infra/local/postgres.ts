/** A PostgreSQL server of Berth's own: its own data directory, socket directory, port and password. */
import { chownSync, chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import pg from "pg";
import { run } from "../../core/host/spawn.ts";
import { runningPid, startDetached, StartError, stopByPidFile, waitUntil } from "../process.ts";

export interface PostgresOptions {
  /** Holds `data/`, `socket/`, `postgres.log` and `postgres.pid`. */
  dir: string;
  port: number;
  password: string;
  /** False turns fsync off: for tests only. */
  durable: boolean;
  /** Where a made data directory is kept for the next one of the same version and password. */
  templateDir?: string;
  dieWithParent?: boolean;
}

const USER = "postgres";
const READY_TIMEOUT_MS = 60_000;

/** The newest of Debian's PostgreSQL versions that is installed. Throws when there is none. */
export function postgresBin(): string {
  const root = "/usr/lib/postgresql";
  const versions = existsSync(root) ? readdirSync(root).filter((name) => existsSync(join(root, name, "bin/initdb"))) : [];
  const newest = versions.sort((a, b) => Number(b) - Number(a))[0];
  if (newest === undefined) throw new Error("PostgreSQL is not installed: apt-get install postgresql");
  return join(root, newest, "bin");
}

export function postgresUrl(options: { port: number; password: string }): string {
  return `postgresql://berth:${options.password}@127.0.0.1:${options.port}/berth`;
}

export function postgresStatus(dir: string): number | undefined {
  return runningPid(join(dir, "postgres.pid"));
}

/** Starts the server unless it runs; makes its data directory the first time. Resolves when it answers. */
export async function startPostgres(options: PostgresOptions): Promise<string> {
  const { dir } = options;
  const [data, socket] = [join(dir, "data"), join(dir, "socket")];
  const pidFile = join(dir, "postgres.pid");
  const logFile = join(dir, "postgres.log");
  ownDirectory(dir, 0o711);
  ownDirectory(socket, 0o700);
  await makeData(data, options);
  if (runningPid(pidFile) === undefined) {
    removeStaleLock(data);
    // Nothing of ours listens there now; a socket's lock file that is left names a pid that may be used again.
    for (const name of readdirSync(socket)) rmSync(join(socket, name), { force: true });
    ownFile(logFile);
    startDetached({
      argv: [join(postgresBin(), "postgres"), "-D", data, ...settings(options, socket)],
      env: { PATH: "/usr/bin:/bin", LC_ALL: "C.UTF-8" },
      logFile,
      pidFile,
      user: USER,
      // SIGQUIT is its immediate shutdown: it takes its shared memory along, which SIGKILL would leave behind.
      ...(options.dieWithParent === true ? { dieWithParent: "SIGQUIT" as const } : {}),
    });
  }
  await waitUntil("PostgreSQL", () => answers(postgresUrl(options)), { pidFile, logFile, timeoutMs: READY_TIMEOUT_MS });
  return postgresUrl(options);
}

/** SIGINT ends sessions and shuts down in order; `SIGQUIT` does not wait and recovers at the next start. */
export async function stopPostgres(dir: string, options: { immediate?: boolean } = {}): Promise<boolean> {
  return stopByPidFile(join(dir, "postgres.pid"), { signal: options.immediate === true ? "SIGQUIT" : "SIGINT", timeoutMs: 30_000 });
}

function settings(options: PostgresOptions, socket: string): string[] {
  const values = {
    listen_addresses: "127.0.0.1",
    port: String(options.port),
    unix_socket_directories: socket,
    max_connections: "200",
    shared_buffers: "64MB",
    log_min_messages: "warning",
    // Without fsync a commit still survives the end of the processes, as tests of crashes need it.
    ...(options.durable ? {} : { fsync: "off", full_page_writes: "off", autovacuum: "off" }),
  };
  return Object.entries(values).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

async function makeData(data: string, options: PostgresOptions): Promise<void> {
  // Renamed into place when whole, so that what is there is whole.
  if (existsSync(join(data, "PG_VERSION"))) return;
  if (options.templateDir === undefined) return initdb(data, options);
  const template = join(options.templateDir, `postgres-${postgresBin().split("/")[4]}`);
  if (!existsSync(join(template, "PG_VERSION"))) await initdb(template, options);
  await run(["cp", "-a", "--reflink=auto", template, data]);
}

/** The template's password is whatever it was made with: see `templatePassword`. */
async function initdb(data: string, options: PostgresOptions): Promise<void> {
  mkdirSync(dirname(data), { recursive: true });
  const work = mkdtempSync(join(dirname(data), ".initdb-"));
  const made = join(work, "data");
  const passwordFile = join(work, "password");
  try {
    writeFileSync(passwordFile, options.password, { mode: 0o600 });
    ownDirectory(work, 0o700);
    own(passwordFile);
    const argv = [join(postgresBin(), "initdb"), "-D", made, "-U", "berth", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256", `--pwfile=${passwordFile}`];
    await run([...asUser(), ...argv, ...(options.durable ? [] : ["--no-sync"])], { timeoutMs: 120_000, cwd: "/" });
    // The database named as the user, made in single-user mode: no server needs to run yet.
    await run([...asUser(), join(postgresBin(), "postgres"), "--single", "-D", made, "postgres"], { input: "CREATE DATABASE berth;\n", timeoutMs: 60_000, cwd: "/" });
    try {
      renameSync(made, data);
    } catch (error) {
      // Another one was faster.
      if (!existsSync(join(data, "PG_VERSION"))) throw error;
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The password of the template in this directory; made when there is none. */
export function templatePassword(templateDir: string, random: () => string): string {
  const path = join(templateDir, `postgres-${postgresBin().split("/")[4]}.password`);
  mkdirSync(templateDir, { recursive: true });
  if (!existsSync(path)) {
    try {
      writeFileSync(path, random(), { mode: 0o600, flag: "wx" });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
  return readFileSync(path, "utf8");
}

/**
 * After a crash `postmaster.pid` stays. PostgreSQL removes it by itself unless the pid was used again by a process
 * of the same user; so it goes here, unless a PostgreSQL really runs in that directory.
 */
function removeStaleLock(data: string): void {
  const path = join(data, "postmaster.pid");
  if (!existsSync(path)) return;
  const pid = Number(readFileSync(path, "utf8").split("\n")[0]);
  let cwd: string | undefined;
  try {
    cwd = readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    // No such process.
  }
  if (cwd === data) throw new StartError(`a PostgreSQL server (pid ${pid}) that Berth did not start uses ${data}`, join(dirname(data), "postgres.log"));
  rmSync(path, { force: true });
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 1000, application_name: "berth-infra" });
  client.on("error", () => {});
  try {
    await client.connect();
    return true;
  } catch (error) {
    // A wrong password is not a matter of waiting.
    if ((error as { code?: string }).code === "28P01") throw error;
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

function asUser(): string[] {
  return process.getuid?.() === 0 ? ["setpriv", `--reuid=${USER}`, `--regid=${USER}`, "--init-groups", "--"] : [];
}

let ids: { uid: number; gid: number } | undefined;

function userIds(): { uid: number; gid: number } {
  if (ids !== undefined) return ids;
  const line = readFileSync("/etc/passwd", "utf8").split("\n").find((entry) => entry.startsWith(`${USER}:`));
  const [, , uid, gid] = line?.split(":") ?? [];
  if (uid === undefined || gid === undefined) throw new Error(`there is no user «${USER}»: apt-get install postgresql`);
  return (ids = { uid: Number(uid), gid: Number(gid) });
}

function own(path: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = userIds();
  chownSync(path, uid, gid);
}

function ownDirectory(path: string, mode: number): void {
  mkdirSync(path, { recursive: true });
  own(path);
  chmodSync(path, mode);
}

function ownFile(path: string): void {
  writeFileSync(path, "", { flag: "a" });
  own(path);
}
