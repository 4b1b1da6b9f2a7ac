import type { Command } from "commander";
import { chooseApp } from "../app-name.ts";
import { APP_OPTION, commonOptions, openSession, type CommonOptions } from "../session.ts";

export function define(command: Command): void {
  commonOptions(command)
    .option(...APP_OPTION)
    .addHelpText(
      "after",
      `
Examples:
  $ berth explain hello
  $ berth events hello         what led to it`,
    )
    .action(explain);
}

async function explain(named: string | undefined, options: CommonOptions & { app?: string }): Promise<void> {
  const { out, client } = openSession(options);
  const found = await client.explain(await chooseApp(named ?? options.app, "."));
  out.document(found);
  if (out.quiet) for (const sentence of found.sentences) out.result(sentence);
  for (const sentence of found.sentences) out.line(sentence);
}
