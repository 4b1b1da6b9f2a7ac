import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { describe, it } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { pack } from "tar-stream";
import { CliError } from "../errors.ts";
import { readStdin, recognise } from "./stdin.ts";

async function tar(): Promise<Buffer> {
  const stream = pack();
  stream.entry({ name: "Dockerfile" }, "FROM busybox\n");
  stream.finalize();
  return Buffer.concat(await Array.fromAsync(stream as AsyncIterable<Uint8Array>));
}

describe("stdin as the context", () => {
  it("recognises archives and Dockerfiles", async () => {
    const archive = await tar();
    assert.equal(recognise(archive), "tar");
    assert.equal(recognise(gzipSync(archive)), "gzip");
    assert.equal(recognise(zstdCompressSync(archive)), "zstd");
    assert.equal(recognise(Buffer.from("# syntax\nFROM busybox\n")), "dockerfile");
    assert.equal(recognise(Buffer.from("BZh91AY")), "unsupported");
    assert.equal(recognise(Buffer.from([0, 1, 2])), "unsupported");
  });

  it("passes a tar on whole, however it is cut", async () => {
    const archive = await tar();
    const pieces = [archive.subarray(0, 3), archive.subarray(3, 300), archive.subarray(300)];
    const { contentType, body } = await readStdin(Readable.from(pieces));
    assert.equal(contentType, "application/x-tar");
    assert.ok(!(body instanceof Uint8Array));
    assert.ok(Buffer.concat(await Array.fromAsync(body)).equals(archive));
  });

  it("refuses nothing, too much, and a terminal", async () => {
    const refused = (message: RegExp) => (error: unknown) => error instanceof CliError && error.exitCode === 2 && message.test(error.message);
    await assert.rejects(readStdin(Readable.from([])), refused(/Nothing came/));
    await assert.rejects(readStdin(Readable.from([Buffer.alloc(2 ** 20 + 1, "x")])), refused(/too long/));
    await assert.rejects(readStdin(Object.assign(Readable.from([]), { isTTY: true })), refused(/is a terminal/));
  });
});
