/** What a container sees beside its own disk: volumes, which outlive it, and scratch, which goes with its instance. */
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DesiredInstance } from "../core/contract/node-channel.ts";
import { mountDisk, type Disks } from "../core/host/disks.ts";
import { limitWriteback, unlimitWriteback } from "../core/host/io-limits.ts";
import { isMountPoint, unmount } from "../core/host/mounts.ts";
import type { Bind } from "../core/sandbox/spec.ts";
import { VISIBLE } from "../core/host/commands/ext4.ts";
import type { Volumes } from "./volumes.ts";

/** Bytes for each file or directory of scratch. */
const BYTES_PER_INODE = 16_384;

type Mounting = Pick<DesiredInstance, "mounts" | "scratch" | "uidBase" | "limits">;

/** Mounts what a container names; `dir` is its own, and its scratch lies there. @throws NotReady */
export async function mountAll({ volumes, disks }: { volumes: Volumes; disks: Disks }, dir: string, { mounts = [], scratch = [], uidBase, limits }: Mounting): Promise<Bind[]> {
  const binds = await volumes.mount(mounts, limits);
  for (const [index, { path, sizeBytes }] of scratch.entries()) {
    const target = join(dir, "scratch", String(index));
    await once(target, () => mountScratch(disks, target, sizeBytes, limits));
    const source = join(target, VISIBLE);
    if (!existsSync(source)) {
      mkdirSync(source, { mode: 0o755 });
      chownSync(source, uidBase, uidBase);
    }
    binds.push({ source, destination: path, readOnly: false });
  }
  return binds;
}

/** Loop devices of its scratch. */
function scratchLoops(dir: string): string[] {
  const scratch = join(dir, "scratch");
  return existsSync(scratch) ? readdirSync(scratch).filter((name) => name.endsWith(".loop")).map((name) => readFileSync(join(scratch, name), "utf8")) : [];
}

async function mountScratch(disks: Disks, target: string, sizeBytes: number, limits: Mounting["limits"]): Promise<void> {
  if (isMountPoint(target)) return;
  mkdirSync(target, { recursive: true, mode: 0o711 });
  await disks.prepare(`${target}.img`, { bytes: sizeBytes, inodes: Math.ceil(sizeBytes / BYTES_PER_INODE) });
  const loop = await mountDisk(`${target}.img`, target);
  writeFileSync(`${target}.loop`, loop);
  await limitWriteback(loop, limits);
}

const underWay = new Map<string, Promise<void>>();

/** Several containers of an instance may come for the same directory at the same time. */
function once(target: string, mount: () => Promise<void>): Promise<void> {
  const known = underWay.get(target);
  if (known !== undefined) return known;
  const mounting = mount().finally(() => underWay.delete(target));
  underWay.set(target, mounting);
  return mounting;
}

/** Before the container's directory is removed. */
export async function unmountScratch(dir: string): Promise<void> {
  const scratch = join(dir, "scratch");
  for (const loop of scratchLoops(dir)) unlimitWriteback(loop);
  for (const name of existsSync(scratch) ? readdirSync(scratch) : []) {
    const path = join(scratch, name);
    if (statSync(path).isDirectory()) await unmount(path);
  }
}

/** As long as nothing is in it, what is mounted belongs to the user of who mounts it: an image with a USER can write there. */
export function giveIfEmpty({ source, readOnly }: Bind, uid: number, gid: number): void {
  if (!readOnly && readdirSync(source).length === 0) chownSync(source, uid, gid);
}
