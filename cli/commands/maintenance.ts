import type { Command } from "commander";
import { chooseApp } from "../app-name.ts";
import { usageError } from "../errors.ts";
import { parseDuration } from "../flags.ts";
import { APP_OPTION, commonOptions, openSession, type CommonOptions } from "../session.ts";

export function define(command: Command): void {
  commonOptions(command)
    .option(...APP_OPTION)
    .option("--retry-after <time>", "with on: when clients may try again (default: 5m)", parseDuration)
    .addHelpText(
      "after",
      `
While it is on, every request is answered 503 with Retry-After and the app's page for 503; its instances go on.
It is no release: nothing starts or stops.

Examples:
  $ berth maintenance on shop --retry-after 30m
  $ berth maintenance off shop`,
    )
    .action(maintenance);
}

async function maintenance(state: string, named: string | undefined, options: CommonOptions & { app?: string; retryAfter?: number }): Promise<void> {
  if (state !== "on" && state !== "off") throw usageError(`Maintenance is on or off, and not «${state}».`, "Example: berth maintenance on shop");
  const { out, client } = openSession(options);
  const app = await chooseApp(named ?? options.app, ".");
  const found = state === "on" ? await client.startMaintenance(app, options.retryAfter === undefined ? {} : { retryAfterS: Math.ceil(options.retryAfter / 1000) }) : await client.endMaintenance(app);
  out.document(found);
  out.line(found.maintenance === null ? `${found.name} answers again at ${found.url}` : `${found.name} answers 503 until «berth maintenance off ${found.name}»`);
}
