import type { Command } from "commander";
import type { Domain } from "../../client/index.ts";
import { chooseApp } from "../app-name.ts";
import { CliError, EXIT, usageError } from "../errors.ts";
import { formatAge } from "../output.ts";
import { APP_OPTION, commonOptions, openSession, type CommonOptions, type Session } from "../session.ts";

type Options = CommonOptions & { app?: string; yes?: boolean };

export function define(command: Command): void {
  command.usage("list | add HOST | check HOST | remove HOST").addHelpText(
    "after",
    `
A domain is served once a TXT record has shown that it is yours. «add» says which record to set; Berth looks for it
by itself, and «check» looks at once. Then lead the domain to your app with a CNAME (or an ALIAS at the top).

Examples:
  $ berth domains add shop.acme.com --app shop
  $ berth domains check shop.acme.com --app shop
  $ berth domains list --app shop
  $ berth domains remove shop.acme.com --app shop`,
  );
  sub(command, "list", "show an app's domains").action(list);
  sub(command, "add", "claim a domain").argument("<host>").action(add);
  sub(command, "check", "look for the domain's record now").argument("<host>").action(check);
  sub(command, "remove", "give a domain up").argument("<host>").option("-y, --yes", "do not ask").action(remove);
}

function sub(parent: Command, name: string, summary: string): Command {
  const made = parent.command(name).summary(summary).description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`);
  return commonOptions(made).option(...APP_OPTION);
}

async function list(options: Options): Promise<void> {
  const { out, client } = openSession(options);
  const app = await chooseApp(options.app, ".");
  const found = await client.domains(app);
  out.document(found);
  if (out.quiet) for (const { host } of found) out.result(host);
  if (found.length === 0) out.line(`${app} has no domains of its own.`);
  const now = Date.now();
  if (found.length > 0) await out.table(["DOMAIN", "STATE", "LOOKED AT"], found.map((one) => [one.host, one.verified ? "verified" : "waits for its record", one.checkedAt === null ? "" : formatAge(one.checkedAt, now)]));
}

async function add(host: string, options: Options): Promise<void> {
  const session = openSession(options);
  const domain = await session.client.addDomain(await chooseApp(options.app, "."), host);
  session.out.document(domain);
  session.out.line(`${session.out.colors.green("✓")} ${domain.host} is claimed for ${domain.app}`);
  explain(session, domain);
}

async function check(host: string, options: Options): Promise<void> {
  const session = openSession(options);
  const { out } = session;
  const domain = await session.client.checkDomain(await chooseApp(options.app, "."), host);
  out.document(domain);
  if (domain.verified) return out.line(`${out.colors.green("✓")} ${domain.host} is verified: ${domain.app} answers there once its CNAME leads to ${domain.target}`);
  out.line(`${domain.host} is not verified yet. ${domain.problem ?? ""}`);
  explain(session, domain);
  process.exitCode = EXIT.failed;
}

function explain({ out }: Session, { record, host, target }: Domain): void {
  out.line("  set in your DNS:");
  out.line(`    ${record.name}  ${record.type}    ${record.value}`);
  out.line(`    ${host}  CNAME  ${target}`);
}

async function remove(host: string, options: Options): Promise<void> {
  const { out, client } = openSession(options);
  const app = await chooseApp(options.app, ".");
  if (options.yes !== true) {
    if (process.stdin.isTTY !== true) throw usageError("There is no terminal to ask for your consent.", `If you are sure: berth domains remove ${host} --app ${app} --yes`);
    const { confirm } = await import("@inquirer/prompts");
    if (!(await confirm({ message: `${app} will not answer at ${host} any more, and whoever claims it next must prove it anew. Go on?`, default: false }))) {
      throw new CliError("Nothing was removed.", { exitCode: EXIT.cancelled, code: "cancelled" });
    }
  }
  await client.removeDomain(app, host);
  out.document({ app, host, removed: true });
  out.line(`${out.colors.green("✓")} ${host} is given up`);
}
