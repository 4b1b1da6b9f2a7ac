/** Brings a database to the schema of these sources. */
import { drizzle } from "drizzle-orm/node-postgres";
import { migrate } from "drizzle-orm/node-postgres/migrator";
import pg from "pg";

const FOLDER = new URL("../../migrations/sql", import.meta.url).pathname;
/** Any number, as long as every Berth takes the same. */
const LOCK = 7_232_078_401;

/** Applies what is missing, in one transaction. Several at once wait for one another. */
export async function migrateDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, application_name: "berth-migrate", connectionTimeoutMillis: 5000 });
  client.on("error", () => {});
  await client.connect();
  try {
    await client.query("select pg_advisory_lock($1)", [LOCK]);
    // «already exists» notices are no news.
    await client.query("set client_min_messages = warning");
    await migrate(drizzle(client), { migrationsFolder: FOLDER });
  } finally {
    // Ending the connection gives the lock back, whatever happened.
    await client.end();
  }
}
