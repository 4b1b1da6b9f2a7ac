/** What the host must be, and running a program whose output belongs in a log file. */
import { closeSync, mkdirSync, openSync, readFileSync, statfsSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { start } from "../core/host/spawn.ts";
import { REPOSITORY, type BerthConfig } from "./config.ts";
import { holderOf, isFree } from "./ports.ts";
import { runningPid, StartError } from "./process.ts";
import type { Part } from "./parts.ts";

const MIN_FREE_BYTES = 4 * 2 ** 30;

/** Throws a sentence for people when Berth cannot run here. */
export function checkHost(config: BerthConfig): void {
  if (process.getuid?.() !== 0) throw new Error("Berth's containers, mounts and networks need root: run it again with sudo");
  const release = readFileSync("/etc/os-release", "utf8");
  const id = /^ID=(.*)$/m.exec(release)?.[1];
  const version = Number(/^VERSION_ID="?(\d+)/m.exec(release)?.[1] ?? "0");
  if (id !== "debian" || version < 12) throw new Error(`Berth runs on Debian 12 or 13; this is ${/^PRETTY_NAME="?([^"\n]*)/m.exec(release)?.[1] ?? "something else"}`);
  for (const dir of [config.dataDir, config.cacheDir]) {
    mkdirSync(dir, { recursive: true });
    const { bavail, bsize } = statfsSync(dir);
    if (bavail * bsize < MIN_FREE_BYTES) throw new Error(`${dir} has ${Math.round((bavail * bsize) / 2 ** 20)} MiB free; Berth wants ${MIN_FREE_BYTES / 2 ** 20} MiB there`);
  }
}

/** Throws when an address that a part wants to listen on is taken by somebody else. */
export async function checkListen(config: BerthConfig, parts: readonly Part[]): Promise<void> {
  const wanted = [
    { part: "api", variable: "BERTH_API_LISTEN", ...config.apiListen },
    { part: "gateway", variable: "BERTH_GATEWAY_LISTEN", ...config.gatewayListen },
  ];
  for (const { part, variable, host, port } of wanted) {
    const pidFile = parts.find(({ name }) => name === part)?.pidFile;
    if (pidFile !== undefined && runningPid(pidFile) !== undefined) continue;
    if (await isFree(host, port)) continue;
    const holder = await holderOf(port);
    if (holder.pid !== undefined && belongsTo(holder.pid, config.dataDir)) continue;
    throw new Error(`${host}:${port} is taken by ${holder.text}. Stop it, or choose another address for the ${part} with ${variable}`);
  }
}

/** A proxy that a killed gateway left behind names our directory in its arguments: the next gateway takes it over. */
function belongsTo(pid: number, dataDir: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").some((argument) => argument.startsWith(`${dataDir}/`));
  } catch {
    return false;
  }
}

/** Runs a program of the repository to its end, its output in a log file. Throws StartError with the log's end. */
export function runLogged(
  argv: readonly string[],
  options: { env: NodeJS.ProcessEnv; logFile: string; onLine?: (line: string) => void },
): Promise<void> {
  mkdirSync(dirname(options.logFile), { recursive: true });
  const log = openSync(options.logFile, "w", 0o640);
  return new Promise((resolve, reject) => {
    const child = start(argv, { stdio: ["ignore", "pipe", "pipe"], env: options.env, cwd: REPOSITORY });
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on("line", (line) => {
        writeSync(log, `${line}\n`);
        options.onLine?.(line);
      });
    }
    child.on("error", reject);
    child.on("close", (code, signal) => {
      closeSync(log);
      if (code === 0) resolve();
      else reject(new StartError(`«${argv.join(" ")}» ${signal === null ? `ended with code ${code}` : `was ended by ${signal}`}`, options.logFile));
    });
  });
}
