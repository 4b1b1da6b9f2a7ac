/**
 * One disk of bounded size per tenant: a sparse file with an ext4 of its own, mounted while it is of use. It holds
 * buildah's store, the unpacked context and all temporary files of the tenant's builds, and nothing else: a tenant
 * that fills it stops its own builds alone. What it holds is a cache, so that a broken one is made anew.
 * The host never follows a path inside it.
 */
import { mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { IDS_PER_RANGE } from "../../core/domain/id-ranges.ts";
import { mountPoints } from "../../core/host/mounts.ts";
import { run, runUnchecked } from "../../core/host/spawn.ts";

export interface CacheDisks {
  /** Mounts the tenant's disk; resolves to its directory. It stays mounted until `release` was called as often. */
  take(tenantId: string, uidBase: number): Promise<string>;
  release(tenantId: string): void;
  /** Unmounts all that nobody uses. */
  close(): Promise<void>;
}

export interface CacheDiskOptions {
  /** Directory of the worker. */
  workerData: string;
  sizeBytes: number;
  /** So many disks stay mounted without a build, so that the next one starts at once. */
  idleMax: number;
}

interface Disk {
  path: string;
  users: number;
  lastUsedAt: number;
  mounting: Promise<string>;
}

/** e2fsck: 0 clean, 1 repaired; everything above needs a person, or a new file system. */
const FSCK_REPAIRED = 1;

export function openCacheDisks(options: CacheDiskOptions, clock: () => number = Date.now): CacheDisks {
  const root = join(options.workerData, "tenants");
  const disks = new Map<string, Disk>();
  /** Disks on their way out: whoever wants one waits until it is gone, rather than build on a mount that is about to end. */
  const leaving = new Map<string, Promise<void>>();

  const leave = async (tenantId: string, path: string) => {
    // What was deleted inside goes back to the host; doing so at each deletion would slow builds.
    await runUnchecked(["fstrim", path]);
    await runUnchecked(["umount", path]);
    leaving.delete(tenantId);
  };
  const unmountIdle = async (keep: number) => {
    const idle = [...disks].filter(([, disk]) => disk.users === 0).toSorted(([, a], [, b]) => b.lastUsedAt - a.lastUsedAt);
    for (const [tenantId, disk] of idle.slice(keep)) {
      disks.delete(tenantId);
      leaving.set(tenantId, leave(tenantId, disk.path));
    }
    await Promise.all(leaving.values());
  };

  return {
    take: async (tenantId, uidBase) => {
      let disk = disks.get(tenantId);
      if (disk === undefined) {
        const path = join(root, tenantId, "mnt");
        const mounting = Promise.resolve(leaving.get(tenantId)).then(() => mountDisk(join(root, tenantId), path, uidBase, options.sizeBytes));
        disk = { path, users: 0, lastUsedAt: clock(), mounting };
        disks.set(tenantId, disk);
        disk.mounting.catch(() => disks.delete(tenantId));
      }
      disk.users++;
      return disk.mounting;
    },
    release: (tenantId) => {
      const disk = disks.get(tenantId);
      if (disk === undefined) return;
      disk.users--;
      disk.lastUsedAt = clock();
      void unmountIdle(options.idleMax);
    },
    close: () => unmountIdle(0),
  };
}

async function mountDisk(directory: string, path: string, uidBase: number, sizeBytes: number): Promise<string> {
  // A former life of this worker may have left it mounted, in the namespace that outlives it.
  if ((await mountPoints()).has(path)) return path;
  const image = join(directory, "disk.img");
  await mkdir(path, { recursive: true, mode: 0o755 });
  const checked = await runUnchecked(["e2fsck", "-p", image], { timeoutMs: 300_000 });
  if (checked.code === null || checked.code > FSCK_REPAIRED) await makeImage(image, uidBase, sizeBytes);
  const mounted = await runUnchecked(["mount", "-o", MOUNT_OPTIONS, image, path]);
  if (mounted.code !== 0) {
    await makeImage(image, uidBase, sizeBytes);
    await run(["mount", "-o", MOUNT_OPTIONS, image, path]);
  }
  return path;
}

/** No write barriers: after a crash of the host a cache is checked, or made anew. */
const MOUNT_OPTIONS = "loop,noatime,nodev,nosuid,nobarrier";

/** Whole or not there: a half-made one would be mounted later. */
async function makeImage(image: string, uidBase: number, sizeBytes: number): Promise<void> {
  if (uidBase < IDS_PER_RANGE) throw new RangeError(`${uidBase} is no tenant's id`);
  const made = `${image}.new`;
  const file = await open(made, "w", 0o600);
  try {
    await file.truncate(sizeBytes);
  } finally {
    await file.close();
  }
  await run(["mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", "-i", "16384", "-E", `lazy_itable_init=1,nodiscard,root_owner=${uidBase}:${uidBase}`, made], { timeoutMs: 300_000 });
  await rm(image, { force: true });
  await rename(made, image);
}
