/** Two hosts with a node each: a tenant's apps find and reach each other across them, and nobody else's. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fabricName } from "../../core/host/commands/net.ts";
import { macOf } from "../../core/host/commands/fabric.ts";
import { run, runUnchecked } from "../../core/host/spawn.ts";
import { twoHosts, type HostNetwork } from "../support/hosts.ts";
import { NODE_PROGRAM, nodeLayers } from "../support/gvisor.ts";
import { shell, testTenant, TestNode, until, type TestTenant } from "../support/node.ts";
import { privateNetwork, type LiveInstance } from "../support/private-network.ts";

const HTTPD = shell("mkdir -p /www; hostname > /www/index.html; exec httpd -f -p 8080 -h /www");
const TUNNEL_PORT = 7079;

let hosts: HostNetwork;
let nodes: [TestNode, TestNode];
const live: LiveInstance[] = [];
const [mine, other] = [testTenant(), testTenant()];
before(async () => {
  hosts = await twoHosts();
  // The first one's operator lets instances send to the second host.
  const [a, b] = hosts.hosts.map((host, index) => TestNode.start({ BERTH_ALLOW_CIDRS: index === 0 ? `${hosts.hosts[1]?.address}/32` : "", BERTH_NODE_ADDRESS: host.address, BERTH_NODE_WAKE_LISTEN: `${host.address}:0`, BERTH_TUNNEL_PORT: String(TUNNEL_PORT) }, host));
  nodes = (await Promise.all([a, b])) as [TestNode, TestNode];
  // Two random ones may be the same.
  assert.notEqual(nodes[0].subnet, nodes[1].subnet);
});
after(async () => {
  await Promise.all((nodes ?? []).map((node) => node.stop()));
  await hosts?.remove();
});

async function add(node: TestNode, appName: string, tenant: TestTenant, wish: Parameters<TestNode["ready"]>[0] = { args: HTTPD }): Promise<LiveInstance> {
  const { desired, report } = await node.ready({ appName, hostname: appName, stopGraceMs: 0, ...nodeLayers(), ...wish }, tenant);
  const added = { node, desired, report };
  live.push(added);
  tellAll();
  return added;
}

const tellAll = () => nodes.forEach((node) => node.tell(privateNetwork(nodes, live)));

/** What a program of the instance's own network gets. */
async function within({ node, desired }: LiveInstance, ...argv: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return runUnchecked(node.inContainer(desired.id, ...argv));
}

/** One that is there. */
function find(node: TestNode, tenant: TestTenant, appName: string): LiveInstance {
  return live.find((each) => each.node === node && each.desired.tenantId === tenant.tenantId && each.desired.appName === appName) as LiveInstance;
}

const get = async (from: LiveInstance, url: string) => (await within(from, "wget", "-T", "3", "-q", "-O", "-", url)).stdout.trim();

test("names and packets reach the tenant's own on the other host, in both directions; nobody else's", async () => {
  const [a, b] = nodes;
  const [web, db, foreign, foreignWeb] = await Promise.all([add(a, "web", mine), add(b, "db", mine), add(b, "spy", other), add(a, "web", other)]);
  await until(async () => (await get(web, "http://db.internal:8080/")) === "db");
  assert.equal(await get(db, "http://web.internal:8080/"), "web");
  // The other tenant's app of the same name.
  assert.equal(await get(foreign, `http://${foreignWeb.report.address}:8080/`), "web");
  assert.equal(await get(foreign, "http://web.internal:8080/"), "web");
  assert.equal(await get(foreign, `http://${web.report.address}:8080/`), "");
  assert.equal(await get(web, `http://${foreign.report.address}:8080/`), "");
  assert.equal(await get(foreign, "http://db.internal:8080/"), "");
  assert.match((await within(foreign, "nslookup", "db.internal")).stdout, /NXDOMAIN/);
});

test("large answers pass, though the tunnel carries smaller packets than the instances' interfaces", async () => {
  const [a, b] = nodes;
  const big = await add(b, "big", mine, { args: shell("mkdir -p /www; head -c 3000000 /dev/zero > /www/zeros; exec httpd -f -p 8080 -h /www") });
  const client = await add(a, "client", mine);
  await until(async () => (await within(client, "sh", "-c", "wget -T 5 -q -O - http://big.internal:8080/zeros | wc -c")).stdout.trim() === "3000000");
  assert.equal(big.node, b);
});

test("the host of one node reaches instances of the other, and its instances do not reach that host", async () => {
  const [a, b] = nodes;
  const web = find(a, mine, "web");
  const script = `fetch("http://${web.report.address}:8080/").then((r) => r.text()).then((t) => process.stdout.write(t.trim()))`;
  assert.equal((await run(b.onHost(process.execPath, "-e", script))).stdout, "web");
  const db = find(b, mine, "db");
  for (const address of [...hosts.hosts.map((host) => host.address), a.subnet.replace(/0\/20$/, "1")]) {
    const port = (a.heard.find((m) => m.type === "hello") as { wake?: { url: string } }).wake?.url.split(":").at(-1);
    // Not even an answer that says no.
    assert.match((await within(db, "wget", "-T", "3", "-O", "-", `http://${address}:${port}/`)).stderr, /No route to host|timed out/, address);
  }
});

test("what a host wraps counts only for its own instances, and only from its own address", async () => {
  const [a, b] = nodes;
  const [from, to] = hosts.hosts.map(({ address }) => address) as [string, string];
  const listener = await add(b, "ear", mine);
  const [own, elsewhere, others, target] = [find(a, mine, "web"), find(b, mine, "db"), find(a, other, "web"), listener].map(({ report }) => String(report.address)) as [string, string, string, string];
  const wrapped = (source: string) => wrap({ source, target, mac: macOf(to) }).toString("hex");
  const send = (outer: string, hex: string) =>
    run(a.onHost(process.execPath, "-e", `const s = require("dgram").createSocket("udp4"); s.bind(0, ${JSON.stringify(outer)}, () => s.send(Buffer.from(${JSON.stringify(hex)}, "hex"), ${TUNNEL_PORT}, ${JSON.stringify(to)}, () => s.close()))`));
  // Another host's address, another node's instance, nobody's, another tenant's; then what is right.
  await run(a.onHost("ip", "addr", "add", "192.0.2.9/24", "dev", "between"));
  await send("192.0.2.9", wrapped(own));
  await send(from, wrapped(elsewhere));
  await send(from, wrapped("10.9.9.9"));
  await send(from, wrapped(others));
  await send(from, wrapped(own));
  await until(async () => (await unclaimed(listener)) > 0);
  assert.equal(await unclaimed(listener), 1);
});

test("an instance that wraps packets itself sends none: they would come from its host's own address", async () => {
  const [, b] = nodes;
  const [victim, spy] = [await add(b, "victim", mine), find(nodes[0], other, "web")];
  const to = hosts.hosts[1]?.address ?? "";
  const source = String(find(nodes[0], mine, "web").report.address);
  const hex = wrap({ source, target: String(victim.report.address), mac: macOf(to) }).toString("hex");
  const before = await arrivedAt(b);
  // What is no tunnel's goes out.
  for (const port of [TUNNEL_PORT, TUNNEL_PORT + 1]) {
    const script = `const s = require("dgram").createSocket("udp4"); s.on("error", () => {}); s.send(Buffer.from("${hex}", "hex"), ${port}, "${to}", () => setTimeout(() => s.close(), 100))`;
    await run(spy.node.inNetwork(spy.desired.id, NODE_PROGRAM, "-e", script));
  }
  await until(async () => (await arrivedAt(b)) > before);
  assert.equal(await unclaimed(victim), 0);
});

test("without the API, and after the agent has started again, all of it holds; a node that is gone is not sent to", async () => {
  const [a, b] = nodes;
  const web = find(a, mine, "web");
  await a.killAgent();
  assert.equal(await get(web, `http://${find(b, mine, "db").report.address}:8080/`), "db");
  await a.startAgent();
  await until(async () => (await get(web, "http://db.internal:8080/")) === "db");
  a.tell(privateNetwork([a], live.filter(({ node }) => node === a)));
  await until(async () => !(await run(a.onHost("ip", "route"))).stdout.includes(`${b.subnet} via`));
  await until(async () => (await within(web, "nslookup", "db.internal")).stdout.includes("NXDOMAIN"));
  assert.ok((await run(a.onHost("ip", "link"))).stdout.includes(fabricName(a.prefix)));
});

/** Datagrams that came to the instance and found nobody who listens. */
async function unclaimed({ node, desired }: LiveInstance): Promise<number> {
  const { stdout } = await run(node.inNetwork(desired.id, "cat", "/proc/net/snmp"));
  return Number(/^Udp: \d+ (\d+)/m.exec(stdout)?.[1]);
}

/** Datagrams that came to the host itself and found nobody who listens. */
const arrivedAt = async (node: TestNode) => Number(/^Udp: \d+ (\d+)/m.exec((await run(node.onHost("cat", "/proc/self/net/snmp"))).stdout)?.[1]);

/** A datagram as it comes through the tunnel. */
function wrap({ source, target, mac }: { source: string; target: string; mac: string }): Buffer {
  const bytes = (address: string) => Buffer.from(address.split(".").map(Number));
  const payload = Buffer.from("hello");
  const udp = Buffer.alloc(8);
  udp.writeUInt16BE(9000, 0);
  udp.writeUInt16BE(9000, 2);
  udp.writeUInt16BE(8 + payload.length, 4);
  const ip = Buffer.alloc(20);
  ip.set([0x45, 0], 0);
  ip.writeUInt16BE(28 + payload.length, 2);
  ip.set([64, 17], 8);
  ip.set(bytes(source), 12);
  ip.set(bytes(target), 16);
  let sum = 0;
  for (let at = 0; at < 20; at += 2) sum += ip.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  ip.writeUInt16BE(~sum & 0xffff, 10);
  const ethernet = Buffer.from([...mac.split(":").map((part) => Number.parseInt(part, 16)), 2, 0, 0, 0, 0, 9, 8, 0]);
  const vxlan = Buffer.from([8, 0, 0, 0, 0, 0x1b, 0xa7, 0]);
  return Buffer.concat([vxlan, ethernet, ip, udp, payload]);
}
