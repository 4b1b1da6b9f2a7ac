import { Argument, Option, type Command } from "commander";
import type { NewInvite } from "../../client/index.ts";
import { ROLES, type Role } from "../../core/domain/access.ts";
import { printable } from "../../core/domain/printable.ts";
import { CliError } from "../errors.ts";
import { span } from "../flags.ts";
import { formatAge, type Output } from "../output.ts";
import { commonOptions, openSession, type CommonOptions } from "../session.ts";

interface Options extends CommonOptions {
  role: Role;
  expires?: number;
}
const WEEK_SECONDS = 7 * 86_400;

export function define(command: Command): void {
  command.usage("list | invite EMAIL | role MEMBER ROLE | remove MEMBER").addHelpText(
    "after",
    `
Roles: owner may do all; developer deploys and changes apps; viewer looks. A MEMBER is an address or an id; an
invitation that is open is taken back with its id. The last owner stays.

Examples:
  $ berth members list
  $ berth members invite ada@example.com --role developer     prints the link to send
  $ berth members role ada@example.com owner
  $ berth members remove ada@example.com`,
  );
  sub(command, "list", "show members, and who is invited").action(list);
  sub(command, "invite", "make a link by which a person joins")
    .addArgument(new Argument("<email>", "whom it is for: nobody else can use it"))
    .addOption(new Option("--role <role>", "what the person may do").choices(ROLES).default("developer"))
    .option("--expires <span>", "how long the link is good (default: 7d)", span("--expires"))
    .action(invite);
  sub(command, "role", "change what a member may do").addArgument(new Argument("<member>", "address or id")).addArgument(new Argument("<role>", "the new role").choices(ROLES)).action(role);
  sub(command, "remove", "remove a member, or take an invitation back").addArgument(new Argument("<member>", "address or id")).action(remove);
}

function sub(parent: Command, name: string, summary: string): Command {
  return commonOptions(parent.command(name).summary(summary).description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`));
}

async function list(options: Options): Promise<void> {
  const { out, client } = openSession(options);
  const members = await client.members();
  // Who is invited is for those who may invite.
  const invites = await client.invites().catch((error: unknown) => {
    if (error instanceof CliError && error.details.code === "forbidden") return [];
    throw error;
  });
  out.document({ members, invites });
  if (out.quiet) for (const { email } of members) out.result(email);
  if (members.length + invites.length === 0) {
    out.line("Nobody has joined: the tenant is used with tokens alone.");
    return;
  }
  const now = Date.now();
  await out.table(
    ["MEMBER", "NAME", "ROLE", "SINCE", "ID"],
    [
      ...members.map((one) => [one.email, printable(one.name), one.role, formatAge(one.since, now), one.userId]),
      ...invites.map((one) => [one.email, out.colors.dim("invited"), one.role, `until ${one.expiresAt.slice(0, 10)}`, one.id]),
    ],
  );
}

async function invite(email: string, options: Options): Promise<void> {
  const { out, client } = openSession(options);
  showInvite(out, await client.invite({ email, role: options.role, expiresInSeconds: options.expires ?? WEEK_SECONDS }));
}

/** The link is the result. */
export function showInvite(out: Output, made: NewInvite): void {
  out.document(made);
  out.line(`${out.colors.green("✓")} ${made.email} may join as ${made.role} until ${made.expiresAt}. Send this link; it is shown this once:`);
  out.result(made.link);
}

async function role(member: string, to: Role, options: Options): Promise<void> {
  const { out, client } = openSession(options);
  const changed = await client.setRole(member, to);
  out.document(changed);
  out.line(`${out.colors.green("✓")} ${changed.email} is ${changed.role} now.`);
}

async function remove(member: string, options: Options): Promise<void> {
  const { out, client } = openSession(options);
  if (member.startsWith("inv_")) await client.revokeInvite(member);
  else await client.removeMember(member);
  out.document({ removed: member });
  out.line(`${out.colors.green("✓")} ${member} is removed.`);
}
