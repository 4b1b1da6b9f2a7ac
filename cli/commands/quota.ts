import type { Command } from "commander";
import { formatBytes } from "../output.ts";
import { commonOptions, openSession, type CommonOptions } from "../session.ts";

export function define(command: Command): void {
  commonOptions(command)
    .addHelpText(
      "after",
      `
What is refused because of a limit says which one: quota_exceeded. The operator sets them.

Examples:
  $ berth quota
  $ berth quota --json | jq '.items[] | select(.used == .limit).name'`,
    )
    .action(quota);
}

async function quota(options: CommonOptions): Promise<void> {
  const { out, client } = openSession(options);
  const found = await client.quota();
  out.document(found);
  if (out.quiet) for (const { name, used, limit } of found.items) out.result(`${name} ${used ?? "-"} ${limit}`);
  if (found.plan !== null) out.line(`plan ${found.plan}`);
  const rows = found.items.map(({ name, used, limit }) => [name, used === null ? "-" : amount(name, used), amount(name, limit)]);
  await out.table(["LIMIT", "USED", "MOST"], rows);
}

function amount(name: string, value: number): string {
  return name.endsWith("Bytes") ? formatBytes(value) : String(value);
}
