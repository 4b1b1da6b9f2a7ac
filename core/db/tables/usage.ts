/** What was used: counts of the last minutes, and the ledger that bills come from. */
import { sql } from "drizzle-orm";
import { index, numeric, pgTable, primaryKey, text } from "drizzle-orm/pg-core";
import type { AppId, TenantId } from "../../contract/ids.ts";
import { apps } from "./apps.ts";
import { at, bytes } from "./columns.ts";
import { tenants } from "./tenancy.ts";

/** Requests per app and minute, added up from the gateways. */
export const appCounts = pgTable(
  "app_counts",
  {
    appId: text("app_id").$type<AppId>().notNull().references(() => apps.id, { onDelete: "cascade" }),
    minute: at("minute").notNull(),
    requests: bytes("requests").notNull().default(0),
    responses2xx: bytes("responses_2xx").notNull().default(0),
    responses4xx: bytes("responses_4xx").notNull().default(0),
    responses5xx: bytes("responses_5xx").notNull().default(0),
    bytesIn: bytes("bytes_in").notNull().default(0),
    bytesOut: bytes("bytes_out").notNull().default(0),
  },
  (t) => [primaryKey({ columns: [t.appId, t.minute] })],
);

/** What an app used in an hour (UTC). It outlives the app: what was used is paid for. */
export const usage = pgTable(
  "usage",
  {
    tenantId: text("tenant_id").$type<TenantId>().notNull().references(() => tenants.id, { onDelete: "cascade" }),
    /** Empty: of repositories that no app has. */
    appId: text("app_id").$type<AppId | "">().notNull(),
    /** As it was named when it was last used. */
    appName: text("app_name").notNull(),
    hour: at("hour").notNull(),
    cpuMicros: bytes("cpu_micros").notNull().default(0),
    /** Byte-seconds pass 2^63 in a month of a large host. */
    memoryByteSeconds: numeric("memory_byte_seconds", { mode: "bigint" }).notNull().default(sql`0`),
    storageByteSeconds: numeric("storage_byte_seconds", { mode: "bigint" }).notNull().default(sql`0`),
    requests: bytes("requests").notNull().default(0),
    ingressBytes: bytes("ingress_bytes").notNull().default(0),
    egressBytes: bytes("egress_bytes").notNull().default(0),
    buildMillis: bytes("build_millis").notNull().default(0),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.hour, t.appId] }), index("usage_hour").on(t.hour), index("usage_app").on(t.appId, t.hour)],
);

/** How far what is added up by the clock has come: moved on in the transaction that adds. */
export const usagePasses = pgTable("usage_passes", {
  name: text("name").primaryKey(),
  at: at("at").notNull(),
});

/** Hours that the billing hook has been told, per tenant: each is sent until it was taken. */
export const usageExports = pgTable(
  "usage_exports",
  {
    tenantId: text("tenant_id").$type<TenantId>().notNull().references(() => tenants.id, { onDelete: "cascade" }),
    hour: at("hour").notNull(),
    sentAt: at("sent_at").notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.hour] })],
);
