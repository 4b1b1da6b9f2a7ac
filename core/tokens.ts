/**
 * Tokens of tenants: `berth_`, 32 random base62 characters (190 bits) and their CRC32 as 6 more. The constant
 * pattern lets secret scanners find a leaked one; the checksum tells a typo without asking the database.
 */
import { createHash, randomInt } from "node:crypto";
import { crc32 } from "node:zlib";

const PREFIX = "berth_";
const RANDOM_CHARS = 32;
const CHECKSUM_CHARS = 6;
const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

export const TOKEN_PATTERN = /^berth_[0-9A-Za-z]{38}$/;

/** A new token: shown once, kept only as `hashToken` of it. */
export function createToken(): string {
  let random = "";
  for (let i = 0; i < RANDOM_CHARS; i++) random += BASE62[randomInt(BASE62.length)];
  return PREFIX + random + checksum(random);
}

/** Whether the text can be a token at all: its shape and its checksum. */
export function isToken(text: string): boolean {
  if (!TOKEN_PATTERN.test(text)) return false;
  const random = text.slice(PREFIX.length, PREFIX.length + RANDOM_CHARS);
  return checksum(random) === text.slice(PREFIX.length + RANDOM_CHARS);
}

/** SHA-256, hexadecimal, as the database keeps tokens of tenants, nodes and gateways. */
export function hashToken(token: string): string {
  return createHash("sha256").update(token, "utf8").digest("hex");
}

/** The token of an `Authorization: Bearer …` header, or undefined. */
export function bearerToken(header: string | undefined): string | undefined {
  const match = /^bearer +([\x21-\x7e]+) *$/i.exec(header ?? "");
  return match?.[1];
}

function checksum(text: string): string {
  let rest = crc32(text);
  let out = "";
  for (let i = 0; i < CHECKSUM_CHARS; i++) {
    out = BASE62[rest % 62] + out;
    rest = Math.floor(rest / 62);
  }
  return out;
}
