/** The file system of a disk of bounded size. Pure. */

export interface DiskSize {
  /** For files and directories: what the file system itself needs comes on top. */
  bytes: number;
  /** Files and directories; rounded up to whole blocks of the file system's tables, 128 for each 128 MiB. */
  inodes: number;
}

const BLOCK_BYTES = 4096;
const INODE_BYTES = 256;
/** Those that ext4 keeps for itself, the root directory and `lost+found`. */
const OWN_INODES = 12;
const OWN_BYTES = 2 * 2 ** 20;

/** Bytes of the sparse file; the file system's maps take a part of it that grows with it, below a hundredth. */
export function imageBytes({ bytes, inodes }: DiskSize): number {
  return Math.ceil((bytes * 1.01 + inodes * INODE_BYTES + OWN_BYTES) / BLOCK_BYTES) * BLOCK_BYTES;
}

/**
 * For a sparse file: nothing is written that reads as zeros anyway. No journal: what is on such a disk does not outlive
 * a crash of the host. `contents`: a directory that is copied into it.
 */
export const makeExt4 = (image: string, contents: string, { inodes }: DiskSize) => [
  "mkfs.ext4", "-q", "-F", "-b", String(BLOCK_BYTES), "-I", String(INODE_BYTES), "-N", String(inodes + OWN_INODES), "-m", "0", "-O", "^has_journal,^resize_inode", "-E", "lazy_itable_init=1,nodiscard", "-d", contents, image,
];

/**
 * Never zeroing the tables of inodes, which are holes; what is wrong with one disk is its own trouble. Of what does not
 * last, a program that flushes its files makes the host's disk commit nothing.
 */
export const ext4Options = (isLasting: boolean) => `noinit_itable,errors=remount-ro${isLasting ? "" : ",nobarrier"}`;

/** Where ext4's superblock says whether it was unmounted in order; little-endian. Source: the kernel's `fs/ext4/ext4.h`. */
const STATE_OFFSET = 1024 + 0x3a;
const VALID = 1;
export const SUPERBLOCK_BYTES = 2048;

/** Whether the file system that begins with these bytes was unmounted in order. */
export function isClean(start: Buffer): boolean {
  return start.length >= SUPERBLOCK_BYTES && start.readUInt16LE(1024 + 0x38) === 0xef53 && (start.readUInt16LE(STATE_OFFSET) & VALID) !== 0;
}

/**
 * LOOP_CONFIGURE's argument: a `struct loop_config` of `linux/loop.h`. What lasts is not cached a second time below, where
 * the file system there can do that; what was just made would have to be on the host's disk before it can be mounted so.
 */
export function loopConfig(image: number, isLasting: boolean): Buffer {
  const [blockSizeAt, flagsAt, length] = [4, 60, 304];
  const [AUTOCLEAR, DIRECT_IO] = [4, 16];
  const config = Buffer.alloc(length);
  config.writeUInt32LE(image, 0);
  config.writeUInt32LE(BLOCK_BYTES, blockSizeAt);
  // Freed when it is unmounted.
  config.writeUInt32LE(isLasting ? AUTOCLEAR | DIRECT_IO : AUTOCLEAR, flagsAt);
  return config;
}
