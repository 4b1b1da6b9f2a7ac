import { Option, type Command } from "commander";
import { createClient } from "../client.ts";
import { DEFAULT_API, DEFAULT_CONTEXT, normalApi, readConfig, writeConfig } from "../config.ts";
import { usageError } from "../errors.ts";
import type { Output } from "../output.ts";
import { commonOptions, openOutput, type CommonOptions } from "../session.ts";
import { checkTokenText } from "../transport.ts";

interface Options extends CommonOptions {
  api?: string;
  tokenStdin?: boolean;
  web?: boolean;
  browser: boolean;
  tenant?: string;
  create?: boolean;
  invite?: string;
}

export function define(command: Command): void {
  commonOptions(command)
    .option("--api <url>", `the API's URL (default: BERTH_API, the context's, or ${DEFAULT_API})`)
    .option("--token-stdin", "read the token from stdin and not from a prompt")
    .addOption(new Option("--web", "sign in with a browser on this machine").conflicts("tokenStdin"))
    .option("--no-browser", "with --web: print the URL and start no browser (as in a pipe)")
    .option("--tenant <name>", "with --web: the tenant, where you belong to several")
    .option("--create", "with --web: make the tenant, where the operator allows it")
    .option("--invite <link>", "with --web: accept an invitation")
    .addHelpText(
      "after",
      `
The token is checked with the API before it is stored, in ~/.config/berth/config.json (mode 0600). With --web it is
made for this machine, for 90 days: see «berth tokens list».

Examples:
  $ berth login
  $ berth login --token-stdin < token.txt
  $ berth login --web --tenant acme
  $ berth login --web --invite 'https://berth.example.com/auth/login?invite=…'
  $ berth login --api https://berth.example.com --context work`,
    )
    .action(login);
}

async function login(options: Options): Promise<void> {
  const out = openOutput(options);
  const config = readConfig(process.env);
  const name = options.context ?? process.env["BERTH_CONTEXT"] ?? (config.current || DEFAULT_CONTEXT);
  const api = normalApi(options.api ?? process.env["BERTH_API"] ?? config.contexts[name]?.api ?? DEFAULT_API);
  const given = await giveToken(out, api, options);
  const token = checkTokenText(given.token);
  const me = await createClient({ api, token, context: name }).whoami();
  writeConfig(process.env, { current: name, contexts: { ...config.contexts, [name]: { api, token } } });
  out.line(`${out.colors.green("✓")} signed in to ${api} as ${given.email === undefined ? "" : `${given.email} of `}${me.tenant.name}${me.token === null ? "" : ` (token «${me.token.name}»)`}`);
  if (me.token !== null && me.token.expiresAt !== null) out.line(`  the token expires at ${me.token.expiresAt}`);
  out.document({ api, context: name, tenant: me.tenant, token: me.token });
}

async function giveToken(out: Output, api: string, options: Options): Promise<{ token: string; email?: string }> {
  const { tenant, invite } = options;
  const create = options.create === true;
  if (options.web === true) {
    if (create && tenant === undefined) throw usageError("Name the tenant to make.", "berth login --web --create --tenant NAME");
    const { webLogin } = await import("../web-login.ts");
    const done = await webLogin(out, { api, create, opensBrowser: options.browser, ...(tenant === undefined ? {} : { tenant }), ...(invite === undefined ? {} : { invite }) });
    return { token: done.token.token, email: done.email };
  }
  if (create || tenant !== undefined || invite !== undefined) throw usageError("--tenant, --create and --invite are for --web.");
  return { token: options.tokenStdin === true ? await readAll() : await askToken(api) };
}

async function askToken(api: string): Promise<string> {
  if (process.stdin.isTTY !== true) throw usageError("There is no terminal to ask for the token.", "Pipe it: berth login --token-stdin < token.txt; or sign in with a browser: berth login --web");
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
