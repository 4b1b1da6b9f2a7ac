import assert from "node:assert/strict";
import { test } from "node:test";
import { programWords } from "./program-words.ts";

test("the program's words begin after the app, and after «--» where there is one", () => {
  assert.deepEqual(programWords("exec", undefined, "hello", ["ls", "-l"]), ["ls", "-l"]);
  assert.deepEqual(programWords("exec", undefined, "hello", ["--", "ls", "--", "-l"]), ["ls", "--", "-l"]);
  assert.deepEqual(programWords("exec", "hello", "ls", ["-l"]), ["ls", "-l"]);
  assert.deepEqual(programWords("exec", undefined, undefined, []), []);
  assert.deepEqual(programWords("exec", undefined, "hello", ["--", "-odd"]), ["-odd"]);
});

test("an option that stands after the app is no program", () => {
  assert.throws(() => programWords("exec", undefined, "hello", ["--container", "x", "ls"]), /«--container» stands after the app's name/);
  assert.throws(() => programWords("run", undefined, "--", ["ls"]), /Name the app before «--»/);
});
