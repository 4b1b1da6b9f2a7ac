/** `infra/up`, once Node is there: brings a whole Berth up on this host. Safe to run again at any time. */
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import pc from "picocolors";
import { run } from "../core/host/spawn.ts";
import { favorCgroupChanges } from "./cgroup-changes.ts";
import { bootstrap, issueToken, migrate, runScript, startParts, startStores, waitHealthy } from "./berth.ts";
import { cliConfigFile, LOCAL_CONTEXT, storedToken, storeOperatorToken, storeToken, tokenWorks } from "./cli-config.ts";
import { configFile, ConfigError, prepareConfig, REPOSITORY, type BerthConfig } from "./config.ts";
import { checkHost } from "./host.ts";
import { baseEnv, secretKeysEnv, storeEnv, type Part } from "./parts.ts";
import { runSteps, seconds, type Step } from "./report.ts";

const HELP = `Usage: infra/up [--no-example] [--no-catalogue]

Starts a whole Berth on this host (Debian 12 or 13, as root): stores, API, worker, node agent, gateway. Installs
what is missing. Safe to run again: what runs stays, what changed or ended is started again.

  --no-example     do not deploy examples/hello
  --no-catalogue   do not make and publish the base images (debian, busybox, python, node)

Environment, remembered in $BERTH_DATA/config.json (all of them: docs/operate.md):
  BERTH_DATA            all data                (/var/lib/berth)
  BERTH_CACHE           toolchain, base images  (/var/cache/berth)
  BERTH_API_LISTEN      the API's address       (127.0.0.1:7070)
  BERTH_GATEWAY_LISTEN  the apps' address       (127.0.0.1:8080)
  BERTH_DATABASE_URL, BERTH_REDIS_URL, BERTH_S3_*   your own stores instead of local ones
`;

interface Context {
  config: BerthConfig;
  since: Date;
  parts: Part[];
  token?: string;
  tokenIsNew: boolean;
  answer?: string;
}

const STEPS: (options: { example: boolean; catalogue: boolean }) => Step<Context>[] = (options) => [
  { title: "this host", run: async ({ config }) => checkHost(config) },
  { title: "build toolchain", run: ({ config }, say) => runScript(config, "toolchain", ["toolchain/make"], say) },
  { title: "private mount namespace", run: ({ config }, say) => runScript(config, "sandbox-namespace", ["sandbox-namespace"], say) },
  { title: "control groups", run: ({ config }) => favorCgroupChanges(config.runDir) },
  { title: "stores", run: ({ config }) => startStores(config) },
  { title: "database schema", run: ({ config }) => migrate(config) },
  { title: "tenant, node and gateway", run: ({ config }) => bootstrap(config).then(() => `tenant ${config.tenant}`) },
  {
    title: "API, worker, node agent, gateway",
    run: async (context, say) => {
      context.parts = await startParts(context.config);
      await waitHealthy(context.config, context.parts, context.since, say);
      return context.config.apiUrl;
    },
  },
  { title: "token for the CLI", run: (context) => cliToken(context) },
  {
    title: "base images",
    skip: () => (options.catalogue ? false : "--no-catalogue"),
    run: ({ config }, say) => publishCatalogue(config, say),
  },
  { title: "examples/hello", skip: () => (options.example ? false : "--no-example"), run: (context) => deployExample(context) },
];

/** Makes the base images when they are not in the cache, and puts them into this Berth's registry. */
export async function publishCatalogue(config: BerthConfig, say: (line: string) => void): Promise<void> {
  await runScript(config, "catalogue", ["catalogue/make"], say);
  await runScript(config, "catalogue-publish", ["catalogue/publish"], say, { ...storeEnv(config), ...secretKeysEnv(config) });
}

async function cliToken(context: Context): Promise<string> {
  const { config } = context;
  storeOperatorToken(process.env, config.apiUrl, config.secrets.operatorToken);
  const stored = storedToken(process.env, config.apiUrl);
  if (stored !== undefined && (await tokenWorks(config.apiUrl, stored))) {
    context.token = stored;
    return "as before";
  }
  context.token = await issueToken(config, config.tenant, "infra/up");
  context.tokenIsNew = true;
  const current = storeToken(process.env, config.apiUrl, context.token);
  return current ? `in ${cliConfigFile(process.env)}` : `in ${cliConfigFile(process.env)}; use it with BERTH_CONTEXT=${LOCAL_CONTEXT}`;
}

async function deployExample(context: Context): Promise<string> {
  const { config, token } = context;
  const { stdout } = await run([join(REPOSITORY, "cli/berth"), "deploy", join(REPOSITORY, "examples/hello"), "--quiet"], {
    env: { ...baseEnv(config), BERTH_API: config.apiUrl, BERTH_TOKEN: token ?? "" },
    timeoutMs: 600_000,
  });
  const url = stdout.trim().split("\n").at(-1) ?? "";
  context.answer = await answerOf(url, config);
  return url;
}

/** What the app says through the gateway; its name need not resolve on this host. */
async function answerOf(url: string, config: BerthConfig): Promise<string> {
  for (let tries = 0; ; tries++) {
    const { status, body } = await get(new URL(url), config);
    if (status === 200) return body.trim().slice(0, 500);
    if (tries === 20) throw new Error(`${url} answers ${status}: ${body.slice(0, 300)}`);
    await sleep(250);
  }
}

function get(url: URL, config: BerthConfig): Promise<{ status: number; body: string }> {
  const { hostname, port } = new URL(config.gatewayUrl);
  return new Promise((resolve, reject) => {
    const asked = request({ hostname, port, path: url.pathname, headers: { host: url.host }, timeout: 30_000 }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
      response.on("error", reject);
    });
    asked.on("error", reject).on("timeout", () => asked.destroy(new Error(`${url.href} did not answer within 30 s`)));
    asked.end();
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { "no-example": { type: "boolean" }, "no-catalogue": { type: "boolean" }, help: { type: "boolean", short: "h" } } });
  if (values.help === true) return void process.stdout.write(HELP);
  const startedAtMs = performance.now();
  const config = await prepareConfig(process.env);
  const context: Context = { config, since: new Date(), parts: [], tokenIsNew: false };
  await runSteps(STEPS({ example: values["no-example"] !== true, catalogue: values["no-catalogue"] !== true }), context);
  const say = (line = "") => process.stdout.write(`${line}\n`);
  say();
  say(`Berth is up (${seconds(performance.now() - startedAtMs)}).`);
  say(`  API     ${config.apiUrl}`);
  say(`  apps    ${config.appsUrl.replace("://", "://<app>-<tenant>.")}`);
  say(`  data    ${config.dataDir} (settings and secrets: ${configFile(config.dataDir)})`);
  say(`  logs    ${config.logDir}`);
  if (context.tokenIsNew) say(`  token   ${context.token} (tenant ${config.tenant}; shown once, kept for the CLI)`);
  if (context.answer !== undefined) {
    say();
    say(`examples/hello answers: ${context.answer}`);
  }
  say();
  say(`Next: cli/berth deploy DIR · cli/berth --help · infra/down`);
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    process.stderr.write(`\n${pc.red("infra/up:")} ${text}\n`);
    if (!(error instanceof ConfigError) && process.env["BERTH_DEBUG"] !== undefined && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    process.exitCode = 1;
  }
}
