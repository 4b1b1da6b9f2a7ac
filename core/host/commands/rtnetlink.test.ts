import assert from "node:assert/strict";
import { test } from "node:test";
import { addVeth, indexIn, setLinkRoute, setRate } from "./rtnetlink.ts";

/** As `strace -x ip route replace 169.254.1.1/32 dev eth0` shows it, where eth0 is interface 2; without the sequence number. */
test("a route is asked for as ip does", () => {
  const { bytes, what } = setLinkRoute(2, "169.254.1.1");
  assert.equal(what, "routing 169.254.1.1");
  assert.equal(bytes.toString("hex"), "2c00000018000505000000000000000002200000fe03fd010000000008000100a9fe01010800040002000000");
});

test("attributes begin at multiples of four, and say how long they are without what fills up", () => {
  const { bytes } = addVeth("bthi1", "eth0", 9);
  assert.equal(bytes.length % 4, 0);
  assert.equal(bytes.readUInt32LE(0), bytes.length);
  assert.deepEqual([bytes.readUInt16LE(32), bytes.readUInt16LE(34), bytes.toString("latin1", 36, 44)], [10, 3, "bthi1\0\0\0"]);
});

test("a rate beyond 32 bits is said in 64", () => {
  const of = (bytesPerSecond: number) => setRate(2, { bytesPerSecond, burstBytes: 65_536, latencyMs: 100 }).bytes;
  const large = Buffer.alloc(8);
  large.writeBigUInt64LE(5_000_000_000n);
  assert.ok(of(5_000_000_000).includes(large));
  assert.equal(of(5_000_000_000).length - of(1_000_000).length, 12);
});

test("the number of an interface is read from its description", () => {
  assert.equal(indexIn(Buffer.concat([Buffer.alloc(20), Buffer.of(7, 1, 0, 0)])), 263);
});
