/** Who may do what in the registry: the token endpoint, and the check of each request. */
import type { Context } from "hono";
import { LRUCache } from "lru-cache";
import { AppError } from "../../core/contract/errors.ts";
import { parseId } from "../../core/contract/ids.ts";
import { isTokenAlive, type TokenHolder } from "../../core/db/queries/tokens.ts";
import { allows, REGISTRY_SERVICE, signRegistryToken, TOKEN_TTL_MS, verifyRegistryToken, type RegistryAccess, type RegistryAction, type RegistryClaims } from "../../core/registry/token.ts";
import type { ApiEnv, Deps } from "../deps.ts";
import { authenticateFrom } from "../middleware/authenticate.ts";
import { readBody } from "./body.ts";
import { RegistryError } from "./errors.ts";

export type RegistryDeps = Pick<Deps, "db" | "blobs" | "config" | "log" | "clock" | "rateLimits">;

const ACTIONS = new Set<string>(["pull", "push", "delete"]);
const MAX_SCOPES = 32;
const MAX_FORM_BYTES = 65_536;
/** A registry token outlives the revocation of the Berth token it was given for by this much at most. */
const ALIVE_CACHE_MS = 1000;
/** To list repositories. */
export const CATALOG_SCOPE = "registry:catalog:*";

/**
 * `GET /v2/token` with Basic authentication (any user name, a Berth token as password), and the `POST` form of OAuth 2.
 * Without credentials it gives a token that may pull the catalogue. What is not granted is left out, as Docker's
 * clients expect. Source: https://distribution.github.io/distribution/spec/auth/token/
 */
export async function giveToken(deps: RegistryDeps, c: Context<ApiEnv>): Promise<Response> {
  const { method } = c.req;
  if (method !== "GET" && method !== "POST") throw new RegistryError("UNSUPPORTED", `${method} is not offered here`, { allow: "GET, POST" });
  const form = method === "POST" ? new URLSearchParams((await readBody(c, MAX_FORM_BYTES)).toString("utf8")) : undefined;
  if (form && form.get("grant_type") !== "password") throw new RegistryError("UNSUPPORTED", "only the grant type «password» is offered");
  const scopes = (form ? form.getAll("scope") : (c.req.queries("scope") ?? [])).flatMap((scope) => scope.split(" "));
  const password = form ? form.get("password") : basicPassword(c.req.header("authorization"));
  const holder = password ? await authenticate(deps, c, password, { "www-authenticate": 'Basic realm="berth"' }) : undefined;
  const access = scopes.filter(Boolean).slice(0, MAX_SCOPES).flatMap((scope) => grant(scope, holder));
  const token = await signRegistryToken(deps.db, { subject: holder ? `${HOLDER}${holder.tokenId}` : "anonymous", access });
  const headers = { "cache-control": "no-store" };
  return c.json({ token, access_token: token, expires_in: TOKEN_TTL_MS / 1000, issued_at: deps.clock().toISOString() }, 200, headers);
}

/** The caller's claims. A Berth token itself is taken too, as Basic or Bearer: for curl. @throws RegistryError UNAUTHORIZED */
export async function readClaims(deps: RegistryDeps, c: Context<ApiEnv>, scope: string | undefined): Promise<RegistryClaims> {
  const header = c.req.header("authorization");
  const bearer = /^Bearer\s+(\S+)$/i.exec(header ?? "")?.[1];
  if (bearer !== undefined && bearer.includes(".")) {
    const claims = await verifyRegistryToken(deps.db, bearer);
    if (claims && (await isAlive(deps, claims))) return claims;
    throw challenge(deps, scope, "invalid_token");
  }
  const secret = bearer ?? basicPassword(header);
  if (secret === undefined) throw challenge(deps, scope);
  const holder = await authenticate(deps, c, secret, challenge(deps, scope, "invalid_token").headers);
  const own = actionsOf(holder);
  const names = holder.appId === null ? [`${holder.tenantName}/*`] : [`${holder.tenantName}/${holder.appName}`, `${holder.tenantName}/${holder.appName}/*`];
  return {
    subject: `${HOLDER}${holder.tokenId}`,
    access: [
      ...(own.length === 0 ? [] : names.map((name) => ({ type: "repository" as const, name, actions: own }))),
      { type: "repository", name: "library/*", actions: ["pull"] },
    ],
  };
}

const HOLDER = "token:";
// One cache per database handle, so that two in one process (tests) do not share answers.
const caches = new WeakMap<Deps["db"], LRUCache<string, boolean>>();

/** Whether the Berth token that this one was given for still holds. */
async function isAlive(deps: RegistryDeps, claims: RegistryClaims): Promise<boolean> {
  if (!claims.subject.startsWith(HOLDER)) return true;
  const id = parseId("token", claims.subject.slice(HOLDER.length));
  if (!id) return false;
  const cache = caches.get(deps.db) ?? new LRUCache<string, boolean>({ max: 10_000, ttl: ALIVE_CACHE_MS });
  caches.set(deps.db, cache);
  const alive = cache.get(id) ?? (await isTokenAlive(deps.db, id, deps.clock()));
  if (!cache.has(id)) cache.set(id, alive);
  return alive;
}

/** @throws RegistryError UNAUTHORIZED, which tells a client to ask for a token with this scope */
export function demand(deps: RegistryDeps, claims: RegistryClaims, repository: string, action: RegistryAction): void {
  if (!allows(claims, repository, action)) throw challenge(deps, `repository:${repository}:${action === "push" ? "pull,push" : action}`, "insufficient_scope");
}

export function challenge(deps: RegistryDeps, scope?: string, error?: string): RegistryError {
  const parts = [`realm="${new URL("/v2/token", deps.config.publicUrl).href}"`, `service="${REGISTRY_SERVICE}"`];
  if (scope !== undefined) parts.push(`scope="${scope}"`);
  if (error !== undefined) parts.push(`error="${error}"`);
  return new RegistryError("UNAUTHORIZED", "authentication required", { "www-authenticate": `Bearer ${parts.join(",")}` });
}

type Reach = Pick<TokenHolder, "tenantName" | "scopes" | "appId" | "appName" | "isSuspended">;

/** What the holder may do with repositories of its own. Pure. */
function actionsOf({ scopes, isSuspended }: Reach): RegistryAction[] {
  const actions: RegistryAction[] = scopes.has("read") || scopes.has("deploy") ? ["pull"] : [];
  return scopes.has("deploy") && !isSuspended ? [...actions, "push", "delete"] : actions;
}

/** Whether the repository is the holder's: its tenant's, or its app's alone. */
function isOwn({ tenantName, appId, appName }: Reach, repository: string): boolean {
  if (appId === null) return repository.startsWith(`${tenantName}/`);
  return repository === `${tenantName}/${appName}` || repository.startsWith(`${tenantName}/${appName}/`);
}

/** What of `repository:<name>:<actions>` the holder gets: within its tenant what its scopes say, reading of the catalogue. Pure. */
export function grant(scope: string, holder: Reach | undefined): RegistryAccess[] {
  if (scope === CATALOG_SCOPE) {
    const own = holder === undefined || !actionsOf(holder).includes("pull") ? [] : [holder.appId === null ? `${holder.tenantName}/*` : `${holder.tenantName}/${holder.appName}`];
    return [...own, "library/*"].map((name) => ({ type: "repository", name, actions: ["pull"] }));
  }
  const [, name, wanted] = /^repository:([^:]+):([a-z,*]+)$/.exec(scope) ?? [];
  if (name === undefined || wanted === undefined) return [];
  const granted = holder !== undefined && isOwn(holder, name) ? actionsOf(holder) : name.startsWith("library/") ? ["pull"] : [];
  const asked = wanted === "*" ? [...ACTIONS] : wanted.split(",");
  const actions = granted.filter((action) => asked.includes(action)) as RegistryAction[];
  return actions.length === 0 ? [] : [{ type: "repository", name, actions }];
}

async function authenticate(deps: RegistryDeps, c: Context<ApiEnv>, token: string, headers: Record<string, string>): Promise<TokenHolder> {
  try {
    return await authenticateFrom(deps, token, c.get("clientIp"));
  } catch (error) {
    if (error instanceof AppError && error.status === 401) throw new RegistryError("UNAUTHORIZED", error.message, headers);
    if (error instanceof AppError && error.code === "rate_limited") throw new RegistryError("TOOMANYREQUESTS", error.message, error.headers);
    throw error;
  }
}

function basicPassword(header: string | undefined): string | undefined {
  const encoded = /^Basic\s+(\S+)$/i.exec(header ?? "")?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  return colon < 0 ? undefined : text.slice(colon + 1);
}
