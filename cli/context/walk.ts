/** Which files of a directory are the build context: what Docker would send, in an order that never changes. */
import { lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync, statSync, type Stats } from "node:fs";
import { createHash } from "node:crypto";
import { basename, dirname, join, posix, relative, resolve, sep } from "node:path";
import { CliError, EXIT, usageError } from "../errors.ts";
import { parseIgnore, type IgnoreRules } from "./ignore.ts";

export type ContextEntry = { /** Relative, with `/`. */ path: string; mode: number; /** Whole seconds. */ mtimeS: number } & (
  | { kind: "file"; sizeBytes: number; source: string }
  /** Not a file of the directory: its content is here. */
  | { kind: "text"; content: Buffer }
  | { kind: "symlink"; target: string }
  | { kind: "directory" }
);

export interface Context {
  entries: ContextEntry[];
  /** Of the files' contents. */
  totalBytes: number;
  fileCount: number;
  /** Path of the Dockerfile within the context. */
  dockerfile: string;
  /** Sockets, pipes and devices that were left out. */
  skipped: string[];
}

export interface ContextOptions {
  directory: string;
  /** As given with `-f`, relative to the working directory; default `Dockerfile` in the context. */
  dockerfile?: string;
  /** `-f -`: the Dockerfile's text itself. */
  dockerfileText?: Buffer;
}

/** Reads the directory tree (names and sizes, no contents). Throws `CliError` for what cannot be read. */
export function readContext(options: ContextOptions): Context {
  const root = openDirectory(options.directory);
  const dockerfile = findDockerfile(root, options);
  const ignoreFile = readIgnoreFile(root, dockerfile);
  const rules = ignoreFile === undefined ? undefined : parseIgnore(ignoreFile.text);
  const always = new Set([".dockerignore", dockerfile.path, `${dockerfile.path}.dockerignore`]);
  const walked: Context = { entries: [], totalBytes: 0, fileCount: 0, dockerfile: dockerfile.path, skipped: [] };
  walkDirectory({ root, rules, always, context: walked }, "");
  if (dockerfile.outside !== undefined) addOutsideDockerfile(walked, dockerfile.path, dockerfile.outside, ignoreFile?.text ?? "");
  return walked;
}

function openDirectory(directory: string): string {
  try {
    const root = realpathSync(directory);
    if (statSync(root).isDirectory()) return root;
  } catch (error) {
    throw usageError(`${directory} cannot be opened: ${reason(error)}.`, "DIR is the directory with the Dockerfile, or «-» for a tar from stdin.");
  }
  throw usageError(`${directory} is not a directory.`, "DIR is the directory with the Dockerfile; name another Dockerfile with -f.");
}

interface DockerfilePlace {
  path: string;
  /** A Dockerfile that is not in the context: its text. */
  outside?: Buffer;
  /** Where a `<Dockerfile>.dockerignore` would be. */
  ignorePath?: string;
}

function findDockerfile(root: string, options: ContextOptions): DockerfilePlace {
  if (options.dockerfileText !== undefined) return { path: outsideName(options.dockerfileText), outside: options.dockerfileText };
  if (options.dockerfile === undefined) {
    const path = join(root, "Dockerfile");
    if (isFile(path)) return { path: "Dockerfile", ignorePath: `${path}.dockerignore` };
    const similar = readdirSync(root).filter((name) => /dockerfile|containerfile/i.test(name) && !name.endsWith(".dockerignore"));
    const hint = similar.length > 0 ? `Is it ${similar.slice(0, 3).map((name) => `«-f ${name}»`).join(" or ")}?` : "Write one, or name the directory that holds it: berth deploy DIR";
    throw new CliError(`There is no Dockerfile in ${options.directory}.`, { code: "dockerfile_missing", hint });
  }
  // As Docker does: relative to the working directory, else to the context.
  const given = [resolve(options.dockerfile), resolve(root, options.dockerfile)].find(isFile);
  if (given === undefined) throw new CliError(`There is no file ${options.dockerfile}.`, { code: "dockerfile_missing", hint: "-f takes a path relative to here, or to DIR." });
  const real = join(realpathSync(dirname(given)), basename(given));
  const inside = relative(root, real);
  if (inside !== "" && inside !== ".." && !inside.startsWith(`..${sep}`)) return { path: inside.split(sep).join("/"), ignorePath: `${real}.dockerignore` };
  const outside = readFile(real);
  return { path: outsideName(outside), outside, ignorePath: `${real}.dockerignore` };
}

/** By its content, so that the same upload twice is the same. */
function outsideName(text: Buffer): string {
  return `.dockerfile.${createHash("sha256").update(text).digest("hex").slice(0, 12)}`;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function readIgnoreFile(root: string, dockerfile: DockerfilePlace): { text: string } | undefined {
  for (const path of [dockerfile.ignorePath, join(root, ".dockerignore")]) {
    if (path !== undefined && isFile(path)) return { text: readFile(path).toString("utf8") };
  }
  return undefined;
}

function readFile(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** Adds a Dockerfile from elsewhere, and rules that keep it out of `COPY . .`. */
function addOutsideDockerfile(context: Context, path: string, text: Buffer, ignoreText: string): void {
  const ignorePath = `${path}.dockerignore`;
  const rules = Buffer.from(`${ignoreText.trimEnd()}\n${path}\n${ignorePath}\n`.trimStart());
  for (const [name, content] of [[path, text], [ignorePath, rules]] as const) {
    context.entries.push({ path: name, kind: "text", content, mode: 0o644, mtimeS: 0 });
    context.totalBytes += content.length;
    context.fileCount++;
  }
}

interface Walk {
  root: string;
  rules: IgnoreRules | undefined;
  always: ReadonlySet<string>;
  context: Context;
}

/** Adds what is below `directory` ("" is the root). Answers the newest time below it, undefined when nothing was added. */
function walkDirectory(walk: Walk, directory: string): number | undefined {
  let newestS: number | undefined;
  for (const name of list(join(walk.root, directory))) {
    const path = directory === "" ? name : `${directory}/${name}`;
    const mtimeS = addEntry(walk, path);
    if (mtimeS !== undefined) newestS = Math.max(newestS ?? 0, mtimeS);
  }
  return newestS;
}

function addEntry(walk: Walk, path: string): number | undefined {
  const { context, rules } = walk;
  const source = join(walk.root, path);
  const ignored = !walk.always.has(path) && (rules?.ignores(path) ?? false);
  const holdsAlways = ignored && [...walk.always].some((one) => one.startsWith(`${path}/`));
  if (ignored && !holdsAlways && rules?.mayReinclude(path) !== true) return undefined;
  const stats = stat(source);
  const mode = stats.mode & 0o7777;
  const mtimeS = Math.max(0, Math.floor(stats.mtimeMs / 1000));
  if (stats.isDirectory()) return addDirectory(walk, path, { mode, mtimeS, ignored });
  if (ignored) return undefined;
  if (stats.isFile()) {
    context.entries.push({ path, kind: "file", mode, mtimeS, sizeBytes: stats.size, source });
    context.totalBytes += stats.size;
    context.fileCount++;
  } else if (stats.isSymbolicLink()) {
    context.entries.push({ path, kind: "symlink", mode: 0o777, mtimeS, target: readlinkSync(source) });
  } else {
    context.skipped.push(path);
    return undefined;
  }
  return mtimeS;
}

/** A directory that is left out is still sent where something below it came back in. */
function addDirectory(walk: Walk, path: string, found: { mode: number; mtimeS: number; ignored: boolean }): number | undefined {
  const entry: ContextEntry = { path, kind: "directory", mode: found.mode, mtimeS: found.mtimeS };
  const at = walk.context.entries.push(entry) - 1;
  const newestS = walkDirectory(walk, path);
  if (newestS === undefined && found.ignored) {
    walk.context.entries.splice(at, 1);
    return undefined;
  }
  // A directory's own time also changes with files that are not sent (editors, caches): the newest below it does not.
  if (newestS !== undefined) entry.mtimeS = newestS;
  return entry.mtimeS;
}

/** Names in byte order: the same on every machine and in every language. */
function list(directory: string): string[] {
  try {
    return readdirSync(directory).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  } catch (error) {
    throw unreadable(directory, error);
  }
}

function stat(path: string): Stats {
  try {
    return lstatSync(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** The error for a file of the context that cannot be read. */
export function unreadable(path: string, error: unknown): CliError {
  const code = (error as NodeJS.ErrnoException).code;
  const hint =
    code === "ENOENT" ? "It vanished while the context was read, or its name is not valid UTF-8." : "Change its permissions, or leave it out with a line in .dockerignore.";
  return new CliError(`${posix.normalize(path)} cannot be read: ${reason(error)}.`, { code: "context_unreadable", exitCode: EXIT.usage, hint, cause: error });
}

function reason(error: unknown): string {
  const reasons: Record<string, string> = { EACCES: "permission denied", EPERM: "not permitted", ENOENT: "there is no such file", ENOTDIR: "a part of the path is not a directory", ELOOP: "too many symbolic links" };
  const { code, message } = error as NodeJS.ErrnoException;
  return reasons[code ?? ""] ?? message;
}
