/**
 * Identity tokens of pipelines (OIDC): whether one was really made by the issuer that a trust names. The issuer's
 * keys are fetched from where it publishes them, guarded, bounded and kept for a while.
 */
import { createLocalJWKSet, decodeJwt, errors, jwtVerify, type JSONWebKeySet, type JWTPayload } from "jose";
import { LRUCache } from "lru-cache";
import { isIP } from "node:net";
import { z } from "zod";
import { FetchRefused, isReachable, type NetGuard, type NetGuardOptions } from "./net-guard.ts";

/** Asymmetric ones alone: with a shared secret whoever verifies could sign. */
const ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"];
const KEYS_KEPT_MS = 10 * 60_000;
/** A key that is not among those kept may be new; a flood of made-up ones must not become a flood of fetches. */
const REFETCH_AFTER_MS = 30_000;
/** Of a fetch that failed. */
const FAILURE_KEPT_MS = 5000;
const CLOCK_TOLERANCE_SECONDS = 10;
/** Pipelines' tokens live for minutes; one that lives for days is a secret that lies about somewhere. */
const MAX_AGE_SECONDS = 86_400;

const DiscoverySchema = z.object({ issuer: z.string(), jwks_uri: z.url() });
const KeysSchema = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(100) });

/** Why a token is not taken: fit for whoever sent it. */
export class FederationError extends Error {
  override readonly name = "FederationError";
  /** away: the issuer could not be asked, the token may be good; claims: the issuer made it, but not for this. */
  readonly reason: "away" | "forged" | "claims";
  constructor(reason: FederationError["reason"], message: string, cause?: unknown) {
    super(message, { cause });
    this.reason = reason;
  }
}

type Keys = ReturnType<typeof createLocalJWKSet>;
interface Kept {
  at: number;
  keys: Promise<Keys>;
}

export interface Federation {
  /** @throws FederationError */
  verify(token: string, issuer: string, audience: string, now: Date): Promise<JWTPayload>;
}

/** The issuer that a token names, before anything of it was verified. */
export function claimedIssuer(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}

/** Whether an issuer may be asked at all. Without TLS only in private networks that the operator has opened. */
export function isIssuerAllowed(issuer: string, allow: NetGuardOptions["allow"] = []): boolean {
  const url = URL.parse(issuer);
  if (url === null) return false;
  if (url.protocol === "https:") return true;
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return url.protocol === "http:" && isIP(host) !== 0 && !isReachable(host) && isReachable(host, allow);
}

export function openFederation(guard: NetGuard, allow: NetGuardOptions["allow"] = []): Federation {
  const kept = new LRUCache<string, Kept>({ max: 1000 });

  const keysOf = (issuer: string, atLeast: number, nowMs: number): Promise<Keys> => {
    const known = kept.get(issuer);
    if (known !== undefined && known.at > atLeast) return known.keys;
    const keys = fetchKeys(guard, issuer, allow);
    const made: Kept = { at: nowMs, keys };
    kept.set(issuer, made);
    // Asked again soon, but not by each request.
    keys.catch(() => (made.at = nowMs - KEYS_KEPT_MS + FAILURE_KEPT_MS));
    return keys;
  };

  return {
    verify: async (token, issuer, audience, now) => {
      const nowMs = now.getTime();
      const options = { algorithms: ALGORITHMS, issuer, audience, clockTolerance: CLOCK_TOLERANCE_SECONDS, maxTokenAge: MAX_AGE_SECONDS, requiredClaims: ["sub", "exp", "iat"], currentDate: now };
      const verifyWith = async (keys: Keys) => (await jwtVerify(token, keys, options)).payload;
      try {
        return await verifyWith(await keysOf(issuer, nowMs - KEYS_KEPT_MS, nowMs));
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw refusal(error);
      }
      try {
        return await verifyWith(await keysOf(issuer, nowMs - REFETCH_AFTER_MS, nowMs));
      } catch (error) {
        throw refusal(error);
      }
    },
  };
}

function refusal(error: unknown): Error {
  if (error instanceof FederationError) return error;
  if (error instanceof errors.JWTExpired) return new FederationError("claims", "The pipeline's token has expired.", error);
  if (error instanceof errors.JWTClaimValidationFailed) return new FederationError("claims", `The pipeline's token has another «${error.claim}» than the trust.`, error);
  if (error instanceof errors.JOSEError) return new FederationError("forged", "The pipeline's token is not one of its issuer.", error);
  return error as Error;
}

async function fetchKeys(guard: NetGuard, issuer: string, allow: NetGuardOptions["allow"]): Promise<Keys> {
  const discovery = await fetchJson(guard, `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`, DiscoverySchema, issuer);
  if (discovery.issuer !== issuer) throw new FederationError("away", `${issuer} says that it is another issuer.`);
  if (!isIssuerAllowed(discovery.jwks_uri, allow)) throw new FederationError("away", `${issuer} has its keys where they are not fetched from.`);
  const { keys } = await fetchJson(guard, discovery.jwks_uri, KeysSchema, issuer);
  // A symmetric key that is published is no secret.
  return createLocalJWKSet({ keys: keys.filter(({ kty }) => kty !== "oct") } as JSONWebKeySet);
}

async function fetchJson<T extends z.ZodType>(guard: NetGuard, url: string, schema: T, issuer: string): Promise<z.infer<T>> {
  try {
    const response = await guard.fetch(url, { headers: { accept: "application/json" }, redirect: "error" });
    if (!response.ok) throw new FederationError("away", `${issuer} answers with ${response.status} when asked for its keys.`);
    return schema.parse(await response.json());
  } catch (error) {
    if (error instanceof FederationError) throw error;
    if (error instanceof FetchRefused) throw new FederationError("away", `The keys of ${issuer} cannot be fetched: ${error.message}.`, error);
    throw new FederationError("away", `${issuer} does not answer as an OIDC issuer does.`, error);
  }
}
