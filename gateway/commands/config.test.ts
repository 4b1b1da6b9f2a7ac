import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runUnchecked } from "../../core/host/spawn.ts";
import type { SlotWanted } from "../plan.ts";
import { buildConfig, buildHostsMap, buildPages, buildSplitsMap, buildSkeleton, buildTimeoutsMap, filesOf, slotName, type ConfigOptions } from "./config.ts";

const options = (dir: string): ConfigOptions => ({
  files: filesOf(dir), luaDir: join(import.meta.dirname, "../lua"), listen: "127.0.0.1:8080", slotCount: 3, maxConnections: 1000, maxPerApp: 250,
  threads: 0, user: undefined, aloneHoldMs: 30_000, hardStopMs: 1000, publicUrl: new URL("http://127.0.0.1:7070"),
});
const slots = new Map<string, SlotWanted>([
  ["slot_0002", {
    hosts: ["a.test", "b.test"], timeoutMs: 5000,
    servers: [
      { name: "ins_1", address: "10.0.0.1", port: 80, maxconn: 7, state: "ready", asleep: false },
      { name: "ins_2", address: "10.0.0.2", port: 80, maxconn: 7, state: "drain", asleep: false },
    ],
  }],
]);

test("spare backends, with the servers that take requests", () => {
  const text = buildConfig(options("/d"), slots);
  assert.ok(text.startsWith(buildSkeleton(options("/d"))));
  assert.match(text, /backend slot_0001 from slots\nbackend slot_0002 from slots\n {2}server ins_1 10\.0\.0\.1:80 maxconn 7\nbackend slot_0003 from slots\n$/);
  assert.equal(buildHostsMap(slots), "a.test/ slot_0002\nb.test/ slot_0002\n");
  assert.equal(buildTimeoutsMap(slots), "slot_0002 5000\n");
  assert.equal(slotName(12_345), "slot_12345");
});

test("HAProxy finds the configuration valid", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "berth-config-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const checked = options(dir);
  mkdirSync(checked.files.pages);
  for (const [name, content] of Object.entries(buildPages(checked))) writeFileSync(join(checked.files.pages, name), content);
  writeFileSync(checked.files.hosts, buildHostsMap(slots));
  writeFileSync(checked.files.timeouts, buildTimeoutsMap(slots));
  writeFileSync(checked.files.splits, buildSplitsMap(slots));
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
