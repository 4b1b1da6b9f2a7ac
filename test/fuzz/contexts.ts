/** Build contexts against the API's inspector: it refuses with a code, and what it lets through GNU tar reads alike. */
import { AppError } from "../../core/contract/errors.ts";
import { runUnchecked } from "../../core/host/spawn.ts";
import { ContextInspector, type ContextFindings } from "../../api/upload/context-inspector.ts";
import { archiveOf } from "./archives.ts";

const LIMITS = { maxEntries: 1000, maxExpandedBytes: 32 * 2 ** 20, maxRatio: 100, freeExpandedBytes: 2 ** 20 };
const SLOW_MS = 10_000;
const PIECE_BYTES = 4096;

/** What was wrong, in words; undefined: all is well. */
export async function tryContext(seed: number, canary: string): Promise<string | undefined> {
  const { bytes, packing } = archiveOf(seed, canary);
  const inspector = new ContextInspector({ isDockerfile: false, limits: LIMITS });
  const startedAt = performance.now();
  let findings: ContextFindings | undefined;
  try {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) await inspector.write(bytes.subarray(at, at + PIECE_BYTES));
    findings = await inspector.end();
  } catch (error) {
    if (!(error instanceof AppError)) return `threw ${(error as Error).stack}`;
  } finally {
    inspector.destroy();
  }
  const tookMs = performance.now() - startedAt;
  if (tookMs > SLOW_MS) return `took ${Math.round(tookMs)} ms`;
  if (findings === undefined || findings.format === "dockerfile") return undefined;
  // Only names are read: nothing is written.
  const unpack = { none: [], gzip: ["--gzip"], zstd: ["--zstd"] }[packing];
  const listed = await runUnchecked(["tar", "--list", "--quoting-style=escape", ...unpack, "--file=-"], { input: bytes });
  // What tar cannot read ends the build, with tar's own words.
  if (listed.code !== 0) return undefined;
  const names = new Set(listed.stdout.split("\n").slice(0, -1).map(plain));
  return names.size === findings.entries ? undefined : `has ${findings.entries} entries, and ${names.size} for tar: ${[...names].join(" | ")}`;
}

/** One spelling for each place: `./a//b/` is `a/b`. */
function plain(name: string): string {
  return name.split("/").filter((part) => part !== "" && part !== ".").join("/");
}
