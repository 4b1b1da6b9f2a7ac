import type { Command } from "commander";
import { commonOptions, openSession, type CommonOptions } from "../session.ts";

export function define(command: Command): void {
  commonOptions(command)
    .addHelpText(
      "after",
      `
Examples:
  $ berth whoami
  $ berth whoami --json`,
    )
    .action(whoami);
}

async function whoami(options: CommonOptions): Promise<void> {
  const { out, client } = openSession(options);
  const me = await client.whoami();
  out.document({ ...me, api: client.target.api, context: client.target.context });
  if (out.quiet) out.result(me.tenant.name);
  out.line(`tenant    ${me.tenant.name}`);
  if (me.token !== null) out.line(`token     ${me.token.name}${me.token.expiresAt === null ? "" : `, until ${me.token.expiresAt}`}`);
  if (me.user !== null) out.line(`role      ${me.user.role}`);
  out.line(`scopes    ${me.scopes.join(", ") || "none"}${me.app === null ? "" : ` (app ${me.app} alone)`}`);
  out.line(`registry  ${me.registry}`);
  out.line(`api       ${client.target.api} (context ${client.target.context})`);
}
