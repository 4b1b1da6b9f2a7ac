import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { openMemoryBlobStore } from "../../core/blob-store/memory.ts";
import { hashFurther } from "./running-hash.ts";

const digestOf = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

test("however the bytes are cut, the digest is that of the whole", async () => {
  const bytes = randomBytes(10_000);
  for (const cuts of [[], [0], [1], [64], [5000], [1, 2, 3, 9999], [100, 100, 200], [10_000]]) {
    const blobs = openMemoryBlobStore();
    const upload = { hashState: null as string | null, pieces: [] as { key: string }[] };
    for (const [n, end] of [...cuts, bytes.length].entries()) {
      const chunk = bytes.subarray(n === 0 ? 0 : cuts[n - 1], end);
      const hash = await hashFurther(blobs, upload, true);
      hash.update(chunk);
      if (chunk.length > 0) {
        await blobs.putBytes(`${n}`, chunk);
        upload.pieces.push({ key: `${n}` });
      }
      upload.hashState = hash.save();
    }
    assert.equal((await hashFurther(blobs, upload, false)).digest(), digestOf(bytes), cuts.join());
  }
});

test("a single chunk is not read again to end the upload", async () => {
  const unread = { get: () => assert.fail("it was read") };
  const first = await hashFurther(unread, { hashState: null, pieces: [] }, true);
  first.update(Buffer.from("all"));
  const last = await hashFurther(unread, { hashState: first.save(), pieces: [{ key: "0" }] }, false);
  assert.equal(last.digest(), digestOf(Buffer.from("all")));
  assert.equal(last.save(), last.digest());
  assert.throws(() => last.update(Buffer.from("more")));
  assert.equal((await hashFurther(unread, { hashState: null, pieces: [] }, false)).digest(), digestOf(Buffer.alloc(0)));
});
