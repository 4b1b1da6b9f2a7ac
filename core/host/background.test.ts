import assert from "node:assert/strict";
import { test } from "node:test";
import { cpusIn } from "./background.ts";

test("cpus of the kernel's list", () => {
  assert.deepEqual(cpusIn("0\n"), [0]);
  assert.deepEqual(cpusIn("0-1\n"), [0, 1]);
  assert.deepEqual(cpusIn("0-2,5,8-9"), [0, 1, 2, 5, 8, 9]);
});
