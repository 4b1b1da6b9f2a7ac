import type { Command } from "commander";
import { chooseApp } from "../app-name.ts";
import { parseLabels } from "../flags.ts";
import { APP_OPTION, commonOptions, openSession, type CommonOptions } from "../session.ts";

export function define(command: Command): void {
  commonOptions(command)
    .option(...APP_OPTION)
    .addHelpText(
      "after",
      `
NAME=VALUE sets a label, NAME- removes it; without either the labels are shown. Labels start and stop nothing:
they are for finding apps, as in «berth apps -l env=prod».

Examples:
  $ berth label env=prod team=web --app hello
  $ berth label team- --app hello
  $ berth label --app hello --json`,
    )
    .action(label);
}

async function label(changes: string[], options: CommonOptions & { app?: string }): Promise<void> {
  const patch = parseLabels(changes);
  const { out, client } = openSession(options);
  const app = await chooseApp(options.app, ".");
  const { labels } = changes.length === 0 ? await client.app(app) : await client.patchLabels(app, patch);
  out.document(labels);
  const names = Object.keys(labels).sort();
  if (out.quiet) for (const name of names) out.result(`${name}=${labels[name]}`);
  if (names.length === 0) out.line(`${app} has no labels.`);
  for (const name of names) out.line(`${name}=${labels[name]}`);
}
