/**
 * Where the API is and who we are: `~/.config/berth/config.json`, mode 0600.
 * Shape: `{ "current": "local", "contexts": { "local": { "api": "http://127.0.0.1:7070", "token": "berth_…" } } }`.
 * `BERTH_API`, `BERTH_TOKEN` and `BERTH_CONTEXT` in the environment win over it.
 */
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { CliError, EXIT, usageError } from "./errors.ts";

export const DEFAULT_API = "http://127.0.0.1:7070";
export const DEFAULT_CONTEXT = "default";

export interface ConfigContext {
  api: string;
  token?: string;
}
export interface Config {
  current: string;
  contexts: Record<string, ConfigContext>;
}
/** Where requests go. */
export interface Target {
  /** Without a slash at its end. */
  api: string;
  token?: string;
  context: string;
}

type Env = Record<string, string | undefined>;

export function configPath(env: Env): string {
  const base = env["XDG_CONFIG_HOME"] || join(env["HOME"] || homedir(), ".config");
  return join(base, "berth", "config.json");
}

/** The stored configuration; an empty one when there is no file. Throws `CliError` when the file cannot be read. */
export function readConfig(env: Env): Config {
  const path = configPath(env);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { current: DEFAULT_CONTEXT, contexts: {} };
    throw new CliError(`${path} cannot be read: ${(error as Error).message}`, { exitCode: EXIT.usage, cause: error });
  }
  const config = parseConfig(text);
  if (config === undefined) throw usageError(`${path} is not a valid configuration.`, "Remove it and sign in again with «berth login».");
  return config;
}

function parseConfig(text: string): Config | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(value) || typeof value["current"] !== "string" || !isRecord(value["contexts"])) return undefined;
  const contexts: Record<string, ConfigContext> = {};
  for (const [name, context] of Object.entries(value["contexts"])) {
    if (!isRecord(context) || typeof context["api"] !== "string") return undefined;
    const token = context["token"];
    if (token !== undefined && typeof token !== "string") return undefined;
    contexts[name] = { api: context["api"], ...(token === undefined ? {} : { token }) };
  }
  return { current: value["current"], contexts };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Writes the configuration whole or not at all, readable by its owner alone. */
export function writeConfig(env: Env, config: Config): void {
  const path = configPath(env);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}`;
  try {
    writeFileSync(temporary, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600, flag: "wx" });
    chmodSync(temporary, 0o600);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new CliError(`${path} cannot be written: ${(error as Error).message}`, { cause: error });
  }
}

/** A base URL as it is kept: http or https, no slash at its end. Throws a usage error for anything else. */
export function normalApi(text: string): string {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw usageError(`«${text}» is not the URL of an API.`, `It looks like ${DEFAULT_API}`);
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
}

/**
 * Where requests go. A stored token is only ever sent to the API that it was stored with: with another
 * `BERTH_API`, a context of that API is looked for.
 */
export function resolveTarget(env: Env, contextName?: string): Target {
  const envToken = env["BERTH_TOKEN"]?.trim();
  const envApi = env["BERTH_API"]?.trim();
  if (envApi && envToken) return { api: normalApi(envApi), token: envToken, context: "environment" };
  const config = readConfig(env);
  const wanted = contextName ?? env["BERTH_CONTEXT"];
  const name = wanted ?? config.current;
  const stored = config.contexts[name];
  if (wanted !== undefined && stored === undefined) {
    const known = Object.keys(config.contexts);
    throw usageError(`There is no context «${wanted}».`, known.length === 0 ? "Sign in with «berth login»." : `There are: ${known.join(", ")}.`);
  }
  if (envApi) {
    const api = normalApi(envApi);
    const same = [stored, ...Object.values(config.contexts)].find((context) => context !== undefined && normalApi(context.api) === api);
    return { api, context: "environment", ...(same?.token === undefined ? {} : { token: same.token }) };
  }
  const token = envToken || stored?.token;
  return { api: normalApi(stored?.api ?? DEFAULT_API), context: name, ...(token === undefined ? {} : { token }) };
}
