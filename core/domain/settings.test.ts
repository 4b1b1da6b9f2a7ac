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

test("an environment's patch sets and removes", () => {
  assert.deepEqual(applyEnvPatch({ A: "1", B: "2" }, { A: null, C: "3", B: "" }), { B: "", C: "3" });
});

test("an environment that is too large for the nodes' channel is refused, also when patches add up to it", () => {
  const env = { A: "a".repeat(32_768) };
  assert.equal(Object.keys(applyEnvPatch(env, { B: "b".repeat(32_000) })).length, 2);
  assert.throws(() => applyEnvPatch(env, { B: "b".repeat(32_768) }), /may have 65536/);
  assert.equal(SettingsSchema.safeParse({ command: Array.from({ length: 3 }, () => "c".repeat(32_768)) }).success, false);
});
