/**
 * Uploads of blobs. Bytes go to the store in pieces, each under a name of its own; what counts is what the row of the
 * upload says. So any API process can go on with an upload, and of two requests at once only one counts.
 */
import { createHash, randomBytes } from "node:crypto";
import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Context } from "hono";
import { BlobStoreUnavailable } from "../../core/blob-store/blob-store.ts";
import { blobKey } from "../../core/blob-store/keys.ts";
import { newId, parseId, type Id } from "../../core/contract/ids.ts";
import { DIGEST } from "../../core/contract/release-config.ts";
import * as rows from "../../core/db/system-queries/registry.ts";
import { allows, type RegistryClaims } from "../../core/registry/token.ts";
import type { ApiEnv } from "../deps.ts";
import type { RegistryDeps } from "./auth.ts";
import { checkDigest } from "./blobs.ts";
import { parseContentRange, type Span } from "./body.ts";
import { RegistryError } from "./errors.ts";
import { hashFurther, type RunningHash } from "./running-hash.ts";

type Ctx = Context<ApiEnv>;
type UploadId = Id<"upload">;
type Stores = Pick<RegistryDeps, "db" | "blobs">;

/** Most bytes of one blob. */
const MAX_BLOB_BYTES = 10 * 2 ** 30;
/** Most pieces that one upload may come in. */
const MAX_PIECES = 10_000;
const STALE_AFTER_MS = 24 * 3_600_000;
/** Well within `rows.BUSY_SECONDS`. */
const HEARTBEAT_MS = 10_000;

/** Begins an upload; with `digest` the body is all of it, with `mount` nothing needs to be sent when `from` has the blob. */
export async function postUpload(deps: RegistryDeps, c: Ctx, repository: string, claims: RegistryClaims): Promise<Response> {
  const { mount, from, digest } = c.req.query();
  if (mount !== undefined && from !== undefined && DIGEST.test(mount) && allows(claims, from, "pull")) {
    if (await rows.mountBlob(deps.db, from, repository, mount)) return created(repository, mount);
  }
  const id = newId("upload");
  if (digest === undefined) {
    await rows.createUpload(deps.db, { id, repository, busy: false });
    return accepted(repository, id, 0);
  }
  checkDigest(digest);
  const upload = await rows.createUpload(deps.db, { id, repository, busy: true });
  try {
    return await holding(deps, upload, async () => finish(deps, await receive(deps, c, upload, undefined), digest));
  } catch (error) {
    // Nobody was told its id.
    discardLater(deps, upload);
    throw error;
  }
}

export async function patchUpload(deps: RegistryDeps, c: Ctx, repository: string, id: string): Promise<Response> {
  const span = parseContentRange(c.req.header("content-range"));
  const upload = await take(deps, repository, id);
  return holding(deps, upload, async () => {
    const received = await receive(deps, c, upload, span);
    const { offsetBytes, pieces, hash } = received;
    if (await rows.appendUpload(deps.db, upload, { offsetBytes, pieces, hashState: hash.save() })) return accepted(repository, upload.id, offsetBytes);
    await deps.blobs.delete(received.newKeys).catch(() => {});
    throw conflict();
  });
}

/** Ends an upload; what the body holds is its last chunk. A request that failed may be sent again as it was. */
export async function putUpload(deps: RegistryDeps, c: Ctx, repository: string, id: string): Promise<Response> {
  const { digest = "" } = c.req.query();
  checkDigest(digest);
  const span = parseContentRange(c.req.header("content-range"));
  const upload = await take(deps, repository, id);
  return holding(deps, upload, async () => finish(deps, await receive(deps, c, upload, span), digest));
}

export async function getUpload(deps: RegistryDeps, _c: Ctx, repository: string, id: string): Promise<Response> {
  const upload = await rows.findUpload(deps.db, repository, checkUpload(id));
  if (!upload) throw uploadUnknown();
  return new Response(null, { status: 204, headers: uploadHeaders(repository, upload.id, upload.offsetBytes) });
}

export async function deleteUpload(deps: RegistryDeps, _c: Ctx, repository: string, id: string): Promise<Response> {
  await discard(deps, await take(deps, repository, id));
  return new Response(null, { status: 204 });
}

/** Throws away uploads that were begun and never ended, and what requests that broke left of them. Returns how many. */
export async function removeStaleUploads(deps: Stores, now: Date): Promise<number> {
  const stale = await rows.takeStaleUploads(deps.db, new Date(now.getTime() - STALE_AFTER_MS), 100);
  for (const upload of stale) {
    const keys: string[] = [];
    for await (const { key } of deps.blobs.list(`uploads/${upload.id}/`)) keys.push(key);
    await deps.blobs.delete(keys);
    await rows.deleteUpload(deps.db, upload.id);
  }
  return stale.length;
}

/** The row goes last: as long as it is there, somebody will clean up. */
async function discard(deps: Stores, upload: rows.UploadRow): Promise<void> {
  await deps.blobs.delete(upload.pieces.map((piece) => piece.key));
  await rows.deleteUpload(deps.db, upload.id);
}

function discardLater(deps: RegistryDeps, upload: rows.UploadRow): void {
  discard(deps, upload).catch((error: unknown) => deps.log.warn({ err: error, uploadId: upload.id }, "an upload is left to be cleaned away"));
}

/** The upload, for this request alone. */
async function take(deps: RegistryDeps, repository: string, text: string): Promise<rows.UploadRow> {
  const id = checkUpload(text);
  const upload = await rows.takeUpload(deps.db, repository, id);
  if (upload) return upload;
  throw (await rows.findUpload(deps.db, repository, id)) ? conflict() : uploadUnknown();
}

/** Keeps others from the upload while `work` runs, however long that takes; gives it back when that fails. */
async function holding<T>(deps: RegistryDeps, upload: rows.UploadRow, work: () => Promise<T>): Promise<T> {
  const beat = setInterval(() => void rows.touchUpload(deps.db, upload.id).catch(() => {}), HEARTBEAT_MS);
  try {
    return await work();
  } catch (error) {
    await rows.giveUploadBack(deps.db, upload.id).catch(() => {});
    throw error;
  } finally {
    clearInterval(beat);
  }
}

/** An upload with the bytes of this request, which no row speaks of yet. */
interface Received {
  upload: rows.UploadRow;
  offsetBytes: number;
  pieces: rows.UploadRow["pieces"];
  newKeys: string[];
  hash: RunningHash;
}

/** Streams the body to the store, hashing on its way. Nothing counts unless all of it came. */
async function receive(deps: RegistryDeps, c: Ctx, upload: rows.UploadRow, span: Span | undefined): Promise<Received> {
  if (span !== undefined && span.start !== upload.offsetBytes) {
    throw new RegistryError("RANGE_INVALID", `the upload goes on at byte ${upload.offsetBytes}`, uploadHeaders(upload.repository, upload.id, upload.offsetBytes));
  }
  const { body } = c.req.raw;
  const declared = c.req.header("content-length");
  const hasBody = declared === undefined ? c.req.header("transfer-encoding") !== undefined : declared !== "0";
  const hash = await hashFurther(deps.blobs, upload, hasBody);
  const before = { upload, offsetBytes: upload.offsetBytes, pieces: upload.pieces, newKeys: [], hash };
  if (!body || !hasBody) return before;
  if (upload.pieces.length >= MAX_PIECES) throw new RegistryError("SIZE_INVALID", `an upload has at most ${MAX_PIECES} pieces`);
  // An upload that cannot fit is not taken in; what it comes to is asked again when it is published.
  await rows.checkRoom(deps.db, upload.repository, Math.max(1, Number(declared ?? 1) || 1));
  const key = `uploads/${upload.id}/${upload.pieces.length}-${randomBytes(6).toString("hex")}`;
  const expected = span ? span.end - span.start + 1 : declared === undefined ? undefined : Number(declared);
  if (declared !== undefined && Number(declared) !== expected) throw new RegistryError("RANGE_INVALID", "Content-Range and Content-Length differ");
  const sizeBytes = await storePiece(deps, { key, body, hash, expected, maxBytes: MAX_BLOB_BYTES - upload.offsetBytes });
  if (sizeBytes === 0) {
    await deps.blobs.delete([key]);
    return before;
  }
  return { ...before, offsetBytes: upload.offsetBytes + sizeBytes, pieces: [...upload.pieces, { key, sizeBytes }], newKeys: [key] };
}

interface Piece {
  key: string;
  body: ReadableStream;
  hash: RunningHash;
  /** Bytes, when they are known ahead. */
  expected: number | undefined;
  maxBytes: number;
}

/** Resolves to its size in bytes. @throws RegistryError, BlobStoreUnavailable; then it is not there */
async function storePiece(deps: RegistryDeps, { key, body, hash, expected, maxBytes }: Piece): Promise<number> {
  let sizeBytes = 0;
  const hashed = new PassThrough();
  const feeding = pipeline(
    Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]),
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        sizeBytes += chunk.length;
        if (sizeBytes > maxBytes) throw new RegistryError("SIZE_INVALID", `a blob has at most ${MAX_BLOB_BYTES} bytes`);
        hash.update(chunk);
        yield chunk;
      }
      if (expected !== undefined && sizeBytes !== expected) throw cutShort();
    },
    hashed,
  );
  const storing = deps.blobs.put(key, hashed);
  storing.catch(() => hashed.destroy());
  const [fed, stored] = await Promise.allSettled([feeding, storing]);
  // A store that fails ends the stream, which looks like the client's doing.
  if (stored.status === "rejected" && stored.reason instanceof BlobStoreUnavailable) throw stored.reason;
  if (fed.status === "rejected") throw fed.reason instanceof RegistryError ? fed.reason : cutShort(fed.reason);
  if (stored.status === "rejected") throw stored.reason;
  return sizeBytes;
}

/**
 * The bytes become a blob when they are what the digest says; else the upload is thrown away. They are copied to
 * their place even when another tenant has stored them: how long an answer takes must not tell.
 */
async function finish(deps: RegistryDeps, received: Received, digest: string): Promise<Response> {
  const { upload, offsetBytes, pieces, hash } = received;
  const whole = { ...upload, pieces };
  const actual = hash.digest();
  if (actual !== digest) {
    await discard(deps, whole);
    throw new RegistryError("DIGEST_INVALID", `the bytes have the digest ${actual}`);
  }
  const storageKey = blobKey(digest);
  try {
    await assemble(deps, pieces, { digest, sizeBytes: offsetBytes, storageKey });
    await rows.publishBlob(deps.db, upload, { digest, sizeBytes: offsetBytes, storageKey });
  } catch (error) {
    await deps.blobs.delete(received.newKeys).catch(() => {});
    throw error;
  }
  discardLater(deps, whole);
  return created(upload.repository, digest);
}

async function assemble({ blobs }: Stores, pieces: rows.UploadRow["pieces"], blob: { digest: string; sizeBytes: number; storageKey: string }): Promise<void> {
  const [first, ...others] = pieces;
  if (first && others.length === 0) return blobs.copy(first.key, blob.storageKey, { sizeBytes: blob.sizeBytes });
  const bytes = async function* () {
    const hash = createHash("sha256");
    for (const piece of pieces) {
      for await (const chunk of (await blobs.get(piece.key)).body as AsyncIterable<Buffer>) {
        hash.update(chunk);
        yield chunk;
      }
    }
    if (`sha256:${hash.digest("hex")}` !== blob.digest) throw new Error("the pieces of an upload have changed");
  };
  await blobs.put(blob.storageKey, Readable.from(bytes(), { objectMode: false }));
}

function checkUpload(id: string): UploadId {
  const parsed = parseId("upload", id);
  if (!parsed) throw uploadUnknown();
  return parsed;
}

const uploadUnknown = () => new RegistryError("BLOB_UPLOAD_UNKNOWN", "there is no such upload: begin another");
const conflict = () => new RegistryError("CONFLICT", "another request appends to this upload");
const cutShort = (cause?: unknown) => new RegistryError("BLOB_UPLOAD_INVALID", "the body is cut short", {}, cause);

const uploadHeaders = (repository: string, id: string, offset: number) => ({
  location: `/v2/${repository}/blobs/uploads/${id}`,
  "docker-upload-uuid": id,
  range: `0-${Math.max(0, offset - 1)}`,
});

const accepted = (repository: string, id: string, offset: number) => new Response(null, { status: 202, headers: uploadHeaders(repository, id, offset) });
const created = (repository: string, digest: string) =>
  new Response(null, { status: 201, headers: { location: `/v2/${repository}/blobs/${digest}`, "docker-content-digest": digest } });
