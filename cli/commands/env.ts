import { Option, type Command } from "commander";
import { chooseApp } from "../app-name.ts";
import type { Client } from "../client.ts";
import { finishDeployment } from "../deploy/finish.ts";
import { finishReleased } from "../deploy/released.ts";
import { usageError } from "../errors.ts";
import { parsePairs } from "../flags.ts";
import { safeLogText, type Output } from "../output.ts";
import { APP_OPTION, commonOptions, openSession, type CommonOptions } from "../session.ts";

interface Options extends CommonOptions {
  app?: string;
  shared?: boolean;
  detach?: boolean;
}

export function define(command: Command): void {
  command.usage("list | set NAME=value… | unset NAME…").addHelpText(
    "after",
    `
A change makes a new release and rolls it out. NAME without a value takes it from your own environment.
With --shared: variables that all apps of the tenant get; an app's own of the same name goes first. Passwords
and keys are better kept as secrets: berth secrets --help

Examples:
  $ berth env list --app hello
  $ berth env set GREETING="good day" DEBUG=1
  $ berth env set API_KEY           the value of $API_KEY here
  $ berth env unset DEBUG
  $ berth env set REGION=eu --shared`,
  );
  sub(command, "list", "show the variables of the next release").action(list);
  sub(command, "set", "set variables").argument("<pairs...>", "NAME=value, or NAME").option("-d, --detach", "do not wait until it is live").action(set);
  sub(command, "unset", "remove variables").argument("<names...>").option("-d, --detach", "do not wait until it is live").action(unset);
}

function sub(parent: Command, name: string, summary: string): Command {
  return commonOptions(parent.command(name).summary(summary).description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`)).option(...APP_OPTION).addOption(new Option("--shared", "what all apps of the tenant share").conflicts("app"));
}

async function list(options: Options): Promise<void> {
  const { out, client } = openSession(options);
  const app = options.shared === true ? undefined : await chooseApp(options.app, ".");
  const env = app === undefined ? await client.sharedEnv() : await client.env(app);
  out.document(env);
  const names = Object.keys(env).sort();
  if (out.quiet) for (const name of names) out.result(name);
  if (names.length === 0) out.line(app === undefined ? "No variables are shared." : `${app} has no variables.`);
  for (const name of names) out.line(`${name}=${safeLogText(env[name] ?? "", false).replaceAll("\n", "\\n")}`);
}

async function set(pairs: string[], options: Options): Promise<void> {
  const values = parsePairs(pairs, process.env);
  await change(values, options);
}

async function unset(names: string[], options: Options): Promise<void> {
  const wrong = names.find((name) => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name));
  if (wrong !== undefined) throw usageError(`«${wrong}» is not the name of a variable.`);
  await change(Object.fromEntries(names.map((name) => [name, null])), options);
}

async function change(patch: Record<string, string | null>, options: Options): Promise<void> {
  const startedMs = performance.now();
  const { out, client } = openSession(options);
  if (options.shared === true) {
    const { env, deployments } = await client.patchSharedEnv(patch);
    await finishReleased({ out, client, deployments, detach: options.detach === true, startedMs, stored: { env } });
    return;
  }
  const app = await chooseApp(options.app, ".");
  const deployment = await client.patchEnv(app, patch);
  if (deployment === undefined) await sayStored(out, client, app);
  else await finishDeployment({ out, client, deployment, detach: options.detach === true, startedMs });
}

async function sayStored(out: Output, client: Client, app: string): Promise<void> {
  const { liveRelease, url } = await client.app(app);
  out.event({ event: "result", ok: true, app, url, state: null, deployment: null });
  out.line(liveRelease === null ? `Stored; it takes effect with the first deployment of ${app}.` : `Nothing has changed: ${app} has these values already.`);
}
