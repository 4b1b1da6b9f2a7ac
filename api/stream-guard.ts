/**
 * Cuts streams whose token or session has ended, or whose person has another role now. The bell tells at once, also
 * what happened in another API process; a look at all of them, twice a second in one query, does when Redis is away.
 */
import type { Id } from "../core/contract/ids.ts";
import type { Db } from "../core/db/client.ts";
import { aliveSessions } from "../core/db/queries/sessions.ts";
import { aliveTokens } from "../core/db/queries/tokens.ts";
import type { Actor, Deps } from "./deps.ts";

const CHECK_EVERY_MS = 500;

type GuardDeps = Pick<Deps, "db" | "bells" | "clock">;
export type Watched = Pick<Actor, "tokenId" | "tenantId" | "role">;
interface Stream {
  who: Watched;
  cut: () => void;
}
interface Guard {
  streams: Set<Stream>;
  stop: () => void;
}

const guards = new WeakMap<Db, Guard>();

/** Calls `cut` once, within a second; the returned function ends the watch. */
export function cutWhenRevoked(deps: GuardDeps, who: Watched, cut: () => void): () => void {
  const guard = guards.get(deps.db) ?? startGuard(deps);
  const stream = { who, cut };
  guard.streams.add(stream);
  return () => {
    guard.streams.delete(stream);
    if (guard.streams.size > 0) return;
    guard.stop();
    guards.delete(deps.db);
  };
}

function startGuard(deps: GuardDeps): Guard {
  const streams = new Set<Stream>();
  let isLooking = false;
  let isAskedAgain = false;
  const look = async (): Promise<void> => {
    isAskedAgain = isLooking;
    if (isLooking) return;
    isLooking = true;
    try {
      const all = [...streams];
      const alive = await areAlive(deps, all.map(({ who }) => who));
      all.forEach((stream, index) => {
        if (alive[index] === false && streams.delete(stream)) stream.cut();
      });
    } catch {
      // While the database is away nobody can revoke: the streams go on.
    } finally {
      isLooking = false;
    }
    if (isAskedAgain) await look();
  };
  const timer = setInterval(() => void look(), CHECK_EVERY_MS);
  const stopBell = deps.bells.listen("token", () => void look());
  const guard = {
    streams,
    stop: () => {
      clearInterval(timer);
      stopBell();
    },
  };
  guards.set(deps.db, guard);
  return guard;
}

async function areAlive(deps: GuardDeps, all: readonly Watched[]): Promise<boolean[]> {
  const now = deps.clock();
  const tokenIds = new Set(all.map(({ tokenId }) => tokenId).filter((id) => id.startsWith("tok_"))) as Set<Id<"token">>;
  const sessions = all.flatMap(({ tokenId, tenantId }) => (tokenId.startsWith("ses_") ? [{ sessionId: tokenId as Id<"session">, tenantId }] : []));
  const [ofTokens, ofSessions] = await Promise.all([aliveTokens(deps.db, [...tokenIds], now), aliveSessions(deps.db, sessions, now)]);
  return all.map(({ tokenId, tenantId, role }) => {
    const now = tokenId.startsWith("ses_") ? ofSessions.get(`${tokenId} ${tenantId}`) : ofTokens.get(tokenId);
    return now !== undefined && now === role;
  });
}
