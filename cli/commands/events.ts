import type { Command } from "commander";
import type { AppEvent } from "../../client/index.ts";
import { chooseApp } from "../app-name.ts";
import { wholeNumber } from "../flags.ts";
import { formatAge, safeLogText } from "../output.ts";
import { APP_OPTION, commonOptions, openSession, type CommonOptions } from "../session.ts";

export function define(command: Command): void {
  commonOptions(command)
    .option(...APP_OPTION)
    .option("-n, --limit <count>", "how many, newest first", wholeNumber("--limit", 1, 10_000), 20)
    .addHelpText(
      "after",
      `
Examples:
  $ berth events hello
  $ berth events hello -n 100 --json | jq '.[] | select(.kind == "woken")'`,
    )
    .action(events);
}

async function events(named: string | undefined, options: CommonOptions & { app?: string; limit: number }): Promise<void> {
  const { out, client } = openSession(options);
  const app = await chooseApp(named ?? options.app, ".");
  const found = await client.events(app, options.limit);
  out.document(found);
  if (out.quiet) for (const event of found) out.result(event.kind);
  if (found.length === 0) {
    out.line(`Nothing has happened to ${app} in the last days.`);
    return;
  }
  const now = Date.now();
  await out.table(["WHEN", "WHAT", "WHY", "INSTANCE"], found.map((event) => [formatAge(event.at, now), whatOf(event), safeLogText(String(event.detail["failure"] ?? event.because ?? ""), false), event.instance ?? ""]));
}

function whatOf({ kind, detail }: AppEvent): string {
  const { from, to, release, percent } = detail;
  if (kind === "share") return `${release} has ${percent} %`;
  if (kind === "given-up") return `${release} given up`;
  if (kind === "rolled-back") return `back from ${from} to ${to}`;
  return kind === "scaled" && from !== undefined && to !== undefined ? `scaled ${from} to ${to}` : kind;
}
