/**
 * As many instances as a node takes, each an app of its own, all answering through the gateway: how quickly they start,
 * what the platform holds for each, what the agent does when nobody asks. `docker run` of the same program beside it.
 */
import { Agent, request } from "node:http";
import { readdir, readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { processCpuMs } from "../core/host/process-stat.ts";
import { run } from "../core/host/spawn.ts";
import { TestGateway } from "../test/support/gateway.ts";
import { busybox } from "../test/support/layers.ts";
import { HTTPD, testTenant, TestNode, until } from "../test/support/node.ts";
import { atEnd } from "./support/at-end.ts";
import { timed } from "./support/measure.ts";
import type { Peer } from "./support/peers.ts";

const INSTANCES = Number(process.env["BERTH_BENCH_INSTANCES"] ?? 1000);
const TENANTS = 20;
const MEMORY_BYTES = 16 * 2 ** 20;
const PEERS = 100;
const PEER_PORT = 20_000;
/** The kernel's counters are read once in it. */
const IDLE_MS = 60_000;
const START_TIMEOUT_MS = 300_000;

export interface Density {
  instances: number;
  startsPerSecond: number;
  /** PSS: shared pages count once. */
  monitorKib: number;
  agentKib: number;
  gatewayKib: number;
  /** Less memory available on the whole host, the app's own processes taken away. */
  hostKib: number;
  /** Percent of one core, with nobody asking. */
  agentIdlePercent: number;
  answered: number;
}

export interface PeerDensity {
  instances: number;
  startsPerSecond: number;
  hostKib: number;
}

export async function density(docker: Peer | undefined): Promise<{ berth: Density; docker: PeerDensity | undefined }> {
  return { berth: await berthDensity(), docker: docker && (await dockerDensity(docker)) };
}

async function berthDensity(): Promise<Density> {
  const node = await TestNode.start({ BERTH_NETNS_READY: "32", BERTH_NODE_INSTANCES: String(INSTANCES + 1) });
  const stopNode = atEnd(() => node.stop());
  const gateway = await TestGateway.start({ BERTH_GATEWAY_SLOTS: String(INSTANCES + 10), BERTH_GATEWAY_COUNTS_MS: "5000" });
  const stopGateway = atEnd(() => gateway.stop());
  // Each report names every instance: a thousand of them are not kept.
  const forgetting = setInterval(() => node.heard.splice(0, node.heard.length - 2), 100);
  try {
    const tenants = Array.from({ length: TENANTS }, () => testTenant());
    const instance = (index: number) => node.instance({ args: HTTPD, stopGraceMs: 0, readyTimeoutMs: START_TIMEOUT_MS, limits: { memoryBytes: MEMORY_BYTES, pidsMax: 16 } }, tenants[index % TENANTS]);
    // The first pulls and unpacks the image; it is none of those that are counted.
    await node.ready({ args: HTTPD, stopGraceMs: 0 }, tenants[0]);
    const wanted = Array.from({ length: INSTANCES }, (_, index) => instance(index));
    await sleep(2000);
    const [memory, before] = [await availableKib(), await platform(node, gateway)];
    const { ms } = await timed(async () => {
      node.add(...wanted);
      await until(() => readyOnes(node) > INSTANCES, START_TIMEOUT_MS, () => `${readyOnes(node)} are ready\n${node.log.slice(-3000)}`);
    });
    for (const { id, appName } of wanted) {
      const report = node.report(id);
      gateway.api.send(gateway.makeRoute(`${appName}-${id.slice(-6)}`, [{ instanceId: id, address: report?.address ?? "", port: report?.port ?? 0 }]));
    }
    const answered = await askAll(gateway.port, wanted.map(({ id, appName }) => `${appName}-${id.slice(-6)}.berth.localhost`));
    await sleep(3000);
    const [idleBefore, idleSince] = [processCpuMs(node.agentPid), performance.now()];
    await sleep(IDLE_MS);
    const agentIdlePercent = (100 * (processCpuMs(node.agentPid) - idleBefore)) / (performance.now() - idleSince);
    const [after, less] = [await platform(node, gateway), memory - (await availableKib())];
    const each = (kib: number) => Math.max(0, kib) / INSTANCES;
    return {
      instances: INSTANCES,
      startsPerSecond: INSTANCES / (ms / 1000),
      monitorKib: each(after.monitors - before.monitors),
      agentKib: each(after.agent - before.agent),
      gatewayKib: each(after.gateway - before.gateway),
      hostKib: each(less - (after.apps - before.apps)),
      agentIdlePercent,
      answered,
    };
  } finally {
    clearInterval(forgetting);
    await stopGateway();
    await stopNode();
  }
}

function readyOnes(node: TestNode): number {
  return node.heard.findLast((message) => message.type === "report")?.instances.filter(({ phase }) => phase === "ready").length ?? 0;
}

/** How many hosts answer; each is asked until its route is there. */
async function askAll(port: number, hosts: readonly string[]): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const ask = (host: string) =>
    new Promise<number>((resolve, reject) => {
      request({ host: "127.0.0.1", port, agent, path: "/etc/hostname", headers: { host } }, (response) => {
        response.resume();
        response.on("end", () => resolve(response.statusCode ?? 0));
      }).on("error", reject).end();
    });
  let answered = 0;
  for (const host of hosts) {
    for (const deadline = Date.now() + 30_000; Date.now() < deadline; await sleep(20)) {
      if ((await ask(host).catch(() => 0)) !== 200) continue;
      answered++;
      break;
    }
  }
  agent.destroy();
  return answered;
}

async function dockerDensity(docker: Peer): Promise<PeerDensity> {
  await run(docker.argv("import", "-", "bench-density"), { input: gunzipSync(busybox().bytes), timeoutMs: 60_000 });
  const names = Array.from({ length: PEERS }, (_, index) => `bench-density-${index}`);
  try {
    const memory = await availableKib();
    const waiting = [...names.entries()];
    const { ms } = await timed(async () => {
      await Promise.all(Array.from({ length: 2 * availableParallelism() }, async () => {
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
          const [index, name] = next;
          await run(docker.argv("run", "-d", "--name", name, "--network", "host", "--memory", String(MEMORY_BYTES), "bench-density", "httpd", "-f", "-p", String(PEER_PORT + index), "-h", "/"), { timeoutMs: START_TIMEOUT_MS });
        }
      }));
    });
    await sleep(2000);
    const apps = await pssOf((command) => command.startsWith("httpd\0-f\0-p\0") && Number(command.split("\0")[3]) >= PEER_PORT);
    return { instances: PEERS, startsPerSecond: PEERS / (ms / 1000), hostKib: (memory - (await availableKib()) - apps) / PEERS };
  } finally {
    await run(docker.argv("rm", "-f", ...names), { timeoutMs: START_TIMEOUT_MS });
  }
}

async function availableKib(): Promise<number> {
  return Number(/^MemAvailable:\s+(\d+)/m.exec(await readFile("/proc/meminfo", "utf8"))?.[1]);
}

async function platform(node: TestNode, gateway: TestGateway) {
  const monitors = await pssOf((command) => /^(\S*\/)?conmon\0/.test(command) && command.includes(node.dir));
  const apps = await pssOf((command) => command.startsWith(`${HTTPD.join("\0")}\0`));
  return { monitors, apps, agent: await pss(String(node.agentPid)), gateway: await pss(String(gateway.haproxyPid)) };
}

async function pssOf(isWanted: (command: string) => boolean): Promise<number> {
  let sum = 0;
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    if (isWanted(await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""))) sum += await pss(pid);
  }
  return sum;
}

async function pss(pid: string): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
  return Number(/^Pss:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0);
}
