import { readFileSync } from "node:fs";
import { Argument, Option, type Command } from "commander";
import type { SecretPut } from "../../client/index.ts";
import { chooseApp } from "../app-name.ts";
import { finishReleased } from "../deploy/released.ts";
import { CliError, EXIT, usageError } from "../errors.ts";
import { formatAge } from "../output.ts";
import { readSecretValue, secretBody } from "../secret-value.ts";
import { APP_OPTION, commonOptions, openSession, type CommonOptions, type Session } from "../session.ts";

interface Options extends CommonOptions {
  app?: string;
  shared?: boolean;
  detach?: boolean;
  kind: SecretPut["kind"];
  file?: string;
  value?: string;
}

export function define(command: Command): void {
  command.usage("list | set NAME | unset NAME…").addHelpText(
    "after",
    `
A value goes in and never comes out again: not from the API, not into a log. It is read from a prompt, from stdin
or from a file, so that it does not stay in your shell's history. A change makes a new release and rolls it out.

Kinds: env is a variable of the app; file is /run/secrets/NAME in its instances; build is for
RUN --mount=type=secret,id=NAME of its builds alone.

Examples:
  $ berth secrets set DATABASE_URL --app hello             asks for it
  $ pass show db | berth secrets set DATABASE_URL -a hello
  $ berth secrets set tls.key --kind file --file key.pem
  $ berth secrets set NPM_TOKEN --kind build --shared
  $ berth secrets list
  $ berth secrets unset DATABASE_URL`,
  );
  sub(command, "list", "show names, kinds and versions, never values").action(list);
  sub(command, "set", "set a secret")
    .addArgument(new Argument("<name>", "of the variable, the file or the mount"))
    .addOption(new Option("--kind <kind>", "what it is in the app").choices(["env", "file", "build"]).default("env"))
    .addOption(new Option("--file <path>", "read the value from this file; - is stdin").conflicts("value"))
    .option("--value <value>", "the value itself: it stays in your shell's history and can be seen by others on this host")
    .option("-d, --detach", "do not wait until it is live")
    .action(set);
  sub(command, "unset", "remove secrets").argument("<names...>").option("-d, --detach", "do not wait until it is live").action(unset);
}

function sub(parent: Command, name: string, summary: string): Command {
  const made = parent.command(name).summary(summary).description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`);
  return commonOptions(made).option(...APP_OPTION).addOption(new Option("--shared", "what all apps of the tenant share").conflicts("app"));
}

/** Undefined: what all apps share. */
async function placeOf(options: Options): Promise<string | undefined> {
  return options.shared === true ? undefined : await chooseApp(options.app, ".");
}

async function list(options: Options): Promise<void> {
  const { out, client } = openSession(options);
  const app = await placeOf(options);
  const found = await client.secrets(app);
  out.document(found);
  if (out.quiet) for (const { name } of found) out.result(name);
  if (found.length === 0) {
    out.line(app === undefined ? "No secrets are shared." : `${app} has no secrets.`);
    return;
  }
  const now = Date.now();
  await out.table(["SECRET", "KIND", "VERSION", "", "SET"], found.map((one) => [one.name, one.kind, `v${one.version}`, one.shared ? "shared" : "", formatAge(one.updatedAt, now)]));
}

async function set(name: string, options: Options): Promise<void> {
  if (name.includes("=")) throw usageError("A secret's value does not go on the command line: it would stay in your shell's history.", `Say «berth secrets set ${name.slice(0, name.indexOf("="))}» and type it, pipe it, or name a --file.`);
  const startedMs = performance.now();
  const session = openSession(options);
  const app = await placeOf(options);
  const value = await valueOf(name, options, session);
  const change = await session.client.putSecret(app, name, secretBody(options.kind, value));
  session.out.line(`${session.out.colors.green("✓")} ${name} is set (${options.kind}, version ${change.secret?.version ?? "?"})`);
  await finishReleased({ ...session, deployments: change.deployments, detach: options.detach === true, startedMs, stored: { secret: change.secret } });
}

async function valueOf(name: string, { kind, value, file }: Options, { out }: Session): Promise<Buffer> {
  if (value !== undefined) {
    out.warn("the value stays in your shell's history; without --value it is asked for");
    return Buffer.from(value);
  }
  if (file !== undefined && file !== "-") {
    try {
      return readFileSync(file);
    } catch (error) {
      throw new CliError(`${file} cannot be read: ${(error as Error).message}`, { exitCode: EXIT.usage, code: "usage", cause: error });
    }
  }
  return await readSecretValue(name, kind);
}

async function unset(names: string[], options: Options): Promise<void> {
  const startedMs = performance.now();
  const session = openSession(options);
  const app = await placeOf(options);
  for (const [at, name] of names.entries()) {
    const { deployments } = await session.client.deleteSecret(app, name);
    session.out.line(`${session.out.colors.green("✓")} ${name} is removed`);
    // The last release is without any of them.
    const isLast = at === names.length - 1;
    if (isLast) await finishReleased({ ...session, deployments, detach: options.detach === true, startedMs, stored: { removed: names } });
  }
}
