/** What an instance reaches and what reaches it: the internet, its tenant's own and the gateway, nobody else. */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { after, before, test } from "node:test";
import type { ChildProcess } from "node:child_process";
import { run, runUnchecked, start } from "../../core/host/spawn.ts";
import { IN_GVISOR } from "../support/gvisor.ts";
import { HTTPD, shell, TestNode, testTenant, until } from "../support/node.ts";

const third = randomInt(256);
/** A neighbour of the host: one public address (TEST-NET-2) and a few that no instance may reach. */
const link = `198.51.100.${4 * randomInt(1, 63)}`;
const near = link.replace(/\d+$/, (last) => String(Number(last) + 1));
const far = link.replace(/\d+$/, (last) => String(Number(last) + 2));
const privates = [`192.168.${third}.10`, `172.16.${third}.10`, `100.64.${third}.10`, `169.254.${third}.10`];
const allowed = `192.168.${third}.20`;
const PORT = 8000;

let node: TestNode;
let world: ChildProcess;
/** Sources and texts of what the neighbour got by UDP. */
let datagrams = "";
let server: Server;
let worldName: string;
before(async () => {
  node = await TestNode.start({ BERTH_ALLOW_CIDRS: `${allowed}/32` });
  // The name starts like the node's own, so that its end takes it away too.
  worldName = `${node.prefix}-w`;
  await run(["ip", "netns", "add", worldName]);
  const hostSide = `${node.prefix}w0`;
  const hostBatch = [
    `link add ${hostSide} type veth peer name eth0 netns ${worldName}`, `addr add ${near}/30 dev ${hostSide}`, `link set ${hostSide} up`,
    ...[...privates, allowed].map((address) => `route add ${address}/32 via ${far} dev ${hostSide}`),
  ];
  await run(["ip", "-batch", "-"], { input: `${hostBatch.join("\n")}\n` });
  const innerBatch = [
    "link set lo up", `addr add ${far}/30 dev eth0`, ...[...privates, allowed].map((address) => `addr add ${address}/32 dev eth0`), "link set eth0 up",
    `route add ${node.subnet} via ${near}`,
  ];
  await run(["ip", "-n", worldName, "-batch", "-"], { input: `${innerBatch.join("\n")}\n` });
  const script = `require("dgram").createSocket("udp4").on("message", (text, from) => console.log(from.address + " " + text)).bind(${PORT});
    require("http").createServer((q, r) => r.end(q.socket.remoteAddress)).listen(${PORT}, "0.0.0.0", () => console.log("up"))`;
  world = start(["ip", "netns", "exec", worldName, process.execPath, "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  world.stdout?.on("data", (data: Buffer) => (datagrams += data.toString()));
  await until(() => datagrams.includes("up"));
  server = createServer((_request, response) => response.end("host")).listen(0, "0.0.0.0");
  await once(server, "listening");
});
after(async () => {
  server?.close();
  server?.closeAllConnections();
  if (world?.exitCode === null) {
    world.kill("SIGKILL");
    await once(world, "exit");
  }
  if (worldName) await runUnchecked(["ip", "netns", "delete", worldName]);
  await node?.stop();
});

/** What an instance gets from each of these, "closed" for nothing. */
async function ask(urls: readonly string[]): Promise<Record<string, string>> {
  const script = `for u in ${urls.join(" ")}; do (echo "$u $(wget -T 1 -q -O - $u 2>/dev/null || echo closed)") & done; wait; echo done; exec httpd -f -p 8080 -h /etc`;
  const { desired } = await node.ready({ args: shell(script), stopGraceMs: 0 });
  const entries = await node.logs(desired.id, { until: (all) => all.some(({ text }) => text === "done") });
  return Object.fromEntries(entries.filter(({ text }) => text.startsWith("http")).map(({ text }) => text.split(" ") as [string, string]));
}

/** Whether a connection comes about, from a network namespace. */
async function connects(from: string[], address: string, port: number): Promise<boolean> {
  const script = `const s = require("net").connect({ host: ${JSON.stringify(address)}, port: ${port}, timeout: 1000 });
    s.on("connect", () => process.exit(0)); s.on("timeout", () => process.exit(1)); s.on("error", () => process.exit(1));`;
  return (await runUnchecked([...from, process.execPath, "-e", script])).code === 0;
}

/** Sends a datagram to the neighbour, from this address. */
async function sendFrom(within: string[], source: string, text: string): Promise<void> {
  const script = `const s = require("dgram").createSocket("udp4"); s.bind(0, ${JSON.stringify(source)}, () => s.send(${JSON.stringify(text)}, ${PORT}, ${JSON.stringify(far)}, () => s.close()))`;
  await run([...within, process.execPath, "-e", script]);
}

test("the internet, with the host's address; no private, link-local or metadata address but those that the operator allows", async () => {
  const urls = [far, allowed, ...privates].map((address) => `http://${address}:${PORT}`);
  // All are there for the host.
  for (const url of urls) assert.equal((await fetch(url)).status, 200);
  const got = await ask(urls);
  assert.equal(got[`http://${far}:${PORT}`], near);
  assert.equal(got[`http://${allowed}:${PORT}`], near);
  for (const address of privates) assert.equal(got[`http://${address}:${PORT}`], "closed", address);
});

test("not the host, under none of its addresses; not another tenant; instances of the same one", async () => {
  const tenant = testTenant();
  const other = await node.ready({ args: HTTPD }, tenant);
  const port = (server.address() as AddressInfo).port;
  const own = Object.values(networkInterfaces()).flat().flatMap((each) => (each?.family === "IPv4" && !each.internal ? [each.address] : []));
  const urls = [...new Set(["169.254.1.1", near, ...own])].map((address) => `http://${address}:${port}`);
  assert.ok((await fetch(`http://${near}:${port}`)).ok);
  assert.ok((await fetch(`${other.url}/etc/hostname`)).ok);
  const got = await ask([...urls, `${other.url}/etc/hostname`, `http://127.0.0.1:${port}`]);
  assert.deepEqual(new Set(Object.values(got)), new Set(["closed"]), JSON.stringify(got));
  const sameTenant = await node.ready({ args: shell(`wget -T 1 -q -O - ${other.url}/etc/hostname || echo closed; exec httpd -f -p 8080`) }, tenant);
  assert.deepEqual((await node.logs(sameTenant.desired.id)).map(({ text }) => text).filter((text) => !text.startsWith("wget")), ["web"]);
});

test("nobody but the host reaches an instance; no foreign source address leaves one; no IPv6", async () => {
  const { desired, report } = await node.ready({ args: shell("cat /proc/net/if_inet6; echo end; exec httpd -f -p 8080 -h /etc") });
  const address = report.address ?? "";
  assert.equal(await connects([], address, 8080), true);
  assert.equal(await connects(["ip", "netns", "exec", worldName], address, 8080), false);
  assert.deepEqual((await node.logs(desired.id)).map(({ text }) => text), ["end"]);
  // gVisor has the address, not the namespace: what it sends goes through the same interface.
  if (IN_GVISOR) return;
  const other = await node.ready({ args: HTTPD });
  const { netns } = JSON.parse((await run(["cat", node.path("instances", desired.id, "state.json")])).stdout) as { netns: string };
  const within = node.inside("nsenter", `--net=/run/netns/${netns}`, "--");
  // Even with the powers of the host's root in its namespace.
  const foreign = `198.51.100.${255 - 3}`;
  for (const source of [foreign, other.report.address]) await run([...within, "ip", "addr", "add", `${source}/32`, "dev", "eth0"]);
  await sendFrom(within, foreign, "foreign");
  await sendFrom(within, other.report.address ?? "", "other");
  await sendFrom(within, address, "own");
  await until(() => datagrams.includes(`${near} own`));
  assert.doesNotMatch(datagrams, /foreign|other/);
  // Nor over IPv6, which its own root cannot even switch on: the host, which has no address there, under one that it is given, on a port that is open.
  await run([...within, "sh", "-c", "for f in all default eth0; do echo 0 > /proc/sys/net/ipv6/conf/$f/disable_ipv6; done; ip link set eth0 down; ip link set eth0 up; ip addr add fe80::9/64 dev eth0 nodad"]);
  const six = createServer().listen(0, "::");
  await once(six, "listening");
  try {
    const { port } = six.address() as AddressInfo;
    const hostInterface = `${node.prefix}i${netns.slice(netns.lastIndexOf("i") + 1)}`;
    assert.equal((await run(["ip", "-6", "addr", "show", "dev", hostInterface])).stdout, "");
    await run(["ip", "addr", "add", "fe80::1/64", "dev", hostInterface, "nodad"]);
    assert.equal(await connects(within, "fe80::1%eth0", port), false);
  } finally {
    six.close();
  }
});

test("a network namespace that somebody adds on the node by hand covers none of the instances'", async () => {
  const { desired, url } = await node.ready({ args: HTTPD });
  const { netns } = JSON.parse((await run(["cat", node.path("instances", desired.id, "state.json")])).stdout) as { netns: string };
  const byHand = `${node.prefix}-h`;
  await run(node.inside("ip", "netns", "add", byHand));
  await run(node.inside("ip", "netns", "delete", byHand));
  await node.killAgent();
  await node.startAgent();
  await node.until(desired.id, "ready");
  assert.ok((await fetch(`${url}/etc/hostname`)).ok);
  const namespaces = async () => (await run(node.inside("ls", "/run/netns"))).stdout.split("\n");
  assert.ok((await namespaces()).includes(netns));
  node.want();
  await until(async () => !(await namespaces()).includes(netns));
});

test("the rules outlive the agent, and are there before anything runs", async () => {
  const rules = async () => (await runUnchecked(["nft", "list", "table", "inet", `berth_${node.prefix}`])).stdout;
  await node.killAgent();
  assert.match(await rules(), /drop/);
  // The next one brings them back where somebody took them away, before it takes up its instances.
  await run(["nft", "delete", "table", "inet", `berth_${node.prefix}`]);
  await node.startAgent();
  assert.match(await rules(), /drop/);
  await until(() => node.heard.at(-1)?.type === "report");
});
