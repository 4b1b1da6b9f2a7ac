/** Connections to Redis: queues, bells and counters. Nothing here is the truth. */
import { Redis } from "ioredis";

/** For request handlers: fails at once when Redis is away, so that the caller can say so. */
export function openRedisFailFast(url: string, name: string, options: { commandTimeoutMs?: number } = {}): Redis {
  const timeout = options.commandTimeoutMs === undefined ? {} : { commandTimeout: options.commandTimeoutMs };
  return quiet(new Redis(url, { connectionName: name, maxRetriesPerRequest: 1, enableOfflineQueue: false, retryStrategy, ...timeout }));
}

/** For BullMQ workers and listeners: waits for Redis to come back, however long it takes. */
export function openRedisPatient(url: string, name: string): Redis {
  return quiet(new Redis(url, { connectionName: name, maxRetriesPerRequest: null, retryStrategy }));
}

function retryStrategy(attempt: number): number {
  return Math.min(attempt * 100, 2000);
}

/** ioredis reports each failed reconnect as an `error` event, which would end the process without a listener. */
function quiet(redis: Redis): Redis {
  redis.on("error", () => {});
  return redis;
}

/** Whether the error means that Redis cannot be asked now: ioredis and BullMQ say it in several ways. */
export function isRedisUnavailable(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    if (at.name === "MaxRetriesPerRequestError" || at.name === "ConnectionClosedError") return true;
    if (at.message === "Connection is closed." || at.message.startsWith("Stream isn't writeable")) return true;
    if (at.name === "ReplyError" && /^(LOADING|READONLY|OOM|MASTERDOWN|CLUSTERDOWN|MISCONF)\b/.test(at.message)) return true;
  }
  return false;
}
