/** What every command starts with: its output, its options, a client. */
import type { Command } from "commander";
import { createClient, type Client } from "./client.ts";
import { readConfig, resolveTarget } from "./config.ts";
import { createOutput, type Output } from "./output.ts";

export interface CommonOptions {
  json?: boolean;
  quiet?: boolean;
  context?: string;
}

/** Options that every command has. */
export function commonOptions(command: Command): Command {
  return command
    .option("--json", "print JSON")
    .option("-q, --quiet", "print only the result")
    .option("--context <name>", "use another stored context (see «berth context»)");
}

/** `[APP]` beside `--app`: either names the app. */
export const APP_OPTION = ["-a, --app <name>", "the app (default: the directory's name)"] as const;

export interface Session {
  out: Output;
  client: Client;
}

let last: Output | undefined;

/** The output of this process's command, for errors that reach `main`. */
export function currentOutput(): Output | undefined {
  return last;
}

export function openOutput(options: CommonOptions): Output {
  last = createOutput(options);
  return last;
}

export function openSession(options: CommonOptions): Session {
  const out = openOutput(options);
  return { out, client: createClient(resolveTarget(process.env, options.context)) };
}

/** Of `infra/up`. */
const OPERATOR_CONTEXT = "operator";

/** For what operators do: with the context `operator` where there is one, unless another or a token is named. */
export function openOperatorSession(options: CommonOptions): Session {
  const out = openOutput(options);
  const isNamed = options.context !== undefined || process.env["BERTH_CONTEXT"] !== undefined || process.env["BERTH_TOKEN"] !== undefined;
  const name = !isNamed && readConfig(process.env).contexts[OPERATOR_CONTEXT] !== undefined ? OPERATOR_CONTEXT : options.context;
  return { out, client: createClient(resolveTarget(process.env, name)) };
}
