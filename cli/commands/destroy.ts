import type { Command } from "commander";
import { chooseApp } from "../app-name.ts";
import { CliError, EXIT, usageError } from "../errors.ts";
import { APP_OPTION, commonOptions, openSession, type CommonOptions } from "../session.ts";

export function define(command: Command): void {
  commonOptions(command)
    .option(...APP_OPTION)
    .option("-y, --yes", "do not ask")
    .addHelpText(
      "after",
      `
Its URL stops to answer at once; its releases, logs and variables are removed. There is no way back.

Examples:
  $ berth destroy hello
  $ berth destroy hello --yes       in a script`,
    )
    .action(destroy);
}

async function destroy(named: string | undefined, options: CommonOptions & { app?: string; yes?: boolean }): Promise<void> {
  const { out, client } = openSession(options);
  const app = await chooseApp(named ?? options.app, ".");
  if (options.yes !== true) {
    if (process.stdin.isTTY !== true) throw usageError("There is no terminal to ask for your consent.", `If you are sure: berth destroy ${app} --yes`);
    const { url } = await client.app(app);
    const { input } = await import("@inquirer/prompts");
    process.stderr.write(`This removes ${app} for good: ${url}, its releases and its logs.\n`);
    const typed = await input({ message: "Type its name to go on:" });
    if (typed.trim() !== app) throw new CliError("That is not its name; nothing was removed.", { exitCode: EXIT.cancelled, code: "cancelled" });
  }
  await client.destroyApp(app);
  out.document({ app, destroyed: true });
  out.line(`${out.colors.green("✓")} ${app} is destroyed`);
}
