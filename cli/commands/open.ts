import type { Command } from "commander";
import { chooseApp } from "../app-name.ts";
import { CliError } from "../errors.ts";
import { APP_OPTION, commonOptions, openSession, type CommonOptions } from "../session.ts";

export function define(command: Command): void {
  commonOptions(command)
    .option(...APP_OPTION)
    .option("-p, --print", "print the URL and open nothing (as in a pipe)")
    .addHelpText(
      "after",
      `
Examples:
  $ berth open
  $ curl "$(berth open hello --print)"`,
    )
    .action(openApp);
}

async function openApp(named: string | undefined, options: CommonOptions & { app?: string; print?: boolean }): Promise<void> {
  const { out, client } = openSession(options);
  const { name, url } = await client.app(await chooseApp(named ?? options.app, "."));
  out.document({ app: name, url });
  out.result(url);
  if (!out.live || options.print === true) return;
  const { default: open } = await import("open");
  const child = await open(url);
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (error) => reject(new CliError(`No browser could be started: ${error.message}.`, { code: "no_browser", hint: `Open ${url} yourself.` })));
    if (child.pid !== undefined) resolve();
  });
}
