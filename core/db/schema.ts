/** The one truth. Tables of PostgreSQL, with drizzle-orm; `npm run migrations` writes the SQL into `migrations/`. */
export * from "./tables/access.ts";
export * from "./tables/apps.ts";
export * from "./tables/audit.ts";
export * from "./tables/events.ts";
export * from "./tables/fleet.ts";
export * from "./tables/jobs.ts";
export * from "./tables/registry.ts";
export * from "./tables/tenancy.ts";
export * from "./tables/usage.ts";
export * from "./tables/volumes.ts";
