/** The audit log. */
import { index, jsonb, pgTable, text } from "drizzle-orm/pg-core";
import type { Id, TenantId } from "../../contract/ids.ts";
import { at } from "./columns.ts";

/** Who changed what, written in the transaction of the change. */
export const audit = pgTable(
  "audit",
  {
    id: text("id").$type<Id<"audit">>().primaryKey(),
    tenantId: text("tenant_id").$type<TenantId>(),
    /** `token:tok_…`, `user:usr_…`, `trust:tru_…`, `node:nod_…` or `system`. */
    actor: text("actor").notNull(),
    /** As people know it: the token's name, the person's address. */
    actorName: text("actor_name").notNull().default(""),
    /** Address of the client. */
    ip: text("ip"),
    requestId: text("request_id"),
    verb: text("verb").notNull(),
    target: text("target").notNull(),
    /** No secret values, ever. */
    detail: jsonb("detail").$type<Record<string, unknown>>().notNull().default({}),
    /** What it was and what it became, where something changed. No values of secrets and variables. */
    before: jsonb("before").$type<Record<string, unknown>>(),
    after: jsonb("after").$type<Record<string, unknown>>(),
    at: at("at").notNull().defaultNow(),
  },
  (t) => [index("audit_tenant").on(t.tenantId, t.id)],
);
