/** Commands that make, check, grow and copy the file systems of volumes, which are files. Pure. */

/** Directory within the file system that containers see: what is above it, `lost+found` among it, is Berth's. */
export const VISIBLE = "data";

/** For what outlives a crash of the host, with a journal; no block is kept back for root. `template`: a directory whose content it begins with. */
export function makeVolume(image: string, template: string): string[] {
  return ["mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-E", "lazy_itable_init=1,nodiscard", "-d", template, image];
}

/** Replays what a crash left, and repairs what is safe to repair. */
export function checkExt4(image: string): string[] {
  return ["e2fsck", "-p", image];
}

/** Before it grows: resize2fs wants it. */
export function checkExt4Fully(image: string): string[] {
  return ["e2fsck", "-p", "-f", image];
}

/** Looks at all of it, and gives free blocks back to the host. */
export function checkExt4Whole(image: string): string[] {
  return ["e2fsck", "-p", "-f", "-E", "discard", image];
}

/** 0 clean, 1 repaired; what is above needs a person. */
export const CHECK_REPAIRED = 1;

/** To the size of its file; of a mounted one, to that of its device. */
export function growExt4(imageOrDevice: string): string[] {
  return ["resize2fs", imageOrDevice];
}

/** All of its blocks are the file's own from now on: a full host does not break a promise. */
export function reserve(file: string, sizeBytes: number): string[] {
  return ["fallocate", "--length", String(sizeBytes), file];
}

export const freeze = (target: string): string[] => ["fsfreeze", "--freeze", target];
export const thaw = (target: string): string[] => ["fsfreeze", "--unfreeze", target];

/** At once where the host's file system shares blocks (XFS, Btrfs); holes stay holes. */
export function copySparse(from: string, to: string): string[] {
  return ["cp", "--sparse=always", "--reflink=auto", from, to];
}

export function rereadSize(device: string): string[] {
  return ["losetup", "--set-capacity", device];
}

export function compress(from: string, to: string): string[] {
  return ["zstd", "-q", "-f", "-3", "-T1", "--no-progress", from, "-o", to];
}

/** At most so many bytes come of it. */
export function decompress(from: string, to: string, maxBytes: number): string[] {
  return ["prlimit", `--fsize=${maxBytes}`, "--", "zstd", "-q", "-d", "-f", "--sparse", "--memory=128MB", from, "-o", to];
}

export const sha256 = (file: string): string[] => ["sha256sum", "--binary", file];
