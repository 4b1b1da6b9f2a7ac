/**
 * `.dockerignore` as Docker reads it. The matching is `@balena/dockerignore`'s (a port of moby's); this file
 * settles where today's moby differs from the version that was ported.
 * Source: https://github.com/moby/patternmatcher (`ignorefile/ignorefile.go`, `patternmatcher.go`)
 */
import dockerignore from "@balena/dockerignore";

// A CommonJS module whose types speak of a default export: its `module.exports` is the function and has it, too.
const createIgnore = dockerignore.default;

export interface IgnoreRules {
  /** Whether a path (with `/`, relative to the context) is left out. */
  ignores(path: string): boolean;
  /** Whether something below an ignored directory may come back in through a `!` rule. */
  mayReinclude(directory: string): boolean;
}

export function parseIgnore(text: string): IgnoreRules {
  const patterns = text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .filter((line) => !line.startsWith("#") && line.trim() !== "")
    .map((line) => escapeLiterals(line.trim()));
  // Docker's matching minds the case on every system.
  const rules = createIgnore({ ignorecase: false }).add(patterns);
  // Its cache is a plain object: without this a file called `constructor` would never be ignored.
  Object.setPrototypeOf(Reflect.get(rules, "_cache"), null);
  const exceptions = patterns.filter((pattern) => pattern.startsWith("!")).map((pattern) => cleanParts(pattern.slice(1)));
  return {
    ignores: (path) => rules.ignores(path),
    mayReinclude(directory) {
      const parts = directory.split("/");
      return exceptions.some((exception) => mayMatchBelow(exception, parts));
    },
  };
}

/** moby takes these characters as they are; the library would hand them to its regular expression, and `#` for a comment. */
function escapeLiterals(pattern: string): string {
  return pattern.replace(/\\.|[+(){}|#]/gs, (found) => (found.startsWith("\\") ? found : `\\${found}`));
}

function cleanParts(pattern: string): string[] {
  return pattern.trim().split("/").filter((part) => part !== "" && part !== ".");
}

function mayMatchBelow(exception: readonly string[], directory: readonly string[]): boolean {
  for (const [index, part] of directory.entries()) {
    const wanted = exception[index];
    if (wanted === undefined) return true;
    if (/[*?[\\]/.test(wanted) || wanted === "..") return true;
    if (wanted !== part) return false;
  }
  return true;
}
