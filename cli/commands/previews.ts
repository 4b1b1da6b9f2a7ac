import type { Command } from "commander";
import { chooseApp } from "../app-name.ts";
import { APP_OPTION, commonOptions, openSession, type CommonOptions } from "../session.ts";

export function define(command: Command): void {
  commonOptions(command)
    .option(...APP_OPTION)
    .addHelpText(
      "after",
      `
A preview is an app beside the app, named PREVIEW--APP: logs, status, exec and destroy take that name. It has the app's
configuration and secrets, sleeps while nobody asks for it, and is gone a week after it was last deployed.

Examples:
  $ berth deploy --preview pr-12 --app shop
  $ berth previews shop
  $ berth logs pr-12--shop
  $ berth promote pr-12 --app shop
  $ berth destroy pr-12--shop`,
    )
    .action(previews);
}

async function previews(named: string | undefined, options: CommonOptions & { app?: string }): Promise<void> {
  const { out, client } = openSession(options);
  const app = await chooseApp(named ?? options.app, ".");
  const found = await client.previews(app);
  out.document(found);
  if (out.quiet) for (const preview of found) out.result(preview.app.url);
  if (found.length === 0) {
    out.line(`${app} has no previews. Make one: berth deploy --preview NAME --app ${app}`);
    return;
  }
  const now = Date.now();
  await out.table(["PREVIEW", "RELEASE", "URL", "ENDS"], found.map(({ name, app: { liveRelease, targetRelease, url }, expiresAt }) => [name, liveRelease ?? targetRelease ?? "", url, `in ${Math.max(0, Math.round((Date.parse(expiresAt) - now) / 3_600_000))} h`]));
}
