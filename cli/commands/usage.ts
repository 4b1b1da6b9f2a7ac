import { Option, type Command } from "commander";
import type { Usage } from "../../client/index.ts";
import type { UsageFigures, UsageStep } from "../../core/contract/usage.ts";
import { moment } from "../flags.ts";
import { formatBytes, formatDuration, type Output } from "../output.ts";
import { APP_OPTION, commonOptions, openSession, type CommonOptions } from "../session.ts";

interface Options extends CommonOptions {
  app?: string;
  since?: string;
  until?: string;
  by: UsageStep;
  csv?: boolean;
}

export function define(command: Command): void {
  commonOptions(command)
    .option(APP_OPTION[0], "this app alone (default: all of them)")
    .option("--since <time>", "from this day, time or how long ago (default: the beginning of the month)", moment("--since"))
    .option("--until <time>", "up to this day, time or how long ago (default: now)", moment("--until"))
    .addOption(new Option("--by <step>", "add up by").choices(["hour", "day", "month"]).default("day"))
    .option("--csv", "print a table for spreadsheets")
    .addHelpText(
      "after",
      `
Times are UTC. Storage in GiB·h: so many GiB for so many hours; memory likewise.

Examples:
  $ berth usage                     this month, by day
  $ berth usage shop --since 24h --by hour
  $ berth usage --since 2026-01-01 --by month --csv > usage.csv`,
    )
    .action(usage);
}

async function usage(named: string | undefined, options: Options): Promise<void> {
  const { out, client } = openSession(options);
  const app = named ?? options.app;
  const { since, until, by } = options;
  const items = await client.usage({ by, ...(since === undefined ? {} : { since }), ...(until === undefined ? {} : { until }), ...(app === undefined ? {} : { app }) });
  const total = addUp(items);
  out.document({ by, items, total });
  if (out.json) return;
  if (options.csv === true || out.quiet) {
    const { usageCsv } = await import("../../core/contract/usage.ts");
    out.result(usageCsv(items).trimEnd());
  } else await render(out, items, total, by);
}

async function render(out: Output, items: readonly Usage[], total: UsageFigures, by: UsageStep): Promise<void> {
  if (items.length === 0) {
    out.line("Nothing was used in this time.");
    return;
  }
  const length = { hour: 16, day: 10, month: 7 }[by];
  const { bold, dim } = out.colors;
  await out.table(
    [by === "hour" ? "HOUR (UTC)" : by.toUpperCase(), "APP", "CPU", "MEMORY", "REQUESTS", "IN", "OUT", "BUILDS", "STORAGE"],
    [
      ...items.map((item) => [item.from.slice(0, length).replace("T", " "), item.app?.name ?? dim("(no app)"), ...cells(item)]),
      [bold("total"), "", ...cells(total).map((cell) => bold(cell))],
    ],
  );
}

function cells(figures: UsageFigures): string[] {
  return [
    seconds(figures.cpuSeconds),
    gibHours(figures.memoryByteSeconds / 3600),
    figures.requests.toLocaleString("en"),
    formatBytes(figures.ingressBytes),
    formatBytes(figures.egressBytes),
    seconds(figures.buildSeconds),
    gibHours(figures.storageByteHours),
  ];
}

function seconds(value: number): string {
  return value >= 3600 ? `${(value / 3600).toFixed(1)} h` : formatDuration(value * 1000);
}

function gibHours(byteHours: number): string {
  const value = byteHours / 2 ** 30;
  return `${value === 0 || value >= 0.01 ? Number(value.toFixed(2)) : "<0.01"} GiB·h`;
}

function addUp(items: readonly UsageFigures[]): UsageFigures {
  const total: UsageFigures = { cpuSeconds: 0, memoryByteSeconds: 0, storageByteHours: 0, requests: 0, ingressBytes: 0, egressBytes: 0, buildSeconds: 0 };
  for (const item of items) for (const name of Object.keys(total) as (keyof UsageFigures)[]) total[name] += item[name];
  return total;
}
