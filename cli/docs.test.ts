import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { createProgram } from "./program.ts";

const text = readFileSync(new URL("../docs/cli.md", import.meta.url), "utf8");

describe("docs/cli.md", () => {
  it("names every command and every option", async () => {
    const { commands } = await createProgram(["help"], "all");
    assert.ok(commands.length >= 14);
    for (const command of commands) {
      assert.ok(text.includes(`berth ${command.name()}`), command.name());
      for (const { options } of [command, ...command.commands]) {
        for (const { long } of options) assert.ok(text.includes(long ?? "?"), `${command.name()} ${long}`);
      }
    }
  });
});
