/** Cuts a stream when the token that opened it is revoked or expires. */
import { isTokenAlive } from "../core/db/queries/tokens.ts";
import type { Actor, Deps } from "./deps.ts";

const CHECK_EVERY_MS = 1000;

/** Calls `cut` once, within about a second; the returned function ends the watch. */
export function cutWhenRevoked(deps: Pick<Deps, "db" | "bells" | "clock">, actor: Pick<Actor, "tokenId">, cut: () => void): () => void {
  const check = async () => {
    // While the database is away nobody can revoke: the stream goes on.
    const alive = await isTokenAlive(deps.db, actor.tokenId, deps.clock()).catch(() => true);
    if (alive) return;
    stop();
    cut();
  };
  const timer = setInterval(() => void check(), CHECK_EVERY_MS);
  const stopBell = deps.bells.listen("token", (id) => {
    if (id === actor.tokenId) void check();
  });
  const stop = () => {
    clearInterval(timer);
    stopBell();
  };
  return stop;
}
