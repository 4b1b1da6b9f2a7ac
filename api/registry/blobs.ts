/** Reading and removing blobs. */
import { Readable } from "node:stream";
import type { Context } from "hono";
import { DIGEST } from "../../core/contract/release-config.ts";
import * as rows from "../../core/db/system-queries/registry.ts";
import type { ApiEnv } from "../deps.ts";
import type { RegistryClaims } from "../../core/registry/token.ts";
import { auditOf } from "./audit.ts";
import type { RegistryDeps } from "./auth.ts";
import { parseRange } from "./body.ts";
import { RegistryError } from "./errors.ts";

export async function getBlob(deps: RegistryDeps, c: Context<ApiEnv>, repository: string, digest: string): Promise<Response> {
  checkDigest(digest);
  const blob = await rows.findBlob(deps.db, repository, digest);
  if (!blob) throw new RegistryError("BLOB_UNKNOWN", `there is no blob ${digest} in ${repository}`);
  const headers: Record<string, string> = {
    "content-type": "application/octet-stream",
    "docker-content-digest": digest,
    etag: `"${digest}"`,
    "accept-ranges": "bytes",
    "cache-control": "private, max-age=31536000, immutable",
  };
  if (c.req.method === "HEAD") return new Response(null, { headers: { ...headers, "content-length": String(blob.sizeBytes) } });
  const range = parseRange(c.req.header("range"), blob.sizeBytes);
  const { body } = await deps.blobs.get(blob.storageKey, range);
  headers["content-length"] = String(range ? range.end - range.start + 1 : blob.sizeBytes);
  if (range) headers["content-range"] = `bytes ${range.start}-${range.end}/${blob.sizeBytes}`;
  return new Response(Readable.toWeb(body) as ReadableStream, { status: range ? 206 : 200, headers });
}

export async function deleteBlob(deps: RegistryDeps, c: Context<ApiEnv>, repository: string, digest: string, claims: RegistryClaims): Promise<Response> {
  checkDigest(digest);
  if (!(await rows.unlinkBlob(deps.db, repository, digest, auditOf(c, claims, repository, "image.delete-blob", digest)))) throw new RegistryError("BLOB_UNKNOWN", `there is no blob ${digest} in ${repository}`);
  return new Response(null, { status: 202 });
}

export function checkDigest(digest: string): void {
  if (!DIGEST.test(digest)) throw new RegistryError("DIGEST_INVALID", "a digest is «sha256:» and 64 hexadecimal digits");
}
