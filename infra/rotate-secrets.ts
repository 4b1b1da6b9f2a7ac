/** `infra/rotate-secrets`, once Node is there: a new master key, then every value sealed with it. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import pc from "picocolors";
import { CommandError, runUnchecked } from "../core/host/spawn.ts";
import { addKey, dropOldKeys, sealWith } from "../core/secrets/key-file.ts";
import { startParts, waitHealthy } from "./berth.ts";
import { ConfigError, dataDirOf, QUICK_IMPORTS, readConfig, REPOSITORY, type BerthConfig } from "./config.ts";
import { baseEnv, secretKeysEnv, storeEnv, type PartName } from "./parts.ts";
import { runningPid } from "./process.ts";
import { runSteps, type Step } from "./report.ts";

const HELP = `Usage: infra/rotate-secrets [--drop-old]

Makes a new master key, has the API and the worker use it, and seals every tenant's secrets with it anew. Apps run on.
May be broken off and started again. Where BERTH_KMS_COMMAND holds the keys, it only seals anew with the present one.

  --drop-old   removes all keys but the one that seals, when no value needs them any more. Backups of the database that
               were made before can then not be opened: keep a copy of the file for as long as you keep these.
`;

const RESEAL_TIMEOUT_MS = 3_600_000;
const REPLACE_TIMEOUT_MS = 60_000;
const HOLDERS: readonly PartName[] = ["api", "worker"];

interface Rotation {
  config: BerthConfig;
  keyId: string;
}

/** The file on this host; undefined when a program holds the keys. */
const keyFileOf = ({ secretKeys }: BerthConfig) => ("command" in secretKeys ? undefined : secretKeys.file);
const byProgram = ({ config }: Rotation) => (keyFileOf(config) === undefined ? "BERTH_KMS_COMMAND holds the keys" : false);

export const ROTATE_STEPS: readonly Step<Rotation>[] = [
  // First everybody can open with it, and only then anybody seals with it.
  { title: "a new key that opens", skip: byProgram, run: ({ config, keyId }) => change(config, (file) => addKey(file, keyId)) },
  { title: "the new key seals", skip: byProgram, run: ({ config, keyId }) => change(config, (file) => sealWith(file, keyId)) },
  { title: "values sealed anew", run: async ({ config }) => reseal(config) },
];

export const DROP_STEPS: readonly Step<Rotation>[] = [
  // Fails, and leaves the keys, when a value cannot be sealed anew.
  { title: "values sealed anew", run: async ({ config }) => reseal(config) },
  { title: "old keys removed", skip: byProgram, run: ({ config }) => change(config, dropOldKeys) },
];

/** Changes the file, and has those that read it at their start begin again. */
async function change(config: BerthConfig, edit: (file: string) => string): Promise<string> {
  const file = keyFileOf(config);
  if (file === undefined) return "";
  const since = new Date();
  const said = edit(file);
  const pidFile = (name: PartName) => join(config.runDir, `${name}.pid`);
  const before = new Map(HOLDERS.map((name) => [name, runningPid(pidFile(name))]));
  const parts = await startParts(config);
  for (const deadline = Date.now() + REPLACE_TIMEOUT_MS; HOLDERS.some((name) => [undefined, before.get(name)].includes(runningPid(pidFile(name)))); await sleep(50)) {
    if (Date.now() > deadline) throw new ConfigError("the API and the worker were not started anew: run infra/up, then this again");
  }
  await waitHealthy(config, parts, since);
  return said;
}

async function reseal(config: BerthConfig): Promise<string> {
  const argv = [process.execPath, QUICK_IMPORTS, join(REPOSITORY, "api/rotate-secrets.ts")];
  const env = { ...baseEnv(config), PATH: process.env["PATH"] ?? "", ...storeEnv(config), ...secretKeysEnv(config) };
  const done = await runUnchecked(argv, { env, timeoutMs: RESEAL_TIMEOUT_MS });
  if (done.code !== 0) throw new CommandError(argv, done);
  return done.stdout.trim().split("\n").at(-1) ?? "";
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { "drop-old": { type: "boolean" }, help: { type: "boolean", short: "h" } } });
  if (values.help === true) return void process.stdout.write(HELP);
  if (process.getuid?.() !== 0) throw new Error("this needs root: run it again with sudo");
  const dataDir = dataDirOf(process.env);
  const config = readConfig(dataDir);
  if (config === undefined) throw new Error(`there is no Berth in ${dataDir}`);
  await runSteps(values["drop-old"] === true ? DROP_STEPS : ROTATE_STEPS, { config, keyId: new Date().toISOString().replace(/[:]/g, "-").slice(0, 19) });
  const file = keyFileOf(config);
  if (file !== undefined) process.stdout.write(`Back up ${file} now: without it no secret can ever be opened.\n`);
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    process.stderr.write(`\n${pc.red("infra/rotate-secrets:")} ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
