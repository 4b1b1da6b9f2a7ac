/**
 * Tokens that ask too often: until their window ends they are refused before anything is looked up, and not at once, so
 * that who asks again without waiting is slowed down instead of slowing everybody else.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { LRUCache } from "lru-cache";
import { AppError } from "../core/contract/errors.ts";

const HOLD_MS = 250;
/** More are answered at once: what is held costs memory. */
const MAX_HELD = 2000;

export interface Refusals {
  /** @throws AppError rate_limited, after a moment */
  check(tokenHash: string): Promise<void>;
  /** Remembers the refusal for as long as it says itself. */
  note(tokenHash: string, error: unknown): void;
}

/** What it said of seconds, as it is now. */
function aged({ code, message, headers }: AppError, leftSeconds: number): AppError {
  const elapsed = Number(headers["retry-after"]) - leftSeconds;
  const ratelimit = headers["ratelimit"]?.replace(/;t=(\d+)/g, (_all, seconds: string) => `;t=${Math.max(0, Number(seconds) - elapsed)}`);
  return new AppError(code, message, { headers: { ...headers, "retry-after": String(leftSeconds), ...(ratelimit === undefined ? {} : { ratelimit }) } });
}

export function openRefusals(): Refusals {
  const refused = new LRUCache<string, AppError>({ max: 10_000 });
  let held = 0;
  return {
    check: async (tokenHash) => {
      const error = refused.get(tokenHash);
      if (error === undefined) return;
      const leftSeconds = Math.max(1, Math.ceil(refused.getRemainingTTL(tokenHash) / 1000));
      if (held < MAX_HELD) {
        held++;
        await sleep(HOLD_MS).finally(() => held--);
      }
      throw aged(error, leftSeconds);
    },
    note: (tokenHash, error) => {
      if (!(error instanceof AppError) || error.code !== "rate_limited") return;
      refused.set(tokenHash, error, { ttl: Number(error.headers["retry-after"] ?? 1) * 1000 });
    },
  };
}
