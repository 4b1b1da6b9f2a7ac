import assert from "node:assert/strict";
import { test } from "node:test";
import { printable, printableDeep } from "./printable.ts";

test("line ends, escapes and NUL are written out", () => {
  assert.equal(printable("a\r\nb\u001b[31mc\u0000\u009b\u2028\u202e"), "a\\x0d\\x0ab\\x1b[31mc\\x00\\x9b\\u2028\\u202e");
  assert.equal(printable("Grüße, 世界 🚢"), "Grüße, 世界 🚢");
});

test("in every text of a value, and in its names", () => {
  assert.deepEqual(printableDeep({ "a\n": ["b\r", { c: "\u001b" }], n: 1, z: null, no: undefined }), { "a\\x0a": ["b\\x0d", { c: "\\x1b" }], n: 1, z: null, no: undefined });
});
