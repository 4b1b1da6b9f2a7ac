/** Blobs and their uploads. */
import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createSHA256, type IHasher } from "hash-wasm";
import type { Context } from "hono";
import { blobKey } from "../../core/blob-store/keys.ts";
import type { BlobStore } from "../../core/blob-store/blob-store.ts";
import { parseId, type Id } from "../../core/contract/ids.ts";
import { DIGEST } from "../../core/contract/release-config.ts";
import * as rows from "../../core/db/system-queries/registry.ts";
import { allows, type RegistryClaims } from "../../core/registry/token.ts";
import type { ApiEnv } from "../deps.ts";
import type { RegistryDeps } from "./auth.ts";
import { RegistryError } from "./errors.ts";

type Ctx = Context<ApiEnv>;
type UploadId = Id<"upload">;

/** Most bytes of one blob. */
export const MAX_BLOB_BYTES = 10 * 2 ** 30;
/** Most pieces that one upload may come in. */
const MAX_PIECES = 10_000;
const STALE_AFTER_MS = 24 * 3_600_000;

// ---- reading ----

export async function getBlob(deps: RegistryDeps, c: Ctx, repository: string, digest: string): Promise<Response> {
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
  const size = range ? range.end - range.start + 1 : blob.sizeBytes;
  headers["content-length"] = String(size);
  if (range) headers["content-range"] = `bytes ${range.start}-${range.end}/${blob.sizeBytes}`;
  return new Response(Readable.toWeb(body) as ReadableStream, { status: range ? 206 : 200, headers });
}

/** One range of bytes; anything else is answered with the whole, as HTTP allows. @throws RegistryError beyond the end */
function parseRange(header: string | undefined, sizeBytes: number): { start: number; end: number } | undefined {
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(header ?? "") ?? [];
  if (from === undefined) return undefined;
  const start = Number(from);
  if (start >= sizeBytes) throw new RegistryError("BLOB_UPLOAD_INVALID", `the blob has ${sizeBytes} bytes`, { "content-range": `bytes */${sizeBytes}` });
  return { start, end: to === "" || to === undefined ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1) };
}

export async function deleteBlob(deps: RegistryDeps, _c: Ctx, repository: string, digest: string): Promise<Response> {
  checkDigest(digest);
  if (!(await rows.unlinkBlob(deps.db, repository, digest))) throw new RegistryError("BLOB_UNKNOWN", `there is no blob ${digest} in ${repository}`);
  return new Response(null, { status: 202 });
}

// ---- uploading ----

/** Begins an upload; with `digest` the body is all of it, with `mount` nothing needs to be sent when `from` has the blob. */
export async function postUpload(deps: RegistryDeps, c: Ctx, repository: string, claims: RegistryClaims): Promise<Response> {
  const { mount, from, digest } = c.req.query();
  if (mount !== undefined && from !== undefined && DIGEST.test(mount) && allows(claims, from, "pull")) {
    if (await rows.mountBlob(deps.db, from, repository, mount)) return created(repository, mount);
  }
  if (digest !== undefined) checkDigest(digest);
  const id = await rows.createUpload(deps.db, repository);
  if (digest === undefined) return accepted(repository, id, 0);
  await append(deps, c, repository, id, 0);
  return finish(deps, repository, id, digest);
}

export async function patchUpload(deps: RegistryDeps, c: Ctx, repository: string, id: string): Promise<Response> {
  const start = /^(\d+)-(\d+)$/.exec(c.req.header("content-range") ?? "")?.[1];
  const uploadId = checkUpload(id);
  const offset = await append(deps, c, repository, uploadId, start === undefined ? undefined : Number(start));
  return accepted(repository, uploadId, offset);
}

export async function putUpload(deps: RegistryDeps, c: Ctx, repository: string, id: string): Promise<Response> {
  const { digest = "" } = c.req.query();
  checkDigest(digest);
  const uploadId = checkUpload(id);
  const start = /^(\d+)-(\d+)$/.exec(c.req.header("content-range") ?? "")?.[1];
  if (c.req.raw.body && c.req.header("content-length") !== "0") await append(deps, c, repository, uploadId, start === undefined ? undefined : Number(start));
  return finish(deps, repository, uploadId, digest);
}

export async function getUpload(deps: RegistryDeps, _c: Ctx, repository: string, id: string): Promise<Response> {
  const upload = await rows.findUpload(deps.db, repository, checkUpload(id));
  if (!upload) throw uploadUnknown();
  return new Response(null, { status: 204, headers: uploadHeaders(repository, upload.id, upload.offsetBytes) });
}

export async function deleteUpload(deps: RegistryDeps, _c: Ctx, repository: string, id: string): Promise<Response> {
  const upload = await rows.findUpload(deps.db, repository, checkUpload(id));
  if (!upload) throw uploadUnknown();
  await discard(deps, upload);
  return new Response(null, { status: 204 });
}

/** Throws away uploads that were begun and never ended. Returns how many. */
export async function removeStaleUploads(deps: Pick<RegistryDeps, "db" | "blobs">, now: Date): Promise<number> {
  const stale = await rows.staleUploads(deps.db, new Date(now.getTime() - STALE_AFTER_MS), 100);
  for (const upload of stale) await discard(deps, upload);
  return stale.length;
}

async function discard(deps: Pick<RegistryDeps, "db" | "blobs">, upload: rows.UploadRow): Promise<void> {
  await rows.deleteUpload(deps.db, upload.id);
  await deps.blobs.delete(upload.pieces.map((piece) => piece.key));
}

/** Streams the body to the store as one more piece, hashing on its way; gives the new offset. Nothing counts unless all of it came. */
async function append(deps: RegistryDeps, c: Ctx, repository: string, id: UploadId, start: number | undefined): Promise<number> {
  const upload = await rows.takeUpload(deps.db, repository, id);
  if (!upload) {
    if (await rows.findUpload(deps.db, repository, id)) throw new RegistryError("CONFLICT", "another request appends to this upload");
    throw uploadUnknown();
  }
  try {
    if (start !== undefined && start !== upload.offsetBytes) {
      throw new RegistryError("BLOB_UPLOAD_INVALID", `the upload goes on at byte ${upload.offsetBytes}`, uploadHeaders(repository, id, upload.offsetBytes));
    }
    if (upload.pieces.length >= MAX_PIECES) throw new RegistryError("SIZE_INVALID", `an upload has at most ${MAX_PIECES} pieces`);
    const hasher = await createSHA256();
    if (upload.hashState === null) hasher.init();
    else hasher.load(Buffer.from(upload.hashState, "base64"));
    const key = `uploads/${id}/${upload.pieces.length}`;
    const sizeBytes = await storePiece(deps.blobs, c, key, hasher, MAX_BLOB_BYTES - upload.offsetBytes);
    const offsetBytes = upload.offsetBytes + sizeBytes;
    const hashState = Buffer.from(hasher.save()).toString("base64");
    await rows.appendUpload(deps.db, id, { offsetBytes, pieces: sizeBytes === 0 ? upload.pieces : [...upload.pieces, { key, sizeBytes }], hashState });
    return offsetBytes;
  } catch (error) {
    await rows.giveUploadBack(deps.db, id).catch(() => {});
    throw error;
  }
}

async function storePiece(blobs: BlobStore, c: Ctx, key: string, hasher: IHasher, maxBytes: number): Promise<number> {
  const body = c.req.raw.body;
  if (!body) return 0;
  const declared = c.req.header("content-length");
  let sizeBytes = 0;
  const hashed = new PassThrough();
  const feeding = pipeline(
    Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]),
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        sizeBytes += chunk.length;
        if (sizeBytes > maxBytes) throw new RegistryError("SIZE_INVALID", `a blob has at most ${MAX_BLOB_BYTES} bytes`);
        hasher.update(chunk);
        yield chunk;
      }
      if (declared !== undefined && Number(declared) !== sizeBytes) throw new RegistryError("BLOB_UPLOAD_INVALID", "the body is cut short");
    },
    hashed,
  );
  const [fed, stored] = await Promise.allSettled([feeding, blobs.put(key, hashed)]);
  if (fed.status === "rejected") throw fed.reason;
  if (stored.status === "rejected") throw stored.reason;
  return sizeBytes;
}

/** The bytes become a blob when they are what the digest says; else the upload is thrown away. */
async function finish(deps: RegistryDeps, repository: string, id: UploadId, digest: string): Promise<Response> {
  const upload = await rows.takeUpload(deps.db, repository, id);
  if (!upload) throw uploadUnknown();
  const hasher = await createSHA256();
  if (upload.hashState === null) hasher.init();
  else hasher.load(Buffer.from(upload.hashState, "base64"));
  const actual = `sha256:${hasher.digest("hex")}`;
  if (actual !== digest) {
    await discard(deps, upload);
    throw new RegistryError("DIGEST_INVALID", `the bytes have the digest ${actual}`);
  }
  const storageKey = blobKey(digest);
  try {
    if (!(await rows.isStored(deps.db, digest))) await assemble(deps.blobs, upload, storageKey);
    await rows.publishBlob(deps.db, repository, { digest, sizeBytes: upload.offsetBytes, storageKey });
  } catch (error) {
    await rows.giveUploadBack(deps.db, id).catch(() => {});
    throw error;
  }
  // The blob is there; what is left over is nobody's business but ours.
  void discard(deps, upload).catch((error: unknown) => deps.log.warn({ err: error, uploadId: id }, "an upload's pieces were not removed"));
  return created(repository, digest);
}

async function assemble(blobs: BlobStore, upload: rows.UploadRow, storageKey: string): Promise<void> {
  const [first, ...others] = upload.pieces;
  if (first && others.length === 0) return blobs.copy(first.key, storageKey);
  const { pieces } = upload;
  await blobs.put(
    storageKey,
    Readable.from(
      (async function* () {
        for (const piece of pieces) yield* (await blobs.get(piece.key)).body as AsyncIterable<Buffer>;
      })(),
      { objectMode: false },
    ),
  );
}

function checkDigest(digest: string): void {
  if (!DIGEST.test(digest)) throw new RegistryError("DIGEST_INVALID", "a digest is «sha256:» and 64 hexadecimal digits");
}

function checkUpload(id: string): UploadId {
  const parsed = parseId("upload", id);
  if (!parsed) throw uploadUnknown();
  return parsed;
}

const uploadUnknown = () => new RegistryError("BLOB_UPLOAD_UNKNOWN", "there is no such upload: begin another");

const uploadHeaders = (repository: string, id: string, offset: number) => ({
  location: `/v2/${repository}/blobs/uploads/${id}`,
  "docker-upload-uuid": id,
  range: `0-${Math.max(0, offset - 1)}`,
});

const accepted = (repository: string, id: string, offset: number) => new Response(null, { status: 202, headers: uploadHeaders(repository, id, offset) });
const created = (repository: string, digest: string) =>
  new Response(null, { status: 201, headers: { location: `/v2/${repository}/blobs/${digest}`, "docker-content-digest": digest } });
