/**
 * Touching an image's files from outside: every path is walked part by part within the image, so that no symlink
 * of its author's leads to the host. Only used while nothing of the image runs. A few entries of the kernel's caches:
 * waiting for threads would take longer than looking.
 */
import { chownSync, closeSync, constants, fchownSync, lchownSync, lstatSync, mkdirSync, openSync, readlinkSync, readSync, rmSync, symlinkSync, writeSync, type Stats } from "node:fs";
import { basename, dirname, join } from "node:path";

const MAX_LINKS = 40;
const MAX_DEPTH = 128;

/** The path cannot be used within the image. */
export class BadPath extends Error {}

/**
 * Where `path` is within `root`, symlinks resolved as a process inside would see them; `missing` are the parts that do
 * not exist. @throws BadPath
 */
export function resolveWithin(root: string, path: string): { real: string; missing: string[] } {
  if (path.includes("\0")) throw new BadPath(`«${path}» has a NUL byte`);
  const left = path.split("/").filter((part) => part !== "" && part !== ".");
  const done: string[] = [];
  for (let links = 0; left.length > 0; ) {
    if (left.length + done.length > MAX_DEPTH) throw new BadPath(`«${path}» is too deep`);
    const part = left.shift() as string;
    if (part === "..") {
      done.pop();
      continue;
    }
    const here = join(root, ...done, part);
    const found = statOf(here);
    if (!found) {
      const missing = [part, ...left];
      if (missing.includes("..")) throw new BadPath(`«${path}» goes up from a directory that does not exist`);
      return { real: join(root, ...done), missing };
    }
    if (found.isSymbolicLink()) {
      if (++links > MAX_LINKS) throw new BadPath(`«${path}» has too many symlinks`);
      const target = readlinkSync(here);
      if (target.startsWith("/")) done.length = 0;
      left.unshift(...target.split("/").filter((each) => each !== "" && each !== "."));
    } else {
      done.push(part);
    }
  }
  return { real: join(root, ...done), missing: [] };
}

/** Makes the directory with all its parents, owned by the container's root; gives where it is. @throws BadPath when something else is there */
export function ensureDirectory(root: string, path: string, owner: number): string {
  const { real, missing } = resolveWithin(root, path);
  if (!lstatSync(real).isDirectory()) throw new BadPath(`«${path}» is not a directory`);
  let here = real;
  for (const part of missing) {
    here = join(here, part);
    mkdirSync(here, { mode: 0o755 });
    chownSync(here, owner, owner);
  }
  return here;
}

/** Makes the symlink, with the directories above it, unless something of the name is there. @throws BadPath */
export function ensureSymlink(root: string, path: string, target: string, owner: number): void {
  const here = join(ensureDirectory(root, dirname(path), owner), basename(path));
  if (statOf(here) !== undefined) return;
  symlinkSync(target, here);
  lchownSync(here, owner, owner);
}

/**
 * Makes a regular file with this text, in the place of whatever has the name. What is so already is left as it is: a disk
 * that the app has filled has no room to write it again. @throws BadPath
 */
export function writeWithin(root: string, path: string, text: string, owner: number): void {
  const here = join(ensureDirectory(root, dirname(path), owner), basename(path));
  const found = statOf(here);
  if (found?.isFile() && found.uid === owner && found.size === Buffer.byteLength(text) && readWithin(root, path, found.size) === text) return;
  if (found?.isDirectory()) throw new BadPath(`«${path}» is a directory`);
  rmSync(here, { force: true });
  const file = openSync(here, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o644);
  try {
    writeSync(file, text);
    fchownSync(file, owner, owner);
  } finally {
    closeSync(file);
  }
}

/** The text of a regular file of the image, at most so many bytes; empty when there is none. */
export function readWithin(root: string, path: string, maxBytes: number): string {
  const { real, missing } = resolveWithin(root, path);
  if (missing.length > 0 || !lstatSync(real).isFile()) return "";
  const file = openSync(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const buffer = Buffer.allocUnsafe(Math.min(maxBytes, lstatSync(real).size));
    return buffer.subarray(0, readSync(file, buffer, 0, buffer.length, 0)).toString("utf8");
  } finally {
    closeSync(file);
  }
}

/** Undefined when there is nothing, or what is above it is no directory. */
function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
