/** What every blob store does: one suite, run in memory beside the code and on S3 in `test/integration`. */
import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { BlobNotFound, type BlobStore } from "./blob-store.ts";

/** Registers the tests; `open` is called within each. */
export function testBlobStore(open: () => BlobStore): void {
  const fresh = () => ({ blobs: open(), prefix: `contract/${randomUUID()}/` });
  const bytesAt = async (blobs: BlobStore, key: string) => buffer((await blobs.get(key)).body);
  const keysOf = async (blobs: BlobStore, prefix: string) => (await Array.fromAsync(blobs.list(prefix))).map(({ key }) => key).toSorted();

  // 0: nothing; 5 MiB: one whole part of S3; the last: several parts and a rest.
  for (const sizeBytes of [0, 1, 5 * 2 ** 20, 17 * 2 ** 20 + 3]) {
    test(`a stream of ${sizeBytes} bytes comes back as it was stored`, async () => {
      const { blobs, prefix } = fresh();
      const bytes = randomBytes(sizeBytes);
      const chunks = Array.from({ length: Math.ceil(sizeBytes / 700_001) }, (_, n) => bytes.subarray(n * 700_001, (n + 1) * 700_001));
      assert.equal(await blobs.put(`${prefix}a`, Readable.from(chunks)), sizeBytes);
      assert.equal(await blobs.head(`${prefix}a`), sizeBytes);
      const { body, sizeBytes: said } = await blobs.get(`${prefix}a`);
      assert.equal(said, sizeBytes);
      assert.ok(bytes.equals(await buffer(body)));
    });
  }

  test("few bytes are stored, replaced and read in part", async () => {
    const { blobs, prefix } = fresh();
    const key = `${prefix}name with späces & +%.txt`;
    await blobs.putBytes(key, Buffer.from("first and longer"), { contentType: "text/plain" });
    await blobs.putBytes(key, Buffer.from("0123456789"));
    assert.equal((await bytesAt(blobs, key)).toString(), "0123456789");
    for (const [range, expected] of [
      [{ start: 0, end: 0 }, "0"],
      [{ start: 2, end: 4 }, "234"],
      [{ start: 7 }, "789"],
      [{ start: 8, end: 100 }, "89"],
    ] as const) {
      const { body, sizeBytes } = await blobs.get(key, range);
      assert.equal((await buffer(body)).toString(), expected);
      assert.equal(sizeBytes, expected.length);
    }
  });

  test("what is not there is BlobNotFound, has no size, and may be deleted", async () => {
    const { blobs, prefix } = fresh();
    await assert.rejects(blobs.get(`${prefix}none`), BlobNotFound);
    await assert.rejects(blobs.copy(`${prefix}none`, `${prefix}to`), BlobNotFound);
    assert.equal(await blobs.head(`${prefix}none`), undefined);
    await blobs.delete([`${prefix}none`]);
    await blobs.delete([]);
  });

  test("a copy has the bytes and stays when the first is deleted", async () => {
    const { blobs, prefix } = fresh();
    await blobs.putBytes(`${prefix}from`, Buffer.from("bytes"));
    await blobs.putBytes(`${prefix}to`, Buffer.from("something longer that is replaced"));
    await blobs.copy(`${prefix}from`, `${prefix}to`);
    await blobs.copy(`${prefix}from`, `${prefix}to`);
    await blobs.putBytes(`${prefix}from`, Buffer.from("changed"));
    assert.equal((await bytesAt(blobs, `${prefix}to`)).toString(), "bytes");
    await blobs.delete([`${prefix}from`]);
    assert.equal((await bytesAt(blobs, `${prefix}to`)).toString(), "bytes");
    assert.deepEqual(await keysOf(blobs, prefix), [`${prefix}to`]);
  });

  test("a list has the keys with the prefix alone, with size and time", async () => {
    const { blobs, prefix } = fresh();
    const keys = Array.from({ length: 25 }, (_, n) => `${prefix}in/${n}/leaf`);
    for (const key of [...keys, `${prefix}out`, `${prefix}inner`]) await blobs.putBytes(key, Buffer.from("abc"));
    assert.deepEqual(await keysOf(blobs, `${prefix}in/`), keys.toSorted());
    for await (const { sizeBytes, modifiedAt } of blobs.list(`${prefix}in/`)) {
      assert.equal(sizeBytes, 3);
      assert.ok(Math.abs(modifiedAt.getTime() - Date.now()) < 60_000);
    }
    assert.deepEqual(await keysOf(blobs, `${prefix}nothing/`), []);
  });

  test("a stream that breaks leaves nothing, and its own error is thrown", async () => {
    const { blobs, prefix } = fresh();
    const broken = new Error("the source broke");
    for (const wholeChunks of [0, 12]) {
      const source = async function* () {
        for (let n = 0; n < wholeChunks; n++) yield Buffer.alloc(2 ** 20);
        throw broken;
      };
      await assert.rejects(blobs.put(`${prefix}a`, Readable.from(source())), (error) => error === broken);
    }
    assert.deepEqual(await keysOf(blobs, prefix), []);
  });

  test("a put that is aborted leaves nothing, and what was there before stays", async () => {
    const { blobs, prefix } = fresh();
    await blobs.putBytes(`${prefix}a`, Buffer.from("before"));
    const stop = new AbortController();
    const source = async function* () {
      for (let n = 0; ; n++) {
        if (n === 9) stop.abort(new Error("stopped"));
        yield Buffer.alloc(2 ** 20);
      }
    };
    await assert.rejects(blobs.put(`${prefix}a`, Readable.from(source()), { signal: stop.signal }), /stopped/);
    assert.equal((await bytesAt(blobs, `${prefix}a`)).toString(), "before");
  });

  test("many keys of one directory are written and deleted at the same time", async () => {
    const { blobs, prefix } = fresh();
    await Promise.all(
      Array.from({ length: 40 }, async (_, n) => {
        for (let round = 0; round < 4; round++) {
          await blobs.putBytes(`${prefix}busy/${n}`, Buffer.from(`${n}`));
          assert.equal((await bytesAt(blobs, `${prefix}busy/${n}`)).toString(), `${n}`);
          await blobs.delete([`${prefix}busy/${n}`]);
        }
      }),
    );
    assert.deepEqual(await keysOf(blobs, prefix), []);
  });

  test("whoever holds the URL gets the blob", async () => {
    const { blobs, prefix } = fresh();
    await blobs.putBytes(`${prefix}a+b c`, Buffer.from("for you"));
    const response = await fetch(await blobs.presignGet(`${prefix}a+b c`, 60_000));
    assert.equal(response.status, 200);
    assert.equal(await response.text(), "for you");
  });
}
