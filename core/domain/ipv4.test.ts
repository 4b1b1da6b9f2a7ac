import assert from "node:assert/strict";
import { test } from "node:test";
import { contains, disjoint, overlap, portsOf, rangeOf, toAddress, type Area } from "./ipv4.ts";

const area = (range: string, ports: number | string): Area => ({ ...rangeOf(range), ...portsOf(ports) });
const text = ({ first, last, firstPort, lastPort }: Area) => `${toAddress(first)}-${toAddress(last)} ${firstPort}-${lastPort}`;

test("a range is what its prefix says, whatever is written behind it", () => {
  assert.deepEqual(rangeOf("10.1.2.3/8"), rangeOf("10.0.0.0/8"));
  assert.deepEqual(rangeOf("255.255.255.255"), { first: 2 ** 32 - 1, last: 2 ** 32 - 1 });
  assert.deepEqual(rangeOf("0.0.0.0/0"), { first: 0, last: 2 ** 32 - 1 });
  assert.ok(contains("10.201.0.0/16", "10.201.255.255") && !contains("10.201.0.0/16", "10.202.0.0"));
  assert.ok(overlap(rangeOf("10.0.0.0/8"), rangeOf("10.201.0.0/16")) && !overlap(rangeOf("10.200.0.0/16"), rangeOf("10.201.0.0/16")));
});

test("areas that overlap become areas that do not, with the same points", () => {
  const found = disjoint([area("10.0.0.0/8", "80-90"), area("10.1.0.0/16", 443), area("10.1.0.0/16", "85-100"), area("192.0.2.1", 80)]);
  assert.deepEqual(found.map(text), [
    "10.0.0.0-10.255.255.255 80-80", "192.0.2.1-192.0.2.1 80-80", "10.0.0.0-10.255.255.255 81-90", "10.1.0.0-10.1.255.255 91-100", "10.1.0.0-10.1.255.255 443-443",
  ]);
  assert.deepEqual(disjoint([area("10.0.0.0/9", 1), area("10.128.0.0/9", 1)]).map(text), ["10.0.0.0-10.255.255.255 1-1"]);
  assert.deepEqual(disjoint([area("10.0.0.1", 1), area("10.0.0.1", 2)]).map(text), ["10.0.0.1-10.0.0.1 1-2"]);
  assert.deepEqual(disjoint([]), []);
});
