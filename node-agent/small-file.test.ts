import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { writeSmall } from "./small-file.ts";

test("what is written last is what is read, whole, in a directory that is made; two files take turns", (t) => {
  const dir = mkdtempSync(join(tmpdir(), "berth-small-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const path = join(dir, "made/state.json");
  const inodes = new Set<number>();
  for (const text of ["first and long", "second", "", "a third one that is the longest", "é"]) {
    writeSmall(path, text);
    assert.equal(readFileSync(path, "utf8"), text);
    inodes.add(statSync(path).ino);
  }
  assert.equal(inodes.size, 2);
  assert.equal(statSync(path).mode & 0o777, 0o600);
});
