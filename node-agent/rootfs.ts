/**
 * Touching an image's files from outside: every path is walked part by part within the image, so that no symlink
 * of its author's leads to the host. Only used while nothing of the image runs.
 */
import { chown, lstat, mkdir, open, readlink } from "node:fs/promises";
import { constants } from "node:fs";
import { join } from "node:path";

const MAX_LINKS = 40;
const MAX_DEPTH = 128;

/** The path cannot be used within the image. */
export class BadPath extends Error {}

/**
 * Where `path` is within `root`, symlinks resolved as a process inside would see them; `missing` are the parts that do
 * not exist. @throws BadPath
 */
export async function resolveWithin(root: string, path: string): Promise<{ real: string; missing: string[] }> {
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
    const found = await lstat(here).catch(() => undefined);
    if (!found) {
      const missing = [part, ...left];
      if (missing.includes("..")) throw new BadPath(`«${path}» goes up from a directory that does not exist`);
      return { real: join(root, ...done), missing };
    }
    if (found.isSymbolicLink()) {
      if (++links > MAX_LINKS) throw new BadPath(`«${path}» has too many symlinks`);
      const target = await readlink(here);
      if (target.startsWith("/")) done.length = 0;
      left.unshift(...target.split("/").filter((each) => each !== "" && each !== "."));
    } else {
      done.push(part);
    }
  }
  return { real: join(root, ...done), missing: [] };
}

/** Makes the directory with all its parents, owned by the container's root. @throws BadPath when something else is there */
export async function ensureDirectory(root: string, path: string, owner: number): Promise<void> {
  const { real, missing } = await resolveWithin(root, path);
  if (!(await lstat(real)).isDirectory()) throw new BadPath(`«${path}» is not a directory`);
  let here = real;
  for (const part of missing) {
    here = join(here, part);
    await mkdir(here, { mode: 0o755 });
    await chown(here, owner, owner);
  }
}

/** The text of a regular file of the image, at most so many bytes; empty when there is none. */
export async function readWithin(root: string, path: string, maxBytes: number): Promise<string> {
  const { real, missing } = await resolveWithin(root, path);
  if (missing.length > 0 || !(await lstat(real)).isFile()) return "";
  const file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(maxBytes), 0, maxBytes, 0);
    return buffer.subarray(0, bytesRead).toString("utf8");
  } finally {
    await file.close();
  }
}
