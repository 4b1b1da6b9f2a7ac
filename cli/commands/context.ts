import type { Command } from "commander";
import { readConfig, writeConfig } from "../config.ts";
import { usageError } from "../errors.ts";
import { commonOptions, openOutput, type CommonOptions } from "../session.ts";

export function define(command: Command): void {
  commonOptions(command)
    .addHelpText(
      "after",
      `
A context is an API with a token. BERTH_API, BERTH_TOKEN and BERTH_CONTEXT win over what is stored.

Examples:
  $ berth context                   list them
  $ berth context work              use «work» from now on
  $ berth apps --context work       use it once`,
    )
    .action(context);
}

async function context(name: string | undefined, options: CommonOptions): Promise<void> {
  const out = openOutput(options);
  const config = readConfig(process.env);
  const names = Object.keys(config.contexts);
  if (name !== undefined) {
    if (config.contexts[name] === undefined) throw usageError(`There is no context «${name}».`, names.length === 0 ? "Sign in with «berth login»." : `There are: ${names.join(", ")}.`);
    writeConfig(process.env, { ...config, current: name });
    out.line(`${out.colors.green("✓")} using ${name} (${config.contexts[name].api})`);
    out.document({ current: name, api: config.contexts[name].api });
    return;
  }
  const rows = names.map((one) => ({ name: one, api: config.contexts[one]?.api ?? "", current: one === config.current }));
  out.document(rows);
  if (out.quiet) for (const row of rows) out.result(row.name);
  if (rows.length === 0) out.line("There is none yet. Sign in with «berth login».");
  else await out.table(["", "CONTEXT", "API"], rows.map((row) => [row.current ? "*" : " ", row.name, row.api]));
}
