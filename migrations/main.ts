/** `node migrations/main.ts`: brings the database of BERTH_DATABASE_URL to the schema of these sources. */
import { z } from "zod";
import { migrateDatabase } from "../core/db/migrate.ts";
import { DatabaseEnv, readEnv } from "../core/env.ts";

try {
  await migrateDatabase(readEnv(z.object(DatabaseEnv), process.env).BERTH_DATABASE_URL);
} catch (error) {
  console.error(error instanceof Error ? `${error.message}${error.cause instanceof Error ? `: ${error.cause.message}` : ""}` : error);
  process.exitCode = 1;
}
