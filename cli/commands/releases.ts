import type { Command } from "commander";
import { chooseApp } from "../app-name.ts";
import { wholeNumber } from "../flags.ts";
import { formatAge } from "../output.ts";
import { APP_OPTION, commonOptions, openSession, type CommonOptions } from "../session.ts";

export function define(command: Command): void {
  commonOptions(command)
    .option(...APP_OPTION)
    .option("-n, --limit <count>", "how many, newest first", wholeNumber("--limit", 1, 10_000), 20)
    .addHelpText(
      "after",
      `
Examples:
  $ berth releases hello
  $ berth releases hello --json | jq '.[] | select(.live).name'`,
    )
    .action(releases);
}

async function releases(named: string | undefined, options: CommonOptions & { app?: string; limit: number }): Promise<void> {
  const { out, client } = openSession(options);
  const app = await chooseApp(named ?? options.app, ".");
  const found = await client.releases(app, options.limit);
  out.document(found);
  if (out.quiet) for (const release of found) out.result(release.name);
  if (found.length === 0) {
    out.line(`${app} has no release yet.`);
    return;
  }
  const now = Date.now();
  const rows = found.map((release) => [release.name, release.live ? out.colors.green("live") : "", release.reason, release.manifestDigest.slice(7, 19), formatAge(release.createdAt, now)]);
  await out.table(["RELEASE", "", "REASON", "IMAGE", "MADE"], rows);
}
