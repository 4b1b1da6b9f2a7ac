import assert from "node:assert/strict";
import { SettingsPatchSchema } from "../core/contract/release-config.ts";
import { describe, it } from "node:test";
import { AppNameSchema } from "../core/contract/names.ts";
import { isAppName } from "../core/domain/names.ts";
import { suggestName } from "./app-name.ts";
import { CliError } from "./errors.ts";
import { moment, parseCommand, parseCpu, parseDuration, parseMemory, parseLabels, parseMount, parsePairs, parseScratch, settingsPatch, wholeNumber } from "./flags.ts";
import { secretBody, withoutLineEnd } from "./secret-value.ts";

const usage = (error: unknown) => error instanceof CliError && error.exitCode === 2;

describe("values of options", () => {
  it("moments", () => {
    const read = moment("--since", () => Date.parse("2026-03-10T12:00:00Z"));
    const cases: [string, string][] = [["2026-03-01", "2026-03-01T00:00:00.000Z"], ["2026-03-01T14:00:00+02:00", "2026-03-01T12:00:00.000Z"], ["30m", "2026-03-10T11:30:00.000Z"], ["24h", "2026-03-09T12:00:00.000Z"], ["7d", "2026-03-03T12:00:00.000Z"], ["2w", "2026-02-24T12:00:00.000Z"]];
    for (const [text, at] of cases) assert.equal(read(text), at);
    for (const text of ["", "yesterday", "2026", "2026-13-01", "7", "-1d", "123456d"]) assert.throws(() => read(text), usage, text);
  });

  it("memory", () => {
    const cases: [string, number][] = [["512m", 512 * 2 ** 20], ["1g", 2 ** 30], ["1.5GiB", 1.5 * 2 ** 30], ["64MB", 64 * 2 ** 20], ["64Mi", 64 * 2 ** 20], ["12b", 12], ["1048576", 2 ** 20], ["16k", 16384]];
    for (const [text, bytes] of cases) assert.equal(parseMemory(text), bytes, text);
    for (const text of ["", "m", "-1m", "512x", "1 2"]) assert.throws(() => parseMemory(text), usage, text);
  });

  it("mounts and scratch", () => {
    assert.deepEqual(parseMount("data:/var/lib/data"), { volume: "data", path: "/var/lib/data", readOnly: false, shared: false });
    assert.deepEqual(parseMount("data:/d:1g"), { volume: "data", path: "/d", sizeBytes: 2 ** 30, readOnly: false, shared: false });
    assert.deepEqual(parseMount("data:/d:shared:512m"), { volume: "data", path: "/d", sizeBytes: 2 ** 29, readOnly: false, shared: true });
    assert.deepEqual(parseMount("data:/d:ro"), { volume: "data", path: "/d", readOnly: true, shared: false });
    for (const text of ["data", "data:", "data:rel", ":/d", "data:/d:rw", "data:/d:1g:2g", "data:/d:1x"]) assert.throws(() => parseMount(text), usage, text);
    assert.deepEqual(parseScratch("/tmp/cache:1g"), { path: "/tmp/cache", sizeBytes: 2 ** 30 });
    for (const text of ["", "/tmp", "tmp:1g", "/tmp:"]) assert.throws(() => parseScratch(text), usage, text);
    assert.deepEqual(settingsPatch({ mount: ["data:/d"], scratch: [""] }), { mounts: [parseMount("data:/d")], scratch: null });
  });

  it("cpu", () => {
    assert.equal(parseCpu("0.5"), 500);
    assert.equal(parseCpu("2"), 2000);
    assert.equal(parseCpu("250m"), 250);
    for (const text of ["", "x", "-1", "1g"]) assert.throws(() => parseCpu(text), usage, text);
  });

  it("durations", () => {
    assert.deepEqual(["30", "30s", "500ms", "2m", "1.5s"].map(parseDuration), [30_000, 30_000, 500, 120_000, 1500]);
    assert.throws(() => parseDuration("1h"), usage);
  });

  it("whole numbers within limits", () => {
    const replicas = wholeNumber("--replicas", 0, 100);
    assert.equal(replicas("0"), 0);
    for (const text of ["-1", "101", "1.5", "", "two"]) assert.throws(() => replicas(text), usage, text);
  });

  it("commands, in both forms of a Dockerfile", () => {
    assert.deepEqual(parseCommand('["python", "web.py"]'), ["python", "web.py"]);
    assert.deepEqual(parseCommand("python web.py"), ["/bin/sh", "-c", "python web.py"]);
    for (const text of ["", "[", "[]", "[1]"]) assert.throws(() => parseCommand(text), usage, text);
  });

  it("pairs, with values of the own environment", () => {
    assert.deepEqual(parsePairs(["A=1", "B=x=y", "C=", "HOME", "A=2"], { HOME: "/root" }), { A: "2", B: "x=y", C: "", HOME: "/root" });
    assert.throws(() => parsePairs(["UNSET"], {}), usage);
    assert.throws(() => parsePairs(["1A=x"], {}), usage);
  });

  it("labels, set and removed", () => {
    assert.deepEqual(parseLabels(["env=prod", "example.com/team=", "old-", "env=test"]), { env: "test", "example.com/team": "", old: null });
    for (const text of ["env", "=x", "-", ""]) assert.throws(() => parseLabels([text]), usage, text);
  });

  it("a secret's value: without the line end of a pipe, bytes as base64", () => {
    for (const [given, value] of [["x\n", "x"], ["x\r\n", "x"], ["x\n\n", "x\n"], ["x", "x"], ["\n", ""]] as const) assert.equal(withoutLineEnd(Buffer.from(given)).toString(), value);
    assert.deepEqual(secretBody("file", Buffer.from("Grüezi\n")), { kind: "file", value: "Grüezi\n" });
    assert.deepEqual(secretBody("file", Buffer.from([0xff, 0])), { kind: "file", value: "/wA=", encoding: "base64" });
  });

  it("settings: only what was named", () => {
    assert.deepEqual(settingsPatch({}), {});
    assert.deepEqual(settingsPatch({ replicas: 2, memory: 5, cpu: 6, readyPath: "/up" }), { replicas: 2, memoryBytes: 5, cpuMillis: 6, readiness: { kind: "http", path: "/up" } });
    assert.deepEqual(settingsPatch({ readyPath: "" }), { readiness: { kind: "tcp" } });
    assert.throws(() => settingsPatch({ readyPath: "up" }), usage);
    assert.throws(() => settingsPatch({ livePath: "up" }), usage);
    assert.throws(() => settingsPatch({ recheck: 5000 }), usage);
    assert.deepEqual(settingsPatch({ livePath: "", preStop: [] }), { liveness: null, preStop: null });
    const checked = { readiness: { kind: "http", path: "/up", recheck: { periodMs: 5000 } }, liveness: { kind: "http", path: "/live" }, preStop: { kind: "exec", command: ["drain"] } };
    // What is not named has the contract's default.
    assert.deepEqual(settingsPatch({ readyPath: "/up", recheck: 5000, livePath: "/live", preStop: ["drain"] }), SettingsPatchSchema.parse(checked));
  });

  it("names, as the contract has them", () => {
    for (const name of ["a", "my-app", "0", "a".repeat(40), "a".repeat(41), "", "A", "a_b", "-a", "a-", "a.b", "a--b", "ü", "a\n"]) assert.equal(isAppName(name), AppNameSchema.safeParse(name).success, name);
  });

  it("names that are suggested", () => {
    assert.equal(suggestName("My App_2", 40), "my-app-2");
    assert.equal(suggestName("Café.js", 40), "cafe-js");
    assert.equal(suggestName("__", 40), "");
    assert.equal(suggestName(`${"a".repeat(39)}-b`, 40), "a".repeat(39));
  });
});
