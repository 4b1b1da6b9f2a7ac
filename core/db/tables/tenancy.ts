/** Tenants and the people in them. */
import { sql } from "drizzle-orm";
import { boolean, check, index, jsonb, pgTable, primaryKey, serial, text, uniqueIndex } from "drizzle-orm/pg-core";
import type { Id, TenantId } from "../../contract/ids.ts";
import { ROLES, type Role } from "../../domain/access.ts";
import type { Limits } from "../../domain/limits.ts";
import { at, createdAt, oneOf } from "./columns.ts";

/** What a tenant may use. A limit that is not named is the platform's: `core/domain/limits.ts`. */
export const plans = pgTable("plans", {
  name: text("name").primaryKey(),
  limits: jsonb("limits").$type<Partial<Limits>>().notNull().default({}),
  createdAt: createdAt(),
});

export const tenants = pgTable("tenants", {
  id: text("id").$type<TenantId>().primaryKey(),
  name: text("name").notNull().unique(),
  /** Ordinal of its id range on hosts: `core/domain/id-ranges.ts`. Never reused. */
  ordinal: serial("ordinal").notNull().unique(),
  /** Null: the platform's own limits. */
  plan: text("plan").references(() => plans.name),
  /** Exceptions of this tenant from its plan. */
  limits: jsonb("limits").$type<Partial<Limits>>().notNull().default({}),
  /** Variables that all of its apps get; an app's own go first. */
  env: jsonb("env").$type<Record<string, string>>().notNull().default({}),
  /** Set by an operator: reads work, writes do not, nothing runs. */
  suspendedAt: at("suspended_at"),
  createdAt: createdAt(),
});

/** People. They sign in with an identity of an OIDC provider, and belong to any number of tenants. */
export const users = pgTable("users", {
  id: text("id").$type<Id<"user">>().primaryKey(),
  /** Lower case. */
  email: text("email").notNull().unique(),
  name: text("name").notNull(),
  isOperator: boolean("is_operator").notNull().default(false),
  disabledAt: at("disabled_at"),
  createdAt: createdAt(),
});

export const identities = pgTable(
  "identities",
  {
    issuer: text("issuer").notNull(),
    subject: text("subject").notNull(),
    userId: text("user_id").$type<Id<"user">>().notNull().references(() => users.id, { onDelete: "cascade" }),
    createdAt: createdAt(),
  },
  (t) => [primaryKey({ columns: [t.issuer, t.subject] }), index("identities_user").on(t.userId)],
);

export const members = pgTable(
  "members",
  {
    tenantId: text("tenant_id").$type<TenantId>().notNull().references(() => tenants.id, { onDelete: "cascade" }),
    userId: text("user_id").$type<Id<"user">>().notNull().references(() => users.id, { onDelete: "cascade" }),
    role: text("role").$type<Role>().notNull(),
    createdAt: createdAt(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.userId] }), index("members_user").on(t.userId), check("members_role", oneOf("role", ROLES))],
);

export const invites = pgTable(
  "invites",
  {
    id: text("id").$type<Id<"invite">>().primaryKey(),
    tenantId: text("tenant_id").$type<TenantId>().notNull().references(() => tenants.id, { onDelete: "cascade" }),
    email: text("email").notNull(),
    role: text("role").$type<Role>().notNull(),
    /** SHA-256 of the secret in the invitation's link, hexadecimal. */
    hash: text("hash").notNull().unique(),
    invitedBy: text("invited_by").notNull(),
    createdAt: createdAt(),
    expiresAt: at("expires_at").notNull(),
    acceptedAt: at("accepted_at"),
  },
  (t) => [
    uniqueIndex("invites_open").on(t.tenantId, t.email).where(sql`${t.acceptedAt} is null`),
    check("invites_role", oneOf("role", ROLES)),
  ],
);
