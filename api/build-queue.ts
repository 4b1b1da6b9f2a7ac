/** The API's end of the queue of builds. */
import { Queue } from "bullmq";
import type { Redis } from "ioredis";
import { BUILD_QUEUE, buildQueuePrefix } from "../core/contract/bells.ts";
import { AppError } from "../core/contract/errors.ts";
import type { BuildId } from "../core/contract/ids.ts";
import type { BuildQueue } from "./deps.ts";

const ADD_TIMEOUT_MS = 2000;

/** Over a connection of `openRedisFailFast`; `close` leaves that connection open. */
export function openBuildQueue(redis: Redis, redisPrefix: string): BuildQueue & { close: () => Promise<void> } {
  let queue: Queue | undefined;
  // A Queue whose first contact with Redis failed never works again: it is made when Redis is there.
  const open = () => {
    if (queue === undefined) {
      queue = new Queue(BUILD_QUEUE, { connection: redis, prefix: buildQueuePrefix(redisPrefix) });
      queue.on("error", () => {});
    }
    return queue;
  };
  return {
    add: async (buildId: BuildId) => {
      if (redis.status !== "ready") throw away();
      const options = { jobId: buildId, removeOnComplete: true, removeOnFail: true };
      await within(ADD_TIMEOUT_MS, open().add("build", { buildId }, options));
    },
    close: async () => {
      await queue?.close().catch(() => {});
    },
  };
}

function away(cause?: unknown): AppError {
  return new AppError("queue_unavailable", "Redis does not answer; try again in a moment.", { cause, headers: { "retry-after": "2" } });
}

async function within(timeoutMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => (timer = setTimeout(() => reject(away()), timeoutMs)));
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    // Its late end changes nothing: the sweep finds the build in the database.
    work.catch(() => {});
  }
}
