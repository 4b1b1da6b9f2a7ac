import type { Command } from "commander";
import { chooseApp } from "../app-name.ts";
import { CliError, EXIT, usageError } from "../errors.ts";
import { formatBytes } from "../output.ts";
import { APP_OPTION, commonOptions, openSession, type CommonOptions } from "../session.ts";

export function define(command: Command): void {
  commonOptions(command)
    .option(...APP_OPTION)
    .option("-y, --yes", "do not ask")
    .option("--volumes", "with --yes: its volumes go with it, for good")
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

async function destroy(named: string | undefined, options: CommonOptions & { app?: string; yes?: boolean; volumes?: boolean }): Promise<void> {
  const { out, client } = openSession(options);
  const app = await chooseApp(named ?? options.app, ".");
  if (options.yes !== true) {
    if (process.stdin.isTTY !== true) throw usageError("There is no terminal to ask for your consent.", `If you are sure: berth destroy ${app} --yes`);
    const { url } = await client.app(app);
    const volumes = (await client.volumes(app)).filter(({ state }) => state !== "deleting");
    const { input } = await import("@inquirer/prompts");
    process.stderr.write(`This removes ${app} for good: ${url}, its releases and its logs.\n`);
    for (const { name, sizeBytes, usedBytes } of volumes) process.stderr.write(`Its volume ${name} goes with it, with ${usedBytes === null ? "" : `${formatBytes(usedBytes)} of `}${formatBytes(sizeBytes)} and all snapshots.\n`);
    const typed = await input({ message: "Type its name to go on:" });
    if (typed.trim() !== app) throw new CliError("That is not its name; nothing was removed.", { exitCode: EXIT.cancelled, code: "cancelled" });
  }
  // Who was asked has read which; a script says it.
  await client.destroyApp(app, options.yes !== true || options.volumes === true ? { volumes: "delete" } : {});
  out.document({ app, destroyed: true });
  out.line(`${out.colors.green("✓")} ${app} is destroyed`);
}
