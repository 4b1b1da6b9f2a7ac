import assert from "node:assert/strict";
import { test } from "node:test";
import { exportJWK, generateKeyPair, SignJWT, type JWK } from "jose";
import { FederationError, isIssuerAllowed, openFederation } from "./federation.ts";
import { FetchRefused, NetGuardEnv, type NetGuard } from "./net-guard.ts";

const ISSUER = "https://issuer.example/path";
const at = (seconds: number) => new Date(1_800_000_000_000 + seconds * 1000);

/** An issuer in memory, and how often its keys were asked for. */
function fakeIssuer() {
  const state = { keys: [] as JWK[], asked: 0, isAway: false };
  const guard: NetGuard = {
    fetch: async (url, init) => {
      assert.equal(init?.redirect, "error");
      if (state.isAway) throw new FetchRefused("issuer.example cannot be reached from here");
      if (String(url) === `${ISSUER}/.well-known/openid-configuration`) return Response.json({ issuer: ISSUER, jwks_uri: "https://issuer.example/keys" });
      assert.equal(String(url), "https://issuer.example/keys");
      state.asked++;
      return Response.json({ keys: state.keys });
    },
    close: async () => {},
  };
  return { state, guard };
}

async function newKey(kid: string) {
  const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
  const sign = (seconds: number, claims: object = {}) =>
    new SignJWT({ sub: "a", ...claims }).setProtectedHeader({ alg: "ES256", kid }).setIssuer(ISSUER).setAudience("berth").setIssuedAt(at(seconds)).setExpirationTime(at(seconds + 300)).sign(privateKey);
  return { jwk: { ...(await exportJWK(publicKey)), kid }, sign };
}

const reason = (error: unknown) => (error instanceof FederationError ? error.reason : String(error));

test("a new key is found half a minute after the last look, not before; keys are kept for ten minutes", async () => {
  const { state, guard } = fakeIssuer();
  const [old, fresh] = [await newKey("old"), await newKey("fresh")];
  state.keys = [old.jwk];
  const { verify } = openFederation(guard);
  const ask = async (token: string, seconds: number) => verify(token, ISSUER, "berth", at(seconds)).then(({ sub }) => sub, reason);
  assert.equal(await ask(await old.sign(0), 0), "a");
  state.keys = [fresh.jwk];
  assert.equal(await ask(await fresh.sign(10), 10), "forged");
  assert.equal(await ask(await old.sign(20), 20), "a");
  assert.equal(state.asked, 1);
  assert.equal(await ask(await fresh.sign(31), 31), "a");
  assert.equal(await ask(await old.sign(40), 40), "forged", "what is published no more verifies no more");
  assert.equal(state.asked, 2);
  assert.equal(await ask(await fresh.sign(700), 700), "a");
  assert.equal(state.asked, 3);
});

test("an issuer that is away is asked again after seconds, whatever many ask meanwhile", async () => {
  const { state, guard } = fakeIssuer();
  const key = await newKey("one");
  state.keys = [key.jwk];
  state.isAway = true;
  const { verify } = openFederation(guard);
  const ask = async (seconds: number) => verify(await key.sign(seconds), ISSUER, "berth", at(seconds)).then(({ sub }) => sub, reason);
  assert.deepEqual(await Promise.all([ask(0), ask(0)]), ["away", "away"]);
  state.isAway = false;
  assert.equal(await ask(2), "away");
  assert.equal(await ask(6), "a");
});

test("a symmetric key that is published verifies nothing", async () => {
  const { state, guard } = fakeIssuer();
  const secret = new TextEncoder().encode("a secret that everybody can read here");
  state.keys = [{ kty: "oct", k: Buffer.from(secret).toString("base64url"), kid: "oct", alg: "HS256" }];
  const token = await new SignJWT({ sub: "a" }).setProtectedHeader({ alg: "HS256", kid: "oct" }).setIssuer(ISSUER).setAudience("berth").setIssuedAt(at(0)).setExpirationTime(at(60)).sign(secret);
  await assert.rejects(openFederation(guard).verify(token, ISSUER, "berth", at(1)), { reason: "forged" });
});

test("plain http is for private networks that the operator has opened", () => {
  const allow = NetGuardEnv.BERTH_FETCH_ALLOW_CIDRS.parse("10.1.0.0/16,fd00:1::/32");
  for (const [issuer, expected] of [
    ["https://token.actions.githubusercontent.com", true],
    ["http://token.actions.githubusercontent.com", false],
    ["http://10.1.2.3:8080", true],
    ["http://10.2.2.3", false],
    ["http://[fd00:1::5]/", true],
    ["http://127.0.0.1", false],
    ["http://1.1.1.1", false],
    ["ftp://10.1.2.3", false],
    ["nonsense", false],
  ] as const) assert.equal(isIssuerAllowed(issuer, allow), expected, issuer);
});
