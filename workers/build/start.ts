/** Wires the build worker: its network, disks and queue. */
import type { Redis } from "ioredis";
import { liftSharedLimits } from "../../core/host/shared-limits.ts";
import { openRedisPatient } from "../../core/redis.ts";
import { openBuildNetwork } from "./network.ts";
import { openCacheDisks } from "./cache-disk.ts";
import { registryOf } from "./registry.ts";
import type { BuildDeps } from "./run-build.ts";
import { startBuildWorker } from "./worker.ts";

export interface StartBuildsOptions extends Omit<BuildDeps, "network" | "disks" | "registryPort" | "registryToken" | "loadImage"> {
  redis: Redis;
  redisUrl: string;
  /** Name of this worker in the database. */
  name: string;
  drainMs: number;
}

/** Port of the registry within a build's own network. */
const REGISTRY_PORT = 5000;
const IDLE_DISKS_MAX = 32;

/** Starts taking builds; the function it gives back ends that in order. */
export async function startBuilds(options: StartBuildsOptions): Promise<() => Promise<void>> {
  const { config } = options;
  liftSharedLimits(options.log);
  const network = await openBuildNetwork(
    {
      prefix: config.netPrefix,
      workerData: config.workerData,
      subnet: config.subnet,
      allowCidrs: config.allowCidrs,
      registryPort: REGISTRY_PORT,
      apiUrl: config.apiUrl,
    },
    config.concurrency,
  );
  const disks = openCacheDisks({ workerData: config.workerData, sizeBytes: config.limits.diskBytes, idleMax: IDLE_DISKS_MAX });
  const queueRedis = openRedisPatient(options.redisUrl, "worker-queue");
  const workerRedis = openRedisPatient(options.redisUrl, "worker-jobs");
  const worker = await startBuildWorker({
    name: options.name,
    queueRedis,
    workerRedis,
    deps: { ...options, network, disks, registryPort: REGISTRY_PORT, ...registryOf(options.db, options.blobs) },
  });
  return async () => {
    await worker.close(options.drainMs);
    await disks.close();
    await network.close();
    queueRedis.disconnect();
    workerRedis.disconnect();
  };
}
