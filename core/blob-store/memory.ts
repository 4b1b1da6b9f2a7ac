/** The blob store in memory, for unit tests: passes the same suite as the one on S3. */
import { Readable } from "node:stream";
import { BlobNotFound, type BlobStore } from "./blob-store.ts";

export function openMemoryBlobStore(): BlobStore {
  const blobs = new Map<string, { bytes: Buffer; modifiedAt: Date }>();
  const find = (key: string) => {
    const blob = blobs.get(key);
    if (!blob) throw new BlobNotFound(key);
    return blob;
  };
  const store = (key: string, bytes: Buffer) => void blobs.set(key, { bytes, modifiedAt: new Date() });
  return {
    put: async (key, body, { signal } = {}) => {
      const chunks: Buffer[] = [];
      for await (const chunk of body as AsyncIterable<Buffer>) {
        signal?.throwIfAborted();
        chunks.push(Buffer.from(chunk));
      }
      signal?.throwIfAborted();
      const bytes = Buffer.concat(chunks);
      store(key, bytes);
      return bytes.length;
    },
    putBytes: async (key, bytes) => store(key, Buffer.from(bytes)),
    get: async (key, range) => {
      const { bytes } = find(key);
      const part = range ? bytes.subarray(range.start, range.end === undefined ? undefined : range.end + 1) : bytes;
      return { body: Readable.from([part], { objectMode: false }), sizeBytes: part.length };
    },
    head: async (key) => blobs.get(key)?.bytes.length,
    copy: async (from, to) => store(to, find(from).bytes),
    delete: async (keys) => keys.forEach((key) => blobs.delete(key)),
    list: async function* (prefix) {
      for (const [key, { bytes, modifiedAt }] of blobs) if (key.startsWith(prefix)) yield { key, sizeBytes: bytes.length, modifiedAt };
    },
    // Whoever fetches a `data:` URL gets the bytes; it does not end, which no unit test waits for.
    presignGet: async (key) => `data:application/octet-stream;base64,${blobs.get(key)?.bytes.toString("base64") ?? ""}`,
  };
}
