import type { Command } from "commander";
import { formatAge } from "../output.ts";
import { commonOptions, openSession, type CommonOptions } from "../session.ts";

export function define(command: Command): void {
  commonOptions(command)
    .addHelpText(
      "after",
      `
Examples:
  $ berth apps
  $ berth apps --quiet              names alone, one a line
  $ berth apps --json | jq -r '.[].url'`,
    )
    .action(apps);
}

async function apps(options: CommonOptions): Promise<void> {
  const { out, client } = openSession(options);
  const found = await client.apps();
  out.document(found);
  if (out.quiet) for (const app of found) out.result(app.name);
  if (found.length === 0) {
    out.line("There is no app yet. Make one with «berth deploy» in a directory with a Dockerfile.");
    return;
  }
  const now = Date.now();
  const rows = found.map((app) => [app.name, app.liveRelease ?? "-", `${app.instances.ready}/${app.instances.wanted}`, formatAge(app.createdAt, now), app.url]);
  await out.table(["APP", "LIVE", "READY", "CREATED", "URL"], rows);
}
