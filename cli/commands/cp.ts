import type { Command } from "commander";
import { lstat, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, posix, resolve } from "node:path";
import { chooseApp } from "../app-name.ts";
import { CliError, EXIT, usageError } from "../errors.ts";
import { commonOptions, openSession, type CommonOptions } from "../session.ts";
import type { Client } from "../client.ts";
import { chooseInstance } from "../sessions/connect.ts";
import { execPiped, type Ran } from "../sessions/exec.ts";

interface Options extends CommonOptions {
  instance?: string;
}

interface Place {
  app: string;
  instance: string;
}

export function define(command: Command): void {
  commonOptions(command)
    .argument("<from>", "a path here, or APP:/path in an instance")
    .argument("<to>", "the other one")
    .option("-i, --instance <id>", "the instance, by its id or the end of it (default: one that is ready)")
    .addHelpText(
      "after",
      `
Copies files and directories, with their modes and times, as the app's own user. A target that is a directory, or ends with «/», gets the copy inside. The image must have the program «tar». What is written lasts as long as the instance.

Examples:
  $ berth cp hello:/app/log.txt .
  $ berth cp seed.sql hello:/tmp/
  $ berth cp hello:/etc/nginx ./nginx`,
    )
    .action(copy);
}

async function copy(from: string, to: string, options: Options): Promise<void> {
  const [source, target] = [remotePath(from), remotePath(to)];
  if ((source === undefined) === (target === undefined)) throw usageError("One of the two is a path in an instance: APP:/path.", "For example: berth cp hello:/etc/hostname .");
  const { out, client } = openSession(options);
  const remote = (source ?? target) as RemotePath;
  const app = await chooseApp(remote.app, ".");
  const place = { app, instance: await chooseInstance(client, app, options.instance) };
  if (source === undefined) await upload(client, place, from, remote.path);
  else await download(client, place, remote.path, to);
  out.line(`${from} → ${to}`);
  out.document({ from, to, instance: place.instance });
}

interface RemotePath {
  app: string;
  path: string;
}

/** `app:/path`; a path that begins with `.` or `/` is one here, whatever follows. */
function remotePath(text: string): RemotePath | undefined {
  const found = /^([^:/.][^:/]*):(.*)$/s.exec(text);
  if (found === null) return undefined;
  const [, app = "", path = ""] = found;
  if (!path.startsWith("/")) throw usageError(`The path in the instance is absolute: ${app}:/${path}`);
  return { app, path: posix.normalize(path) };
}

async function upload(client: Client, place: Place, from: string, to: string): Promise<void> {
  const found = await lstat(from).catch(() => undefined);
  if (found === undefined) throw new CliError(`There is no «${from}» here.`, { exitCode: EXIT.notFound, code: "not_found" });
  const name = basename(resolve(from));
  const isInside = to.endsWith("/") || (await isDirectory(client, place, to));
  const [directory, newName] = isInside ? [to, name] : [posix.dirname(to), posix.basename(to)];
  const { create } = await import("tar");
  const archive = create(
    { cwd: dirname(resolve(from)), portable: true, preservePaths: false, onWriteEntry: (entry) => (entry.path = newName + entry.path.slice(name.length)) },
    [`./${name}`].map((path) => path.slice(2)),
  );
  const input = archive as unknown as AsyncIterable<Uint8Array>;
  throwIfFailed(await execPiped(client, place, ["tar", "-x", "-f", "-", "-C", directory], { input }), `${place.app}:${to}`);
}

async function isDirectory(client: Client, place: Place, path: string): Promise<boolean> {
  return (await execPiped(client, place, ["test", "-d", path])).code === 0;
}

async function download(client: Client, place: Place, from: string, to: string): Promise<void> {
  const target = resolve(to);
  const isInside = to.endsWith("/") || ((await stat(target).catch(() => undefined))?.isDirectory() ?? false);
  const directory = isInside ? target : dirname(target);
  const scratch = await mkdtemp(join(directory, ".berth-cp-")).catch((error: unknown) => {
    throw new CliError(`«${directory}» cannot be written to: ${error instanceof Error ? error.message : String(error)}.`, { code: "local_path" });
  });
  try {
    const { extract } = await import("tar");
    // Nothing of the archive leaves the directory: neither by its names nor by its links.
    const unpack = extract({ cwd: scratch, preserveOwner: false, strict: false });
    const done = new Promise<void>((resolve, reject) => unpack.on("close", resolve).on("error", reject));
    done.catch(() => {});
    const output = (bytes: Buffer, resume: () => void) => {
      if (unpack.write(bytes)) return true;
      unpack.once("drain", resume);
      return false;
    };
    throwIfFailed(await execPiped(client, place, ["tar", "-c", "-f", "-", "-C", posix.dirname(from), "--", posix.basename(from) || "."], { output }), `${place.app}:${from}`);
    unpack.end();
    await done;
    await putInPlace(scratch, isInside ? join(directory, posix.basename(from)) : target, from);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** It appears whole or not at all. */
async function putInPlace(scratch: string, target: string, from: string): Promise<void> {
  const [name] = await readdir(scratch);
  if (name === undefined) throw new CliError(`Nothing of «${from}» could be copied.`, { code: "exec_failed" });
  await rename(join(scratch, name), target).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === "ENOTEMPTY" || error.code === "EEXIST" || error.code === "EISDIR" || error.code === "ENOTDIR" ? "something of the name is there" : error.message;
    throw new CliError(`«${target}» was not written: ${why}.`, { code: "local_path" });
  });
}

function throwIfFailed({ code, stderr }: Ran, what: string): void {
  if (code === 0) return;
  const missing = /No such file|can't open|cannot stat|can't change directory|Cannot open: No such/i.test(stderr);
  throw new CliError(`${what} was not copied: ${stderr.split("\n").at(0) || `tar ended with code ${code}`}.`, { code: missing ? "not_found" : "exec_failed", exitCode: missing ? EXIT.notFound : EXIT.failed });
}
