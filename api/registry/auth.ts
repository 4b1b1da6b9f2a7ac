/** Who may do what in the registry: the token endpoint, and the check of each request. */
import type { Context } from "hono";
import { AppError } from "../../core/contract/errors.ts";
import { authenticateToken, type TokenHolder } from "../../core/db/queries/tokens.ts";
import { allows, REGISTRY_SERVICE, signRegistryToken, TOKEN_TTL_MS, verifyRegistryToken, type RegistryAccess, type RegistryAction, type RegistryClaims } from "../../core/registry/token.ts";
import type { ApiEnv, Deps } from "../deps.ts";
import { RegistryError } from "./errors.ts";

export type RegistryDeps = Pick<Deps, "db" | "blobs" | "config" | "log" | "clock">;

const ACTIONS = new Set<string>(["pull", "push", "delete"]);
const MAX_SCOPES = 32;

/**
 * `GET /v2/token` with Basic authentication (any user name, a Berth token as password), and the `POST` form of OAuth 2.
 * Without credentials it gives a token that may pull the catalogue. What is not granted is left out, as Docker's
 * clients expect. Source: https://distribution.github.io/distribution/spec/auth/token/
 */
export async function giveToken(deps: RegistryDeps, c: Context<ApiEnv>): Promise<Response> {
  const form = c.req.method === "POST" ? await c.req.parseBody() : undefined;
  const scopes = form ? String(form["scope"] ?? "").split(" ") : (c.req.queries("scope") ?? []).flatMap((scope) => scope.split(" "));
  const password = form ? form["password"] : basicPassword(c.req.header("authorization"));
  if (form && form["grant_type"] !== "password") throw new RegistryError("UNSUPPORTED", "only the grant type «password» is offered");
  const holder = typeof password === "string" && password !== "" ? await authenticate(deps, password) : undefined;
  const access = scopes.filter(Boolean).slice(0, MAX_SCOPES).flatMap((scope) => grant(scope, holder));
  const token = await signRegistryToken(deps.db, { subject: holder ? `token:${holder.tokenId}` : "anonymous", access });
  return c.json({ token, access_token: token, expires_in: TOKEN_TTL_MS / 1000, issued_at: deps.clock().toISOString() });
}

/** The caller's claims. A Berth token itself is taken too, as Basic or Bearer: for curl. @throws RegistryError UNAUTHORIZED */
export async function readClaims(deps: RegistryDeps, c: Context<ApiEnv>, scope: string | undefined): Promise<RegistryClaims> {
  const header = c.req.header("authorization");
  const bearer = /^Bearer\s+(\S+)$/i.exec(header ?? "")?.[1];
  if (bearer !== undefined && bearer.includes(".")) {
    const claims = await verifyRegistryToken(deps.db, bearer);
    if (claims) return claims;
    throw challenge(deps, scope, "invalid_token");
  }
  const secret = bearer ?? basicPassword(header);
  if (secret === undefined) throw challenge(deps, scope);
  const holder = await authenticate(deps, secret);
  return {
    subject: `token:${holder.tokenId}`,
    access: [
      { type: "repository", name: `${holder.tenantName}/*`, actions: ["pull", "push", "delete"] },
      { type: "repository", name: "library/*", actions: ["pull"] },
    ],
  };
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

/** What of `repository:<name>:<actions>` the holder gets: all within its tenant, reading of the catalogue. */
function grant(scope: string, holder: TokenHolder | undefined): RegistryAccess[] {
  const [, name, wanted] = /^repository:([^:]+):([a-z,*]+)$/.exec(scope) ?? [];
  if (name === undefined || wanted === undefined) return [];
  const own = holder !== undefined && name.startsWith(`${holder.tenantName}/`);
  const granted = own ? ["pull", "push", "delete"] : name.startsWith("library/") ? ["pull"] : [];
  const asked = wanted === "*" ? [...ACTIONS] : wanted.split(",");
  const actions = granted.filter((action) => asked.includes(action)) as RegistryAction[];
  return actions.length === 0 ? [] : [{ type: "repository", name, actions }];
}

async function authenticate(deps: RegistryDeps, token: string): Promise<TokenHolder> {
  try {
    return await authenticateToken(deps.db, token, deps.clock());
  } catch (error) {
    if (error instanceof AppError && error.status === 401) throw new RegistryError("UNAUTHORIZED", error.message);
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
