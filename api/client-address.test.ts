import assert from "node:assert/strict";
import { test } from "node:test";
import { clientAddress, clientNetwork, isCidr } from "./client-address.ts";

test("without trusted proxies the socket is what counts, whatever a client says", () => {
  const of = clientAddress([]);
  assert.equal(of("203.0.113.9", "1.2.3.4"), "203.0.113.9");
  assert.equal(of("::ffff:203.0.113.9", undefined), "203.0.113.9");
  assert.equal(of("2001:db8::1", "1.2.3.4"), "2001:db8::1");
  assert.equal(of(undefined, "1.2.3.4"), null);
});

test("a trusted proxy is believed; what stands before the first that is not is the client's own invention", () => {
  const of = clientAddress(["10.0.0.0/8", "2001:db8::/32", "::1"]);
  assert.equal(of("10.1.1.1", "203.0.113.9"), "203.0.113.9");
  assert.equal(of("10.1.1.1", "6.6.6.6, 203.0.113.9, 10.2.2.2"), "203.0.113.9");
  assert.equal(of("::1", "2001:db8::7,::ffff:203.0.113.9,2001:db8::8"), "203.0.113.9");
  assert.equal(of("203.0.113.1", "1.2.3.4"), "203.0.113.1");
  assert.equal(of("10.1.1.1", undefined), "10.1.1.1");
  assert.equal(of("10.1.1.1", "unknown"), "10.1.1.1");
  assert.equal(of("10.1.1.1", "1.2.3.4, evil"), "10.1.1.1", "nothing before what cannot be read counts");
  assert.equal(of("10.1.1.1", "10.2.2.2"), "10.2.2.2");
  assert.equal(of("::ffff:10.1.1.1", "1.2.3.4:567"), "10.1.1.1");
});

test("ranges", () => {
  for (const good of ["10.0.0.0/8", "1.2.3.4", "::1", "2001:db8::/32", "0.0.0.0/0"]) assert.ok(isCidr(good), good);
  for (const bad of ["", "10.0.0.0/33", "10.0.0/8", "::1/129", "x/8", "10.0.0.0/8/8", "10.0.0.0/", "localhost"]) assert.ok(!isCidr(bad), bad);
});

test("addresses of one IPv6 network count as one", () => {
  assert.equal(clientNetwork("203.0.113.9"), "203.0.113.9");
  assert.equal(clientNetwork("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  assert.equal(clientNetwork("2001:db8:1:2::6"), clientNetwork("2001:0db8:0001:2:ffff::"));
  assert.equal(clientNetwork("::1"), "0:0:0:0::/64");
  assert.equal(clientNetwork("fe80::1%eth0"), "fe80:0:0:0::/64");
});
