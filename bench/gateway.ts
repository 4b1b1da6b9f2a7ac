/**
 * What the gateway costs: the same requests to an app directly, through a bare HAProxy that does nothing but forward,
 * through one that was written by hand for this app and does for it what every proxy before a public app must, and through
 * Berth's gateway with many other apps routed; and how soon a new route is visible. Prints one JSON object.
 * Alternates them, takes medians: compare the ratios, not the figures.
 */
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent, request } from "node:http";
import { newId } from "../core/contract/ids.ts";
import { processCpuMs } from "../core/host/process-stat.ts";
import { start } from "../core/host/spawn.ts";
import { freePort, TestGateway, until } from "../test/support/gateway.ts";
import { atEnd, endAll } from "./support/at-end.ts";
import { median, percentile } from "./support/measure.ts";
import { wrk, type Round } from "./support/wrk.ts";

const APPS = Number(process.env["BERTH_BENCH_APPS"] ?? 2000);
const ROUNDS = Number(process.env["BERTH_BENCH_ROUNDS"] ?? 5);
const SECONDS = Number(process.env["BERTH_BENCH_SECONDS"] ?? 3);
const NEW_ROUTES = 100;
const HOST = "bench.berth.localhost";

/** Processes of HAProxy: the app answers by itself, so that the proxies are what is measured. */
async function startHaproxy(dir: string, name: string, config: string, port: number) {
  const file = join(dir, `${name}.cfg`);
  writeFileSync(file, config);
  const child = start(["haproxy", "-db", "-f", file], { stdio: "ignore" });
  await until(() => statusOf(port, new Agent(), HOST).then((status) => status === 200, () => false));
  const stop = async () => {
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  };
  return { stop, pid: child.pid ?? 0 };
}

const DEFAULTS = "global\n  maxconn 8000\ndefaults\n  mode http\n  timeout connect 2s\n  timeout client 60s\n  timeout server 60s\n";
const appConfig = (port: number) => `${DEFAULTS}frontend app\n  bind 127.0.0.1:${port}\n  http-request return status 200 content-type text/plain string hello\n`;
const bareConfig = (port: number, appPort: number) => `${DEFAULTS}frontend web\n  bind 127.0.0.1:${port}\n  default_backend app\nbackend app\n  server one 127.0.0.1:${appPort}\n`;
/** It chooses by host, says where the request is from and over what, names it, and takes clients' claims of that away. */
const byHandConfig = (port: number, appPort: number) => `${DEFAULTS}frontend web
  bind 127.0.0.1:${port}
  http-request del-header x-forwarded -m beg
  http-request del-header forwarded
  http-request set-header x-forwarded-for %[src]
  http-request set-header x-forwarded-proto http
  http-request set-header x-request-id %[uuid()]
  use_backend app if { req.hdr(host),host_only -i ${HOST} }
backend app
  server one 127.0.0.1:${appPort} maxconn 1000
`;

function statusOf(port: number, agent: Agent, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port, agent, headers: { host } }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode ?? 0));
    }).on("error", reject).end();
  });
}

/** From the API's message to the first answer of the app, in ms; asked over one kept connection. */
async function measureRoutes(gateway: TestGateway, appPort: number): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const times: number[] = [];
  for (let i = 0; i < NEW_ROUTES; i++) {
    const route = gateway.makeRoute(`new${i}`, [{ instanceId: newId("instance"), address: "127.0.0.1", port: appPort }]);
    const beganAt = performance.now();
    gateway.api.send(route);
    while ((await statusOf(gateway.port, agent, route.hosts[0] ?? "")) !== 200) if (performance.now() - beganAt > 5000) throw new Error("a route did not become visible");
    times.push(performance.now() - beganAt);
  }
  agent.destroy();
  return times;
}

function residentMib(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

const dir = mkdtempSync(join(tmpdir(), "berth-bench-gateway-"));
const [appPort, barePort, byHandPort] = [await freePort(), await freePort(), await freePort()];
atEnd(() => rmSync(dir, { recursive: true, force: true }));
try {
  const app = await startHaproxy(dir, "app", appConfig(appPort), appPort);
  atEnd(app.stop);
  const bare = await startHaproxy(dir, "bare", bareConfig(barePort, appPort), barePort);
  atEnd(bare.stop);
  const byHand = await startHaproxy(dir, "byHand", byHandConfig(byHandPort, appPort), byHandPort);
  atEnd(byHand.stop);
  const gateway = await TestGateway.start({ BERTH_GATEWAY_SLOTS: String(APPS + NEW_ROUTES + 10), BERTH_GATEWAY_MAX_CONNECTIONS: "8000", BERTH_GATEWAY_COUNTS_MS: "5000" });
  atEnd(() => gateway.stop());
  const endpoint = () => ({ instanceId: newId("instance"), address: "127.0.0.1", port: appPort });
  for (let i = 0; i < APPS; i++) gateway.api.send(gateway.makeRoute(`app${i}`, [endpoint()]));
  await gateway.route("bench", [endpoint()], { concurrency: 1000 });
  const agent = new Agent();
  await until(async () => (await statusOf(gateway.port, agent, HOST)) === 200);

  const ports = { direct: appPort, bare: barePort, byHand: byHandPort, gateway: gateway.port };
  const pids = { direct: app.pid, bare: bare.pid, byHand: byHand.pid, gateway: gateway.haproxyPid };
  const rounds: Record<keyof typeof ports, (Round & { cpuMicros: number })[]> = { direct: [], bare: [], byHand: [], gateway: [] };
  for (let i = 0; i < ROUNDS; i++) {
    for (const name of Object.keys(ports) as (keyof typeof ports)[]) {
      const before = processCpuMs(pids[name]);
      const round = await wrk(`http://127.0.0.1:${ports[name]}/`, { seconds: SECONDS, connections: 32, headers: { Host: HOST } });
      rounds[name].push({ ...round, cpuMicros: ((processCpuMs(pids[name]) - before) * 1000) / (round.requestsPerSecond * SECONDS) });
    }
  }
  const visible = await measureRoutes(gateway, appPort);
  const of = (name: keyof typeof ports, key: keyof Round | "cpuMicros") => median(rounds[name].map((round) => round[key]));
  const figures = Object.fromEntries(Object.keys(ports).map((name) => [name, { requestsPerSecond: of(name as keyof typeof ports, "requestsPerSecond"), p50Ms: of(name as keyof typeof ports, "p50Ms"), p99Ms: of(name as keyof typeof ports, "p99Ms"), cpuMicrosPerRequest: of(name as keyof typeof ports, "cpuMicros") }]));
  console.log(JSON.stringify({
    apps: APPS,
    ratios: {
      gatewayToByHandRequestsPerSecond: of("gateway", "requestsPerSecond") / of("byHand", "requestsPerSecond"),
      gatewayToBareRequestsPerSecond: of("gateway", "requestsPerSecond") / of("bare", "requestsPerSecond"),
      gatewayToDirectRequestsPerSecond: of("gateway", "requestsPerSecond") / of("direct", "requestsPerSecond"),
      gatewayToBareP50: of("gateway", "p50Ms") / of("bare", "p50Ms"),
      gatewayToBareP99: of("gateway", "p99Ms") / of("bare", "p99Ms"),
    },
    routeVisible: { p50Ms: percentile(visible, 50), p99Ms: percentile(visible, 99) },
    haproxyResidentMib: residentMib(gateway.haproxyPid),
    controllerResidentMib: residentMib(gateway.controllerPid),
    figures,
  }, null, 2));
} finally {
  await endAll();
}
process.exit(0);
