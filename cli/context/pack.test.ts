import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, describe, it } from "node:test";
import { createZstdDecompress } from "node:zlib";
import { extract } from "tar-stream";
import { CliError } from "../errors.ts";
import { packContext, type Packed } from "./pack.ts";
import { readContext } from "./walk.ts";

const base = mkdtempSync(join(tmpdir(), "berth-pack-"));
after(() => rmSync(base, { recursive: true }));
let made = 0;

function directory(): string {
  const root = join(base, String(made++));
  mkdirSync(root);
  writeFileSync(join(root, "Dockerfile"), "FROM busybox\n");
  return root;
}

async function bytesOf({ body }: Packed): Promise<Buffer> {
  if (body instanceof Uint8Array) return Buffer.from(body);
  return Buffer.concat(await Array.fromAsync(body));
}

async function unpack(packed: Packed): Promise<Map<string, { type: string; mode: number; linkname: string; bytes: number; uid: number }>> {
  const entries = new Map<string, { type: string; mode: number; linkname: string; bytes: number; uid: number }>();
  const source = Readable.from(packed.body instanceof Uint8Array ? [packed.body] : packed.body);
  const reader = extract();
  source.on("error", (error) => reader.destroy(error)).pipe(createZstdDecompress()).pipe(reader as unknown as NodeJS.WritableStream);
  for await (const entry of reader) {
    let bytes = 0;
    for await (const chunk of entry as AsyncIterable<Uint8Array>) bytes += chunk.length;
    const { name, type, mode, linkname, uid } = entry.header;
    entries.set(name, { type, mode, linkname, bytes, uid });
  }
  return entries;
}

describe("packing", () => {
  it("makes a tar with everything in it, owned by root", async () => {
    const root = directory();
    mkdirSync(join(root, "dir"));
    writeFileSync(join(root, "dir", "é".repeat(90)), "x".repeat(1000), { mode: 0o750 });
    writeFileSync(join(root, "empty"), "");
    symlinkSync("dir", join(root, "link"));
    const packed = await packContext({ context: readContext({ directory: root }) });
    assert.ok(packed.body instanceof Uint8Array, "a small context is sent with its length");
    const entries = await unpack(packed);
    assert.deepEqual([...entries.keys()], ["Dockerfile", "dir/", `dir/${"é".repeat(90)}`, "empty", "link"]);
    assert.deepEqual(entries.get(`dir/${"é".repeat(90)}`), { type: "file", mode: 0o750, linkname: null, bytes: 1000, uid: 0 });
    assert.equal(entries.get("link")?.type, "symlink");
    assert.equal(entries.get("link")?.linkname, "dir");
  });

  it("is the same twice", async () => {
    const root = directory();
    writeFileSync(join(root, "big"), Buffer.alloc(5 * 2 ** 20, "abc"));
    const first = await bytesOf(await packContext({ context: readContext({ directory: root }) }));
    // Comes and goes: only the root directory's time changes.
    writeFileSync(join(root, "swap"), "");
    rmSync(join(root, "swap"));
    utimesSync(root, 1, 1);
    const second = await bytesOf(await packContext({ context: readContext({ directory: root }) }));
    assert.ok(first.equals(second));
  });

  it("streams what is big, with progress", async () => {
    const root = directory();
    writeFileSync(join(root, "big"), Buffer.alloc(8 * 2 ** 20, 7));
    for (let index = 0; index < 300; index++) writeFileSync(join(root, `f${index}`), "content");
    const seen: number[] = [];
    const context = readContext({ directory: root });
    const packed = await packContext({ context, onProgress: (bytes) => seen.push(bytes) });
    assert.ok(!(packed.body instanceof Uint8Array));
    const entries = await unpack(packed);
    assert.equal(entries.get("big")?.bytes, 8 * 2 ** 20);
    assert.equal(entries.size, 302);
    assert.equal(seen.at(-1), context.totalBytes);
    assert.ok(seen.length > 300 + 8);
  });

  it("waits for its reader: nothing big is held in memory", async () => {
    const root = directory();
    writeFileSync(join(root, "big"), "");
    truncateSync(join(root, "big"), 300 * 2 ** 20);
    let packedBytes = 0;
    const packed = await packContext({ context: readContext({ directory: root }), onProgress: (bytes) => (packedBytes = bytes) });
    // Nobody reads yet; zeros compress well, so give it time to show that it stops.
    const reader = (packed.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const before = process.memoryUsage().arrayBuffers;
    while ((await reader.next()).done !== true);
    assert.equal(packedBytes, 300 * 2 ** 20 + 13);
    assert.ok(process.memoryUsage().arrayBuffers - before < 64 * 2 ** 20);
  });

  it("says which file shrank or vanished meanwhile; what is appended is not sent", async () => {
    const root = directory();
    const big = join(root, "big");
    writeFileSync(big, Buffer.alloc(4 * 2 ** 20));
    const context = readContext({ directory: root });
    rmSync(big);
    await assert.rejects(packContext({ context }).then(bytesOf), (error: unknown) => error instanceof CliError && /big cannot be read/.test(error.message));
    writeFileSync(big, Buffer.alloc(4 * 2 ** 20));
    const again = await packContext({ context: readContext({ directory: root }) });
    appendFileSync(big, "more");
    assert.ok([4 * 2 ** 20, 4 * 2 ** 20 + 4].includes((await unpack(again)).get("big")?.bytes ?? 0));
    symlinkSync("/etc/hostname", join(root, "small"));
    const swapped = { ...context, totalBytes: 10, entries: [{ path: "small", kind: "file" as const, mode: 0o644, mtimeS: 0, sizeBytes: 10, source: join(root, "small") }] };
    await assert.rejects(packContext({ context: swapped }).then(bytesOf), (error: unknown) => error instanceof CliError && /small cannot be read/.test(error.message));
  });
});
