/** What happened to apps' instances, and why: kept for some days. No foreign keys: who writes here waits for nobody. */
import { bigint, index, jsonb, pgTable, text } from "drizzle-orm/pg-core";
import type { AppId, InstanceId, TenantId } from "../../contract/ids.ts";
import type { EventKind } from "../../domain/events.ts";
import { at } from "./columns.ts";

export const appEvents = pgTable(
  "app_events",
  {
    id: bigint("id", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
    tenantId: text("tenant_id").$type<TenantId>().notNull(),
    appId: text("app_id").$type<AppId>().notNull(),
    instanceId: text("instance_id").$type<InstanceId>(),
    kind: text("kind").$type<EventKind>().notNull(),
    /** A word of `core/domain/events.ts`, or an error's code. */
    cause: text("cause"),
    detail: jsonb("detail").$type<Record<string, string | number>>().notNull().default({}),
    at: at("at").notNull(),
  },
  (t) => [index("app_events_app").on(t.appId, t.id), index("app_events_at").on(t.at)],
);
