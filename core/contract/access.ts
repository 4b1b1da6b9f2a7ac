/** Tenants, members, tokens and trusts on the wire. Secrets are shown once, in the answer that makes them. */
import { z } from "zod";
import { ROLES, SCOPES, TOKEN_KINDS } from "../domain/access.ts";
import { LimitsSchema, type Limits } from "../domain/limits.ts";
import { isSafePattern, CLAIM_MAX_CHARS } from "../domain/trust.ts";
import { idSchema } from "./ids.ts";
import { TenantNameSchema } from "./names.ts";
import { orNull } from "./or-null.ts";

const time = z.iso.datetime();
const printable = (what: string, max: number) => z.string().trim().min(1, `${what} must not be empty`).max(max).regex(/^[^\p{Cc}]*$/u, `${what} has no control characters`);

export const ScopeSchema = z.enum(SCOPES);
const ScopesSchema = z.array(ScopeSchema).min(1).max(SCOPES.length);
export const RoleSchema = z.enum(ROLES);
export const EmailSchema = z.email().max(254).toLowerCase();

const DAY_SECONDS = 86_400;
const YEAR_SECONDS = 366 * DAY_SECONDS;

// Tokens

export const TokenSchema = z.object({
  id: idSchema("token"),
  name: z.string(),
  kind: z.enum(TOKEN_KINDS),
  scopes: z.array(ScopeSchema),
  /** Name of the app that it is bound to; null: all of the tenant. */
  app: z.string().nullable(),
  /** Address of the person that it acts for. */
  user: z.string().nullable(),
  createdBy: z.string(),
  createdAt: time,
  expiresAt: time.nullable(),
  lastUsedAt: time.nullable(),
  revokedAt: time.nullable(),
  /** The token that was made from it by a rotation. */
  replacedBy: idSchema("token").nullable(),
}).meta({ id: "Token" });
export type Token = z.infer<typeof TokenSchema>;

/** With the token itself: shown this once. */
export const NewTokenSchema = TokenSchema.extend({ token: z.string() }).meta({ id: "NewToken" });
export type NewToken = z.infer<typeof NewTokenSchema>;

const expiresInSeconds = z.number().int().min(60).max(10 * YEAR_SECONDS);

export const TokenCreateSchema = z
  .object({
    name: printable("a token's name", 100),
    /** personal: for yourself, with your role at most; deploy: for a machine of the tenant, needs the scope `admin`. */
    kind: z.enum(["personal", "deploy"]).default("deploy"),
    scopes: ScopesSchema,
    /** Name or id of the one app that it sees. */
    app: z.string().min(1).max(64).optional(),
    /** Without it the token does not expire. */
    expiresInSeconds: expiresInSeconds.optional(),
  })
  .strict().meta({ id: "TokenCreate" });
export type TokenCreate = z.infer<typeof TokenCreateSchema>;

export const TokenRotateSchema = z
  .object({
    /** How long the old token stays valid. */
    overlapSeconds: z.number().int().min(0).max(30 * DAY_SECONDS).default(DAY_SECONDS),
    /** Of the new token; without it as long as the old one was given. */
    expiresInSeconds: expiresInSeconds.optional(),
  })
  .strict().meta({ id: "TokenRotate" });
export type TokenRotate = z.infer<typeof TokenRotateSchema>;

// Members

export const MemberSchema = z.object({ userId: idSchema("user"), email: z.string(), name: z.string(), role: RoleSchema, since: time }).meta({ id: "Member" });
export type Member = z.infer<typeof MemberSchema>;
export const RolePutSchema = z.object({ role: RoleSchema }).strict().meta({ id: "RolePut" });

export const InviteSchema = z.object({
  id: idSchema("invite"),
  email: z.string(),
  role: RoleSchema,
  invitedBy: z.string(),
  createdAt: time,
  expiresAt: time,
}).meta({ id: "Invite" });
export type Invite = z.infer<typeof InviteSchema>;
/** With the link to send to the person: shown this once. */
export const NewInviteSchema = InviteSchema.extend({ link: z.url(), secret: z.string() }).meta({ id: "NewInvite" });
export type NewInvite = z.infer<typeof NewInviteSchema>;
export const InviteCreateSchema = z
  .object({ email: EmailSchema, role: RoleSchema, expiresInSeconds: z.number().int().min(60).max(30 * DAY_SECONDS).default(7 * DAY_SECONDS) })
  .strict().meta({ id: "InviteCreate" });
export type InviteCreate = z.infer<typeof InviteCreateSchema>;

// Trusts

const pattern = z.string().min(1).max(CLAIM_MAX_CHARS);
export const TrustSchema = z.object({
  id: idSchema("trust"),
  name: z.string(),
  issuer: z.string(),
  audience: z.string(),
  claims: z.record(z.string(), z.string()),
  scopes: z.array(ScopeSchema),
  app: z.string().nullable(),
  createdAt: time,
}).meta({ id: "Trust" });
export type Trust = z.infer<typeof TrustSchema>;
export const TrustCreateSchema = z
  .object({
    name: printable("a trust's name", 100),
    /** `iss` of the pipelines' tokens, letter by letter. */
    issuer: z.url({ protocol: /^https?$/ }).max(500).refine((text) => !/[?#]/.test(text), "an issuer has no query and no fragment"),
    audience: z.string().min(1).max(500),
    /** Claim → value; `*` stands for any characters but `/` and `:`. All must hold. */
    claims: z
      .record(z.string().min(1).max(100), pattern)
      .refine((claims) => Object.keys(claims).length <= 20, "at most 20 claims")
      .refine((claims) => Object.values(claims).some(isSafePattern), "at least one claim must have a value that is more than «*»"),
    scopes: ScopesSchema,
    app: z.string().min(1).max(64).optional(),
  })
  .strict().meta({ id: "TrustCreate" });
export type TrustCreate = z.infer<typeof TrustCreateSchema>;

/** RFC 8693, as a form or as JSON. */
export const TokenExchangeSchema = z
  .object({
    grant_type: z.literal("urn:ietf:params:oauth:grant-type:token-exchange"),
    subject_token: z.string().min(1).max(16_384),
    subject_token_type: z.enum(["urn:ietf:params:oauth:token-type:id_token", "urn:ietf:params:oauth:token-type:jwt"]),
    requested_token_type: z.literal("urn:ietf:params:oauth:token-type:access_token").optional(),
    /** The tenant's name. */
    audience: z.string().min(1).max(64),
    /** Scopes, parted by spaces; all of the trust's without it. */
    scope: z.string().max(200).optional(),
  })
  .strict()
  .meta({ id: "TokenExchange" });
export type TokenExchange = z.infer<typeof TokenExchangeSchema>;
export const ExchangedTokenSchema = z.object({
  access_token: z.string(),
  issued_token_type: z.literal("urn:ietf:params:oauth:token-type:access_token"),
  token_type: z.literal("Bearer"),
  expires_in: z.number().int(),
  scope: z.string(),
}).meta({ id: "ExchangedToken" });
export type ExchangedToken = z.infer<typeof ExchangedTokenSchema>;

// Operators

/** Of the limits those that are named: what is left out is not filled with the platform's. */
const PartLimitsSchema = z.object(Object.fromEntries(Object.entries(LimitsSchema.shape).map(([name, schema]) => [name, schema.unwrap().optional()]))).strict() as unknown as z.ZodType<Partial<Limits>, Partial<Limits>>;

export const TenantSchema = z.object({
  id: idSchema("tenant"),
  name: z.string(),
  plan: z.string().nullable(),
  /** Exceptions from its plan. */
  limits: PartLimitsSchema,
  suspendedAt: time.nullable(),
  members: z.number().int(),
  apps: z.number().int(),
  createdAt: time,
}).meta({ id: "Tenant" });
export type Tenant = z.infer<typeof TenantSchema>;

const PlanNameSchema = z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/, "a plan's name has lower-case letters, digits and hyphens, 40 at most");
export const TenantCreateSchema = z.object({ name: TenantNameSchema, plan: PlanNameSchema.optional() }).strict().meta({ id: "TenantCreate" });
export const TenantPlanPutSchema = z.object({ /** Null: the platform's own limits. */ plan: PlanNameSchema.nullable(), /** Exceptions from the plan, all of them. */ limits: PartLimitsSchema }).strict().meta({ id: "TenantPlanPut" });
export type TenantPlanPut = z.infer<typeof TenantPlanPutSchema>;
export const PlanSchema = z.object({ name: z.string(), limits: PartLimitsSchema, tenants: z.number().int(), createdAt: time }).meta({ id: "Plan" });
export type Plan = z.infer<typeof PlanSchema>;
export const PlanParamSchema = z.object({ plan: PlanNameSchema });
export const PlanPutSchema = z.object({ /** All that differ from the platform's. */ limits: PartLimitsSchema }).strict().meta({ id: "PlanPut" });
export const OperatorTokenCreateSchema = z.object({ name: printable("a token's name", 100), expiresInSeconds: expiresInSeconds.optional() }).strict().meta({ id: "OperatorTokenCreate" });
/** A tenant's first token, for platforms where people do not sign in. */
export const TenantTokenCreateSchema = TokenCreateSchema.omit({ kind: true, app: true }).strict().meta({ id: "TenantTokenCreate" });
export const KeyRotateSchema = z.object({ /** Whatever the old keys signed ends at once: when one has leaked. */ revoke: z.boolean().default(false) }).strict().meta({ id: "KeyRotate" });
export const KeyRotationSchema = z.object({ kid: z.string(), /** Keys that sign no more. */ retired: z.number().int() }).meta({ id: "KeyRotation" });

// Sessions

export const SessionSchema = z.object({
  user: z.object({ id: idSchema("user"), email: z.string(), name: z.string() }),
  /** Null before one was chosen: `PUT /v1/session`. */
  tenant: z.string().nullable(),
  tenants: z.array(z.object({ name: z.string(), role: RoleSchema })),
  /** To be sent as `X-CSRF-Token` with every request that changes something. */
  csrfToken: z.string(),
  /** One may make a tenant of one's own. */
  canCreateTenant: z.boolean(),
  /** Before then: `POST /v1/session/refresh`. */
  renewBefore: time,
  expiresAt: time,
}).meta({ id: "Session" });
export type Session = z.infer<typeof SessionSchema>;
export const SessionPutSchema = z.object({ tenant: z.string().min(1).max(64) }).strict().meta({ id: "SessionPut" });
export const OwnTenantSchema = z.object({ name: z.string().max(64) }).strict().meta({ id: "OwnTenant" });
export const InviteAcceptSchema = z.object({ secret: z.string().min(1).max(200) }).strict().meta({ id: "InviteAccept" });

/** What `berth login --web` sends with the code that its browser brought. */
export const CliLoginSchema = z
  .object({
    code: z.string().min(1).max(200),
    verifier: z.string().min(43).max(128),
    /** Needed where one is a member of several. */
    tenant: z.string().min(1).max(64).optional(),
    /** Make the tenant: where that is allowed. */
    create: z.boolean().default(false),
    tokenName: printable("a token's name", 100),
    expiresInSeconds: expiresInSeconds.default(90 * DAY_SECONDS),
  })
  .strict().meta({ id: "CliLogin" });
export type CliLogin = z.infer<typeof CliLoginSchema>;
export const CliLoginAnswerSchema = z.object({
  email: z.string(),
  tenants: z.array(z.object({ name: z.string(), role: RoleSchema })),
  /** Null: choose one of `tenants` and ask again with the same code. */
  token: orNull(NewTokenSchema),
  canCreateTenant: z.boolean(),
}).meta({ id: "CliLoginAnswer" });
export type CliLoginAnswer = z.infer<typeof CliLoginAnswerSchema>;
