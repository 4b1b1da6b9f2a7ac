import assert from "node:assert/strict";
import { test } from "node:test";
import { firewallRules } from "./firewall.ts";

const policy = { prefix: "bth", subnet: "10.201.0.0/16", allowCidrs: [], resolvers: [] };

/** The lines of one chain. */
function chain(rules: string, name: string): string[] {
  const body = new RegExp(`chain ${name} \\{\\n([^}]*(?:\\{[^}]*\\}[^}]*)*)\\n  \\}`).exec(rules)?.[1] ?? "";
  return body.split("\n").map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
}

test("the table is replaced in one transaction", () => {
  assert.match(firewallRules(policy), /^table inet berth_bth\ndelete table inet berth_bth\ntable inet berth_bth \{\n/);
});

test("the host takes only answers from instances, and none of them reaches another", () => {
  const rules = firewallRules(policy);
  assert.deepEqual(chain(rules, "input").slice(1), ['iifname != "bthi*" accept', "ct state established,related accept", "drop"]);
  assert.deepEqual(chain(rules, "entering"), ["ct state established,related accept", "drop"]);
  const leaving = chain(rules, "leaving");
  assert.equal(leaving[1], 'oifname "bthi*" drop');
  assert.equal(leaving.at(-1), "accept");
});

test("private ranges are closed after the exceptions, and the exceptions are what the operator says", () => {
  const without = chain(firewallRules(policy), "leaving");
  const blocked = without.findIndex((line) => line.includes("169.254.0.0/16") && line.endsWith("drop"));
  assert.ok(blocked > 0);
  assert.ok(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8"].every((range) => without[blocked]?.includes(range)));
  const leaving = chain(firewallRules({ ...policy, allowCidrs: ["10.9.0.0/16", "192.168.1.1/32"], resolvers: ["10.0.0.53"] }), "leaving");
  const at = (text: string) => leaving.findIndex((line) => line.includes(text));
  assert.ok(at("{ 10.9.0.0/16, 192.168.1.1/32 } accept") > 0 && at("{ 10.9.0.0/16, 192.168.1.1/32 } accept") < at("169.254.0.0/16"));
  assert.equal(leaving[at("10.0.0.53")], "ip daddr { 10.0.0.53 } meta l4proto { tcp, udp } th dport 53 accept");
});
