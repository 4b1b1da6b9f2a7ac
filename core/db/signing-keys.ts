/**
 * Keys that sign Berth's JWTs (ES256): made, sealed, rotated. A new one is published before it signs, an old one stays
 * until all that it signed has ended. The private part is sealed with the master keys of secrets, where there are any.
 */
import { randomUUID } from "node:crypto";
import { and, desc, eq, gt, inArray, isNull, lt, ne, or, sql } from "drizzle-orm";
import { exportJWK, generateKeyPair, importJWK, jwtVerify, SignJWT, type CryptoKey, type JWK, type JWTPayload } from "jose";
import { LRUCache } from "lru-cache";
import type { Id, TenantId } from "../contract/ids.ts";
import type { SecretBinding } from "../secrets/envelope.ts";
import type { Secrets } from "../secrets/secrets.ts";
import type { Db, Tx } from "./client.ts";
import { signingKeys } from "./schema.ts";

const ISSUER = "berth";
/** Pinned: a token that names another algorithm is refused. */
const ALGORITHM = "ES256";
const ROTATE_AFTER_MS = 30 * 86_400_000;
/** Whoever keeps the published keys for a while must have met a key before it signs. */
export const PUBLISHED_BEFORE_MS = 10 * 60_000;
/** Longer than any of our JWTs lives. */
export const KEEP_RETIRED_MS = 3_600_000;
/** How long another process may go on with a key that was revoked. */
const CACHE_MS = 5000;
const FIRST_TOLERANCE_SECONDS = 5;

type Row = typeof signingKeys.$inferSelect;
interface Key {
  kid: string;
  key: CryptoKey | Uint8Array;
}
interface Caches {
  verifying: LRUCache<string, Promise<Key>>;
  /** Private keys that were opened, for the life of the process: a key service that is away must not end the registry. */
  opened: Map<string, Promise<Key>>;
  signing?: { at: number; key: Promise<Key> };
  secrets?: Secrets;
}
class UnknownKey extends Error {}

// One of each per database handle, so that two in one process (tests) do not share keys.
const caches = new WeakMap<Db, Caches>();

function cachesOf(db: Db): Caches {
  const known = caches.get(db) ?? { verifying: new LRUCache({ max: 100, ttl: CACHE_MS }), opened: new Map() };
  caches.set(db, known);
  return known;
}

/** From now on, private keys are sealed with these master keys. Once, where the process begins. */
export function sealSigningKeys(db: Db, secrets: Secrets): void {
  if (secrets.hasKeys) cachesOf(db).secrets = secrets;
}

export interface JwtKind {
  audience: string;
  /** `typ` of the header: what is made for one use is not taken for another. */
  typ: string;
}

export async function signJwt(db: Db, { audience, typ }: JwtKind, payload: JWTPayload & { sub: string }, now: Date, ttlMs: number): Promise<string> {
  const { kid, key } = await signingKey(db, now);
  const seconds = Math.floor(now.getTime() / 1000);
  return new SignJWT(payload)
    .setProtectedHeader({ alg: ALGORITHM, kid, typ })
    .setIssuer(ISSUER)
    .setAudience(audience)
    .setJti(randomUUID())
    .setIssuedAt(seconds)
    // Clocks of several API hosts differ a little.
    .setNotBefore(seconds - FIRST_TOLERANCE_SECONDS)
    .setExpirationTime(seconds + Math.ceil(ttlMs / 1000))
    .sign(key);
}

/** The claims of a valid token of this kind; `expired` for one that was, undefined for any other text. */
export async function verifyJwt(db: Db, { audience, typ }: JwtKind, token: string, now: Date): Promise<JWTPayload | "expired" | undefined> {
  try {
    const { payload } = await jwtVerify(token, async ({ kid }) => (await verifyingKey(db, kid ?? "", now)).key, {
      algorithms: [ALGORITHM],
      issuer: ISSUER,
      audience,
      typ,
      requiredClaims: ["sub", "iat", "nbf", "exp"],
      currentDate: now,
    });
    return payload;
  } catch (error) {
    if (error instanceof UnknownKey) return undefined;
    if (!(error instanceof Error) || !("code" in error) || !String(error.code).startsWith("ERR_J")) throw error;
    return error.code === "ERR_JWT_EXPIRED" ? "expired" : undefined;
  }
}

/** The keys that verify, as JSON Web Key Set (RFC 7517). */
export async function publishedKeys(db: Db, now: Date): Promise<{ keys: JWK[] }> {
  const rows = await db.select().from(signingKeys).where(verifies(now)).orderBy(desc(signingKeys.createdAt));
  return { keys: rows.map(({ kid, publicJwk }) => ({ ...(publicJwk as JWK), kid, alg: ALGORITHM, use: "sig" })) };
}

/** A new key, now. `revoke`: the others verify no more, and it signs at once. */
export async function rotateKeys(db: Db, tx: Tx, revoke: boolean): Promise<{ kid: string; retired: number }> {
  await lock(tx);
  const kid = await insertKey(cachesOf(db), tx);
  if (!revoke) return { kid, retired: 0 };
  const gone = await tx.delete(signingKeys).where(ne(signingKeys.kid, kid)).returning({ kid: signingKeys.kid });
  return { kid, retired: gone.length };
}

/** After a rotation: this process looks again. */
export function forgetKeys(db: Db): void {
  const known = cachesOf(db);
  known.verifying.clear();
  delete known.signing;
}

export async function removeOldSigningKeys(db: Db, now: Date): Promise<void> {
  await db.delete(signingKeys).where(lt(signingKeys.retiredAt, new Date(now.getTime() - 2 * KEEP_RETIRED_MS)));
}

const verifies = (now: Date) => or(isNull(signingKeys.retiredAt), gt(signingKeys.retiredAt, new Date(now.getTime() - KEEP_RETIRED_MS)));

async function lock(tx: Tx): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended('signing-keys', 0))`);
}

function signingKey(db: Db, now: Date): Promise<Key> {
  const known = cachesOf(db);
  if (known.signing !== undefined && Math.abs(now.getTime() - known.signing.at) < CACHE_MS) return known.signing.key;
  const key = chooseKey(db, now);
  known.signing = { at: now.getTime(), key };
  key.catch(() => delete known.signing);
  return key;
}

/** The newest that was published long enough, else the oldest; the first caller of all makes one. */
async function chooseKey(db: Db, now: Date): Promise<Key> {
  const known = cachesOf(db);
  // One that others cannot read is due where there are master keys now.
  const isDue = ([newest]: readonly Opened[]) =>
    newest === undefined || newest.row.createdAt.getTime() < now.getTime() - ROTATE_AFTER_MS || (newest.row.sealedWith === null && known.secrets !== undefined);
  let usable = await openAll(known, await readLive(db));
  if (isDue(usable)) {
    usable = await db.transaction(async (tx) => {
      await lock(tx);
      if (isDue(await openAll(known, await readLive(tx)))) await insertKey(known, tx);
      return openAll(known, await readLive(tx));
    });
  }
  const published = now.getTime() - PUBLISHED_BEFORE_MS;
  const chosen = usable.find(({ row }) => row.createdAt.getTime() <= published) ?? usable.at(-1);
  if (chosen === undefined) throw new Error("a signing key was made, and cannot be opened");
  const older = usable.filter(({ row }) => row.createdAt < chosen.row.createdAt).map(({ row }) => row.kid);
  if (older.length > 0) await db.update(signingKeys).set({ retiredAt: now }).where(and(inArray(signingKeys.kid, older), isNull(signingKeys.retiredAt)));
  return chosen.key;
}

/** Newest first. */
function readLive(db: Db | Tx): Promise<Row[]> {
  return db.select().from(signingKeys).where(isNull(signingKeys.retiredAt)).orderBy(desc(signingKeys.createdAt), desc(signingKeys.kid));
}

async function insertKey({ secrets }: Caches, tx: Tx): Promise<string> {
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  const jwk = await exportJWK(privateKey);
  const { d: _private, ...publicJwk } = jwk;
  const kid = randomUUID();
  const text = Buffer.from(JSON.stringify(jwk));
  const { sealed, keyId } = secrets === undefined ? { sealed: text, keyId: null } : await secrets.seal(text, bindingOf(kid));
  await tx.insert(signingKeys).values({ kid, publicJwk: publicJwk as Record<string, unknown>, privateJwk: sealed, sealedWith: keyId });
  return kid;
}

interface Opened {
  row: Row;
  key: Key;
}

/** Those that this process can sign with: another one may have other master keys. */
async function openAll(known: Caches, rows: readonly Row[]): Promise<Opened[]> {
  const opened = await Promise.all(
    rows.map(async (row) => {
      const key = known.opened.get(row.kid) ?? openKey(known, row);
      known.opened.set(row.kid, key);
      return key.then((one) => [{ row, key: one }], () => (known.opened.delete(row.kid), []));
    }),
  );
  return opened.flat();
}

async function openKey({ secrets }: Caches, { kid, privateJwk, sealedWith }: Row): Promise<Key> {
  if (sealedWith !== null && secrets === undefined) throw new UnknownKey(kid);
  const text = sealedWith === null || secrets === undefined ? privateJwk : await secrets.open({ sealed: privateJwk, keyId: sealedWith }, bindingOf(kid));
  return { kid, key: await importJWK(JSON.parse(text.toString("utf8")) as JWK, ALGORITHM) };
}

/** The platform's own: no tenant and no secret has such ids. */
export function bindingOf(kid: string): SecretBinding {
  return { tenantId: "platform" as TenantId, secretId: kid as Id<"secret">, name: "signing-key", version: 1 };
}

function verifyingKey(db: Db, kid: string, now: Date): Promise<Key> {
  const { verifying } = cachesOf(db);
  const known = verifying.get(kid) ?? publicKey(db, kid, now);
  verifying.set(kid, known);
  // What is unknown now may be made later, and a broken connection says nothing about a key.
  known.catch(() => verifying.delete(kid));
  return known;
}

const KID = /^[0-9a-f-]{36}$/;

async function publicKey(db: Db, kid: string, now: Date): Promise<Key> {
  if (!KID.test(kid)) throw new UnknownKey(kid);
  const [row] = await db.select().from(signingKeys).where(and(eq(signingKeys.kid, kid), verifies(now)));
  if (!row) throw new UnknownKey(kid);
  return { kid, key: await importJWK(row.publicJwk as JWK, ALGORITHM) };
}
