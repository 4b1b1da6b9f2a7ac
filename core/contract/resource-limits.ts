/** What one instance may take of its node beyond memory, cpu and processes. `docs/limits.md` says what happens at each. */
import { z } from "zod";

const MIB = 2 ** 20;

const diskBytes = z.number().int().min(16 * MIB).max(256 * 1024 * MIB);
const inodesMax = z.number().int().min(1024).max(16_777_216);
const shmBytes = z.number().int().min(0).max(64 * 1024 * MIB);
const ioBytesPerSecond = z.number().int().min(MIB).max(64 * 1024 * MIB);
const ioOperationsPerSecond = z.number().int().min(100).max(1_000_000);
const startupCpuMillis = z.number().int().min(10).max(64_000);

export const RESOURCE_SETTINGS = {
  /** All that the instance writes beside its volumes, file system included. */
  diskBytes: diskBytes.default(1024 * MIB),
  /** Files and directories that it writes. */
  inodesMax: inodesMax.default(65_536),
  /** Of `/dev/shm`; what is in it counts as memory. */
  shmBytes: shmBytes.default(64 * MIB),
  /** Of the node's disk: each, of reads and of writes. */
  ioBytesPerSecond: ioBytesPerSecond.default(256 * MIB),
  ioOperationsPerSecond: ioOperationsPerSecond.default(8000),
  /** In place of a smaller `cpuMillis` until the instance is ready. */
  startupCpuMillis: startupCpuMillis.optional(),
};

export const RESOURCE_SETTINGS_PATCH = {
  diskBytes: diskBytes.optional(),
  inodesMax: inodesMax.optional(),
  shmBytes: shmBytes.optional(),
  ioBytesPerSecond: ioBytesPerSecond.optional(),
  ioOperationsPerSecond: ioOperationsPerSecond.optional(),
  startupCpuMillis: startupCpuMillis.nullable().optional(),
};

/** As a node gets them. */
export const ResourceLimitsSchema = z.object(RESOURCE_SETTINGS);
