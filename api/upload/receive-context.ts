/** One pass over an upload: to the blob store and through the inspector, at the pace of the slower one. */
import { createHash, type Hash } from "node:crypto";
import { once } from "node:events";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { PassThrough, type Readable } from "node:stream";
import type { BlobStore } from "../../core/blob-store/blob-store.ts";
import { AppError } from "../../core/contract/errors.ts";
import type { Log } from "../../core/log.ts";
import type { ContextFindings, ContextInspector } from "./context-inspector.ts";

export interface ReceiveOptions {
  blobs: BlobStore;
  key: string;
  body: Readable;
  inspector: ContextInspector;
  tooLarge: Refuse;
  /** Hashes the bytes as they came. */
  digest?: Hash | undefined;
}

/** Why a context of so many bytes is not taken; undefined when it is. */
export type Refuse = (sizeBytes: number) => AppError | undefined;

export interface ReceivedContext {
  findings: ContextFindings;
  sizeBytes: number;
}

/**
 * Every chunk is a buffer of its own, outside V8's heap, and V8 lets up to 64 MiB of them gather before it looks. A
 * young collection takes about a millisecond.
 */
const COLLECT_EVERY_BYTES = 8 * 2 ** 20;
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as (options: { type: "minor" }) => void;

/** Stores and reads the whole body, or nothing: on any error the blob is not there. @throws AppError, BlobStoreUnavailable */
export async function receiveContext(options: ReceiveOptions): Promise<ReceivedContext> {
  const { blobs, key, body, inspector, tooLarge, digest } = options;
  const abort = new AbortController();
  const toStore = new PassThrough();
  const stored = blobs.put(key, toStore, { contentType: "application/octet-stream", signal: abort.signal });
  // Ends the loop below when the store fails; the reason is read from `stored`.
  stored.catch((error: Error) => toStore.destroy(error));
  toStore.on("error", () => {});
  try {
    let sizeBytes = 0;
    let garbageBytes = 0;
    for await (const chunk of chunksOf(body)) {
      sizeBytes += chunk.length;
      garbageBytes += chunk.length;
      if (garbageBytes > COLLECT_EVERY_BYTES) {
        garbageBytes = 0;
        collect({ type: "minor" });
      }
      const refusal = tooLarge(sizeBytes);
      if (refusal !== undefined) throw refusal;
      digest?.update(chunk);
      await inspector.write(chunk);
      if (toStore.destroyed) break;
      if (!toStore.write(chunk)) await drained(toStore);
    }
    const findings = toStore.destroyed ? undefined : await inspector.end();
    toStore.end();
    await stored;
    if (findings === undefined) throw new Error("the store ended before the upload");
    return { findings, sizeBytes };
  } catch (error) {
    inspector.destroy();
    abort.abort();
    toStore.destroy();
    await stored.catch(() => {});
    throw error;
  }
}

/** Reads a context to its end for its digest alone. @throws AppError */
export async function hashContext(body: Readable, tooLarge: Refuse): Promise<string> {
  const digest = createHash("sha256");
  let sizeBytes = 0;
  for await (const chunk of chunksOf(body)) {
    sizeBytes += chunk.length;
    const refusal = tooLarge(sizeBytes);
    if (refusal !== undefined) throw refusal;
    digest.update(chunk);
  }
  return digest.digest("hex");
}

/** Waits until the stream takes more, or never will again. */
async function drained(stream: PassThrough): Promise<void> {
  const done = new AbortController();
  const { signal } = done;
  await Promise.race([once(stream, "drain", { signal }), once(stream, "close", { signal })]).catch(() => {});
  done.abort();
}

/** The body's chunks; a connection that breaks is an upload that is cut short. */
async function* chunksOf(body: Readable): AsyncGenerator<Buffer> {
  try {
    // Not destroyed on an early end: the answer goes over the same connection.
    for await (const chunk of body.iterator({ destroyOnReturn: false })) yield chunk as Buffer;
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError("context_truncated", "The upload ended before all of it had come.", { cause: error });
  }
}

/** Deletes an upload that nothing points to. Never throws: what is left is found by garbage collection. */
export async function deleteContext(blobs: BlobStore, key: string, log: Log): Promise<void> {
  await blobs.delete([key]).catch((error: unknown) => log.warn({ err: error, key }, "an upload could not be deleted"));
}
