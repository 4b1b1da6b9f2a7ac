/** Ringing and hearing bells: `core/contract/bells.ts` says which there are. */
import type { Redis } from "ioredis";
import { BELLS, type Bell } from "./contract/bells.ts";

export interface Bells {
  /** Never throws, never waits: when Redis is away, the timers of those who listen do the work. */
  ring(bell: Bell, id: string): void;
  /** Calls `hear` with each id that is rung; the returned function stops it. */
  listen(bell: Bell, hear: (id: string) => void): () => void;
}

/** Rings one bell over a connection of `openRedisFailFast` or `openRedisPatient`. Never throws. */
export function ring(redis: Redis, prefix: string, bell: Bell, id: string): void {
  // A patient connection would keep the message until Redis is back: by then every timer has looked.
  if (redis.status !== "ready") return;
  redis.publish(prefix + BELLS[bell], id).catch(() => {});
}

/**
 * Hears bells over a connection of its own (`openRedisPatient`): ioredis subscribes again by itself after
 * each reconnect. Returns what stops hearing; the connection stays open.
 */
export function listen(subscriber: Redis, prefix: string, bell: Bell, hear: (id: string) => void): () => void {
  const channel = prefix + BELLS[bell];
  const onMessage = (from: string, id: string) => {
    if (from === channel) hear(id);
  };
  subscriber.setMaxListeners(0);
  subscriber.on("message", onMessage);
  subscriber.subscribe(channel).catch(() => {});
  return () => subscriber.off("message", onMessage);
}

/**
 * Both directions, as one thing to hand around: a fail-fast connection rings, a patient one hears. While Redis is
 * away, a bell still reaches the listeners of its own process.
 */
export function openBells(redis: Redis, subscriber: Redis, prefix: string): Bells {
  const own = new Set<{ bell: Bell; hear: (id: string) => void }>();
  return {
    ring: (bell, id) => {
      if (redis.status === "ready" && subscriber.status === "ready") return ring(redis, prefix, bell, id);
      ring(redis, prefix, bell, id);
      for (const listener of own) if (listener.bell === bell) listener.hear(id);
    },
    listen: (bell, hear) => {
      const listener = { bell, hear };
      own.add(listener);
      const stop = listen(subscriber, prefix, bell, hear);
      return () => {
        own.delete(listener);
        stop();
      };
    },
  };
}
