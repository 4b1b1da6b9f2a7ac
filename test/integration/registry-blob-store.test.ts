// needs no root
/** The blob store on a real server that speaks S3. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { testBlobStore } from "../../core/blob-store/blob-store.contract.ts";
import { BlobStoreUnavailable, type BlobStore } from "../../core/blob-store/blob-store.ts";
import { openS3BlobStore } from "../../core/blob-store/s3.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let blobs: BlobStore;

before(async () => {
  stores = await startStores({ only: ["s3"] });
  blobs = openS3BlobStore(stores.s3 as never);
});
after(() => stores?.stop());

testBlobStore(() => blobs);

test("a large blob is copied in parts", async () => {
  const small = openS3BlobStore(stores.s3 as never, { maxCopyBytes: 6 * 2 ** 20 });
  const bytes = randomBytes(20 * 2 ** 20 + 5);
  await small.put("large/from", Readable.from([bytes]));
  await small.copy("large/from", "large/to");
  assert.ok(bytes.equals(await buffer((await small.get("large/to")).body)));
});

test("a URL that was changed, or is too old, gives nothing", async () => {
  await blobs.putBytes("signed/a", Buffer.from("a"));
  await blobs.putBytes("signed/b", Buffer.from("b"));
  const url = await blobs.presignGet("signed/a", 1000);
  assert.equal((await fetch(url.replace("signed/a", "signed/b"))).status, 403);
  assert.equal((await fetch(url.split("?")[0] ?? "")).status, 403);
  await new Promise((resolve) => setTimeout(resolve, 2100));
  assert.equal((await fetch(url)).status, 403);
});

test("a read meets the old bytes or the new, never half of them", async () => {
  const versions = [Buffer.alloc(3 * 2 ** 20, "a"), Buffer.alloc(3 * 2 ** 20, "b")] as const;
  await blobs.putBytes("swap/a", versions[0]);
  await blobs.putBytes("swap/b", versions[1]);
  await blobs.copy("swap/a", "swap/it");
  let done = false;
  const swapping = (async () => {
    for (let n = 0; n < 30; n++) await blobs.copy(n % 2 === 0 ? "swap/b" : "swap/a", "swap/it");
    done = true;
  })();
  while (!done) {
    const got = await buffer((await blobs.get("swap/it")).body);
    assert.ok(versions.some((version) => version.equals(got)), `${got.length} bytes, first ${got[0]}, last ${got.at(-1)}`);
  }
  await swapping;
});

test("a store that is away, or hangs, is BlobStoreUnavailable within the time limit", async () => {
  const hasty = openS3BlobStore(stores.s3 as never, { requestTimeoutMs: 500 });
  const attempts = [
    () => hasty.putBytes("away/a", Buffer.from("a")),
    () => hasty.put("away/a", Readable.from([randomBytes(100)])),
    () => hasty.put("away/a", Readable.from([randomBytes(12 * 2 ** 20)])),
    () => hasty.get("away/a"),
    () => hasty.head("away/a"),
    () => hasty.copy("away/a", "away/b"),
    () => hasty.delete(["away/a"]),
    () => Array.fromAsync(hasty.list("away/")),
  ];
  await hasty.putBytes("away/a", Buffer.from("a"));
  const allFail = async () => {
    const startedAtMs = performance.now();
    for (const attempt of attempts) await assert.rejects(attempt(), BlobStoreUnavailable);
    assert.ok(performance.now() - startedAtMs < 20_000);
  };
  stores.pause("s3");
  await allFail();
  stores.resume("s3");
  await stores.kill("s3");
  await allFail();
  await stores.start("s3");
  await hasty.delete(["away/a"]);
});
