import type { Command } from "commander";
import { repeated } from "../flags.ts";
import { formatAge } from "../output.ts";
import { commonOptions, openSession, type CommonOptions } from "../session.ts";

export function define(command: Command): void {
  commonOptions(command)
    .option("-l, --label <selector>", "only apps with this label: env=prod, env!=prod, env, !env; may be repeated", repeated)
    .addHelpText(
      "after",
      `
Examples:
  $ berth apps
  $ berth apps -l env=prod -l '!legacy'
  $ berth apps --quiet              names alone, one a line
  $ berth apps --json | jq -r '.[].url'`,
    )
    .action(apps);
}

async function apps(options: CommonOptions & { label?: string[] }): Promise<void> {
  const { out, client } = openSession(options);
  const found = await client.apps(options.label);
  out.document(found);
  if (out.quiet) for (const app of found) out.result(app.name);
  if (found.length === 0) {
    out.line(options.label === undefined ? "There is no app yet. Make one with «berth deploy» in a directory with a Dockerfile." : "No app has these labels.");
    return;
  }
  const now = Date.now();
  const rows = found.map((app) => [app.name, app.liveRelease ?? "-", `${app.instances.ready}/${app.instances.wanted}`, formatAge(app.createdAt, now), app.url]);
  await out.table(["APP", "LIVE", "READY", "CREATED", "URL"], rows);
}
