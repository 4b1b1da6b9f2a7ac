import type { Command } from "commander";
import { createClient } from "../client.ts";
import { DEFAULT_API, DEFAULT_CONTEXT, normalApi, readConfig, writeConfig } from "../config.ts";
import { usageError } from "../errors.ts";
import { commonOptions, openOutput, type CommonOptions } from "../session.ts";
import { checkTokenText } from "../transport.ts";

interface Options extends CommonOptions {
  api?: string;
  tokenStdin?: boolean;
}

export function define(command: Command): void {
  commonOptions(command)
    .option("--api <url>", `the API's URL (default: BERTH_API, the context's, or ${DEFAULT_API})`)
    .option("--token-stdin", "read the token from stdin and not from a prompt")
    .addHelpText(
      "after",
      `
The token is checked with the API before it is stored, in ~/.config/berth/config.json (mode 0600).

Examples:
  $ berth login
  $ berth login --token-stdin < token.txt
  $ berth login --api https://berth.example.com --context work`,
    )
    .action(login);
}

async function login(options: Options): Promise<void> {
  const out = openOutput(options);
  const config = readConfig(process.env);
  const name = options.context ?? process.env["BERTH_CONTEXT"] ?? (config.current || DEFAULT_CONTEXT);
  const api = normalApi(options.api ?? process.env["BERTH_API"] ?? config.contexts[name]?.api ?? DEFAULT_API);
  const token = checkTokenText(options.tokenStdin === true ? await readAll() : await askToken(api));
  const me = await createClient({ api, token, context: name }).whoami();
  writeConfig(process.env, { current: name, contexts: { ...config.contexts, [name]: { api, token } } });
  out.line(`${out.colors.green("✓")} signed in to ${api} as ${me.tenant.name} ${me.token === null ? "" : ` (token «${me.token.name}»)`}`);
  if (me.token !== null && me.token.expiresAt !== null) out.line(`  the token expires at ${me.token.expiresAt}`);
  out.document({ api, context: name, tenant: me.tenant, token: me.token });
}

async function askToken(api: string): Promise<string> {
  if (process.stdin.isTTY !== true) throw usageError("There is no terminal to ask for the token.", "Pipe it: berth login --token-stdin < token.txt");
  const { password } = await import("@inquirer/prompts");
  return await password({ message: `Token for ${api}:`, mask: "*" });
}

async function readAll(): Promise<string> {
  let text = "";
  for await (const chunk of process.stdin.setEncoding("utf8")) {
    text += chunk as string;
    if (text.length > 4096) throw usageError("What came from stdin is too long for a token.");
  }
  return text;
}
