/** The command line: which commands there are. Only the one that was asked for is loaded. */
import { Command, CommanderError } from "commander";
import { CliError, EXIT } from "./errors.ts";

interface Entry {
  name: string;
  args: string;
  summary: string;
  load: () => Promise<{ define: (command: Command) => void }>;
}

const COMMANDS: readonly Entry[] = [
  { name: "login", args: "", summary: "sign in with a token, or in a browser", load: () => import("./commands/login.ts") },
  { name: "whoami", args: "", summary: "show the tenant, the token and the registry", load: () => import("./commands/whoami.ts") },
  { name: "context", args: "[name]", summary: "list or choose where Berth is", load: () => import("./commands/context.ts") },
  { name: "deploy", args: "[dir]", summary: "build a Dockerfile (or take an image) and run it at a URL", load: () => import("./commands/deploy.ts") },
  { name: "apps", args: "", summary: "list your apps", load: () => import("./commands/apps.ts") },
  { name: "status", args: "[app]", summary: "show what runs, and why not", load: () => import("./commands/status.ts") },
  { name: "events", args: "[app]", summary: "show what happened to an app's instances, and why", load: () => import("./commands/events.ts") },
  { name: "explain", args: "[app]", summary: "say why an app has the instances that it has", load: () => import("./commands/explain.ts") },
  { name: "logs", args: "[app]", summary: "show the app's output, or its build's", load: () => import("./commands/logs.ts") },
  { name: "exec", args: "[app]", summary: "run a program in an instance, or a shell", load: () => import("./commands/exec.ts") },
  { name: "run", args: "", summary: "run a command once, beside the app", load: () => import("./commands/run.ts") },
  { name: "jobs", args: "", summary: "commands that run by a schedule, or when asked to", load: () => import("./commands/jobs.ts") },
  { name: "cp", args: "", summary: "copy files from or to an instance", load: () => import("./commands/cp.ts") },
  { name: "port-forward", args: "<app>", summary: "reach an instance's ports from here", load: () => import("./commands/port-forward.ts") },
  { name: "open", args: "[app]", summary: "open the app in a browser", load: () => import("./commands/open.ts") },
  { name: "releases", args: "[app]", summary: "list what can be rolled back to", load: () => import("./commands/releases.ts") },
  { name: "rollback", args: "[release]", summary: "run an older release again", load: () => import("./commands/rollback.ts") },
  { name: "previews", args: "[app]", summary: "list what was deployed beside an app", load: () => import("./commands/previews.ts") },
  { name: "promote", args: "[preview]", summary: "run a preview's image, or another app's, without building it", load: () => import("./commands/promote.ts") },
  { name: "env", args: "", summary: "list, set and unset environment variables", load: () => import("./commands/env.ts") },
  { name: "secrets", args: "", summary: "list, set and unset secrets", load: () => import("./commands/secrets.ts") },
  { name: "label", args: "[labels...]", summary: "show and change an app's labels", load: () => import("./commands/label.ts") },
  { name: "domains", args: "", summary: "serve an app at a domain of your own", load: () => import("./commands/domains.ts") },
  { name: "volumes", args: "", summary: "keep what an app writes; snapshot, restore and move it", load: () => import("./commands/volumes.ts") },
  { name: "maintenance", args: "<on|off> [app]", summary: "answer an app's requests with 503, and serve them again", load: () => import("./commands/maintenance.ts") },
  { name: "basic-auth", args: "[user]", summary: "ask an app's visitors for a password", load: () => import("./commands/basic-auth.ts") },
  { name: "scale", args: "[app]", summary: "change replicas, memory, cpu and other settings", load: () => import("./commands/scale.ts") },
  { name: "tokens", args: "", summary: "list, make, rotate and revoke tokens", load: () => import("./commands/tokens.ts") },
  { name: "members", args: "", summary: "list and invite people, change their roles", load: () => import("./commands/members.ts") },
  { name: "trusts", args: "", summary: "let pipelines in without a stored token", load: () => import("./commands/trusts.ts") },
  { name: "usage", args: "[app]", summary: "show what your apps used", load: () => import("./commands/usage.ts") },
  { name: "audit", args: "", summary: "show who changed what", load: () => import("./commands/audit.ts") },
  { name: "cancel", args: "[app]", summary: "cancel the running deployment", load: () => import("./commands/cancel.ts") },
  { name: "quota", args: "", summary: "show limits and what is used of them", load: () => import("./commands/quota.ts") },
  { name: "completion", args: "", summary: "print a completion script for bash, zsh or fish", load: () => import("./commands/completion.ts") },
  { name: "destroy", args: "[app]", summary: "remove an app and all its releases", load: () => import("./commands/destroy.ts") },
  { name: "operator", args: "", summary: "run the platform: tenants, plans, keys", load: () => import("./commands/operator.ts") },
];

const EXIT_CODES = `
Exit codes:
  0 done   1 failed   2 wrong usage   3 not signed in   4 not found   130 cancelled

Examples:
  $ berth login                     sign in
  $ berth deploy                    build and run the directory that you are in
  $ berth logs -f                   follow its output
  $ berth rollback                  go back to the release before

Every command has its own examples: berth deploy --help
`;

/** Runs the command line. Answers the exit code; never throws. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    // The shell asks at every TAB: `berth complete -- WORD…`.
    if (argv[0] === "complete" && argv[1] === "--") {
      await (await import("./completion.ts")).complete(argv.slice(2));
      return EXIT.ok;
    }
    const program = await createProgram(argv);
    await program.parseAsync([...argv], { from: "user" });
    return process.exitCode === undefined ? EXIT.ok : Number(process.exitCode);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    return await report(error, argv);
  }
}

/** The program with the commands that `argv` names, or with all of them. */
export async function createProgram(argv: readonly string[], load: "named" | "all" = "named"): Promise<Command> {
  const program = new Command("berth")
    .description("Push a Dockerfile, get a URL.")
    .version("berth 0.1.0", "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .helpCommand("help [command]", "show help for a command")
    .configureHelp({ showGlobalOptions: false })
    .exitOverride()
    // What follows the app in `berth exec` are the program's own options.
    .enablePositionalOptions()
    .addHelpText("after", EXIT_CODES);
  // `berth help deploy` needs deploy's own help, too.
  const wanted = new Set(argv.filter((arg) => !arg.startsWith("-")).slice(0, 2));
  for (const entry of COMMANDS) {
    const command = program.command(`${entry.name} ${entry.args}`.trim()).summary(entry.summary).description(capital(entry.summary));
    command.showHelpAfterError(`See «berth ${entry.name} --help».`);
    if (load === "all" || wanted.has(entry.name)) (await entry.load()).define(command);
  }
  program.showHelpAfterError("See «berth --help».");
  if (argv.length === 0) program.help();
  return program;
}

function capital(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

async function report(thrown: unknown, argv: readonly string[]): Promise<number> {
  const { currentOutput, openOutput } = await import("./session.ts");
  const out = currentOutput() ?? openOutput({ json: argv.includes("--json") });
  out.resume();
  out.close();
  const error = asCliError(thrown);
  if (error.message !== "") out.error(error);
  return error.exitCode;
}

function asCliError(thrown: unknown): CliError {
  if (thrown instanceof CliError) return thrown;
  // What @inquirer/prompts throws at Ctrl-C, and what an aborted request throws.
  if (thrown instanceof Error && (thrown.name === "ExitPromptError" || thrown.name === "AbortError")) return new CliError("Cancelled.", { exitCode: EXIT.cancelled, code: "cancelled" });
  const stack = process.env["BERTH_DEBUG"] && thrown instanceof Error ? `\n${thrown.stack}` : "";
  return new CliError(`Something broke in the CLI: ${thrown instanceof Error ? thrown.message : String(thrown)}${stack}`, { code: "cli_broke", hint: "BERTH_DEBUG=1 shows where." });
}
