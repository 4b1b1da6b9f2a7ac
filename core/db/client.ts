/** Connections to PostgreSQL. */
import { drizzle, type NodePgDatabase } from "drizzle-orm/node-postgres";
import pg from "pg";
import * as schema from "./schema.ts";

export type Db = NodePgDatabase<typeof schema> & { readonly $client: pg.Pool };
/** A transaction of `Db`; queries take `Db | Tx`. */
export type Tx = Parameters<Parameters<Db["transaction"]>[0]>[0];

/**
 * Opens a pool. `connectTimeoutMs` bounds how long a query waits for a connection: requests must fail fast.
 * `queryTimeoutMs` bounds how long it waits for an answer, for when the server is there but silent.
 * Call `close` when done.
 */
export function openDb(
  url: string,
  options: { max?: number; connectTimeoutMs?: number; queryTimeoutMs?: number; name: string },
): { db: Db; close: () => Promise<void> } {
  const pool = new pg.Pool({
    connectionString: url,
    max: options.max ?? 10,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 3000,
    ...(options.queryTimeoutMs === undefined ? {} : { query_timeout: options.queryTimeoutMs }),
    application_name: options.name,
    keepAlive: true,
  });
  // An idle connection that breaks must not end the process: the pool opens another when one is needed.
  pool.on("error", () => {});
  // Nor must one that breaks within a transaction: its next query says so.
  pool.on("connect", (client) => client.on("error", () => {}));
  return { db: drizzle(pool, { schema }), close: () => pool.end() };
}
