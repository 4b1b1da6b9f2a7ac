/** Tenants, the people in them, and the tokens that they authenticate with. */
import { sql } from "drizzle-orm";
import { boolean, check, index, jsonb, pgTable, primaryKey, serial, text, uniqueIndex } from "drizzle-orm/pg-core";
import type { AppId, Id, TenantId } from "../../contract/ids.ts";
import { ROLES, TOKEN_KINDS, type Role, type Scope, type TokenKind } from "../../domain/access.ts";
import type { Limits } from "../../domain/limits.ts";
import { apps } from "./apps.ts";
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

export const tokens = pgTable(
  "tokens",
  {
    id: text("id").$type<Id<"token">>().primaryKey(),
    /** Null: of an operator. */
    tenantId: text("tenant_id").$type<TenantId>().references(() => tenants.id, { onDelete: "cascade" }),
    kind: text("kind").$type<TokenKind>().notNull().default("deploy"),
    /** Of a personal token: whose role bounds it. */
    userId: text("user_id").$type<Id<"user">>().references(() => users.id, { onDelete: "cascade" }),
    name: text("name").notNull(),
    scopes: jsonb("scopes").$type<Scope[]>().notNull(),
    /** Not null: it sees this app alone. */
    appId: text("app_id").$type<AppId>().references(() => apps.id, { onDelete: "cascade" }),
    /** SHA-256 of the token, hexadecimal: the token has 190 random bits, so a fast hash is enough. */
    hash: text("hash").notNull().unique(),
    /** The token that was made from it by a rotation. */
    replacedBy: text("replaced_by").$type<Id<"token">>(),
    createdBy: text("created_by").notNull().default("system"),
    createdAt: createdAt(),
    expiresAt: at("expires_at"),
    revokedAt: at("revoked_at"),
    lastUsedAt: at("last_used_at"),
  },
  (t) => [
    index("tokens_tenant").on(t.tenantId, t.id),
    index("tokens_user").on(t.userId),
    check("tokens_kind", oneOf("kind", TOKEN_KINDS)),
    check("tokens_tenant_or_operator", sql`(${t.kind} = 'operator') = (${t.tenantId} is null)`),
  ],
);

/** Whom a tenant's deploy tokens are given to: a pipeline whose OIDC token has this issuer, audience and these claims. */
export const trusts = pgTable(
  "trusts",
  {
    id: text("id").$type<Id<"trust">>().primaryKey(),
    tenantId: text("tenant_id").$type<TenantId>().notNull().references(() => tenants.id, { onDelete: "cascade" }),
    name: text("name").notNull(),
    issuer: text("issuer").notNull(),
    audience: text("audience").notNull(),
    /** Claim → value; `*` stands for any characters but none of `/` and `:`. */
    claims: jsonb("claims").$type<Record<string, string>>().notNull(),
    scopes: jsonb("scopes").$type<Scope[]>().notNull(),
    appId: text("app_id").$type<AppId>().references(() => apps.id, { onDelete: "cascade" }),
    createdAt: createdAt(),
  },
  (t) => [uniqueIndex("trusts_name").on(t.tenantId, t.name), index("trusts_issuer").on(t.issuer)],
);

/** Host names of tenants' own. One is served only after its TXT record proved whose it is. */
export const domains = pgTable(
  "domains",
  {
    id: text("id").$type<Id<"domain">>().primaryKey(),
    tenantId: text("tenant_id").$type<TenantId>().notNull().references(() => tenants.id, { onDelete: "cascade" }),
    appId: text("app_id").$type<AppId>().notNull().references(() => apps.id, { onDelete: "cascade" }),
    /** Lower case, without port. */
    host: text("host").notNull(),
    /** What the TXT record must hold; another one for each claim, so that an old record proves nothing. */
    challenge: text("challenge").notNull(),
    verifiedAt: at("verified_at"),
    checkedAt: at("checked_at"),
    /** What the last look found, for people. */
    problem: text("problem"),
    createdAt: createdAt(),
  },
  (t) => [
    uniqueIndex("domains_verified").on(t.host).where(sql`${t.verifiedAt} is not null`),
    uniqueIndex("domains_claim").on(t.tenantId, t.host),
    index("domains_app").on(t.appId),
  ],
);

/** Requests that were sent with an `Idempotency-Key`, and what was answered. */
export const idempotency = pgTable(
  "idempotency",
  {
    tenantId: text("tenant_id").$type<TenantId>().notNull().references(() => tenants.id, { onDelete: "cascade" }),
    key: text("key").notNull(),
    /** SHA-256 of method, path and body, hexadecimal; null while the body is still being read. */
    fingerprint: text("fingerprint"),
    /** Until then the first request is taken to be under way. */
    lockedUntil: at("locked_until").notNull(),
    /** Null until it was answered. */
    answer: jsonb("answer").$type<{ status: number; headers: Record<string, string>; body: string }>(),
    createdAt: createdAt(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.key] }), index("idempotency_age").on(t.createdAt)],
);

/** Keys that sign JWTs: of the registry, of nodes, of builds, of sessions. */
export const signingKeys = pgTable("signing_keys", {
  kid: text("kid").primaryKey(),
  /** JWK, private. */
  jwk: jsonb("jwk").$type<Record<string, unknown>>().notNull(),
  createdAt: createdAt(),
  retiredAt: at("retired_at"),
});
