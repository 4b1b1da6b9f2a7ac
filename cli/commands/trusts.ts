import { Argument, Option, type Command } from "commander";
import { SCOPES, type Scope } from "../../core/domain/access.ts";
import { printable } from "../../core/domain/printable.ts";
import { listOf, parseClaims, repeated } from "../flags.ts";
import { commonOptions, openSession, type CommonOptions } from "../session.ts";

interface Options extends CommonOptions {
  issuer: string;
  audience: string;
  claim: string[];
  scopes: Scope[];
  app?: string;
}

export function define(command: Command): void {
  command.usage("list | add NAME --issuer … --claim … --scopes … | remove NAME").addHelpText(
    "after",
    `
A pipeline shows the identity token that its provider gives it, and gets a deploy token for an hour: there is no
secret to store. In a claim * stands for any characters but / and :. How a pipeline asks: docs/tokens.md.

Examples:
  $ berth trusts add shop --issuer https://token.actions.githubusercontent.com \\
      --claim sub=repo:acme/shop:ref:refs/heads/main --scopes read,deploy --app shop
  $ berth trusts add gitlab --issuer https://gitlab.com --claim project_path=acme/shop --claim ref=main --scopes deploy
  $ berth trusts list
  $ berth trusts remove shop`,
  );
  sub(command, "list", "show whom pipelines are trusted by").action(list);
  sub(command, "add", "trust a pipeline")
    .addArgument(new Argument("<name>", "for people to know it by"))
    .requiredOption("--issuer <url>", "who signs its tokens: their «iss»")
    .option("--audience <text>", "whom its tokens are for: their «aud»", "berth")
    .addOption(new Option("--claim <name=value>", "what its tokens must say; repeat it for more").argParser(repeated).makeOptionMandatory())
    .addOption(new Option("--scopes <scopes>", "what it may do, parted by commas").argParser(listOf("--scopes", SCOPES)).makeOptionMandatory())
    .option("-a, --app <name>", "the one app that it sees (default: all)")
    .action(add);
  sub(command, "remove", "trust it no more: tokens that it has end, too").addArgument(new Argument("<name>", "name or id")).action(remove);
}

function sub(parent: Command, name: string, summary: string): Command {
  return commonOptions(parent.command(name).summary(summary).description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`));
}

async function list(options: Options): Promise<void> {
  const { out, client } = openSession(options);
  const found = await client.trusts();
  out.document(found);
  if (out.quiet) for (const { name } of found) out.result(name);
  if (found.length === 0) {
    out.line("No pipeline is trusted.");
    return;
  }
  const claimsOf = (claims: Record<string, string>) => Object.entries(claims).map(([name, value]) => printable(`${name}=${value}`)).join("\n");
  await out.table(["TRUST", "ISSUER", "AUDIENCE", "CLAIMS", "SCOPES", "APP"], found.map((one) => [printable(one.name), one.issuer, printable(one.audience), claimsOf(one.claims), one.scopes.join(","), one.app ?? "-"]));
}

async function add(name: string, options: Options): Promise<void> {
  const { out, client } = openSession(options);
  const { issuer, audience, scopes, app } = options;
  const made = await client.createTrust({ name, issuer, audience, claims: parseClaims(options.claim), scopes, ...(app === undefined ? {} : { app }) });
  out.document(made);
  if (out.quiet) out.result(made.id);
  out.line(`${out.colors.green("✓")} ${printable(made.name)} is trusted (${made.id}).`);
}

async function remove(name: string, options: Options): Promise<void> {
  const { out, client } = openSession(options);
  await client.removeTrust(name);
  out.document({ removed: name });
  out.line(`${out.colors.green("✓")} ${name} is trusted no more.`);
}
