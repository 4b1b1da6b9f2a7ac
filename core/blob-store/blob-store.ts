/** Where blobs live: S3 in production, memory in unit tests. One contract, one suite: `blob-store.contract.ts`. */
import type { Readable } from "node:stream";

export class BlobNotFound extends Error {
  constructor(key: string) {
    super(`no blob at «${key}»`);
    this.name = "BlobNotFound";
  }
}

/** The store did not answer, or answered with something that is no answer to the question. */
export class BlobStoreUnavailable extends Error {
  constructor(what: string, cause: unknown) {
    super(`the blob store is away: ${what}`, { cause });
    this.name = "BlobStoreUnavailable";
  }
}

export interface ByteRange {
  /** First byte, from 0. */
  start: number;
  /** Last byte, inclusive; without it, to the end. */
  end?: number;
}

export interface BlobStore {
  /** Stores a stream of unknown length with bounded memory; the blob is visible whole or not at all. Resolves to its size in bytes. */
  put(key: string, body: Readable, options?: { contentType?: string; signal?: AbortSignal }): Promise<number>;
  /** Stores few bytes. */
  putBytes(key: string, bytes: Uint8Array, options?: { contentType?: string }): Promise<void>;
  /** @throws BlobNotFound */
  get(key: string, range?: ByteRange): Promise<{ body: Readable; sizeBytes: number }>;
  /** Size in bytes, or undefined when there is none. */
  head(key: string): Promise<number | undefined>;
  /** Copies within the store without bringing the bytes here. Who knows the size spares a question. @throws BlobNotFound */
  copy(from: string, to: string, options?: { sizeBytes?: number }): Promise<void>;
  /** Deleting what is not there is no error. */
  delete(keys: readonly string[]): Promise<void>;
  /** Keys with the prefix, in any order. */
  list(prefix: string): AsyncIterable<{ key: string; sizeBytes: number; modifiedAt: Date }>;
  /** A URL that gives the blob to whoever holds it, for so long. */
  presignGet(key: string, expiresInMs: number): Promise<string>;
}
