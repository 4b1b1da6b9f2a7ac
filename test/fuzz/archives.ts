/** Archives that nobody should trust, made from a seed: the same seed gives the same bytes. */
import { gzipSync, zstdCompressSync } from "node:zlib";
import { RAW_END, rawFile, rawHeader, rawPax } from "../support/contexts.ts";

/** A number from 0 to 1, without 1. */
export type Random = () => number;

/** Source: mulberry32, https://github.com/cprosche/mulberry32 (public domain). */
export function randomOf(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export interface Archive {
  bytes: Buffer;
  packing: "none" | "gzip" | "zstd";
}

const below = (random: Random, limit: number) => Math.floor(random() * limit);
const pick = <T>(random: Random, from: readonly T[]): T => from[below(random, from.length)] as T;
const chance = (random: Random, share: number) => random() < share;

const PARTS = ["a", "b", "dir", "deep", "link", "..", ".", "", "…", "Dockerfile", "x\ny", "\u001b[2J", " ", "-rf", ".wh.a", ".wh..wh..opq", ".wh..", ".wh...", "n".repeat(120), "etc", "tmp", "mnt"];
const SIZES = ["00000000000", "77777777777", "7777777777\0", "           ", "-0000000001", "0x000000010", "\u0080\0\0\0\0\0\0\0\0\0\0\u0001", "\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff"];
const TYPES = "01234567xgLKSVMNADX\0 ";

/** A name that may lead anywhere; `canary` is where nothing may ever arrive. */
function nameOf(random: Random, canary: string): string {
  if (chance(random, 0.1)) return `${canary}/${pick(random, PARTS)}`;
  if (chance(random, 0.1)) return `${"../".repeat(1 + below(random, 12))}${canary.slice(1)}/${pick(random, PARTS)}`;
  const path = Array.from({ length: 1 + below(random, 4) }, () => pick(random, PARTS)).join("/");
  return `${pick(random, ["", "", "", "/", "./", "//"])}${path}${chance(random, 0.2) ? "/" : ""}`;
}

const contentOf = (random: Random) => Buffer.alloc(below(random, chance(random, 0.05) ? 200_000 : 1500), pick(random, ["x", "\0", "#!/bin/sh\n"]));

function entryOf(random: Random, canary: string): Buffer[] {
  const name = nameOf(random, canary);
  const patch = chance(random, 0.15) ? damageOf(random) : undefined;
  const more = { mode: pick(random, [0o644, 0o755, 0o4755, 0o777, 0]), ...(patch && { patch }) };
  switch (below(random, 9)) {
    case 0:
      return [rawHeader(name, { ...more, type: "5" })];
    case 1:
      // Then something is written through it.
      return [rawHeader("link", { ...more, type: "2", linkname: pick(random, [canary, "/", "..", nameOf(random, canary)]) }), rawFile(`link/${pick(random, PARTS)}`, "through")];
    case 2:
      return [rawHeader(name, { ...more, type: "1", linkname: pick(random, ["/etc/passwd", `${canary}/seen`, nameOf(random, canary)]) })];
    case 3:
      return [rawPax({ path: name, ...(chance(random, 0.3) ? { size: String(below(random, 10_000)) } : {}) }), rawFile("short", contentOf(random), more)];
    case 4:
      return [rawPax({ linkpath: nameOf(random, canary), "SCHILY.xattr.trusted.overlay.redirect": "/etc", "SCHILY.xattr.user.overlay.opaque": "y" }, pick(random, ["x", "g"] as const)), rawHeader(name, { ...more, type: "2" })];
    case 5:
      return [rawFile("././@LongLink", `${nameOf(random, canary)}\0`, { type: pick(random, ["L", "K"]) }), rawFile(name, contentOf(random), more)];
    case 6:
      return [rawHeader(name, { ...more, type: pick(random, ["3", "4", "6"]) })];
    case 7:
      return [rawFile(name, contentOf(random), { ...more, type: TYPES[below(random, TYPES.length)] ?? "0" })];
    default:
      return [rawFile(name, contentOf(random), more)];
  }
}

/** Changes a header before its checksum is written: readers believe it. */
function damageOf(random: Random): (block: Buffer) => void {
  const size = pick(random, SIZES);
  const at = below(random, 512);
  const byte = below(random, 256);
  return chance(random, 0.5) ? (block) => void block.write(size, 124, "latin1") : (block) => void (block[at] = byte);
}

/** Bytes cut off, doubled, moved or turned around. */
function mangled(random: Random, bytes: Buffer): Buffer {
  const at = below(random, bytes.length);
  const length = below(random, Math.min(2048, bytes.length - at) + 1);
  switch (below(random, 4)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      return Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
    case 2:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    default: {
      const copy = Buffer.from(bytes);
      for (let flips = 1 + below(random, 8); flips > 0; flips--) {
        const where = below(random, copy.length);
        copy[where] = (copy[where] ?? 0) ^ (1 << below(random, 8));
      }
      return copy;
    }
  }
}

const PACKERS = { none: (bytes: Buffer) => bytes, gzip: (bytes: Buffer) => gzipSync(bytes, { level: 1 }), zstd: (bytes: Buffer) => zstdCompressSync(bytes) };

/** Some entries, well-formed or not, packed or not, and now and then damaged before or after packing. */
export function archiveOf(seed: number, canary: string): Archive {
  const random = randomOf(seed);
  const entries = Array.from({ length: below(random, 12) }, () => entryOf(random, canary)).flat();
  let tar = Buffer.concat([rawFile("Dockerfile", "FROM scratch\n"), ...entries, chance(random, 0.9) ? RAW_END : Buffer.alloc(0)]);
  if (chance(random, 0.3)) tar = mangled(random, tar) as typeof tar;
  // A long run of nothing, as bombs have it.
  if (chance(random, 0.02)) tar = Buffer.concat([rawHeader("bomb", { size: 48 * 2 ** 20 }), Buffer.alloc(48 * 2 ** 20), RAW_END]);
  const packing = pick(random, ["none", "gzip", "zstd"] as const);
  const packed = PACKERS[packing](tar);
  return { bytes: chance(random, 0.15) ? mangled(random, packed) : packed, packing };
}
