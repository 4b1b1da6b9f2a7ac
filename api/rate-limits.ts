/**
 * How often one may ask: requests per tenant and per token, wrong tokens per address. Counted in Redis, for all API
 * processes together. With Redis away each process counts for itself: requests go on, and have a bound still.
 */
import type { Redis } from "ioredis";
import { LRUCache } from "lru-cache";
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from "rate-limiter-flexible";
import { AppError } from "../core/contract/errors.ts";
import { clientNetwork } from "./client-address.ts";

const WINDOW_SECONDS = 60;
/** One runaway pipeline leaves the other half to everybody else of its tenant. */
const TOKEN_SHARE = 0.5;
const WRONG_TOKENS_PER_WINDOW = 60;

export interface RateLimits {
  /** Counts a request. The headers are for its answer. @throws AppError rate_limited */
  countRequest(who: { tenantId: string; tokenId: string; requestsMinute: number }): Promise<Record<string, string>>;
  /** Counts a wrong token. @throws AppError rate_limited once there were too many */
  countFailure(address: string | null): Promise<void>;
  /** Whether an address has sent too many wrong tokens: what it sends now is not even looked up. */
  isBlocked(address: string | null): boolean;
}

export const NO_RATE_LIMITS: RateLimits = { countRequest: async () => ({}), countFailure: async () => {}, isBlocked: () => false };

/** `redis` must fail fast, also when it hangs: `commandTimeoutMs`. */
export function openRateLimits(redis: Redis, redisPrefix: string): RateLimits {
  const limiters = new LRUCache<string, RateLimiterRedis>({ max: 1000 });
  const limiterOf = (name: string, points: number): RateLimiterRedis => {
    const found = limiters.get(`${name}:${points}`);
    if (found !== undefined) return found;
    const window = { points, duration: WINDOW_SECONDS, keyPrefix: `${redisPrefix}rate:${name}` };
    const made = new RateLimiterRedis({
      ...window,
      storeClient: redis,
      rejectIfRedisNotReady: true,
      insuranceLimiter: new RateLimiterMemory(window),
      // A flood is refused without asking Redis again.
      inMemoryBlockOnConsumed: points + 1,
    });
    limiters.set(`${name}:${points}`, made);
    return made;
  };
  const blocked = new LRUCache<string, true>({ max: 10_000, ttl: WINDOW_SECONDS * 1000 });

  const count = async (name: string, points: number, key: string): Promise<Counted> => {
    const limiter = limiterOf(name, points);
    let isOver = false;
    const taken = await limiter.consume(key).catch((thrown: unknown) => {
      if (!(thrown instanceof RateLimiterRes)) throw thrown;
      isOver = true;
      return thrown;
    });
    return { name, points, left: isOver ? 0 : Math.max(0, taken.remainingPoints), resetSeconds: Math.ceil(taken.msBeforeNext / 1000), isOver };
  };

  return {
    countRequest: async ({ tenantId, tokenId, requestsMinute }) => {
      const counted: Counted[] = [];
      const limits = [["token", Math.ceil(requestsMinute * TOKEN_SHARE), tokenId], ["tenant", requestsMinute, tenantId]] as const;
      // One after the other: what a token is refused must not use up its tenant's share.
      for (const [name, points, key] of limits) {
        const one = await count(name, points, key);
        counted.push(one);
        if (one.isOver) throw limited(`This ${name} may ask ${points} times a minute.`, one.resetSeconds, rateHeaders(counted));
      }
      return rateHeaders(counted);
    },
    countFailure: async (address) => {
      if (address === null) return;
      const client = clientNetwork(address);
      const counted = await count("wrong", WRONG_TOKENS_PER_WINDOW, client);
      if (!counted.isOver) return;
      blocked.set(client, true, { ttl: Math.max(1, counted.resetSeconds) * 1000 });
      throw tooManyWrong(counted.resetSeconds);
    },
    isBlocked: (address) => address !== null && blocked.has(clientNetwork(address)),
  };
}

interface Counted {
  name: string;
  points: number;
  left: number;
  resetSeconds: number;
  isOver: boolean;
}

/** Source: https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ */
function rateHeaders(counted: readonly Counted[]): Record<string, string> {
  return {
    "ratelimit-policy": counted.map(({ name, points }) => `"${name}";q=${points};w=${WINDOW_SECONDS}`).join(", "),
    ratelimit: counted.map(({ name, left, resetSeconds }) => `"${name}";r=${left};t=${resetSeconds}`).join(", "),
  };
}

export function tooManyWrong(resetSeconds = WINDOW_SECONDS): AppError {
  return limited("Too many wrong tokens came from your address.", resetSeconds, {});
}

function limited(detail: string, resetSeconds: number, headers: Record<string, string>): AppError {
  return new AppError("rate_limited", `${detail} Wait as long as Retry-After says.`, { headers: { ...headers, "retry-after": String(Math.max(1, resetSeconds)) } });
}
