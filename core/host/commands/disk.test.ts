import assert from "node:assert/strict";
import { test } from "node:test";
import { ext4Options, imageBytes, isClean, loopConfig, makeExt4, SUPERBLOCK_BYTES } from "./disk.ts";

test("a disk has room for its files beside what the file system needs", () => {
  const size = { bytes: 2 ** 30, inodes: 65_536 };
  assert.ok(imageBytes(size) > size.bytes + 65_536 * 256);
  assert.equal(imageBytes({ bytes: 2 ** 24 + 1, inodes: 1024 }) % 4096, 0);
  const argv = makeExt4("/x/disk.img", "/x/contents", size);
  assert.equal(argv[argv.indexOf("-N") + 1], String(65_536 + 12));
  assert.equal(argv.at(-1), "/x/disk.img");
});

test("a file system counts as clean only when it is one that was unmounted in order", () => {
  const start = Buffer.alloc(SUPERBLOCK_BYTES);
  assert.equal(isClean(start), false);
  start.writeUInt16LE(0xef53, 1024 + 0x38);
  assert.equal(isClean(start), false);
  start.writeUInt16LE(1, 1024 + 0x3a);
  assert.equal(isClean(start), true);
  assert.equal(isClean(start.subarray(0, 1500)), false);
});

test("a loop device: this file, blocks as the file system's, freed with its last mount", () => {
  const config = loopConfig(17, false);
  assert.deepEqual([config.readUInt32LE(0), config.readUInt32LE(4), config.readUInt32LE(60)], [17, 4096, 4]);
  assert.equal(config.length, 304);
});

test("what lasts is flushed to the host's disk when a program asks for it, and not cached twice", () => {
  assert.equal(loopConfig(17, true).readUInt32LE(60), 4 | 16);
  assert.ok(!ext4Options(true).includes("nobarrier"));
  assert.ok(ext4Options(false).includes("nobarrier"));
});
