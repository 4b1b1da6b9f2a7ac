import type { Command } from "commander";
import { chooseApp } from "../app-name.ts";
import { finishDeployment } from "../deploy/finish.ts";
import { usageError } from "../errors.ts";
import { previewAppName } from "../../core/domain/names.ts";
import { APP_OPTION, commonOptions, openSession, type CommonOptions } from "../session.ts";

type Options = CommonOptions & { app?: string; from?: string; to?: string; release?: string; detach?: boolean };

export function define(command: Command): void {
  commonOptions(command)
    .option(...APP_OPTION)
    .option("--from <app>", "the app whose image is taken, in place of a preview")
    .option("--to <app>", "the app that runs it (default: the one of this directory)")
    .option("--release <name>", "a release of the other app, such as v3 (default: its live one)")
    .option("-d, --detach", "do not wait until it is live")
    .addHelpText(
      "after",
      `
Runs an image that was tried elsewhere, without building it again: with the settings, variables and secrets of the app
that runs it from now on.

Examples:
  $ berth promote pr-12 --app shop
  $ berth promote --from shop-staging --to shop
  $ berth promote --from shop-staging --to shop --release v12`,
    )
    .action(promote);
}

async function promote(preview: string | undefined, options: Options): Promise<void> {
  const startedMs = performance.now();
  if ((preview === undefined) === (options.from === undefined)) throw usageError("Name a preview, or another app with --from.", "See «berth previews».");
  const { out, client } = openSession(options);
  const app = await chooseApp(options.to ?? options.app, ".");
  const from = options.from ?? previewAppName(preview ?? "", app);
  const deployment = await client.promote(app, { from, ...(options.release === undefined ? {} : { release: options.release }) });
  out.line(`Promoting ${from} to ${app}: ${deployment.release ?? "a new release"}`);
  await finishDeployment({ out, client, deployment, detach: options.detach === true, startedMs });
}
