import type { Command } from "commander";
import { chooseApp } from "../app-name.ts";
import type { LogEntry } from "../../client/index.ts";
import type { Client } from "../client.ts";
import { renderLogEntry, showBuildLog, tellReconnect } from "../deploy/follow.ts";
import { CliError, EXIT, usageError } from "../errors.ts";
import { wholeNumber } from "../flags.ts";
import { safeLogText, type Output } from "../output.ts";
import { APP_OPTION, commonOptions, openSession, type CommonOptions } from "../session.ts";
import { eventStream, readEvent } from "../sse.ts";
import { isTransient } from "../transport.ts";

interface Options extends CommonOptions {
  app?: string;
  follow?: boolean;
  build?: string | true;
  container?: string;
  run?: string;
  tail: number;
  timestamps?: boolean;
}

export function define(command: Command): void {
  commonOptions(command)
    .option(...APP_OPTION)
    .option("-f, --follow", "go on with new lines, until Ctrl-C")
    .option("-b, --build [id]", "the log of the last build, or of the build with this id")
    .option("-c, --container <name>", "of this container of each instance; «main» is the app's own (default: of all)")
    .option("-r, --run <id>", "of a run, also when it has ended")
    .option("-n, --tail <lines>", "how many lines back", wholeNumber("--tail", 0, 10_000), 100)
    .option("-t, --timestamps", "begin each line with its time")
    .addHelpText(
      "after",
      `
Each line begins with the last characters of its instance's id, and with the container's name where it is not the app's own. With --json each line is an object: {"instanceId","container"?,"stream","time","text"}; of a build {"seq","time","step","stream","text"}.

Examples:
  $ berth logs -f
  $ berth logs hello --tail 20 | grep error
  $ berth logs hello --build`,
    )
    .action(logs);
}

async function logs(named: string | undefined, options: Options): Promise<void> {
  const { out, client } = openSession(options);
  const stop = new AbortController();
  process.once("SIGINT", () => {
    stop.abort();
    process.exit(EXIT.cancelled);
  });
  const { build } = options;
  if (options.run !== undefined && build !== undefined) throw usageError("--run and --build do not go together.");
  if (typeof build === "string" && build.startsWith("bld_")) {
    if (!/^bld_[0-9a-z]{26}$/.test(build)) throw usageError(`«${build}» is not a build's id.`, "Leave it out for the last build.");
    await showBuild(out, client, build, stop.signal, options);
    return;
  }
  // `berth logs --build hello` means the app: a build's id looks different.
  const app = await chooseApp(named ?? (typeof build === "string" ? build : options.app), ".");
  if (build === undefined) await showApp(out, client, app, stop.signal, options);
  else await showBuild(out, client, await lastBuild(client, app), stop.signal, options);
}

async function lastBuild(client: Client, app: string): Promise<string> {
  const { lastDeployment } = await client.status(app);
  const id = lastDeployment?.build?.id;
  if (id === undefined) throw new CliError(`The last deployment of ${app} had no build.`, { exitCode: EXIT.notFound, code: "not_found" });
  return id;
}

async function showBuild(out: Output, client: Client, id: string, signal: AbortSignal, options: Options): Promise<void> {
  await showBuildLog(client, id, signal, (entry) => {
    out.event(entry);
    write(out, `${timeOf(out, options, entry.time)}${renderLogEntry(entry, out)}`);
  });
}

/** The log is the result: `--quiet` takes nothing of it away. */
function write(out: Output, text: string): void {
  if (out.quiet) out.result(safeLogText(text, out.colors.isColorSupported));
  else out.log(text);
}

function timeOf(out: Output, options: Options, time: string): string {
  return options.timestamps === true ? `${out.colors.dim(time)} ` : "";
}

async function showApp(out: Output, client: Client, app: string, signal: AbortSignal, options: Options): Promise<void> {
  const follow = options.follow === true;
  let opened = false;
  const events = eventStream({
    // After a new connection the API goes on behind the last event's id, where it gave ids; else old lines are not asked for again.
    open: async (lastEventId, inner) => {
      const response = options.run !== undefined ? await client.followRunLogs(app, options.run, { tail: opened ? 0 : options.tail, follow }, inner) : await client.followAppLogs(app, { tail: opened ? 0 : options.tail, follow, ...(options.container === undefined ? {} : { container: options.container }) }, lastEventId, inner);
      opened = true;
      return response;
    },
    isTransient,
    signal,
    reconnectAtEnd: follow && options.run === undefined,
    onReconnect: (attempt) => tellReconnect(out, attempt),
  });
  for await (const message of events) {
    if (message.event === "end") return;
    if (message.event !== "log") continue;
    const entry = readEvent<LogEntry>(message, "text");
    out.event(entry);
    const text = entry.stream === "system" ? out.colors.dim(entry.text) : entry.text;
    write(out, `${timeOf(out, options, entry.time)}${out.colors.cyan([entry.instanceId.slice(-6), ...(entry.container === undefined ? [] : [entry.container])].join(" "))} ${text}`);
  }
}
