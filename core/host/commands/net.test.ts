import assert from "node:assert/strict";
import { test } from "node:test";
import { netnsName, slotAddress, slotOfNetns } from "./net.ts";

test("slots get addresses in order, and an end is an error", () => {
  assert.equal(slotAddress("10.201.0.0/16", 0), "10.201.0.16");
  assert.equal(slotAddress("10.201.0.0/16", 300), "10.201.1.60");
  assert.throws(() => slotAddress("10.201.0.0/24", 239), /no address 255/);
});

test("a namespace's name leads back to its slot, and only with the same prefix", () => {
  assert.equal(slotOfNetns("bth", netnsName("bth", 42)), 42);
  assert.equal(slotOfNetns("bth", "bt-i42"), undefined);
  assert.equal(slotOfNetns("bth", "bth-i4x"), undefined);
});
