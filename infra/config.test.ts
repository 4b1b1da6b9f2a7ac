import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { isToken } from "../core/tokens.ts";
import { configFile, ConfigError, prepareConfig, readConfig, replaceOperatorToken } from "./config.ts";
import { buildParts, storeEnv } from "./parts.ts";

const root = mkdtempSync(join(tmpdir(), "config-"));
after(() => rmSync(root, { recursive: true, force: true }));

let count = 0;
let BERTH_DATA = "";
beforeEach(() => {
  BERTH_DATA = join(root, String(count++));
});
const prepare = (env: Record<string, string> = {}) => prepareConfig({ BERTH_DATA, ...env }, { anyPorts: true });

test("secrets are made once, kept, and readable by root alone", async () => {
  const first = await prepare();
  const second = await prepare();
  assert.deepEqual(second, first);
  assert.deepEqual(readConfig(BERTH_DATA), first);
  assert.equal(statSync(configFile(BERTH_DATA)).mode & 0o777, 0o600);
  assert.equal(new Set(Object.values(first.secrets)).size, Object.values(first.secrets).length);
});

test("an operator's token is made for what was there before it, kept, and replaced alone", async () => {
  const before = await prepare();
  const { secrets: { operatorToken: _none, ...older }, ...rest } = JSON.parse(readFileSync(configFile(BERTH_DATA), "utf8"));
  writeFileSync(configFile(BERTH_DATA), JSON.stringify({ ...rest, secrets: older }));
  const config = await prepare();
  assert.ok(isToken(config.secrets.operatorToken));
  assert.deepEqual({ ...config.secrets, operatorToken: "" }, { ...before.secrets, operatorToken: "" });
  assert.deepEqual(await prepare(), config, "kept");
  const revoked = config.secrets.operatorToken;
  replaceOperatorToken(config);
  assert.notEqual(config.secrets.operatorToken, revoked);
  assert.deepEqual(await prepare(), config);
  assert.equal(statSync(configFile(BERTH_DATA)).mode & 0o777, 0o600);
});

test("what the environment says wins and is remembered", async () => {
  await prepare({ BERTH_API_LISTEN: "127.0.0.1:7171", BERTH_BUILD_TIMEOUT_MS: "5000" });
  const config = await prepare({ BERTH_GATEWAY_LISTEN: "0.0.0.0:80" });
  assert.equal(config.apiUrl, "http://127.0.0.1:7171");
  assert.equal(config.gatewayUrl, "http://127.0.0.1:80");
  assert.equal(config.appsUrl, "http://berth.localhost:80");
  assert.equal(config.settings["BERTH_BUILD_TIMEOUT_MS"], "5000");
});

test("the CLI's variables are no settings", async () => {
  const config = await prepare({ BERTH_TOKEN: "berth_x", BERTH_API: "http://other" });
  assert.equal(JSON.stringify(config).includes("berth_x"), false);
});

test("wrong values are named", async () => {
  await assert.rejects(prepare({ BERTH_NET_PREFIX: "toolong" }), (error) => error instanceof ConfigError && /BERTH_NET_PREFIX.*toolong/.test(error.message));
  await assert.rejects(prepare({ BERTH_API_LISTEN: "7070" }), /BERTH_API_LISTEN/);
  await assert.rejects(prepare({ BERTH_SUBNET: "10.0.0.0/8" }), /BERTH_SUBNET/);
  await assert.rejects(prepare({ BERTH_S3_ENDPOINT: "http://s3" }), /BERTH_S3_ACCESS_KEY_ID/);
});

test("an own store replaces the local one, each by itself", async () => {
  const config = await prepare({ BERTH_DATABASE_URL: "postgres://u:p@db/berth" });
  assert.deepEqual(config.stores.postgres, { external: true, url: "postgres://u:p@db/berth" });
  assert.equal(config.stores.redis.external, false);
  assert.equal(config.stores.s3.external, false);
  assert.equal(storeEnv(config)["BERTH_DATABASE_URL"], "postgres://u:p@db/berth");
});

test("only the API and the worker know the stores, only the agent and the gateway their tokens", async () => {
  const config = await prepare({ BERTH_REDIS_URL: "redis://:pw@redis/0" });
  const parts = Object.fromEntries(buildParts(config, {}).map((part) => [part.name, JSON.stringify(part.env)]));
  for (const secret of ["redis://:pw@redis/0", config.secrets.s3SecretAccessKey, config.secrets.postgresPassword]) {
    for (const name of ["api", "worker"]) assert.ok(parts[name]?.includes(secret), name);
    for (const name of ["agent", "gateway"]) assert.ok(!parts[name]?.includes(secret), name);
  }
  const signIn = await prepare({ BERTH_OIDC_ISSUER: "https://id.example", BERTH_OIDC_CLIENT_ID: "berth", BERTH_OIDC_CLIENT_SECRET: "client-secret" });
  assert.deepEqual(buildParts(signIn, {}).filter(({ env }) => JSON.stringify(env).includes("client-secret")).map(({ name }) => name), ["api"]);
  assert.deepEqual(Object.entries(parts).filter(([, env]) => env.includes(config.secrets.operatorToken)).map(([name]) => name), []);
  assert.deepEqual(Object.entries(parts).filter(([, env]) => env.includes(config.secrets.nodeToken)).map(([name]) => name), ["agent"]);
  assert.deepEqual(Object.entries(parts).filter(([, env]) => env.includes(config.secrets.gatewayToken)).map(([name]) => name), ["gateway"]);
});

test("a part's fingerprint changes with its environment and not without", async () => {
  const config = await prepare();
  const print = (env: NodeJS.ProcessEnv) => buildParts(config, env)[0]?.fingerprint;
  assert.equal(print({}), print({}));
  assert.notEqual(print({}), print({ HTTP_PROXY: "http://proxy" }));
});
