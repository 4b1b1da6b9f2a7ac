import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SettingsPatchSchema } from "../core/contract/release-config.ts";
import { CliError } from "./errors.ts";
import { settingsPatch } from "./flags.ts";
import { strategyPatch } from "./strategy-flags.ts";
import { instanceCount, parseSteps } from "./strategy-options.ts";

const usage = (error: unknown) => error instanceof CliError && error.exitCode === 2;

describe("how a new release takes over, by options", () => {
  it("numbers and shares of instances", () => {
    const read = instanceCount("--max-surge");
    assert.deepEqual(["0", "1", "100", "25%", "100%"].map(read), [0, 1, 100, "25%", "100%"]);
    for (const text of ["", "-1", "101", "101%", "1.5", "25 %", "x", "%"]) assert.throws(() => read(text), usage, text);
  });

  it("steps of a canary", () => {
    assert.deepEqual(parseSteps("5%:10m, 50%:30s"), [{ percent: 5, holdMs: 600_000 }, { percent: 50, holdMs: 30_000 }]);
    for (const text of ["", "5", "5%", "5:10m", "101%:1m", "5%:soon", "50%:1m,5%:1m", Array(21).fill("5%:1m").join(",")]) assert.throws(() => parseSteps(text), usage, text);
  });

  it("are a strategy as the contract has it, and only with what belongs to its kind", () => {
    assert.equal(strategyPatch({}), undefined);
    for (const flags of [
      { strategy: "blue-green" as const },
      { strategy: "rolling" as const, maxSurge: 1, maxUnavailable: "25%" },
      { strategy: "rolling" as const, maxSurge: 0, maxUnavailable: 1 },
      { strategy: "canary" as const, canarySteps: parseSteps("5%:10m,50%:10m") },
    ]) {
      const patch = settingsPatch(flags);
      assert.deepEqual(SettingsPatchSchema.parse(patch), patch);
    }
    assert.deepEqual(SettingsPatchSchema.parse(settingsPatch({ strategy: "rolling" })).strategy, { kind: "rolling", maxSurge: "25%", maxUnavailable: 0 });
    for (const flags of [
      { maxSurge: 1 },
      { strategy: "canary" as const },
      { strategy: "blue-green" as const, maxUnavailable: 1 },
      { strategy: "rolling" as const, canarySteps: [] },
      { strategy: "rolling" as const, maxSurge: 0 },
      { strategy: "rolling" as const, maxSurge: "0%", maxUnavailable: "0%" },
    ]) assert.throws(() => strategyPatch(flags), usage, JSON.stringify(flags));
  });
});
