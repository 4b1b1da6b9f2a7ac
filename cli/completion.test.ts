import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { wantedAt } from "./completion.ts";
import { createProgram } from "./program.ts";

const program = await createProgram(["help"], "all");
const at = (...words: string[]) => wantedAt(program, words);
const offered = (...words: string[]) => {
  const { values, begun, kind } = at(...words);
  return kind ?? values.map(({ value }) => value).filter((value) => value.startsWith(begun));
};

describe("completion", () => {
  it("of commands, and of commands in commands", () => {
    assert.deepEqual(offered("se"), ["secrets"]);
    assert.ok((offered("") as string[]).length > 15);
    assert.deepEqual(offered("secrets", ""), ["list", "set", "unset"]);
    assert.deepEqual(offered("nonsense", ""), []);
  });

  it("of options, but not behind --", () => {
    assert.deepEqual(offered("deploy", "--re"), ["--replicas", "--ready-path", "--recheck", "--release-command", "--ready-timeout"]);
    assert.deepEqual(offered("env", "set", "--sh"), ["--shared"]);
    assert.deepEqual(offered("label", "--", "--a"), []);
  });

  it("of values, wherever they stand", () => {
    for (const words of [["status", ""], ["logs", "-f", ""], ["deploy", "--app", ""], ["env", "list", "-a", "we"], ["deploy", "--app", "=", "we"], ["deploy", "--app", "="]]) assert.equal(offered(...words), "apps", words.join(" "));
    assert.deepEqual(at("deploy", "--app=we"), { begun: "we", before: "--app=", values: [], kind: "apps" });
    assert.equal(offered("rollback", "-a", "web", "v"), "releases");
    assert.equal(offered("apps", "--context", ""), "contexts");
    assert.equal(offered("context", ""), "contexts");
    assert.equal(offered("env", "unset", "A", ""), "variables");
    assert.equal(offered("secrets", "unset", ""), "secrets");
    assert.deepEqual(offered("secrets", "set", "KEY", "--kind", "f"), ["file"]);
    assert.deepEqual(offered("completion", ""), ["bash", "zsh", "fish"]);
    assert.equal(offered("deploy", ""), "files");
    assert.equal(offered("deploy", "-f", ""), "files");
    // A second app is none.
    assert.deepEqual(offered("status", "web", ""), []);
    assert.deepEqual(offered("deploy", "--replicas", ""), []);
  });
});
