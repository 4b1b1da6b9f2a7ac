/**
 * SHA-256 over bytes that come in several requests, maybe to several processes. Node's own is seven times as fast as
 * one whose state can be kept, and most clients send a blob as one chunk: so the first chunk is hashed by Node and only
 * its digest is kept. When another chunk follows, the first is read again.
 */
import { createHash } from "node:crypto";
import { createSHA256, type IHasher } from "hash-wasm";
import type { BlobStore } from "../../core/blob-store/blob-store.ts";
import { DIGEST } from "../../core/contract/release-config.ts";

export interface RunningHash {
  update(chunk: Buffer): void;
  /** What `hashFurther` goes on with. */
  save(): string;
  /** `sha256:<hex>` */
  digest(): string;
}

/** `hashState`: null at the start, the digest of a single piece, or the kept state in base64. */
export interface Hashed {
  hashState: string | null;
  pieces: readonly { key: string }[];
}

/** Goes on after the pieces that are there. `more`: whether bytes will follow. */
export async function hashFurther(blobs: Pick<BlobStore, "get">, { hashState, pieces }: Hashed, more: boolean): Promise<RunningHash> {
  if (hashState === null || pieces.length === 0) return native();
  if (!more && DIGEST.test(hashState)) return { update: () => unexpected(), save: () => hashState, digest: () => hashState };
  const hasher = await createSHA256();
  if (!DIGEST.test(hashState)) return resumable(hasher.load(Buffer.from(hashState, "base64")));
  hasher.init();
  for (const { key } of pieces) for await (const chunk of (await blobs.get(key)).body as AsyncIterable<Buffer>) hasher.update(chunk);
  return resumable(hasher);
}

function native(): RunningHash {
  const hash = createHash("sha256");
  let digest: string | undefined;
  const end = () => (digest ??= `sha256:${hash.digest("hex")}`);
  return { update: (chunk) => void hash.update(chunk), save: end, digest: end };
}

const resumable = (hasher: IHasher): RunningHash => ({
  update: (chunk) => void hasher.update(chunk),
  save: () => Buffer.from(hasher.save()).toString("base64"),
  digest: () => `sha256:${hasher.digest("hex")}`,
});

function unexpected(): never {
  throw new Error("no bytes were said to follow");
}
