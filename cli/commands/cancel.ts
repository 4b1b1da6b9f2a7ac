import type { Command } from "commander";
import { chooseApp } from "../app-name.ts";
import type { Client } from "../client.ts";
import { hasEnded } from "../deploy/follow.ts";
import { CliError } from "../errors.ts";
import { APP_OPTION, commonOptions, openSession, type CommonOptions } from "../session.ts";

export function define(command: Command): void {
  commonOptions(command)
    .option(...APP_OPTION)
    .option("--deployment <id>", "this deployment, and not the app's last one")
    .addHelpText(
      "after",
      `
What is live keeps serving.

Examples:
  $ berth cancel
  $ berth cancel hello
  $ berth cancel --deployment dep_01k…`,
    )
    .action(cancel);
}

async function cancel(named: string | undefined, options: CommonOptions & { app?: string; deployment?: string }): Promise<void> {
  const { out, client } = openSession(options);
  const id = options.deployment ?? (await openDeployment(client, await chooseApp(named ?? options.app, ".")));
  const deployment = await client.cancelDeployment(id);
  out.document(deployment);
  if (out.quiet) out.result(deployment.id);
  out.line(`${out.colors.green("✓")} the deployment of ${deployment.app} is cancelled`);
}

async function openDeployment(client: Client, app: string): Promise<string> {
  const { lastDeployment } = await client.status(app);
  if (lastDeployment === null || hasEnded(lastDeployment)) {
    const last = lastDeployment === null ? "" : ` The last one is ${lastDeployment.state}.`;
    throw new CliError(`${app} has no deployment to cancel.${last}`, { code: "not_cancellable" });
  }
  return lastDeployment.id;
}
