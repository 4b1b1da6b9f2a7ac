/** A file with an ext4 in it: made, checked, grown, mounted. Only Berth makes them: a tenant writes through the kernel alone. */
import { chown, mkdir, mkdtemp, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CHECK_REPAIRED, checkExt4, devicesOf, growExt4, makeExt4, mountExt4, rereadSize, reserve, VISIBLE } from "../core/host/commands/ext4.ts";
import { mountPoints } from "../core/host/mounts.ts";
import { run, runUnchecked } from "../core/host/spawn.ts";
import { IDS_PER_RANGE } from "../core/domain/id-ranges.ts";

const MAKE_TIMEOUT_MS = 300_000;
/** https://docs.kernel.org/filesystems/ext4/super.html */
const SUPERBLOCK_AT = 1024;
const SUPERBLOCK_BYTES = 1024;
const EXT4_MAGIC = 0xef53;

export interface NewImage {
  sizeBytes: number;
  /** First host id of the tenant's own: what containers see of it belongs to their root. */
  uidBase: number;
  /** It outlives its instance: its blocks are reserved, and it has a journal. */
  isKept: boolean;
}

/** Whole or not there. */
export async function makeImage(path: string, { sizeBytes, uidBase, isKept }: NewImage): Promise<void> {
  if (uidBase < IDS_PER_RANGE) throw new RangeError(`${uidBase} is no tenant's id`);
  const made = `${path}.new`;
  const template = await mkdtemp(`${path}.tree-`);
  try {
    await mkdir(join(template, VISIBLE), { mode: 0o755 });
    await chown(join(template, VISIBLE), uidBase, uidBase);
    await rm(made, { force: true });
    const file = await open(made, "w", 0o600);
    await file.truncate(sizeBytes).finally(() => file.close());
    if (isKept) await run(reserve(made, sizeBytes), { timeoutMs: MAKE_TIMEOUT_MS });
    await run(makeExt4(made, template, isKept), { timeoutMs: MAKE_TIMEOUT_MS });
    await publish(made, path);
  } finally {
    await rm(template, { recursive: true, force: true });
    await rm(made, { force: true });
  }
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

/** A former life of this agent may have mounted it already, in the namespace that outlives it. */
export async function mountImage(path: string, target: string, isKept: boolean): Promise<void> {
  if ((await mountPoints()).has(target)) return;
  await mkdir(target, { recursive: true, mode: 0o711 });
  if (isKept) await check(checkExt4(path));
  await run(mountExt4(path, target, isKept));
}

/** False: something still uses it. Never lazily: mounted a second time it would be written from two sides. */
export async function unmountImage(target: string): Promise<boolean> {
  if (!(await mountPoints()).has(target)) return true;
  await runUnchecked(["umount", target]);
  return !(await mountPoints()).has(target);
}

/** To that size, while it is mounted where the kernel allows (CAP_SYS_RESOURCE), else when it is not. False: later. */
export async function growImage(path: string, sizeBytes: number, isMounted: boolean): Promise<boolean> {
  await run(reserve(path, sizeBytes), { timeoutMs: MAKE_TIMEOUT_MS });
  if (!isMounted) {
    await check([...checkExt4(path), "-f"]);
    await run(growExt4(path), { timeoutMs: MAKE_TIMEOUT_MS });
    return true;
  }
  const device = (await run(devicesOf(path))).stdout.trim().split("\n")[0] ?? "";
  await run(rereadSize(device));
  return (await runUnchecked(growExt4(device), { timeoutMs: MAKE_TIMEOUT_MS })).code === 0;
}

/** @throws Error when it is not sound */
export async function check(argv: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await runUnchecked(argv, { timeoutMs: MAKE_TIMEOUT_MS });
  if (code === null || code > CHECK_REPAIRED) throw new Error(`the file system needs repair: ${(stderr || stdout).trim().slice(-500)}`);
}
