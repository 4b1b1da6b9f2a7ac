import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runUnchecked } from "../../core/host/spawn.ts";
import type { SlotWanted } from "../plan.ts";
import { buildConfig, buildPages, buildSkeleton, slotName, type ConfigOptions } from "./config.ts";
import { buildMaps, filesOf, MAP_NAMES } from "./files.ts";

const options = (dir: string): ConfigOptions => ({
  files: filesOf(dir), luaDir: join(import.meta.dirname, "../lua"), listen: "127.0.0.1:8080", slotCount: 3, maxConnections: 1000, maxPerApp: 250,
  threads: 0, user: undefined, aloneHoldMs: 30_000, hardStopMs: 1000, publicUrl: new URL("http://127.0.0.1:7070"),
});
const slots = new Map<string, SlotWanted>([
  ["slot_0002", {
    hosts: ["a.test", "b.test"], entry: "features", values: { timeouts: "5000", features: "sticky" }, isSticky: true,
    servers: [
      { name: "ins_1", address: "10.0.0.1", port: 80, maxconn: 7, state: "ready", asleep: false },
      { name: "ins_2", address: "10.0.0.2", port: 80, maxconn: 7, state: "drain", asleep: false },
    ],
  }],
]);

test("spare backends, with the servers that take requests", () => {
  const text = buildConfig(options("/d"), slots);
  assert.ok(text.startsWith(buildSkeleton(options("/d"))));
  assert.match(text, /backend slot_0001 from slots\n {2}use-server [^\n]+\nbackend slot_0002 from slots\n {2}use-server [^\n]+\n {2}server ins_1 10\.0\.0\.1:80 maxconn 7\nbackend slot_0003 from slots\n {2}use-server [^\n]+\n$/);
  const maps = buildMaps(slots);
  assert.deepEqual([maps.hosts, maps.featured], ["a.test/ features\nb.test/ features\n", "a.test/ slot_0002\nb.test/ slot_0002\n"]);
  assert.deepEqual([maps.timeouts, maps.features, maps.socketIdle], ["slot_0002 5000\n", "slot_0002 sticky\n", ""]);
  assert.match(maps.sticky, /^[0-9A-F]{32} slot_0002\/ins_1\n$/);
  assert.equal(slotName(12_345), "slot_12345");
});

test("HAProxy finds the configuration valid", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "berth-config-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const checked = options(dir);
  mkdirSync(checked.files.pages);
  for (const [name, content] of Object.entries(buildPages(checked))) writeFileSync(join(checked.files.pages, name), content);
  for (const name of MAP_NAMES) writeFileSync(checked.files[name], buildMaps(slots)[name]);
  writeFileSync(checked.files.config, buildConfig(checked, slots));
  const result = await runUnchecked(["haproxy", "-c", "-f", checked.files.config]).catch(() => undefined);
  if (result === undefined) return t.skip("haproxy is not installed");
  assert.equal(result.code, 0, result.stdout + result.stderr);
  assert.doesNotMatch(result.stdout + result.stderr, /WARNING/);
});

test("pages say their code in both forms", () => {
  const pages = buildPages({ publicUrl: new URL("https://berth.example") });
  assert.match(pages["texts.lua"] ?? "", /\["wake-timeout"\] = \{ status = 503, retry_after_s = 5, html = \[==\[\n<!doctype html>[^]*<code>wake_timeout<\/code>/);
  const problem = JSON.parse(pages["unknown-host.json"] ?? "") as { status: number; type: string };
  assert.deepEqual([problem.status, problem.type], [404, "https://berth.example/errors/unknown_host"]);
  assert.match(pages["503.http"] ?? "", /^HTTP\/1\.1 503 [^\r\n]+\r\n[^]*\r\nretry-after: 1\r\n[^]*\r\n\r\n<!doctype html>/);
});
