/** `ETag`, `If-None-Match` and `If-Match`: what has not changed is not sent again, and two people do not overwrite each other. */
import { createHash } from "node:crypto";
import type { Context } from "hono";
import { AppError } from "../core/contract/errors.ts";
import type { ApiEnv } from "./deps.ts";

/** Versions that `If-Match` names; undefined without the header. */
export type IfMatch = readonly number[] | "any" | undefined;

/**
 * `"<version>.<digest>"`: the version is of what people change, and is what `If-Match` is compared with; the digest is of
 * the whole answer, which also holds what changes by itself.
 */
export function etagOf(version: number, body: unknown): string {
  return `"${version}.${createHash("sha256").update(JSON.stringify(body)).digest("base64url").slice(0, 16)}"`;
}

/** Of what has no counter: a number that is another one when the content is. */
export function contentVersion(content: Record<string, string>): number {
  const text = JSON.stringify(Object.entries(content).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return Number.parseInt(createHash("sha256").update(text).digest("hex").slice(0, 7), 16);
}

/** Answers 200 with the `ETag`, or 304 when the client has just this. */
export function answerTagged(c: Context<ApiEnv>, version: number, body: object): Response {
  const etag = etagOf(version, body);
  c.header("etag", etag);
  const known = c.req.header("if-none-match");
  if (known !== undefined && (known.trim() === "*" || tagsOf(known).includes(etag))) return c.body(null, 304);
  return c.json(body, 200);
}

/** @throws AppError invalid_request */
export function readIfMatch(c: Context<ApiEnv>): IfMatch {
  const header = c.req.header("if-match");
  if (header === undefined) return undefined;
  if (header.trim() === "*") return "any";
  const tags = tagsOf(header);
  if (tags.length === 0) throw new AppError("invalid_request", "If-Match: send an ETag as it came, in quotes, or «*».");
  return tags.flatMap((tag) => /^"(\d{1,9})\.[\w-]+"$/.exec(tag)?.[1] ?? []).map(Number);
}

/** Under the lock of what is changed. @throws AppError version_mismatch */
export function checkVersion(version: number, ifMatch: IfMatch): void {
  if (ifMatch === undefined || ifMatch === "any" || ifMatch.includes(version)) return;
  throw new AppError("version_mismatch", `It has version ${version} by now: somebody changed it since you read it.`);
}

/** Proxies that compress mark tags as weak. */
function tagsOf(header: string): string[] {
  return header.match(/"[\x21\x23-\x7e]*"/g) ?? [];
}
