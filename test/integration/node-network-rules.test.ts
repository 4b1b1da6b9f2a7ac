/** Names on one node, what an app's rules and the node's limits let through, and what happens without a firewall. */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { streamDecode, streamEncode } from "dns-packet";
import { run, runUnchecked } from "../../core/host/spawn.ts";
import { startTestDns, type TestDns } from "../support/dns.ts";
import { sinkOf } from "../support/network-sink.ts";
import { NODE_PROGRAM, nodeLayers } from "../support/gvisor.ts";
import { shell, testTenant, TestNode, until, type InstanceWish, type TestTenant } from "../support/node.ts";
import { privateNetwork, type LiveInstance } from "../support/private-network.ts";

const HTTPD = shell("mkdir -p /www; hostname > /www/index.html; httpd -p 8081 -h /www; exec httpd -f -p 8080 -h /www");
/** Of the neighbour, which the operator allows. */
const outside = `192.168.${randomInt(256)}.20`;

let node: TestNode;
let dns: TestDns;
let tools: string;
let sink: Awaited<ReturnType<typeof sinkOf>>;
const live: LiveInstance[] = [];
const [mine, other] = [testTenant(), testTenant()];
let web: LiveInstance;
let db: LiveInstance;
/** Another tenant's. */
let spy: LiveInstance;
before(async () => {
  dns = await startTestDns();
  tools = mkdtempSync(join(tmpdir(), "berth-nft-"));
  // Says no, or takes its time, when a test wants it.
  const nft = (await run(["which", "nft"])).stdout.trim();
  writeFileSync(join(tools, "nft"), `#!/bin/sh\nwhile [ -e ${tools}/hold ]; do sleep 0.02; done\n[ -e ${tools}/broken ] && exit 1\nexec ${nft} "$@"\n`, { mode: 0o755 });
  node = await TestNode.start({ PATH: `${tools}:${process.env["PATH"]}`, BERTH_RESOLVERS: dns.server, BERTH_INSTANCE_CONNECTIONS: "40", BERTH_ALLOW_CIDRS: `${outside}/32` });
  sink = await sinkOf(node, outside);
});
after(async () => {
  await sink?.remove();
  await node?.stop();
  dns?.close();
  if (tools) rmSync(tools, { recursive: true });
});

async function add(appName: string, tenant: TestTenant, wish: Partial<InstanceWish> & { asleep?: boolean } = {}): Promise<LiveInstance> {
  const { asleep = false, ...rest } = wish;
  const { desired, report } = await node.ready({ args: HTTPD, appName, hostname: appName, stopGraceMs: 0, ...nodeLayers(), ...rest }, tenant);
  const added = { node, desired, report, asleep };
  live.push(added);
  node.tell(privateNetwork([node], live));
  return added;
}

/** Runs in the instance's network. */
const script = async ({ desired }: LiveInstance, text: string) => (await run(node.inNetwork(desired.id, NODE_PROGRAM, "--input-type=module", "-e", text))).stdout.trim();
/** «open», or how it failed. */
const connects = (from: LiveInstance, address: string | undefined, port: number) =>
  script(from, `import { connect } from "node:net"; const s = connect({ host: ${JSON.stringify(address)}, port: ${port}, timeout: 2500 });
    const end = (word) => { console.log(word); process.exit() }; s.on("connect", () => end("open")); s.on("timeout", () => end("silence")); s.on("error", (e) => end(e.code));`);
const asks = (from: LiveInstance, name: string, method = "resolve4") =>
  script(from, `import { Resolver } from "node:dns/promises"; const r = new Resolver({ timeout: 5000, tries: 2 }); r.setServers([${JSON.stringify(node.subnet.replace(/0\/20$/, "1"))}]);
    console.log(await r.${method}(${JSON.stringify(name)}).then((a) => JSON.stringify(a), (e) => e.code))`);

test("names: the tenant's own, whatever else is somebody else's; the rest of the world is asked for", async () => {
  [web, db, spy] = await Promise.all([add("web", mine), add("db", mine), add("db", other)]);
  dns.txt.set("proof.example", ["forwarded"]);
  assert.equal(await asks(web, "db.internal"), JSON.stringify([db.report.address]));
  assert.equal(await asks(spy, "db.internal"), JSON.stringify([spy.report.address]));
  assert.equal(await asks(spy, "web.internal"), "ENOTFOUND");
  assert.equal(await asks(web, "nobody.internal"), "ENOTFOUND");
  assert.equal(await asks(web, "db.internal", "resolve6"), "ENODATA");
  assert.equal(await asks(web, "proof.example", "resolveTxt"), '[["forwarded"]]');
  assert.equal(await asks(web, "missing.example", "resolveTxt"), "ENOTFOUND");
  // Over TCP, and as programs in images ask.
  assert.equal((await run(node.inContainer(web.desired.id, "wget", "-T", "3", "-q", "-O", "-", "http://db.internal:8080/"))).stdout.trim(), "db");
  const question = streamEncode({ type: "query", id: 1, questions: [{ type: "A", name: "db.internal" }] });
  const tcp = `import { connect } from "node:net"; const s = connect(53, ${JSON.stringify(node.subnet.replace(/0\/20$/, "1"))}); s.write(Buffer.from("${question.toString("hex")}", "hex"));
    s.on("data", (d) => { console.log(d.toString("hex")); process.exit() })`;
  const [answer] = streamDecode(Buffer.from(await script(web, tcp), "hex")).answers ?? [];
  assert.equal(answer?.type === "A" && answer.data, db.report.address);
  // Nobody else reaches the resolver: not the neighbour, and not who claims to be an instance.
  assert.equal(await sink.asks(node.subnet.replace(/0\/20$/, "1")), "silence");
});

test("an app that sleeps is woken by its name, and answers at the address", async () => {
  const lazy = await add("lazy", mine, { sleep: { freezeAfterMs: 300, standbyAfterMs: 600, coldAfterMs: null } });
  await node.untilReport(lazy.desired.id, (report) => report?.temperature?.is === "standby");
  const [address] = JSON.parse(await asks(web, "lazy.internal")) as [string];
  assert.equal(address, lazy.report.address);
  assert.equal(node.report(lazy.desired.id)?.temperature?.is, "running");
  assert.equal(await connects(web, address, 8080), "open");
});

test("an app without an instance is asked for at the API, and its name waits for one", async () => {
  const none = privateNetwork([node], live, [{ tenant: mine, name: "later" }]);
  node.tell(none);
  const asked = asks(web, "later.internal");
  const appId = none.tenants.flatMap(({ services }) => services).find(({ name }) => name === "later")?.appId;
  await until(() => node.heard.some((message) => message.type === "wanted" && message.appId === appId));
  const later = await add("later", mine, { appId: appId as never });
  assert.equal(await asked, JSON.stringify([later.report.address]));
});

test("ingress: only who is named, on the ports that are; other tenants never", async () => {
  const [shop, shut] = await Promise.all([
    add("shop", mine, { network: { ingress: [{ from: ["web", "203.0.113.0/24"], ports: [8080] }, { from: [outside], ports: [8081] }] } }),
    add("shut", mine, { network: { ingress: [] } }),
  ]);
  assert.equal(await connects(web, shop.report.address, 8080), "open");
  assert.equal(await connects(web, shop.report.address, 8081), "EHOSTUNREACH");
  assert.equal(await connects(web, shut.report.address, 8080), "EHOSTUNREACH");
  assert.equal(await connects(db, shop.report.address, 8080), "EHOSTUNREACH");
  assert.equal(await connects(spy, shop.report.address, 8080), "EHOSTUNREACH");
  // A range is open to neighbours, a name is not; the gateway's host reaches all.
  assert.equal(await sink.connects(shop.report.address, 8081), "open");
  assert.equal(await sink.connects(shop.report.address, 8080), "silence");
  assert.equal((await fetch(`http://${shut.report.address}:8080/`)).status, 200);
});

test("egress: only where the rules lead, and the app is told at once; names and answers go on", async () => {
  const [some, none] = await Promise.all([
    add("some", mine, { network: { egress: { allow: [{ to: `${outside}/32`, ports: [8000], protocol: "tcp" }, { to: "db", ports: ["8080-8080"] }] } } }),
    add("none", mine, { network: { egress: { allow: [] } } }),
  ]);
  assert.equal(await connects(some, outside, 8000), "open");
  assert.equal(await connects(some, outside, 8001), "EHOSTUNREACH");
  assert.equal(await connects(some, db.report.address, 8080), "open");
  assert.equal(await connects(some, db.report.address, 8081), "EHOSTUNREACH");
  assert.equal(await connects(some, web.report.address, 8080), "EHOSTUNREACH");
  assert.equal(await connects(none, outside, 8000), "EHOSTUNREACH");
  assert.equal(await connects(db, outside, 8001), "open");
  assert.equal(await asks(none, "db.internal"), JSON.stringify([db.report.address]));
  assert.equal(await connects(db, none.report.address, 8080), "open");
  assert.equal((await fetch(`http://${none.report.address}:8080/`)).status, 200);
});

test("what an instance sends is held back to its rate", async () => {
  const rate = 200_000;
  const slow = await add("slow", mine, { network: { egressBytesPerSecond: rate } });
  const sent = 600_000;
  const began = performance.now();
  await script(slow, `import { connect } from "node:net"; const s = connect(8000, ${JSON.stringify(outside)}); s.end(Buffer.alloc(${sent})); s.on("close", () => process.exit()); s.resume()`);
  const ms = performance.now() - began;
  // The burst at the beginning is free; a machine that is busy makes it only longer.
  assert.ok(ms > ((sent - 100_000) / rate) * 1000 * 0.8, `${sent} bytes at ${rate}/s took ${Math.round(ms)} ms`);
});

test("open connections are bounded, and those that end make room", async () => {
  const many = await add("many", mine);
  const text = `import { connect } from "node:net"; const open = []; let refused = 0;
    const one = () => new Promise((resolve) => { const s = connect({ host: ${JSON.stringify(outside)}, port: 8000, timeout: 2000 }); const no = () => { refused++; s.destroy(); resolve() }; s.on("connect", () => { open.push(s); resolve() }); s.on("error", no); s.on("timeout", no) });
    for (let i = 0; i < 45; i++) await one(); console.log(JSON.stringify([open.length, refused > 0])); process.exit()`;
  const [open, refused] = JSON.parse(await script(many, text)) as [number, boolean];
  assert.ok(open <= 41 && open >= 30 && refused, `${open} open`);
  // Its neighbours are not counted with it.
  assert.equal(await connects(db, outside, 8000), "open");
});

test("rules that somebody takes away come back; while they cannot, nothing passes and nothing starts", async () => {
  const table = ["nft", "list", "table", "inet", `berth_${node.prefix}`];
  await run(["nft", "delete", "table", "inet", `berth_${node.prefix}`]);
  await until(async () => (await runUnchecked(table)).code === 0);
  await run(["nft", "flush", "chain", "inet", `berth_${node.prefix}`, "private"]);
  await until(async () => (await run(table)).stdout.includes("goto foreign"));
  assert.equal(await connects(web, db.report.address, 8080), "open");
  writeFileSync(join(tools, "broken"), "");
  await run(["nft", "delete", "table", "inet", `berth_${node.prefix}`]);
  await until(() => node.log.includes("instances are cut off"));
  assert.notEqual(await connects(web, db.report.address, 8080), "open");
  assert.notEqual(await connects(web, outside, 8000), "open");
  const unlucky = node.instance({ args: HTTPD, appName: "unlucky" }, mine);
  node.add(unlucky);
  await node.until(unlucky.id, "failed");
  rmSync(join(tools, "broken"));
  await until(async () => (await connects(web, db.report.address, 8080)) === "open");
  assert.equal(await connects(spy, db.report.address, 8080), "EHOSTUNREACH");
});

test("no process before its rules: also when the agent is killed in between", async () => {
  // Ranges are nft's to put in, which can be held.
  const desired = node.instance({ args: HTTPD, appName: "patient", network: { egress: { allow: [{ to: `${outside}/32` }] } } }, mine);
  writeFileSync(join(tools, "hold"), "");
  node.add(desired);
  await until(async () => (await run(["ps", "-e", "-o", "args"])).stdout.includes(`${tools}/nft -f -`));
  assert.deepEqual((await node.traces(desired.id)).filter((trace) => trace.includes("/cgroup/") || trace.includes("/crun/")), []);
  await node.killAgent();
  rmSync(join(tools, "hold"));
  await node.startAgent();
  const report = await node.until(desired.id, "ready");
  const { stdout } = await run(["nft", "list", "set", "inet", `berth_${node.prefix}`, "senders"]);
  assert.ok(stdout.includes(String(report.address)));
  assert.ok(readFileSync(node.path("network.json"), "utf8").includes(mine.tenantId));
});
