import type { Command } from "commander";
import { chooseApp } from "../app-name.ts";
import { programWords } from "../program-words.ts";
import { openSession, APP_OPTION, commonOptions, type CommonOptions } from "../session.ts";
import { chooseInstance, connectSession, type Session } from "../sessions/connect.ts";

interface Options extends CommonOptions {
  app?: string;
  instance?: string;
  container?: string;
  tty?: boolean;
  stdin: boolean;
}

const DEFAULT_SIZE = { columns: 80, rows: 24 };

export function define(command: Command): void {
  commonOptions(command)
    .argument("[command...]", "the program and its arguments (default: sh)")
    .option(...APP_OPTION)
    .option("-i, --instance <id>", "the instance, by its id or the end of it (default: one that is ready)")
    .option("-c, --container <name>", "beside this container of the instance (default: the app's own)")
    .option("-t, --tty", "on a terminal (default: when standard input and output are one)")
    .option("--no-tty", "without a terminal, whatever this one is")
    .option("--no-stdin", "without input")
    .passThroughOptions()
    .addHelpText(
      "after",
      `
The program runs with the app's own user, environment, limits and rights, in its directory. Its exit code is the command's.
Options stand before APP; what follows APP (and «--», where there is one) is the program's. With --app, all words are the
program's.

Examples:
  $ berth exec hello                        a shell
  $ berth exec hello ls -l /app
  $ berth exec hello sh -c 'echo $PORT'
  $ berth exec --instance k3f9q2 hello top
  $ berth exec hello cat /data/db.sqlite >db.sqlite`,
    )
    .action(exec);
}

async function exec(named: string | undefined, words: string[], options: Options): Promise<void> {
  const args = programWords("exec", options.app, named, words);
  const { client } = openSession(options);
  const app = await chooseApp(options.app ?? named, ".");
  const instance = await chooseInstance(client, app, options.instance);
  const { stdin, stdout } = process;
  const hasTerminal = options.tty ?? (stdin.isTTY && stdout.isTTY);
  const sizeNow = () => (stdout.isTTY ? { columns: stdout.columns, rows: stdout.rows } : DEFAULT_SIZE);
  const start = { type: "start" as const, args: args.length > 0 ? args : ["sh"], terminal: hasTerminal ? { ...sizeNow(), term: process.env["TERM"] || "xterm" } : null, ...(options.container === undefined ? {} : { container: options.container }) };
  const session = await connectSession(client, { app, instance, path: "exec" }, start, {
    onData: (stream, bytes, resume) => {
      const out = stream === 1 ? stdout : process.stderr;
      if (out.write(bytes)) return true;
      out.once("drain", resume);
      return false;
    },
  });
  const isRaw = hasTerminal && stdin.isTTY;
  const onResize = () => session.resize(sizeNow());
  if (hasTerminal) stdout.on("resize", onResize);
  if (isRaw) stdin.setRawMode(true);
  try {
    if (options.stdin) void sendInput(session, isRaw);
    else session.end();
    process.exitCode = await session.ended;
    await flushed(stdout);
  } finally {
    if (isRaw) stdin.setRawMode(false);
    stdout.off("resize", onResize);
    session.close();
  }
}

/** Standard input at the pace of the connection. */
async function sendInput(session: Session, isRaw: boolean): Promise<void> {
  try {
    for await (const chunk of process.stdin) await session.write(chunk as Buffer);
    session.end();
  } catch {
    // A terminal that went away: what runs there is told so by the end of the connection.
    if (isRaw) session.close();
  }
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.writableLength === 0) resolve();
    else stream.write("", () => resolve());
  });
}
