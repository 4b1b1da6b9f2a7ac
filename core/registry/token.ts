/**
 * Tokens of the registry: short JWTs with the claims that Docker's clients know (`access`), signed with keys in the
 * database. Source: https://distribution.github.io/distribution/spec/auth/jwt/
 */
import { randomUUID } from "node:crypto";
import { desc, eq, isNull, sql } from "drizzle-orm";
import { exportJWK, generateKeyPair, importJWK, jwtVerify, SignJWT, type CryptoKey, type JWK } from "jose";
import { z } from "zod";
import type { Db } from "../db/client.ts";
import { signingKeys } from "../db/schema.ts";

export const REGISTRY_SERVICE = "berth-registry";
const ISSUER = "berth";
/** Pinned: a token that names another algorithm is refused. */
const ALGORITHM = "ES256";
export const TOKEN_TTL_MS = 5 * 60_000;

const ActionSchema = z.enum(["pull", "push", "delete"]);
export type RegistryAction = z.infer<typeof ActionSchema>;
const AccessSchema = z.object({
  type: z.literal("repository"),
  /** A repository, or `<first part>/*` for all below it. */
  name: z.string(),
  actions: z.array(ActionSchema),
});
export type RegistryAccess = z.infer<typeof AccessSchema>;

export interface RegistryClaims {
  /** Who: `token:tok_…`, `build`, `platform` or `anonymous`. */
  subject: string;
  access: RegistryAccess[];
}

/** Whether the claims allow the action on the repository. Pure. */
export function allows(claims: RegistryClaims, repository: string, action: RegistryAction): boolean {
  return claims.access.some(({ name, actions }) => actions.includes(action) && (name === repository || (name.endsWith("/*") && repository.startsWith(name.slice(0, -1)))));
}

export async function signRegistryToken(db: Db, claims: RegistryClaims, ttlMs = TOKEN_TTL_MS): Promise<string> {
  const { kid, key } = await signingKey(db);
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ access: claims.access })
    .setProtectedHeader({ alg: ALGORITHM, kid, typ: "JWT" })
    .setIssuer(ISSUER)
    .setAudience(REGISTRY_SERVICE)
    .setSubject(claims.subject)
    .setJti(randomUUID())
    .setIssuedAt(now)
    // Clocks of several API hosts differ a little.
    .setNotBefore(now - 5)
    .setExpirationTime(now + Math.ceil(ttlMs / 1000))
    .sign(key);
}

/** The claims of a valid token, undefined for any other text. */
export async function verifyRegistryToken(db: Db, token: string): Promise<RegistryClaims | undefined> {
  try {
    const { payload } = await jwtVerify(
      token,
      async (header) => (await keyById(db, header.kid ?? "")).key,
      { algorithms: [ALGORITHM], issuer: ISSUER, audience: REGISTRY_SERVICE, requiredClaims: ["sub", "exp"] },
    );
    const access = z.array(AccessSchema).safeParse(payload["access"]);
    return access.success ? { subject: payload.sub ?? "", access: access.data } : undefined;
  } catch (error) {
    if (error instanceof Error && "code" in error && String(error.code).startsWith("ERR_J")) return undefined;
    if (error instanceof UnknownKey) return undefined;
    throw error;
  }
}

/** For publishing the catalogue: all of one repository, whoever it belongs to. */
export function platformToken(db: Db, repository: string): Promise<string> {
  return signRegistryToken(db, { subject: "platform", access: [{ type: "repository", name: repository, actions: ["pull", "push", "delete"] }] });
}

/** For one build: reads the catalogue and its tenant's images, writes its own repository and its cache. */
export function buildToken(db: Db, access: { tenantName: string; repository: string }): Promise<string> {
  const own = (name: string) => ({ type: "repository" as const, name, actions: ["pull" as const, "push" as const] });
  return signRegistryToken(db, {
    subject: "build",
    access: [
      own(access.repository),
      own(`${access.repository}/cache`),
      { type: "repository", name: "library/*", actions: ["pull"] },
      { type: "repository", name: `${access.tenantName}/*`, actions: ["pull"] },
    ],
  });
}

class UnknownKey extends Error {}
interface Key {
  kid: string;
  key: CryptoKey | Uint8Array;
}
// One cache per database handle, so that two in one process (tests) do not share keys.
const caches = new WeakMap<Db, { byId: Map<string, Promise<Key>>; signing?: Promise<Key> }>();

function cacheOf(db: Db) {
  const known = caches.get(db) ?? { byId: new Map<string, Promise<Key>>() };
  caches.set(db, known);
  return known;
}

function signingKey(db: Db): Promise<Key> {
  const cache = cacheOf(db);
  cache.signing ??= newestKey(db).catch((error: unknown) => {
    delete cache.signing;
    throw error;
  });
  return cache.signing;
}

/** The newest key; the first caller of all makes one. */
async function newestKey(db: Db): Promise<Key> {
  const jwk = await db.transaction(async (tx) => {
    await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended('signing-keys', 0))`);
    const [found] = await tx.select().from(signingKeys).where(isNull(signingKeys.retiredAt)).orderBy(desc(signingKeys.createdAt)).limit(1);
    if (found) return { kid: found.kid, jwk: found.jwk };
    const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
    const made = { kid: randomUUID(), jwk: (await exportJWK(privateKey)) as Record<string, unknown> };
    await tx.insert(signingKeys).values(made);
    return made;
  });
  return { kid: jwk.kid, key: await importJWK(jwk.jwk as JWK, ALGORITHM) };
}

function keyById(db: Db, kid: string): Promise<Key> {
  const { byId } = cacheOf(db);
  const known = byId.get(kid) ?? publicKey(db, kid);
  byId.set(kid, known);
  // What is unknown now may be made later, and a broken connection says nothing about a key.
  known.catch(() => byId.delete(kid));
  return known;
}

const KID = /^[0-9a-f-]{36}$/;

async function publicKey(db: Db, kid: string): Promise<Key> {
  if (!KID.test(kid)) throw new UnknownKey(kid);
  const [row] = await db.select().from(signingKeys).where(eq(signingKeys.kid, kid));
  if (!row) throw new UnknownKey(kid);
  const { d: _private, ...jwk } = row.jwk as JWK;
  return { kid, key: await importJWK(jwk, ALGORITHM) };
}
