/** The OIDC provider at which people sign in: authorization code with PKCE, state and nonce, by `openid-client`. */
import * as oidc from "openid-client";
import { AppError } from "../../core/contract/errors.ts";
import type { OidcSettings } from "../deps.ts";

const TIMEOUT_SECONDS = 8;
/** Its endpoints move seldom; its keys are fetched anew by the library. */
const DISCOVERED_FOR_MS = 3_600_000;

export interface Person {
  issuer: string;
  subject: string;
  /** Lower case, verified by the provider. */
  email: string;
  name: string;
}

/** What was sent along, and must come back. */
export interface Checks {
  state: string;
  nonce: string;
  verifier: string;
}

export interface Provider {
  /** Where the browser goes. @throws AppError issuer_unavailable */
  authorizationUrl(checks: Checks, redirectUri: URL): Promise<URL>;
  /** Who came back, by the URL that they came back to. @throws AppError unauthenticated, forbidden, issuer_unavailable */
  redeem(callback: URL, checks: Checks): Promise<Person>;
}

export function openProvider(settings: OidcSettings): Provider {
  let known: { at: number; config: Promise<oidc.Configuration> } | undefined;
  const configuration = (): Promise<oidc.Configuration> => {
    if (known !== undefined && performance.now() - known.at < DISCOVERED_FOR_MS) return known.config;
    const found = { at: performance.now(), config: discover(settings) };
    known = found;
    found.config.catch(() => {
      if (known === found) known = undefined;
    });
    return found.config;
  };
  return {
    authorizationUrl: async ({ state, nonce, verifier }, redirectUri) =>
      oidc.buildAuthorizationUrl(await configuration().catch(providerError), {
        redirect_uri: redirectUri.href,
        scope: settings.scopes,
        state,
        nonce,
        code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
        code_challenge_method: "S256",
      }),
    redeem: async (callback, { state, nonce, verifier }) => {
      const config = await configuration().catch(providerError);
      const tokens = await oidc
        .authorizationCodeGrant(config, callback, { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier, idTokenExpected: true })
        .catch(providerError);
      const claims = tokens.claims();
      if (claims === undefined) throw new AppError("unauthenticated", "The identity provider sent no ID token.");
      const more = claims["email"] === undefined ? await oidc.fetchUserInfo(config, tokens.access_token, claims.sub).catch(providerError) : {};
      return personOf({ ...more, ...claims });
    },
  };
}

async function discover({ issuer, clientId, clientSecret }: OidcSettings): Promise<oidc.Configuration> {
  const insecure = issuer.protocol === "http:" ? [oidc.allowInsecureRequests] : [];
  const found = await oidc.discovery(issuer, clientId, undefined, oidc.None(), { timeout: TIMEOUT_SECONDS, execute: insecure });
  const server = found.serverMetadata();
  const methods = server.token_endpoint_auth_methods_supported;
  const byBasic = methods === undefined || methods.includes("client_secret_basic");
  const authentication = clientSecret === undefined ? oidc.None() : byBasic ? oidc.ClientSecretBasic(clientSecret) : oidc.ClientSecretPost(clientSecret);
  const config = new oidc.Configuration(server, clientId, undefined, authentication);
  config.timeout = TIMEOUT_SECONDS;
  for (const execute of insecure) execute(config);
  // The ID token's signature is checked as well, and not its way alone.
  oidc.enableNonRepudiationChecks(config);
  return config;
}

function personOf(claims: Record<string, unknown>): Person {
  const { iss, sub, email, email_verified: verified, name } = claims;
  if (typeof iss !== "string" || typeof sub !== "string") throw new AppError("unauthenticated", "The identity provider does not say who you are.");
  if (typeof email !== "string" || email.length > 254 || !email.includes("@")) throw new AppError("forbidden", "The identity provider does not say your address (claim «email»).");
  if (verified !== true && verified !== "true") throw new AppError("forbidden", "The identity provider has not verified your address (claim «email_verified»).");
  return { issuer: iss, subject: sub, email: email.toLowerCase(), name: typeof name === "string" && name.trim() !== "" ? name.trim().slice(0, 200) : email };
}

function providerError(error: unknown): never {
  if (error instanceof oidc.AuthorizationResponseError) {
    throw new AppError("unauthenticated", `The identity provider says: ${error.error_description ?? error.error}.`, { cause: error });
  }
  // The code was used or has expired, or our client is not the provider's.
  if (error instanceof oidc.ResponseBodyError && error.error === "invalid_grant") throw new AppError("unauthenticated", "This sign-in has expired: begin again.", { cause: error });
  if (error instanceof oidc.ClientError && AWAY.has(error.code ?? "")) throw away(error);
  if (error instanceof oidc.ClientError) throw new AppError("unauthenticated", "What the identity provider answered is not valid: begin again.", { cause: error });
  throw away(error);
}

const AWAY = new Set(["OAUTH_TIMEOUT", "OAUTH_ABORT", "OAUTH_HTTP_REQUEST_FORBIDDEN", "OAUTH_RESPONSE_IS_NOT_CONFORM", "OAUTH_RESPONSE_IS_NOT_JSON"]);

function away(cause: unknown): AppError {
  return new AppError("issuer_unavailable", "The identity provider cannot be asked now: try again in a moment.", { cause, headers: { "retry-after": "5" } });
}
