/** `infra/down`, once Node is there: stops exactly what `infra/up` started. */
import { rmSync } from "node:fs";
import { parseArgs } from "node:util";
import pc from "picocolors";
import { restoreCgroupChanges } from "./cgroup-changes.ts";
import { forgetTokens } from "./cli-config.ts";
import { dataDirOf, readConfig, type BerthConfig } from "./config.ts";
import { runSteps, type Step } from "./report.ts";
import { killSandboxes, removeFromHost, stopLocalStores, stopParts, stopProxy, stopSupervisor } from "./teardown.ts";

const HELP = `Usage: infra/down [--purge]

Stops the Berth of $BERTH_DATA (/var/lib/berth): gateway, apps, builds, node agent, worker, API and the stores that
infra/up started. Data stays, and infra/up brings everything back.

  --purge   removes $BERTH_DATA too: apps, releases, images, volumes, logs, settings and secrets, and your CLI's
            tokens for them. Your own stores (BERTH_DATABASE_URL, BERTH_REDIS_URL, BERTH_S3_*) and $BERTH_CACHE stay as
            they are.
`;

export const DOWN_STEPS: readonly Step<{ config: BerthConfig; immediate: boolean }>[] = [
  { title: "supervisor", run: async ({ config }) => void (await stopSupervisor(config)) },
  { title: "gateway, node agent, worker", run: ({ config }) => stopFront(config) },
  { title: "apps and builds", run: async ({ config }) => `${await killSandboxes(config)} processes` },
  { title: "API", run: async ({ config }) => named(await stopParts(config, ["api"])) },
  { title: "stores", run: async ({ config, immediate }) => named(await stopLocalStores(config, { immediate })) },
  {
    title: "networks, limits, mounts",
    run: async ({ config }) => {
      await removeFromHost(config);
      await restoreCgroupChanges(config.runDir);
    },
  },
];

async function stopFront(config: BerthConfig): Promise<string> {
  const parts = await stopParts(config, ["gateway", "worker", "agent"]);
  return named([...parts, ...((await stopProxy(config)) ? ["proxy"] : [])]);
}

function named(names: readonly string[]): string {
  return names.length === 0 ? "did not run" : names.join(", ");
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { purge: { type: "boolean" }, help: { type: "boolean", short: "h" } } });
  if (values.help === true) return void process.stdout.write(HELP);
  if (process.getuid?.() !== 0) throw new Error("this needs root: run it again with sudo");
  const dataDir = dataDirOf(process.env);
  const config = readConfig(dataDir);
  if (config === undefined) {
    process.stdout.write(`There is no Berth in ${dataDir}.\n`);
    return;
  }
  await runSteps(DOWN_STEPS, { config, immediate: false });
  if (values.purge !== true) {
    process.stdout.write(`Berth is down. Its data stays in ${dataDir}; infra/up brings it back.\n`);
    return;
  }
  process.stdout.write(`Removing ${dataDir}: apps, releases, images, volumes, logs, settings and secrets.\n`);
  rmSync(dataDir, { recursive: true, force: true });
  process.stdout.write(`Berth is gone. ${config.cacheDir} (toolchain and base images) stays.\n`);
  forgetTokens(process.env, config.apiUrl);
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    process.stderr.write(`\n${pc.red("infra/down:")} ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
