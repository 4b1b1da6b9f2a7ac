/** Mounts of the node: overlays and id-mapped binds. */
import { statSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { IDS_PER_RANGE } from "../domain/id-ranges.ts";
import { run, runUnchecked } from "./spawn.ts";
import { mountNow, umountSoon } from "./syscalls.ts";

export interface Overlay {
  /** Directory that `lowers` are relative to: keeps the options within one page. */
  base: string;
  /** Lowest layer first. */
  lowers: readonly string[];
  upper: string;
  work: string;
  target: string;
}

/** Options of an overlay. `userxattr`: attributes that an image could carry have no power here, redirects are off. Pure. */
export function overlayOptions({ lowers, upper, work }: Overlay): string {
  return `lowerdir=${lowers.toReversed().join(":")},upperdir=${upper},workdir=${work},userxattr`;
}

/**
 * At once, within this process's mount namespace. The options, layers relative to `base`, have to fit into the page
 * that mount(2) takes. @throws Error with the errno's name as `code`
 */
export function mountOverlay(overlay: Overlay): void {
  const here = process.cwd();
  // Nothing else runs in between, and nothing on other threads asks for relative paths or starts programs where this process is.
  process.chdir(overlay.base);
  try {
    mountNow("overlay", overlay.target, "overlay", overlayOptions(overlay));
  } finally {
    process.chdir(here);
  }
}

/** Shows `source` at `target` with ids from `diskBase` on as `hostBase` and up. `toolchainBin` has a `mount` that can. @throws CommandError */
export async function mountIdMapped(toolchainBin: string, source: string, target: string, diskBase: number, hostBase: number): Promise<void> {
  await run([join(toolchainBin, "mount"), "--bind", "-o", `X-mount.idmap=b:${diskBase}:${hostBase}:${IDS_PER_RANGE}`, source, target]);
}

/** A file system in memory, with nothing in it when it is new. Where the kernel can (6.4), it is never swapped to a disk. @throws CommandError */
export async function mountMemory(target: string): Promise<void> {
  await mkdir(target, { recursive: true, mode: 0o711 });
  if ((await mountPoints()).has(target)) return;
  const mount = (options: string) => ["mount", "-t", "tmpfs", "-o", `mode=0711,nosuid,nodev,size=25%${options}`, "berth", target];
  const { code } = await runUnchecked(mount(",noswap"));
  if (code !== 0) await run(mount(""));
}

/** Whatever file system is mounted there, once or on top of itself. Unmounting what is not mounted is no error. */
export async function unmount(target: string): Promise<void> {
  while (isMountPoint(target)) {
    if (!(await umountSoon(target)) && isMountPoint(target)) throw new Error(`${target} cannot be unmounted`);
  }
}

/** Whether a file system of its own begins there. The list of all mounts would say it too, and is long where much runs. */
export function isMountPoint(path: string): boolean {
  const [own, above] = [path, dirname(path)].map((each) => statSync(each, { throwIfNoEntry: false }));
  return own !== undefined && own.dev !== above?.dev;
}

/** Where something is mounted in this mount namespace. */
export async function mountPoints(): Promise<Set<string>> {
  const text = await readFile("/proc/self/mountinfo", "utf8");
  return new Set(text.split("\n").flatMap((line) => line.split(" ")[4]?.replaceAll("\\040", " ") ?? []));
}
