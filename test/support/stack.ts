/**
 * A whole Berth for one test file: stores, API, worker, node agent and gateway of its own, made of what `infra/up` is
 * made of. Own data directory, ports, network prefix and subnets, so that several may run on one host.
 */
import { randomInt } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CommandError, runUnchecked, type RunResult } from "../../core/host/spawn.ts";
import { bootstrap, issueToken, migrate, runScript, startParts, startStores, waitHealthy } from "../../infra/berth.ts";
import { prepareConfig, readConfig, REPOSITORY, type BerthConfig } from "../../infra/config.ts";
import { DOWN_STEPS } from "../../infra/down.ts";
import { PART_NAMES, type Part, type PartName } from "../../infra/parts.ts";
import { freePort } from "../../infra/ports.ts";
import { runningPid, signalPid, tailOf, writePidFile } from "../../infra/process.ts";
import { publishCatalogue } from "../../infra/up.ts";
import { passedToCli } from "./env.ts";
import { cacheDir } from "./stores.ts";

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

export interface Stack {
  config: BerthConfig;
  apiUrl: string;
  gatewayUrl: string;
  tenant: string;
  token: string;
  /** `Host` header of an app. */
  host(app: string): string;
  /** Runs the CLI to its end; throws CommandError unless it ends with code 0. */
  cli(args: readonly string[], options?: CliOptions): Promise<RunResult>;
  /** The same, whatever its exit code. */
  tryCli(args: readonly string[], options?: CliOptions): Promise<RunResult>;
  /** One request to an app through the gateway. */
  get(app: string, path?: string): Promise<Answer>;
  /** kill -9 of one part; the supervisor brings it back. */
  kill(part: PartName): void;
  pid(part: PartName): number | undefined;
  /** Keeps a part down until `resume`. */
  hold(part: PartName): Promise<void>;
  resume(part: PartName): Promise<void>;
  /** Resolves when the API, the node and the gateway have reported again. */
  healthy(since?: Date): Promise<void>;
  /** A further tenant's token. */
  newTenant(name: string): Promise<string>;
  /** The last lines of every part's log, for a test that failed. */
  logs(lines?: number): string;
  stop(): Promise<void>;
}

export interface CliOptions {
  cwd?: string;
  env?: Record<string, string>;
  input?: string;
  timeoutMs?: number;
}

const PREFIX = "bs-";

/** `settings`: further BERTH_* variables. `catalogue: false` leaves the base images out. */
export async function startStack(options: { settings?: Record<string, string>; catalogue?: boolean } = {}): Promise<Stack> {
  await sweepStacks(tmpdir());
  const dir = mkdtempSync(join(tmpdir(), PREFIX));
  chmodSync(dir, 0o755);
  writePidFile(join(dir, "owner.pid"), process.pid);
  // Instances and builds get two neighbouring networks of 10.204–10.253, which no Berth uses by default.
  const network = 204 + 2 * randomInt(25);
  const config = await prepareConfig(
    {
      BERTH_DATA: join(dir, "data"),
      BERTH_CACHE: cacheDir(),
      BERTH_NET_PREFIX: `t${randomInt(36 ** 3).toString(36).padStart(3, "0")}`,
      BERTH_SUBNET: `10.${network}.0.0/16`,
      BERTH_BUILD_SUBNET: `10.${network + 1}.0.0/16`,
      BERTH_API_LISTEN: `127.0.0.1:${await freePort()}`,
      BERTH_GATEWAY_LISTEN: `127.0.0.1:${await freePort()}`,
      BERTH_NODE_NAME: "node-1",
      BERTH_GATEWAY_NAME: "gateway-1",
      // Tests and benchmarks ask as often as they like.
      BERTH_RATE_LIMITS: "off",
      ...options.settings,
    },
    { durable: false, anyPorts: true },
  );
  mkdirSync(join(dir, "home"));
  try {
    const since = new Date();
    await Promise.all([
      runScript(config, "toolchain", ["toolchain/make"]).then(() => runScript(config, "sandbox-namespace", ["sandbox-namespace"])),
      startStores(config).then(() => migrate(config)).then(() => bootstrap(config)),
    ]);
    const parts = await startParts(config);
    await waitHealthy(config, parts, since);
    const token = await issueToken(config, config.tenant, "test");
    if (options.catalogue !== false) await publishCatalogue(config, () => {});
    return makeStack(config, dir, parts, token);
  } catch (error) {
    const logs = allLogs(config, 15);
    await tearDown(config, dir);
    throw new Error(`the stack did not start: ${error instanceof Error ? error.message : String(error)}\n${logs}`, { cause: error });
  }
}

function makeStack(config: BerthConfig, dir: string, parts: readonly Part[], token: string): Stack {
  const held = new Set<PartName>();
  const partOf = (name: PartName) => parts.find((part) => part.name === name) as Part;
  const pid = (name: PartName) => runningPid(partOf(name).pidFile);
  const apps = new URL(config.appsUrl);
  const host = (app: string) => `${app}-${config.tenant}.${apps.host}`;
  const tryCli = (args: readonly string[], options: CliOptions = {}) =>
    runUnchecked([join(REPOSITORY, "cli/berth"), ...args], {
      env: { ...passedToCli(), HOME: join(dir, "home"), BERTH_API: config.apiUrl, BERTH_TOKEN: token, ...options.env },
      timeoutMs: options.timeoutMs ?? 180_000,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.input === undefined ? {} : { input: options.input }),
    });
  return {
    config,
    apiUrl: config.apiUrl,
    gatewayUrl: config.gatewayUrl,
    tenant: config.tenant,
    token,
    host,
    tryCli,
    cli: async (args, options) => {
      const result = await tryCli(args, options);
      if (result.code !== 0) throw new CommandError(["berth", ...args], result);
      return result;
    },
    get: (app, path = "/") => ask(config.gatewayUrl, host(app), path),
    pid,
    kill: (name) => {
      const running = pid(name);
      if (running !== undefined) signalPid(running, "SIGKILL");
    },
    hold: async (name) => {
      held.add(name);
      await startParts(config, held);
      await until(() => pid(name) === undefined);
    },
    resume: async (name) => {
      held.delete(name);
      await startParts(config, held);
      await until(() => pid(name) !== undefined);
    },
    healthy: (since = new Date()) => waitHealthy(config, parts, since),
    newTenant: (name) => issueToken(config, name, "test"),
    logs: (lines = 40) => allLogs(config, lines),
    stop: () => tearDown(config, dir),
  };
}

export async function until(answer: () => boolean | Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  for (const deadline = Date.now() + timeoutMs; !(await answer()); await sleep(25)) {
    if (Date.now() > deadline) throw new Error(`not so after ${timeoutMs / 1000} s: ${answer.toString().slice(0, 200)}`);
  }
}

function allLogs(config: BerthConfig, lines: number): string {
  return [...PART_NAMES, "supervisor"].map((name) => `--- ${name}\n${tailOf(join(config.logDir, `${name}.log`), lines)}`).join("\n");
}

async function tearDown(config: BerthConfig, dir: string): Promise<void> {
  for (const step of DOWN_STEPS) await step.run({ config, immediate: true }, () => {});
  rmSync(dir, { recursive: true, force: true });
}

/** Takes down the stacks of tests that were killed. */
export async function sweepStacks(root: string): Promise<void> {
  for (const name of readdirSync(root)) {
    const dir = join(root, name);
    const owner = join(dir, "owner.pid");
    if (!name.startsWith(PREFIX) || !existsSync(owner) || runningPid(owner) !== undefined) continue;
    const config = readConfig(join(dir, "data"));
    if (config === undefined) rmSync(dir, { recursive: true, force: true });
    else await tearDown(config, dir);
  }
}

/** One GET with a Host header, a connection of its own. */
export function ask(base: string, host: string, path = "/", headers: Record<string, string> = {}): Promise<Answer> {
  const { hostname, port } = new URL(base);
  return new Promise((resolve, reject) => {
    const asked = request({ hostname, port, path, headers: { ...headers, host }, agent: false, timeout: 60_000 }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
      response.on("error", reject);
    });
    asked.on("error", reject).on("timeout", () => asked.destroy(new Error(`${host}${path} did not answer within 60 s`)));
    asked.end();
  });
}
