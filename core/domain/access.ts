/**
 * Who may do what: roles of a tenant's members, scopes of tokens, and what both together allow. Pure.
 * A role is a set of scopes; a token has at most the scopes that it was made with and those of its owner's role.
 */

/** What a token may be allowed to do. `docs/tokens.md` says it for people. */
export const SCOPES = [
  /** See apps, builds, releases, instances, settings, names of variables and secrets. */
  "read",
  /** Upload, deploy images, roll back, cancel; push to the registry. */
  "deploy",
  /** Create, change and destroy apps, volumes, domains. */
  "apps",
  /** Read and write environment variables, write secrets. */
  "config",
  /** Read logs of builds and apps. */
  "logs",
  /** Enter running instances: exec, cp, port-forward. */
  "exec",
  /** Read what was used, and what it comes to. */
  "usage",
  /** Read the audit log. */
  "audit",
  /** Members, invitations, tokens of others, trust of pipelines, shared configuration of the tenant. */
  "admin",
] as const;
export type Scope = (typeof SCOPES)[number];

export const ROLES = ["owner", "developer", "viewer"] as const;
export type Role = (typeof ROLES)[number];

export const ROLE_SCOPES = {
  owner: SCOPES,
  developer: ["read", "deploy", "apps", "config", "logs", "exec", "usage"],
  viewer: ["read", "logs", "usage"],
} as const satisfies Record<Role, readonly Scope[]>;

/**
 * personal: acts for a person, never with more than the person's role; deploy: a tenant's machine (a pipeline), with
 * the scopes it was made with; operator: whoever runs the platform, belongs to no tenant.
 */
export const TOKEN_KINDS = ["personal", "deploy", "operator"] as const;
export type TokenKind = (typeof TOKEN_KINDS)[number];

/** What the holder may do now. `role` is null for tokens of machines. */
export function effectiveScopes(tokenScopes: readonly Scope[], role: Role | null): ReadonlySet<Scope> {
  if (role === null) return new Set(tokenScopes);
  const ofRole: readonly Scope[] = ROLE_SCOPES[role];
  return new Set(tokenScopes.filter((scope) => ofRole.includes(scope)));
}

/** The scopes that one may give to another: never more than one's own. */
export function missingScopes(wanted: readonly Scope[], own: ReadonlySet<Scope>): Scope[] {
  return wanted.filter((scope) => !own.has(scope));
}
