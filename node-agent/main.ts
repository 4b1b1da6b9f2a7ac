/**
 * The node agent. Started as root inside the pinned mount namespace (`infra/sandbox-namespace`). SIGTERM and SIGKILL
 * alike touch no container: the next agent adopts them.
 */
import { mkdirSync, readFileSync, realpathSync } from "node:fs";
import { availableParallelism, release, totalmem } from "node:os";
import { join } from "node:path";
import { readEnv } from "../core/env.ts";
import { cgroupVersion } from "../core/host/cgroup.ts";
import { Disks } from "../core/host/disks.ts";
import { crunClass, CRUN_UNCOPIED } from "../core/host/commands/crun.ts";
import { gvisorClass } from "../core/host/commands/runsc.ts";
import { diskBelow } from "../core/host/io-limits.ts";
import { mountMemory, mountPoints } from "../core/host/mounts.ts";
import { DNS_PORT, hostAddress } from "../core/host/commands/net.ts";
import { Fabric, openResolverAddress } from "../core/host/fabric.ts";
import { Firewall, hostResolvers, tenantConnections } from "../core/host/firewall.ts";
import { NetnsPool } from "../core/host/net.ts";
import { makeReadOnly } from "../core/host/syscalls.ts";
import { forbidCoreFiles, liftSharedLimits } from "../core/host/shared-limits.ts";
import { MAIN } from "../core/contract/pods.ts";
import type { FromNode, InstanceUsage, ToNode } from "../core/contract/node-channel.ts";
import { openLog } from "../core/log.ts";
import { Agent } from "./agent.ts";
import { Background } from "./background.ts";
import { NodeChannel } from "./channel.ts";
import { AgentEnv } from "./config.ts";
import { Exits } from "./exits.ts";
import { LayerStore } from "./layer-store.ts";
import { makeSandboxRoot } from "./pod-sandbox.ts";
import { PrivateNetworkState } from "./private-network.ts";
import { Resolver } from "./resolver.ts";
import { streamLog } from "./logs.ts";
import { reportDelayMs } from "./plan.ts";
import { DISK_DIRECTORIES } from "./root-disk.ts";
import { SecretStore } from "./secrets.ts";
import { Sessions } from "./sessions.ts";
import { SleepWatch } from "./sleep-watch.ts";
import { probeLayerSharing, TenantLayers } from "./tenant-layers.ts";
import { Unpacker } from "./unpack.ts";
import { Volumes } from "./volumes.ts";
import { openWakeServer } from "./wake-server.ts";

/** Reports are sent soon when something changes, and again from time to time. */
const REPORT_EVERY_MS = 5000;
const TAIL_LINES_MAX = 10_000;
/** How long rules that somebody took away are missed at most. */
const FIREWALL_LOOK_EVERY_MS = 1000;

// Programs that start, and file systems that write back what a tenant wrote, wait there: a kill or the firewall's guard must not wait behind them.
process.env["UV_THREADPOOL_SIZE"] ??= "16";
const config = readEnv(AgentEnv, process.env);
const log = openLog("node-agent", config.BERTH_LOG_LEVEL);
const dataDir = config.BERTH_NODE_DATA;
const cgroupParent = `/berth-${config.BERTH_NET_PREFIX}`;
const openFiles = hardOpenFiles();
mkdirSync(dataDir, { recursive: true, mode: 0o711 });
const runtime = { crun: join(config.BERTH_TOOLCHAIN_BIN, "crun"), stateDir: join(dataDir, "crun") };
const gvisor = { runsc: join(config.BERTH_TOOLCHAIN_BIN, "runsc"), stateDir: join(dataDir, "runsc"), inSandbox: join(import.meta.dirname, "in-sandbox.sh") };
/** What is of use only as long as the host is up, in memory: quicker than a disk, where much comes and goes. */
const runDir = join(dataDir, "run");
const { BERTH_NET_PREFIX: prefix, BERTH_SUBNET: subnet, BERTH_NODE_ADDRESS: address, BERTH_TUNNEL_PORT: tunnelPort } = config;
const hasAddress = address !== "";

forbidCoreFiles();
liftSharedLimits(log);
try {
  const crun = realpathSync(runtime.crun);
  makeReadOnly(crun, (await mountPoints()).has(crun));
  process.env[CRUN_UNCOPIED] = "1";
} catch (error) {
  log.warn({ err: error }, "containers start more slowly: crun copies itself each time");
}
await openResolverAddress(prefix, subnet);
await mountMemory(runDir);
const pool = new NetnsPool({
  prefix,
  subnet,
  ready: config.BERTH_NETNS_READY,
  egressBytesPerSecond: config.BERTH_EGRESS_BYTES_PER_SECOND,
  onError: (error) => log.error({ err: error }, "a network namespace was not made, or not removed"),
});
const firewall = new Firewall({
  policy: {
    prefix,
    subnet,
    allowCidrs: config.BERTH_ALLOW_CIDRS,
    resolver: hostAddress(subnet),
    connections: { instance: config.BERTH_INSTANCE_CONNECTIONS, tenant: await tenantConnections() },
    ...(hasAddress ? { tunnelPort } : {}),
  },
  onLost: async (error) => {
    log.error({ err: error }, "the firewall's rules are gone and cannot be loaded: instances are cut off from all networks");
    await pool.cutOff();
  },
  onBack: async () => {
    await pool.join();
    log.info("the firewall's rules are loaded");
  },
});
const unpacker = new Unpacker({ dir: join(dataDir, "unpack"), toolchain: config.BERTH_TOOLCHAIN, runtime, cgroupParent, openFiles, maxBytes: config.BERTH_LAYER_BYTES, maxEntries: config.BERTH_LAYER_ENTRIES });
const sharing = config.BERTH_LAYER_SHARING === "auto" ? await probeLayerSharing(dataDir, config.BERTH_TOOLCHAIN_BIN, log) : config.BERTH_LAYER_SHARING;
const store = new LayerStore({ dir: dataDir, maxBytes: config.BERTH_LAYER_STORE_BYTES, unpacker, inUse: () => agent.layersInUse() });
const tenantLayers = new TenantLayers({ dataDir, layersDir: store.layersDir, toolchainBin: config.BERTH_TOOLCHAIN_BIN, unpacker, sharing });
const host = {
  runtimes: { crun: crunClass(runtime), gvisor: gvisorClass(gvisor) },
  conmon: join(config.BERTH_TOOLCHAIN_BIN, "conmon"),
  instancesDir: join(dataDir, "instances"),
  logsDir: join(dataDir, "logs"),
  bundlesDir: join(runDir, "bundles"),
  exitDir: join(runDir, "exits"),
  socketDir: join(runDir, "sockets"),
  secrets: new SecretStore(join(dataDir, "secrets")),
  disks: new Disks(join(dataDir, "disks"), DISK_DIRECTORIES),
  ioDevice: diskBelow(dataDir),
  cgroupParent,
  openFiles,
  sandboxRoot: makeSandboxRoot(join(dataDir, "sandbox-root"), join(config.BERTH_TOOLCHAIN_BIN, "catatonit")),
  resolver: hostAddress(subnet),
};
let reportDue: NodeJS.Timeout | undefined;
const reportSoon = () => {
  reportDue ??= setTimeout(() => report(), reportDelayMs(agent.size));
  network.changed();
};

mkdirSync(host.exitDir, { recursive: true, mode: 0o711 });
const exits = new Exits(host.exitDir);
const network = new PrivateNetworkState({
  subnet,
  firewall,
  fabric: hasAddress ? new Fabric({ prefix, subnet, address, port: tunnelPort, mtu: config.BERTH_TUNNEL_MTU }) : undefined,
  stateFile: join(dataDir, "network.json"),
  reports: () => agent.report(),
  wake: (id) => agent.wake(id),
  onTable: (table) => resolver.know(table),
  say: (message) => void channel.send(message),
  log,
});
const servers = config.BERTH_RESOLVERS.length > 0 ? config.BERTH_RESOLVERS : await hostResolvers();
const resolver = new Resolver({ address: hostAddress(subnet), port: DNS_PORT, servers, wake: (tenantId, name) => network.wake(tenantId, name), log });
const volumes = new Volumes({ dir: join(dataDir, "volumes"), api: { apiUrl: config.BERTH_API_URL, token: config.BERTH_NODE_TOKEN }, isUsed: (image) => agent.usesVolume(image), onChange: reportSoon, log });
const agent = new Agent({ dataDir, host, store, tenantLayers, pool, network, exits, volumes, log, onChange: reportSoon });
const logRequests = new Map<string, AbortController>();
const sessions = new Sessions({ enter: (id, container) => agent.enter(id, container), send: (message) => channel.send(message), idleMs: config.BERTH_SESSION_IDLE_MS, log });
const channel = new NodeChannel({
  apiUrl: config.BERTH_API_URL,
  token: config.BERTH_NODE_TOKEN,
  log,
  hello,
  onOpen: reportSoon,
  onMessage: (message) => void handle(message).catch((error: unknown) => log.error({ err: error, type: message.type }, "a message was not carried out")),
  onClose: () => {
    sessions.closeAll();
    for (const request of logRequests.values()) request.abort();
    logRequests.clear();
  },
  random: Math.random,
});

await agent.open();
resolver.open();
const guard = setInterval(() => void firewall.check().catch((error: unknown) => log.error({ err: error }, "the firewall was not looked at")), FIREWALL_LOOK_EVERY_MS);
const watch = new SleepWatch({ instances: () => agent.entries(), log });
watch.start();
const background = new Background({ instances: () => agent.entries(), log });
background.start();
const wakeServer = await openWakeServer({ listen: config.BERTH_NODE_WAKE_LISTEN, stateFile: join(dataDir, "wake.json"), wake: (id) => agent.wake(id), log });
channel.connect();
const regular = setInterval(() => report(), REPORT_EVERY_MS);
let metering = false;
const meter = setInterval(() => {
  if (metering) return;
  metering = true;
  agent.sampleUsage().then(report, (error: unknown) => log.error({ err: error }, "counters were not read")).finally(() => (metering = false));
}, config.BERTH_USAGE_MS);
log.info({ cgroups: cgroupVersion(), openFiles, generation: agent.generation }, "node agent runs");

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => {
    clearInterval(regular);
    clearInterval(meter);
    clearInterval(guard);
    clearTimeout(reportDue);
    channel.close();
    watch.close();
    background.close();
    wakeServer.close();
    agent.close();
    network.close();
    resolver.close();
    exits.close();
    void pool.close().finally(() => process.exit(0));
  });
}

function report(sampled: readonly InstanceUsage[] = []): void {
  clearTimeout(reportDue);
  reportDue = undefined;
  const usage = [...sampled, ...agent.lastUsage()];
  const images = volumes.report();
  channel.send({ type: "report", generation: agent.generation, instances: agent.report(), ...(usage.length > 0 ? { usage } : {}), ...(images === undefined ? {} : { volumes: images }) });
}

function hello(): FromNode {
  return {
    type: "hello",
    generation: agent.generation,
    version: "1",
    capacity: { memoryBytes: totalmem(), cpuMillis: availableParallelism() * 1000, instances: config.BERTH_NODE_INSTANCES },
    facts: { kernel: release(), cgroups: cgroupVersion(), arch: process.arch, layers: sharing },
    wake: wakeServer.address,
    network: { subnet, ...(hasAddress ? { address } : {}) },
  };
}

async function handle(message: ToNode): Promise<void> {
  if (message.type === "desired") {
    if (!(await agent.accept(message))) log.warn({ offered: message.generation, acting: agent.generation }, "an older desired state was refused");
  } else if (message.type === "network") {
    await network.accept(message);
  } else if (message.type === "counted") {
    agent.forgetUsage(message.instanceIds);
  } else if (message.type === "logs-close") {
    logRequests.get(message.requestId)?.abort();
  } else if (message.type === "session-open") {
    sessions.open(message);
  } else if (message.type === "session") {
    sessions.hear(message.sessionId, message.event);
  } else if (message.type === "session-close") {
    sessions.close(message.sessionId);
  } else {
    await sendLogs(message);
  }
}

async function sendLogs(request: Extract<ToNode, { type: "logs-open" }>): Promise<void> {
  const { requestId, instanceId, container, tailLines, follow } = request;
  const closed = new AbortController();
  logRequests.set(requestId, closed);
  try {
    const files = await agent.logFiles(instanceId, container);
    // Of all together not more than one may be asked for.
    const linesEach = Math.min(tailLines, Math.ceil(TAIL_LINES_MAX / Math.max(1, files.length)));
    const stream = ({ name, path }: (typeof files)[number]) =>
      streamLog(path, instanceId, { tailLines: linesEach, follow, signal: closed.signal }, (entries) => {
        const named = name === MAIN ? entries : entries.map((entry) => ({ ...entry, container: name }));
        channel.send({ type: "logs", requestId, entries: named, done: false });
      });
    await Promise.all(files.map(stream));
  } finally {
    logRequests.delete(requestId);
    channel.send({ type: "logs", requestId, entries: [], done: true });
  }
}

/** The most that a container may be given: more than the agent has itself cannot be granted. */
function hardOpenFiles(): number {
  const limit = /^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  return limit === undefined ? 1024 : Math.min(Number(limit), 1_048_576);
}
