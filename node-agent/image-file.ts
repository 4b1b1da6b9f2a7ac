/** A file with an ext4 in it: made, checked, grown, mounted. Only Berth makes them: a tenant writes through the kernel alone. */
import { chown, mkdir, mkdtemp, open, rename, rm, stat, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CHECK_REPAIRED, checkExt4, checkExt4Fully, growExt4, makeVolume, rereadSize, reserve, VISIBLE } from "../core/host/commands/ext4.ts";
import { loopsOf, mountDisk, numberOf } from "../core/host/disks.ts";
import { limitWriteback, unlimitWriteback, type IoLimits } from "../core/host/io-limits.ts";
import { isMountPoint } from "../core/host/mounts.ts";
import { run, runUnchecked } from "../core/host/spawn.ts";
import { IDS_PER_RANGE } from "../core/domain/id-ranges.ts";

const MAKE_TIMEOUT_MS = 300_000;
/** https://docs.kernel.org/filesystems/ext4/super.html */
const SUPERBLOCK_AT = 1024;
const SUPERBLOCK_BYTES = 1024;
/** What else is on the host needs some, too. */
const MIN_FREE_BYTES = 512 * 2 ** 20;
const EXT4_MAGIC = 0xef53;

export interface NewImage {
  sizeBytes: number;
  /** First host id of the tenant's own: what containers see of it belongs to their root. */
  uidBase: number;
}

/** Whole or not there. */
export async function makeImage(path: string, { sizeBytes, uidBase }: NewImage): Promise<void> {
  if (uidBase < IDS_PER_RANGE) throw new RangeError(`${uidBase} is no tenant's id`);
  const made = `${path}.new`;
  const template = await mkdtemp(`${path}.tree-`);
  try {
    await mkdir(join(template, VISIBLE), { mode: 0o755 });
    await chown(join(template, VISIBLE), uidBase, uidBase);
    await rm(made, { force: true });
    await requireRoom(dirname(path), sizeBytes);
    const file = await open(made, "w", 0o600);
    await file.truncate(sizeBytes).finally(() => file.close());
    await run(reserve(made, sizeBytes), { timeoutMs: MAKE_TIMEOUT_MS });
    await run(makeVolume(made, template), { timeoutMs: MAKE_TIMEOUT_MS });
    await publish(made, path);
  } finally {
    await rm(template, { recursive: true, force: true });
    await rm(made, { force: true });
  }
}

/** Asked before it is taken: the host's disk would be full for everybody until that fails. @throws Error */
export async function requireRoom(dir: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(dir);
  if (bavail * bsize < bytes + MIN_FREE_BYTES) throw new Error("the node has no room for it");
}

/** From here on it is there, also after a crash of the host. */
export async function publish(made: string, path: string): Promise<void> {
  const file = await open(made, "r+");
  await file.sync().finally(() => file.close());
  await rename(made, path);
  const directory = await open(dirname(path), "r");
  await directory.sync().finally(() => directory.close());
}

/** Size of the file system, as its superblock has it; undefined when there is no such file. @throws Error when there is none in it */
export async function sizeOf(path: string): Promise<number | undefined> {
  const file = await open(path, "r").catch(() => undefined);
  if (file === undefined) return undefined;
  const { buffer, bytesRead } = await file.read(Buffer.alloc(SUPERBLOCK_BYTES), 0, SUPERBLOCK_BYTES, SUPERBLOCK_AT).finally(() => file.close());
  if (bytesRead < SUPERBLOCK_BYTES || buffer.readUInt16LE(0x38) !== EXT4_MAGIC) throw new Error("there is no file system in it");
  return (buffer.readUInt32LE(0x04) + buffer.readUInt32LE(0x150) * 2 ** 32) * (1024 << buffer.readUInt32LE(0x18));
}

/** Once: mounted a second time it would be written from two sides. A former life of this agent may have done it. */
export async function mountImage(path: string, target: string, limits: IoLimits): Promise<void> {
  if (isMountPoint(target)) return;
  await mkdir(target, { recursive: true, mode: 0o711 });
  const [device] = loopsOf(path);
  if (device !== undefined) throw new Error(`it is still in use (${device})`);
  await check(checkExt4(path));
  await limitWriteback(await mountDisk(path, target, { isLasting: true }), limits);
}

/** False: something still uses it. Never lazily, for the same reason. */
export async function unmountImage(path: string, target: string): Promise<boolean> {
  if (!isMountPoint(target)) return true;
  const [device] = loopsOf(path);
  // Before the device is anybody else's.
  if (device !== undefined) unlimitWriteback(numberOf(device));
  await runUnchecked(["umount", target]);
  return !isMountPoint(target);
}

/** To that size, while it is mounted where the kernel allows (CAP_SYS_RESOURCE), else when it is not. False: later. */
export async function growImage(path: string, sizeBytes: number, isMounted: boolean): Promise<boolean> {
  await requireRoom(dirname(path), sizeBytes - (await stat(path)).size);
  await run(reserve(path, sizeBytes), { timeoutMs: MAKE_TIMEOUT_MS });
  if (!isMounted) {
    await check(checkExt4Fully(path));
    await run(growExt4(path), { timeoutMs: MAKE_TIMEOUT_MS });
    return true;
  }
  const [device] = loopsOf(path);
  if (device === undefined) return false;
  await run(rereadSize(device));
  return (await runUnchecked(growExt4(device), { timeoutMs: MAKE_TIMEOUT_MS })).code === 0;
}

/** @throws Error when it is not sound */
export async function check(argv: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await runUnchecked(argv, { timeoutMs: MAKE_TIMEOUT_MS });
  const said = (stderr || stdout).replaceAll(argv.at(-1) ?? "", "it").trim();
  if (code === null || code > CHECK_REPAIRED) throw new Error(`the file system needs repair: ${said.slice(0, 400)}`);
}
