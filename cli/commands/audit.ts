import type { Command } from "commander";
import type { AuditEntry } from "../../client/index.ts";
import { printable } from "../../core/domain/printable.ts";
import { moment, wholeNumber } from "../flags.ts";
import { commonOptions, openSession, type CommonOptions } from "../session.ts";

interface Options extends CommonOptions {
  limit: number;
  since?: string;
  until?: string;
  verb?: string;
  actor?: string;
  target?: string;
}

export function define(command: Command): void {
  commonOptions(command)
    .option("-n, --limit <count>", "how many, newest first", wholeNumber("--limit", 1, 100_000), 50)
    .option("--since <time>", "from this day, time or how long ago", moment("--since"))
    .option("--until <time>", "up to this day, time or how long ago", moment("--until"))
    .option("--verb <verb>", "such as app.create, or app.* for all that begin alike")
    .option("--actor <who>", "a token's name or id, a person's address, or system")
    .option("--target <what>", "an id, or the name of an app or a secret")
    .addHelpText(
      "after",
      `
With --json each line is an entry: {"id","at","actor","actorName","ip","requestId","verb","target","detail","before","after"}. Times are UTC.

Examples:
  $ berth audit
  $ berth audit --since 7d --verb 'app.*' --target shop
  $ berth audit --actor ci -n 1000 --json | jq -r .verb | sort | uniq -c`,
    )
    .action(audit);
}

async function audit(options: Options): Promise<void> {
  const { out, client } = openSession(options);
  const { since, until, verb, actor, target } = options;
  const filter = Object.fromEntries(Object.entries({ since, until, verb, actor, target }).filter(([, value]) => value !== undefined));
  const entries = await client.audit(filter, options.limit);
  for (const entry of entries) out.event(entry);
  if (out.quiet) for (const entry of entries) out.result(entry.id);
  if (entries.length === 0) {
    out.line("No entry is like that.");
    return;
  }
  await out.table(
    ["TIME (UTC)", "WHO", "FROM", "WHAT", "TARGET", "DETAIL"],
    entries.map((entry) => [entry.at.slice(0, 19).replace("T", " "), printable(entry.actorName || entry.actor), entry.ip ?? "", entry.verb, printable(entry.target), detailOf(entry)]),
  );
}

const DETAIL_MAX = 120;

/** `name=shop env=A,B; replicas: 1 → 3`, in one line that commands no terminal. */
function detailOf({ detail, before, after }: AuditEntry): string {
  const said = Object.entries(detail).map(([name, value]) => `${name}=${short(value)}`);
  const names = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})]);
  const changed = [...names].map((name) => `${name}: ${before === null || !(name in before) ? "" : `${short(before[name])} `}→${after === null || !(name in after) ? "" : ` ${short(after[name])}`}`);
  const text = printable([said.join(" "), ...changed].filter((part) => part !== "").join("; "));
  return text.length > DETAIL_MAX ? `${text.slice(0, DETAIL_MAX - 1)}…` : text;
}

function short(value: unknown): string {
  if (Array.isArray(value)) return value.map(short).join(",");
  return typeof value === "string" ? value : JSON.stringify(value);
}
