/** Layers against the node's confined unpack helper: it ends in time, refuses or obeys, and nothing outside changes. */
import { chownSync, lstatSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { LAYER_STORE_UID_BASE } from "../../core/domain/id-ranges.ts";
import { run, runUnchecked } from "../../core/host/spawn.ts";
import { BadLayer } from "../../node-agent/layer-store.ts";
import type { Unpacker } from "../../node-agent/unpack.ts";
import { archiveOf } from "./archives.ts";

export const MAX_LAYER_BYTES = 32 * 2 ** 20;
export const MAX_LAYER_ENTRIES = 1000;
const SLOW_MS = 30_000;
/** Of directories and of what the file system itself needs. */
const ALLOWANCE_BYTES = 16 * 2 ** 20;
const IDS = 65_536;

/** What was wrong, in words; undefined: all is well. `dir` has a canary beside the layer. */
export async function tryLayer(unpacker: Unpacker, dir: string, seed: number, canary: string): Promise<string | undefined> {
  const root = join(dir, "root");
  rmSync(root, { recursive: true, force: true });
  mkdirSync(root, { mode: 0o755 });
  chownSync(root, LAYER_STORE_UID_BASE, LAYER_STORE_UID_BASE);
  const before = await treeOf(canary);
  const { bytes, packing } = archiveOf(seed, canary);
  const startedAt = performance.now();
  const unpacking = await unpacker.start(root, `application/vnd.oci.image.layer.v1.tar${packing === "none" ? "" : `+${packing}`}`);
  // It may have heard enough before the end.
  const [, result] = await Promise.allSettled([pipeline(Readable.from([bytes]), unpacking.stdin), unpacking.result]);
  const tookMs = performance.now() - startedAt;
  if (result.status === "rejected" && !(result.reason instanceof BadLayer)) return `the helper broke: ${(result.reason as Error).message}`;
  if (tookMs > SLOW_MS) return `took ${Math.round(tookMs)} ms`;
  if ((await treeOf(canary)) !== before) return `reached ${canary}`;
  return (result.status === "fulfilled" ? await strangeThing(root) : undefined) ?? (await overlayWords(root));
}

/** Every path, kind, owner and content below, as one text. */
async function treeOf(dir: string): Promise<string> {
  const things = (await below(dir)).map((path) => {
    const { mode, uid, nlink } = lstatSync(path);
    return `${path} ${mode} ${uid} ${nlink} ${lstatSync(path).isFile() ? readFileSync(path, "utf8") : ""}`;
  });
  return things.toSorted().join("\n");
}

/** What no layer may hold, whatever its archive says. */
async function strangeThing(root: string): Promise<string | undefined> {
  let bytes = 0;
  for (const path of await below(root)) {
    const stats = lstatSync(path);
    bytes += stats.blocks * 512;
    const isWhiteout = stats.isCharacterDevice() && stats.rdev === 0;
    if ((stats.isBlockDevice() || stats.isCharacterDevice()) && !isWhiteout) return `made a device: ${path}`;
    if (stats.uid < LAYER_STORE_UID_BASE || stats.uid >= LAYER_STORE_UID_BASE + IDS) return `made a file of ${stats.uid}: ${path}`;
    if (/\/\.wh\.[^/]*$/.test(path)) return `left a whiteout as a file: ${path}`;
  }
  return bytes > MAX_LAYER_BYTES + ALLOWANCE_BYTES ? `takes ${bytes} bytes` : undefined;
}

/** Every path, without following a link. */
async function below(dir: string): Promise<string[]> {
  const { stdout } = await run(["find", dir, "-mindepth", "1", "-print0"]);
  return stdout.split("\0").slice(0, -1);
}

/** Attributes that would speak to the overlay: an opaque directory is the helper's own word, any other the archive's. */
async function overlayWords(root: string): Promise<string | undefined> {
  const { stdout } = await runUnchecked(["getfattr", "--recursive", "--physical", "--absolute-names", "--match=overlay", "--dump", root]);
  const strange = stdout.split("\n").find((line) => line.includes("overlay") && line !== 'user.overlay.opaque="y"');
  return strange === undefined ? undefined : `has the attribute ${strange}`;
}
