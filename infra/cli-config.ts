/** The token for the CLI of whoever called `infra/up`: the context `local` in `~/.config/berth/config.json`. */
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";

export const LOCAL_CONTEXT = "local";
/** Of `berth operator …` on this host. */
export const OPERATOR_CONTEXT = "operator";

const CliConfigSchema = z.looseObject({
  current: z.string(),
  contexts: z.record(z.string(), z.looseObject({ api: z.string(), token: z.string().optional() })),
});
type CliConfig = z.infer<typeof CliConfigSchema>;

export function cliConfigFile(env: NodeJS.ProcessEnv): string {
  return join(env["XDG_CONFIG_HOME"] || join(env["HOME"] || "/root", ".config"), "berth", "config.json");
}

function read(path: string): CliConfig {
  if (!existsSync(path)) return { current: LOCAL_CONTEXT, contexts: {} };
  return CliConfigSchema.parse(JSON.parse(readFileSync(path, "utf8")));
}

/** The stored token for this API, if there is one. */
export function storedToken(env: NodeJS.ProcessEnv, api: string): string | undefined {
  const context = read(cliConfigFile(env)).contexts[LOCAL_CONTEXT];
  return context?.api === api ? context.token : undefined;
}

/** Stores the token. Returns false when another context stays the current one. */
export function storeToken(env: NodeJS.ProcessEnv, api: string, token: string): boolean {
  const path = cliConfigFile(env);
  const config = read(path);
  if (config.contexts[config.current] === undefined) config.current = LOCAL_CONTEXT;
  config.contexts[LOCAL_CONTEXT] = { ...config.contexts[LOCAL_CONTEXT], api, token };
  write(path, config);
  return config.current === LOCAL_CONTEXT;
}

/** Stores the operator's token beside it; never the current context: it opens no tenant. */
export function storeOperatorToken(env: NodeJS.ProcessEnv, api: string, token: string): void {
  const path = cliConfigFile(env);
  const config = read(path);
  const before = config.contexts[OPERATOR_CONTEXT];
  if (before?.api === api && before.token === token) return;
  config.contexts[OPERATOR_CONTEXT] = { ...before, api, token };
  write(path, config);
}

/** The tokens that this API gave are nobody's any more. @throws Error when the file is not a configuration */
export function forgetTokens(env: NodeJS.ProcessEnv, api: string): void {
  const path = cliConfigFile(env);
  if (!existsSync(path)) return;
  const config = read(path);
  for (const name of [LOCAL_CONTEXT, OPERATOR_CONTEXT]) if (config.contexts[name]?.api === api) delete config.contexts[name];
  const [other] = Object.keys(config.contexts);
  if (other === undefined) return rmSync(path);
  if (config.contexts[config.current] === undefined) config.current = other;
  write(path, config);
}

function write(path: string, config: CliConfig): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.new`, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
  // With `sudo -E` the home directory is somebody else's than root's.
  const { uid, gid } = statSync(dirname(dirname(dirname(path))));
  for (const each of [dirname(path), `${path}.new`]) chownSync(each, uid, gid);
  renameSync(`${path}.new`, path);
}

/** Whether the API knows the token. */
export async function tokenWorks(api: string, token: string): Promise<boolean> {
  const response = await fetch(`${api}/v1/whoami`, { headers: { authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(5000) });
  await response.body?.cancel();
  return response.ok;
}
