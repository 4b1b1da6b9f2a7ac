import assert from "node:assert/strict";
import { test } from "node:test";
import { SettingsSchema } from "../contract/release-config.ts";
import { applyEnvPatch, applySettingsPatch } from "./settings.ts";

test("a patch changes only what it names, and null takes back", () => {
  const settings = SettingsSchema.parse({ port: 9000, replicas: 2, command: ["a"] });
  const changed = applySettingsPatch(settings, { port: null, replicas: 3 });
  assert.equal(changed.port, undefined);
  assert.equal("port" in changed, false);
  assert.equal(changed.replicas, 3);
  assert.deepEqual(changed.command, ["a"]);
  assert.equal(settings.port, 9000, "the former settings are untouched");
});

test("a patch of the scaling changes only what it names; what does not fit together is refused by name", () => {
  const settings = applySettingsPatch(SettingsSchema.parse({}), { scaling: { max: 5 } });
  assert.deepEqual(settings.scaling, { min: 0, max: 5, idleMs: 7 * 86_400_000 });
  const changed = applySettingsPatch(settings, { scaling: { min: 2, inFlight: 3 }, freezeAfterMs: 5000 });
  assert.deepEqual([changed.scaling?.min, changed.scaling?.max, changed.scaling?.inFlight, changed.freezeAfterMs], [2, 5, 3, 5000]);
  assert.equal(applySettingsPatch(changed, { scaling: { inFlight: null } }).scaling?.inFlight, undefined);
  assert.equal(applySettingsPatch(changed, { scaling: null }).scaling, undefined);
  assert.equal(applySettingsPatch(changed, { replicas: 3 }).scaling, undefined, "a fixed number is one");
  assert.throws(() => applySettingsPatch(changed, { scaling: { min: 9 } }), { code: "invalid_config", message: /scaling.max must not be less than min/ });
});

test("a patch of what is done with requests changes only what it names", () => {
  const settings = applySettingsPatch(SettingsSchema.parse({}), { http: { compression: true, rateLimit: { requests: 5, periodMs: 1000, by: "app" } } });
  const changed = applySettingsPatch(settings, { http: { compression: null, allowFrom: ["10.0.0.0/8", "2001:db8::1"] } });
  assert.deepEqual(changed.http, { rateLimit: { requests: 5, periodMs: 1000, by: "app" }, allowFrom: ["10.0.0.0/8", "2001:db8::1"] });
  assert.equal(applySettingsPatch(changed, { http: null }).http, undefined);
  for (const http of [{ allowFrom: ["10.0.0.0/40"] }, { allowFrom: ["::1;x"] }, { allowFrom: [] }, { basicAuth: { user: "a:b", passwordHash: `sha256:${"0".repeat(32)}:${"0".repeat(64)}` } }, { basicAuth: { user: "a", passwordHash: "plain" } }, { errorPages: { "404": "x" } }, { errorPages: { "503": "é".repeat(4097) } }, { unknown: 1 }]) {
    assert.equal(SettingsSchema.safeParse({ http }).success, false, JSON.stringify(http));
  }
});

test("an environment's patch sets and removes", () => {
  assert.deepEqual(applyEnvPatch({ A: "1", B: "2" }, { A: null, C: "3", B: "" }), { B: "", C: "3" });
});

test("an environment that is too large for the nodes' channel is refused, also when patches add up to it", () => {
  const env = { A: "a".repeat(32_768) };
  assert.equal(Object.keys(applyEnvPatch(env, { B: "b".repeat(32_000) })).length, 2);
  assert.throws(() => applyEnvPatch(env, { B: "b".repeat(32_768) }), /may have 65536/);
  assert.equal(SettingsSchema.safeParse({ command: Array.from({ length: 3 }, () => "c".repeat(32_768)) }).success, false);
});
