import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, it } from "node:test";
import { configPath, normalApi, readConfig, resolveTarget, writeConfig } from "./config.ts";
import { CliError } from "./errors.ts";

const base = mkdtempSync(join(tmpdir(), "berth-config-"));
after(() => rmSync(base, { recursive: true }));
let made = 0;
const home = () => ({ HOME: join(base, String(made++)) });
const stored = (env: Record<string, string>) => {
  writeConfig(env, { current: "a", contexts: { a: { api: "http://a:1", token: "token-a" }, b: { api: "https://b", token: "token-b" } } });
  return env;
};

describe("the configuration", () => {
  it("is the owner's alone", () => {
    const env = stored(home());
    assert.equal(statSync(configPath(env)).mode & 0o777, 0o600);
    assert.equal(statSync(dirname(configPath(env))).mode & 0o777, 0o700);
    assert.equal(readConfig(env).contexts["b"]?.token, "token-b");
  });

  it("starts empty, at the local API", () => {
    assert.deepEqual(resolveTarget(home()), { api: "http://127.0.0.1:7070", context: "default" });
  });

  it("is won over by the environment", () => {
    const env = stored(home());
    assert.deepEqual(resolveTarget(env), { api: "http://a:1", token: "token-a", context: "a" });
    assert.deepEqual(resolveTarget(env, "b"), { api: "https://b", token: "token-b", context: "b" });
    assert.equal(resolveTarget({ ...env, BERTH_CONTEXT: "b" }).token, "token-b");
    assert.equal(resolveTarget({ ...env, BERTH_TOKEN: "mine" }).token, "mine");
    assert.deepEqual(resolveTarget({ ...env, BERTH_API: "http://c/", BERTH_TOKEN: "mine" }), { api: "http://c", token: "mine", context: "environment" });
  });

  it("sends a stored token to no other API", () => {
    const env = stored(home());
    assert.equal(resolveTarget({ ...env, BERTH_API: "http://evil" }).token, undefined);
    assert.equal(resolveTarget({ ...env, BERTH_API: "https://b/" }).token, "token-b");
  });

  it("refuses what is not one", () => {
    const env = home();
    mkdirSync(dirname(configPath(env)), { recursive: true });
    for (const text of ["{", "[]", '{"current":1,"contexts":{}}', '{"current":"a","contexts":{"a":{"api":1}}}']) {
      writeFileSync(configPath(env), text);
      assert.throws(() => readConfig(env), CliError, text);
    }
    assert.throws(() => resolveTarget(stored(home()), "nope"), /no context «nope»/);
    for (const text of ["", "localhost:7070", "ftp://x"]) assert.throws(() => normalApi(text), CliError, text);
  });
});
