/** What opens doors: tokens, trust of pipelines, signing keys; and what a tenant claims: domains, idempotency keys. */
import { sql } from "drizzle-orm";
import { check, index, jsonb, pgTable, primaryKey, text, uniqueIndex } from "drizzle-orm/pg-core";
import type { AppId, Id, TenantId } from "../../contract/ids.ts";
import { TOKEN_KINDS, type Scope, type TokenKind } from "../../domain/access.ts";
import { apps } from "./apps.ts";
import { at, bytea, createdAt, oneOf } from "./columns.ts";
import { tenants, users } from "./tenancy.ts";

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
    /** When the workers look next; null: it is proved, or looked at only when somebody asks. */
    nextLookAt: at("next_look_at").defaultNow(),
    /** What the last look found, for people. */
    problem: text("problem"),
    createdAt: createdAt(),
  },
  (t) => [
    uniqueIndex("domains_verified").on(t.host).where(sql`${t.verifiedAt} is not null`),
    uniqueIndex("domains_claim").on(t.tenantId, t.host),
    index("domains_app").on(t.appId),
    index("domains_look").on(t.nextLookAt).where(sql`${t.nextLookAt} is not null`),
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
    /** The request that has it: whatever another one writes does not count. */
    holder: text("holder").notNull(),
    /** Until then the first request is taken to be under way. */
    lockedUntil: at("locked_until").notNull(),
    /** Null until it was answered. */
    answer: jsonb("answer").$type<{ status: number; headers: Record<string, string>; body: string }>(),
    createdAt: createdAt(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.key] }), index("idempotency_age").on(t.createdAt)],
);

/** Keys that sign JWTs: of the registry, of builds, of sessions. */
export const signingKeys = pgTable("signing_keys", {
  kid: text("kid").primaryKey(),
  /** JWK, public. */
  publicJwk: jsonb("public_jwk").$type<Record<string, unknown>>().notNull(),
  /** JWK, private, sealed with the master key `sealedWith`; JSON in clear where there are no master keys. */
  privateJwk: bytea("private_jwk").notNull(),
  sealedWith: text("sealed_with"),
  createdAt: createdAt(),
  /** It signs no more; what it signed holds until that ends by itself. */
  retiredAt: at("retired_at"),
});

/** Sign-ins of people in browsers. What proves one is a short JWT; what renews that is the secret of which this has the hash. */
export const sessions = pgTable(
  "sessions",
  {
    id: text("id").$type<Id<"session">>().primaryKey(),
    userId: text("user_id").$type<Id<"user">>().notNull().references(() => users.id, { onDelete: "cascade" }),
    /** The tenant that it looks at; null before one was chosen. */
    tenantId: text("tenant_id").$type<TenantId>().references(() => tenants.id, { onDelete: "set null" }),
    /** SHA-256, hexadecimal. */
    hash: text("hash").notNull().unique(),
    /** What its requests must send along, to show that our own pages made them. */
    csrf: text("csrf").notNull(),
    ip: text("ip"),
    createdAt: createdAt(),
    expiresAt: at("expires_at").notNull(),
    endedAt: at("ended_at"),
  },
  (t) => [index("sessions_user").on(t.userId)],
);

/** Sign-ins that are under way: begun here, answered by the OIDC provider. */
export const logins = pgTable("logins", {
  id: text("id").$type<Id<"login">>().primaryKey(),
  /** SHA-256 of `state`, and of the cookie of the browser that began. Hexadecimal, as all below. */
  stateHash: text("state_hash").notNull().unique(),
  browserHash: text("browser_hash").notNull(),
  nonce: text("nonce").notNull(),
  /** Of PKCE, towards the provider. */
  verifier: text("verifier").notNull(),
  returnTo: text("return_to").notNull(),
  /** Of an invitation that is to be accepted. */
  inviteHash: text("invite_hash"),
  /** Of the CLI: where its code goes, and the challenge of its own PKCE. */
  cli: jsonb("cli").$type<{ redirect: string; state: string; challenge: string }>(),
  /** The CLI's code, once somebody has signed in. */
  codeHash: text("code_hash").unique(),
  userId: text("user_id").$type<Id<"user">>().references(() => users.id, { onDelete: "cascade" }),
  createdAt: createdAt(),
  expiresAt: at("expires_at").notNull(),
  /** Its answer came; a second one is refused. */
  answeredAt: at("answered_at"),
});
