import { Argument, Option, type Command } from "commander";
import type { NewToken, Token } from "../../client/index.ts";
import { SCOPES, type Scope } from "../../core/domain/access.ts";
import { printable } from "../../core/domain/printable.ts";
import { listOf, span } from "../flags.ts";
import { formatAge, type Output } from "../output.ts";
import { commonOptions, openSession, type CommonOptions } from "../session.ts";

interface Options extends CommonOptions {
  kind: "personal" | "deploy";
  scopes: Scope[];
  app?: string;
  expires?: number;
  overlap?: number;
}

export function define(command: Command): void {
  command.usage("list | create NAME --scopes … | rotate TOKEN | revoke TOKEN").addHelpText(
    "after",
    `
A token is shown once. A personal one acts for you, with your role at most; a deploy token is a machine's.
Nobody gives more than they have. For pipelines, «berth trusts» needs no stored token at all.

Scopes: ${SCOPES.join(", ")}

Examples:
  $ berth tokens list
  $ berth tokens create ci --scopes read,deploy --app shop --expires 90d
  $ berth tokens create laptop --kind personal --scopes read,deploy,logs
  $ berth tokens rotate tok_01k… --overlap 12h      both work for 12 hours
  $ berth tokens revoke tok_01k…                    ends everywhere within a second`,
  );
  sub(command, "list", "show tokens that open something, never the tokens themselves").action(list);
  sub(command, "create", "make a token")
    .addArgument(new Argument("<name>", "for people to know it by"))
    .addOption(new Option("--scopes <scopes>", "what it may do, parted by commas").argParser(listOf("--scopes", SCOPES)).makeOptionMandatory())
    .addOption(new Option("--kind <kind>", "whose it is").choices(["deploy", "personal"]).default("deploy"))
    .option("-a, --app <name>", "the one app that it sees (default: all)")
    .option("--expires <span>", "until it ends: 12h, 90d (default: it does not)", span("--expires"))
    .action(create);
  sub(command, "rotate", "make a token in the place of another")
    .addArgument(new Argument("<token>", "its id"))
    .option("--overlap <span>", "how long the old one works still (default: 1d)", span("--overlap"))
    .option("--expires <span>", "until the new one ends (default: as long as the old one was given)", span("--expires"))
    .action(rotate);
  sub(command, "revoke", "end a token").addArgument(new Argument("<token>", "its id")).action(revoke);
}

function sub(parent: Command, name: string, summary: string): Command {
  return commonOptions(parent.command(name).summary(summary).description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`));
}

async function list(options: Options): Promise<void> {
  const { out, client } = openSession(options);
  await showTokens(out, await client.tokens());
}

export async function showTokens(out: Output, found: readonly Token[]): Promise<void> {
  out.document(found);
  if (out.quiet) for (const { id } of found) out.result(id);
  if (found.length === 0) {
    out.line("There is no token.");
    return;
  }
  const now = Date.now();
  const until = ({ expiresAt }: Token) => (expiresAt === null ? "-" : expiresAt.slice(0, 16).replace("T", " "));
  await out.table(
    ["TOKEN", "NAME", "KIND", "SCOPES", "APP", "LAST USED", "UNTIL (UTC)"],
    found.map((one) => [one.id, printable(one.name), one.user === null ? one.kind : `${one.kind} (${one.user})`, one.scopes.length === SCOPES.length ? "all" : one.scopes.join(","), one.app ?? "-", one.lastUsedAt === null ? "never" : formatAge(one.lastUsedAt, now), until(one)]),
  );
}

async function create(name: string, options: Options): Promise<void> {
  const { out, client } = openSession(options);
  const { kind, scopes, app, expires } = options;
  showNew(out, await client.createToken({ name, kind, scopes, ...(app === undefined ? {} : { app }), ...(expires === undefined ? {} : { expiresInSeconds: expires }) }));
}

async function rotate(token: string, options: Options): Promise<void> {
  const { out, client } = openSession(options);
  const { overlap, expires } = options;
  showNew(out, await client.rotateToken(token, { overlapSeconds: overlap ?? 86_400, ...(expires === undefined ? {} : { expiresInSeconds: expires }) }));
}

/** The token itself is the result: `TOKEN=$(berth tokens create … --quiet)`. */
export function showNew(out: Output, made: NewToken): void {
  out.document(made);
  out.line(`${out.colors.green("✓")} ${printable(made.name)} (${made.id}), ${made.expiresAt === null ? "without an end" : `until ${made.expiresAt}`}. It is shown this once:`);
  out.result(made.token);
}

async function revoke(token: string, options: Options): Promise<void> {
  const { out, client } = openSession(options);
  await client.revokeToken(token);
  out.document({ revoked: token });
  out.line(`${out.colors.green("✓")} ${token} opens nothing any more.`);
}
