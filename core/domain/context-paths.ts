/**
 * Which entries of a build context would reach outside it when unpacked. As Docker does, a symlink may point anywhere:
 * the build resolves it inside the context. Refused is what would write or link outside: names with `..` or an absolute
 * path (readers of tar treat those differently), hardlinks to the outside, and entries below a symlink that leads out.
 */

export const MAX_PATH_BYTES = 4096;
export const MAX_DEPTH = 128;
const MAX_LINKS = 40;

/** A name without `.` and double slashes; "" is the context itself. A string in `refused` says why it cannot be. */
export type EntryName = { path: string } | { refused: string };

export function readEntryName(name: string): EntryName {
  if (name.startsWith("/")) return { refused: "has an absolute name" };
  if (name.includes("\0")) return { refused: "has a NUL byte in its name" };
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) return { refused: "has «..» in its name" };
  if (Buffer.byteLength(name) > MAX_PATH_BYTES || parts.length > MAX_DEPTH) return { refused: "has too long a name" };
  return { path: parts.join("/") };
}

/** The symlinks seen so far, in the order in which unpacking makes them. */
export class ContextLinks {
  readonly #targets = new Map<string, string>();

  /** Notes what an entry leaves at its path: a symlink's target, or anything else. */
  set(path: string, symlinkTo: string | null): void {
    if (symlinkTo === null) this.#targets.delete(path);
    else this.#targets.set(path, symlinkTo);
  }

  /** Where a path leads when symlinks are followed, its last part too if `followLast`; undefined: outside, or round in a circle. */
  resolve(path: string, followLast: boolean): string | undefined {
    if (this.#targets.size === 0) return path;
    let rest = path.split("/");
    let at: string[] = [];
    for (let links = 0; rest.length > 0; ) {
      const [part = "", ...after] = rest;
      rest = after;
      if (part === "" || part === ".") continue;
      if (part === "..") {
        if (at.length === 0) return undefined;
        at = at.slice(0, -1);
        continue;
      }
      const target = this.#targets.get([...at, part].join("/"));
      if (target === undefined || (rest.length === 0 && !followLast)) {
        at = [...at, part];
        continue;
      }
      if (target.startsWith("/") || ++links > MAX_LINKS) return undefined;
      rest = [...target.split("/"), ...rest];
    }
    return at.join("/");
  }
}
