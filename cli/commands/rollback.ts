import type { Command } from "commander";
import { chooseApp } from "../app-name.ts";
import { finishDeployment } from "../deploy/finish.ts";
import { usageError } from "../errors.ts";
import { APP_OPTION, commonOptions, openSession, type CommonOptions } from "../session.ts";

export function define(command: Command): void {
  commonOptions(command)
    .option(...APP_OPTION)
    .option("-d, --detach", "do not wait until it is live")
    .addHelpText(
      "after",
      `
Without RELEASE: the one before the live one.

Examples:
  $ berth rollback
  $ berth rollback v3 --app hello`,
    )
    .action(rollback);
}

async function rollback(release: string | undefined, options: CommonOptions & { app?: string; detach?: boolean }): Promise<void> {
  const startedMs = performance.now();
  if (release !== undefined && !/^(v?[1-9]\d*|rel_[0-9a-z]+)$/.test(release)) throw usageError(`«${release}» is not a release.`, "It looks like v3; see «berth releases». The app is named with --app.");
  const { out, client } = openSession(options);
  const app = await chooseApp(options.app, ".");
  const wanted = release !== undefined && /^\d/.test(release) ? `v${release}` : release;
  const deployment = await client.rollback(app, wanted);
  out.line(`Rolling ${app} back to ${deployment.release ?? wanted ?? "the release before"}`);
  await finishDeployment({ out, client, deployment, detach: options.detach === true, startedMs });
}
