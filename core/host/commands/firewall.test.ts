import assert from "node:assert/strict";
import { test } from "node:test";
import { elementChanges, firewallElements, noElements, type LocalMember } from "./firewall-elements.ts";
import { firewallRules, tunnelChange } from "./firewall.ts";

const policy = { prefix: "bth", subnet: "10.201.0.0/16", allowCidrs: [], resolver: "10.201.0.1", connections: { instance: 100, tenant: 1000 } };

/** The lines of one chain. */
function chain(rules: string, name: string): string[] {
  const body = new RegExp(`chain ${name} \\{\\n([^}]*(?:\\{[^}]*\\}[^}]*)*)\\n  \\}`).exec(rules)?.[1] ?? "";
  return body.split("\n").map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
}

const local = (last: number, app: string, network: LocalMember["network"] = {}, tenant = 33): LocalMember => ({ address: `10.201.0.${last}`, tenant, app, interface: `bthi${last}`, network });

test("the table is replaced in one transaction, with what is in its sets", () => {
  const rules = firewallRules(policy, firewallElements({ locals: [local(16, "web")], remotes: [], hosts: [], nodes: [] }));
  assert.match(rules, /^table inet berth_bth\ndelete table inet berth_bth\ntable inet berth_bth \{\n/);
  assert.match(rules, /\n\}\nadd element inet berth_bth senders \{ "bthi16" \. 10\.201\.0\.16 \}\n/);
});

test("the number of rules does not grow with the instances", () => {
  const many = Array.from({ length: 200 }, (_, at) => local(at, `app${at % 20}`, { ingress: [{ from: ["tenant"], ports: [80] }] }, at % 7 + 1));
  const count = (rules: string) => rules.slice(0, rules.indexOf("\n}\n")).split("\n").length;
  assert.equal(count(firewallRules(policy, firewallElements({ locals: many, remotes: [], hosts: [], nodes: [] }))), count(firewallRules(policy)));
});

test("only what was started sends, with its own address; the host takes its questions and its answers", () => {
  const rules = firewallRules(policy);
  assert.deepEqual(chain(rules, "sent"), ["meta nfproto != ipv4 drop", "iifname . ip saddr != @senders drop"]);
  assert.deepEqual(chain(rules, "to_host"), [
    "ip daddr 10.201.0.1 meta l4proto { tcp, udp } th dport 53 jump ask",
    "ct state established,related accept",
    "reject with icmp type admin-prohibited",
  ]);
});

test("between instances the tenant is asked for at every packet, before anything else", () => {
  assert.deepEqual(chain(firewallRules(policy), "private").slice(0, 3), ["meta mark set 0", "meta mark set ip saddr map @tenants", "ip daddr . meta mark != @members goto foreign"]);
  assert.deepEqual(chain(firewallRules(policy), "leaving").slice(0, 1), ['oifname "bthi*" goto private']);
});

test("private ranges are closed after the exceptions, and the exceptions are what the operator says", () => {
  const without = chain(firewallRules(policy), "leaving");
  const blocked = without.findIndex((line) => line.includes("169.254.0.0/16") && line.includes("reject"));
  assert.ok(blocked > 0);
  assert.ok(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8"].every((range) => without[blocked]?.includes(range)));
  const leaving = chain(firewallRules({ ...policy, allowCidrs: ["10.9.0.0/16", "192.168.1.1/32"] }), "leaving");
  const at = (text: string) => leaving.findIndex((line) => line.includes(text));
  assert.ok(at("{ 10.9.0.0/16, 192.168.1.1/32 } goto internet") > at("jump allowed") && at("{ 10.9.0.0/16") < at("169.254.0.0/16"));
});

test("another node sends for its own addresses alone, and without a tunnel nothing is said of its port", () => {
  const peers = [{ address: "192.0.2.1", subnet: "10.202.16.0/20" }, { address: "192.0.2.2", subnet: "10.203.0.0/16" }];
  const wanted = ["ip saddr 192.0.2.1 @th,224,16 0x0800 @th,336,20 44193 accept", "ip saddr 192.0.2.2 @th,224,16 0x0800 @th,336,16 2763 accept", "drop"];
  assert.deepEqual(chain(firewallRules({ ...policy, tunnelPort: 7079 }, noElements(), peers), "tunnel"), wanted);
  assert.deepEqual(tunnelChange("bth", peers).split("\n").slice(1, -1), wanted.map((rule) => `add rule inet berth_bth tunnel ${rule}`));
  assert.doesNotMatch(firewallRules(policy), /7079|jump tunnel/);
});

test("ingress: names are addresses of the tenant's apps, here and elsewhere; what a range opens to the outside, a name does not", () => {
  const rules = [{ from: ["web", "203.0.113.0/24"], ports: [5432] }, { from: ["tenant"], ports: ["8000-8001"] }];
  const elements = firewallElements({
    locals: [local(16, "db", { ingress: rules }), local(17, "web"), local(18, "web", {}, 44)],
    remotes: [{ address: "10.202.0.16", tenant: 33, app: "web" }],
    hosts: [],
    nodes: [],
  });
  assert.deepEqual([...elements.narrowed], ["10.201.0.16"]);
  assert.deepEqual([...elements.ingress], [
    "10.201.0.16 . 10.201.0.17 . 5432", "10.201.0.16 . 10.202.0.16 . 5432", "10.201.0.16 . 203.0.113.0-203.0.113.255 . 5432", "10.201.0.16 . 0.0.0.0-255.255.255.255 . 8000-8001",
  ]);
  assert.deepEqual([...elements.ingress_outside], ["10.201.0.16 . 203.0.113.0-203.0.113.255 . 5432"]);
});

test("egress: ranges and the tenant's own apps apart, by protocol and port", () => {
  const allow = [{ to: "203.0.113.7" }, { to: "0.0.0.0/0", ports: [443], protocol: "tcp" as const }, { to: "web", ports: [80] }, { to: "gone" }];
  const elements = firewallElements({ locals: [local(16, "db", { egress: { allow } }), local(17, "web")], remotes: [], hosts: [], nodes: [] });
  assert.deepEqual([...elements.limited], ["10.201.0.16"]);
  assert.deepEqual([...elements.egress_all], ["10.201.0.16 . 203.0.113.7"]);
  assert.deepEqual([...elements.egress], ["10.201.0.16 . tcp . 0.0.0.0-255.255.255.255 . 443"]);
  assert.deepEqual([...elements.egress_private], ["10.201.0.16 . tcp . 10.201.0.17 . 80", "10.201.0.16 . udp . 10.201.0.17 . 80"]);
});

test("a change names only what changes: an address that becomes another tenant's is taken away first", () => {
  const before = firewallElements({ locals: [local(16, "web"), local(17, "db")], remotes: [], hosts: [], nodes: [] });
  const after = firewallElements({ locals: [local(16, "web", {}, 44), local(17, "db")], remotes: [], hosts: [], nodes: [] });
  assert.equal(elementChanges("t", before, after), [
    "delete element inet t tenants { 10.201.0.16 : 33 }", "delete element inet t members { 10.201.0.16 . 33 }",
    "add element inet t tenants { 10.201.0.16 : 44 }", "add element inet t members { 10.201.0.16 . 44 }", "",
  ].join("\n"));
  assert.equal(elementChanges("t", after, after), "");
});
