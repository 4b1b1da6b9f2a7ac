/**
 * What is going on at the gateways now, per app: written by the API as they say it, read by the autoscaler. It lies in
 * Redis, as it is worth nothing a moment later.
 */
import type { Redis } from "ioredis";
import { z } from "zod";
import type { AppLoad } from "./contract/gateway-channel.ts";
import type { AppId } from "./contract/ids.ts";

/** A gateway says each second what has changed, and that it has ended: what is older than a few is of one that is gone. */
const RATE_VALID_MS = 8000;
const KEEP_SECONDS = 7 * 86_400;

const EntrySchema = z.tuple([z.number(), z.number(), z.number()]);

export interface Load {
  /** Requests in flight or queued, of all gateways. */
  inFlight: number;
  ratePerSecond: number;
}

const keyOf = (prefix: string, gatewayId: string) => `${prefix}load:${gatewayId}`;

/** Notes one message of a gateway; `sinceMs`: the time that its counts are of. Throws when Redis is away. */
export async function noteLoad(redis: Redis, prefix: string, gatewayId: string, counts: readonly AppLoad[], sinceMs: number, nowMs: number): Promise<void> {
  if (counts.length === 0) return;
  const fields = counts.flatMap(({ appId, inFlight, requests }) => [appId, JSON.stringify([nowMs, inFlight, (requests * 1000) / Math.max(sinceMs, 1)])]);
  const key = keyOf(prefix, gatewayId);
  await redis.multi().hset(key, ...fields).expire(key, KEEP_SECONDS).exec();
}

/** The load of each of these apps, as these gateways last said it. Throws when Redis is away. */
export async function readLoad(redis: Redis, prefix: string, gatewayIds: readonly string[], appIds: readonly AppId[], nowMs: number): Promise<Map<AppId, Load>> {
  const loads = new Map<AppId, Load>(appIds.map((appId) => [appId, { inFlight: 0, ratePerSecond: 0 }]));
  if (appIds.length === 0) return loads;
  const answers = await Promise.all(gatewayIds.map((id) => redis.hmget(keyOf(prefix, id), ...appIds)));
  for (const answer of answers) {
    answer.forEach((text, index) => {
      const load = loads.get(appIds[index] as AppId);
      if (text === null || load === undefined) return;
      const [atMs, inFlight, rate] = EntrySchema.parse(JSON.parse(text));
      load.inFlight += inFlight;
      if (nowMs - atMs < RATE_VALID_MS) load.ratePerSecond += rate;
    });
  }
  return loads;
}
