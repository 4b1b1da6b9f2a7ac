/** A loop that must run once at a time, whatever the number of workers: whoever holds the lock runs it. */
import type pg from "pg";
import type { Db } from "./client.ts";

export interface Leader {
  /** Whether this process holds the lock now; tries to take it when nobody does. Never throws. */
  isLeader(): Promise<boolean>;
  close(): Promise<void>;
}

/**
 * A session's advisory lock on a connection of its own: PostgreSQL lets go of it when the connection ends, also by a
 * crash. A leader that was cut off learns of it at its next question, so what it writes must check what it read.
 */
export function openLeader(db: Db, name: string): Leader {
  const pool = db.$client;
  let held: pg.PoolClient | undefined;
  const drop = (client: pg.PoolClient) => {
    if (held === client) held = undefined;
    client.release(true);
  };
  const isLeader = async (): Promise<boolean> => {
    const client = held ?? (await pool.connect().catch(() => undefined));
    if (client === undefined) return false;
    try {
      if (held !== undefined) {
        await client.query("select 1");
        return true;
      }
      const { rows } = await client.query<{ got: boolean }>("select pg_try_advisory_lock(hashtextextended($1, 0)) as got", [`leader:${name}`]);
      if (rows[0]?.got === true) held = client;
      else client.release();
      return held === client;
    } catch {
      drop(client);
      return false;
    }
  };
  return {
    isLeader,
    close: async () => {
      if (held !== undefined) drop(held);
    },
  };
}
