/** What the node asks the kernel for without programs, seen by those programs: in a network namespace of the test's own. */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { after, before, test } from "node:test";
import { SETS, noElements, type Elements, type SetName } from "../../core/host/commands/firewall-elements.ts";
import { elementRequests } from "../../core/host/commands/nftables.ts";
import { deletePairs, hostLink, hostRoute, innerRequests, limitEgress } from "../../core/host/commands/net.ts";
import { Nftables, Rtnetlink } from "../../core/host/netlink.ts";
import { run } from "../../core/host/spawn.ts";
import { withinNetns } from "../../core/host/syscalls.ts";

const name = `netlink-${randomInt(10 ** 6)}`;
const path = `/run/netns/${name}`;
const table = "berth_test";
const inside = async (...argv: string[]) => (await run(["ip", "netns", "exec", name, ...argv])).stdout;

before(async () => {
  await run(["ip", "netns", "add", name]);
});
after(async () => {
  await run(["ip", "netns", "delete", name]);
});

/** As nft lists them, whatever their order. */
async function listed(set: SetName): Promise<string[]> {
  const [, text = ""] = /elements = \{([^}]*)\}/.exec(await inside("nft", "list", SETS[set].startsWith("map") ? "map" : "set", "inet", table, set)) ?? [];
  return text.split(",").map((element) => element.trim()).filter((element) => element !== "").sort();
}

const elements = (some: Partial<Record<SetName, readonly string[]>>): Elements => ({ ...noElements(), ...Object.fromEntries(Object.entries(some).map(([set, list]) => [set, new Set(list)])) });

test("elements of the firewall's sets are put in and taken out as nft would, all or none", async () => {
  await inside("nft", `table inet ${table} {\n${Object.values(SETS).join("\n")}\n}`);
  const kernel = withinNetns(path, () => new Nftables());
  const addresses = Array.from({ length: 1200 }, (_, index) => `10.1.${index >> 8}.${index & 255}`);
  const some = elements({
    senders: ['"bthi1" . 10.1.0.1', '"bthi12345678901" . 10.1.0.2'],
    tenants: ["10.1.0.1 : 7", "10.1.0.2 : 4294967295"],
    members: ["10.1.0.1 . 7", "10.1.0.2 . 258"],
    hosts: addresses,
    nodes: ["192.0.2.1"],
    narrowed: ["10.1.0.1"],
    limited: ["10.1.0.2"],
  });
  kernel.change(elementRequests(table, noElements(), some) ?? []);
  assert.deepEqual(await listed("senders"), ['"bthi1" . 10.1.0.1', '"bthi12345678901" . 10.1.0.2']);
  assert.deepEqual(await listed("tenants"), ["10.1.0.1 : 0x00000007", "10.1.0.2 : 0xffffffff"]);
  assert.deepEqual(await listed("members"), ["10.1.0.1 . 0x00000007", "10.1.0.2 . 0x00000102"]);
  assert.deepEqual(await listed("hosts"), addresses.toSorted());
  for (const [set, address] of [["nodes", "192.0.2.1"], ["narrowed", "10.1.0.1"], ["limited", "10.1.0.2"]] as const) assert.deepEqual(await listed(set), [address]);

  // Another tenant's in one step, which takes the element out and puts it in.
  const others = elements({ tenants: ["10.1.0.1 : 8"], hosts: ["10.1.0.0"] });
  kernel.change(elementRequests(table, some, others) ?? []);
  assert.deepEqual([await listed("tenants"), await listed("hosts"), await listed("senders")], [["10.1.0.1 : 0x00000008"], ["10.1.0.0"], []]);

  // One that is not there is taken out: nothing else is done either.
  const wrong = elementRequests(table, elements({ nodes: ["198.51.100.1"] }), elements({ limited: ["10.1.0.9"] })) ?? [];
  assert.throws(() => kernel.change(wrong), { code: "ENOENT", message: /^changing nodes failed/ });
  assert.deepEqual(await listed("limited"), []);
  await inside("nft", `delete table inet ${table}`);
  assert.throws(() => kernel.change(elementRequests(table, noElements(), some) ?? []), { code: "ENOENT" });
  assert.deepEqual(elementRequests(table, some, some), []);
  assert.equal(elementRequests(table, noElements(), elements({ egress_all: ["10.1.0.1 . 192.0.2.0-192.0.2.255"] })), undefined);
  kernel.close();
});

test("an instance's pair is as ip and tc show it, and goes with others at once", async () => {
  const kernel = withinNetns(path, () => new Rtnetlink());
  for (const pair of ["one", "two"]) await inside("ip", "link", "add", pair, "type", "veth", "peer", "name", `${pair}-peer`);
  await inside("ip", "link", "set", "one-peer", "name", "eth0");
  assert.equal(kernel.indexOf("three"), undefined);
  assert.throws(() => kernel.mustFind("three"), { code: "ENODEV" });
  kernel.do(...hostLink("one", true), ...hostRoute(kernel.mustFind("one"), "10.1.0.1"));
  const eth0 = kernel.mustFind("eth0");
  kernel.do(...innerRequests(eth0, "10.1.0.1"), limitEgress(eth0, 5_000_000_000));
  assert.match(await inside("ip", "-d", "link", "show", "one"), /state UP[\s\S]* addrgenmode none/);
  assert.match(await inside("ip", "addr", "show", "one"), /inet 169\.254\.1\.1\/32 scope global one/);
  assert.equal((await inside("cat", "/proc/sys/net/ipv4/conf/one/rp_filter")).trim(), "1");
  assert.match(await inside("ip", "addr", "show", "eth0"), /inet 10\.1\.0\.1\/32 scope global eth0/);
  assert.match(await inside("ip", "route"), /^default via 169\.254\.1\.1 dev eth0[\s\S]*^10\.1\.0\.1 dev one scope link[\s\S]*^169\.254\.1\.1 dev eth0 scope link/m);
  assert.match(await inside("tc", "qdisc", "show", "dev", "eth0"), /qdisc tbf \S+ root refcnt \d+ rate 40Gbit burst \S+ lat 100ms/);
  // Again, as after a link was down.
  kernel.do(...hostRoute(kernel.mustFind("one"), "10.1.0.1"));
  assert.throws(() => kernel.do(...hostRoute(999_999, "10.1.0.1")), { code: "ENODEV", message: /^giving the address 169\.254\.1\.1 failed: ENODEV/ });

  const errors = await kernel.doSoon(...deletePairs(["one", "three", "two"], 2 ** 30 + 1));
  assert.deepEqual(errors.map(({ message }) => message), ["marking three failed: ENODEV"]);
  assert.doesNotMatch(await inside("ip", "link"), /one|two/);
  kernel.close();
});
