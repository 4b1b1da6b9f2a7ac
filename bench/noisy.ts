/**
 * An app beside neighbours that take all they can get (forks, memory, disk, log, packets, all at once), against itself beside
 * nobody: the same paced requests through the gateway, in turns of quiet and noise. And how long the node takes to start one
 * more instance meanwhile.
 */
import { Agent, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { TestGateway } from "../test/support/gateway.ts";
import { HTTPD, testTenant, TestNode } from "../test/support/node.ts";
import { noisyApps } from "../test/support/noisy.ts";
import { atEnd, endAll } from "./support/at-end.ts";
import { percentile, timed } from "./support/measure.ts";

const ROUNDS = Number(process.env["BERTH_BENCH_ROUNDS"] ?? 3);
const REQUESTS = 2000;
const PAUSE_MS = 4;
const PATIENCE_MS = 60_000;
/** The attacks are under way. */
const SETTLE_MS = 2000;

const node = await TestNode.start();
atEnd(() => node.stop());
const gateway = await TestGateway.start();
atEnd(() => gateway.stop());
try {
  const victim = await node.ready({ args: HTTPD, stopGraceMs: 0 });
  const endpoint = { instanceId: victim.desired.id, address: victim.report.address ?? "", port: victim.report.port ?? 0 };
  const [host = ""] = (await gateway.route("victim", [endpoint])).hosts;
  const apps = Object.values(await noisyApps([endpoint.address]));
  const quiet: number[] = [];
  const noisy: number[] = [];
  const starts = { quiet: [] as number[], noisy: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    quiet.push(...(await requests(gateway.port, host)));
    starts.quiet.push(await startOne());
    const attackers = apps.map((wish) => node.instance({ ...wish, readyTimeoutMs: PATIENCE_MS }, testTenant()));
    node.add(...attackers);
    for (const { id } of attackers) await node.untilReport(id, (report) => report?.phase === "ready" || (report?.restarts ?? 0) > 0, PATIENCE_MS);
    await sleep(SETTLE_MS);
    noisy.push(...(await requests(gateway.port, host)));
    starts.noisy.push(await startOne());
    node.want(victim.desired);
    for (const { id } of attackers) await node.until(id, "gone", PATIENCE_MS);
  }
  const of = (times: readonly number[]) => ({ p50Ms: percentile(times, 50), p99Ms: percentile(times, 99), slowestMs: Math.max(...times) });
  const figures = { requests: quiet.length, quiet: of(quiet), noisy: of(noisy), startMs: { quiet: percentile(starts.quiet, 50), noisy: percentile(starts.noisy, 50) } };
  console.log(JSON.stringify({ p99NoisyToQuiet: figures.noisy.p99Ms / figures.quiet.p99Ms, ...figures }, null, 2));
} finally {
  await endAll();
}

/** From the state that names it until the node says that it is ready. */
async function startOne(): Promise<number> {
  return (await timed(() => node.ready({ args: HTTPD, stopGraceMs: 0, readyTimeoutMs: PATIENCE_MS }))).ms;
}

/** Every one must be answered. @throws Error */
async function requests(port: number, host: string): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const times: number[] = [];
  for (let i = 0; i < REQUESTS; i++) {
    times.push((await timed(() => ask(agent, port, host))).ms);
    await sleep(PAUSE_MS);
  }
  agent.destroy();
  return times;
}

function ask(agent: Agent, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port, agent, path: "/etc/hostname", headers: { host } }, (response) => {
      response.resume();
      response.on("end", () => (response.statusCode === 200 ? resolve() : reject(new Error(`the app answered ${response.statusCode}`))));
    }).on("error", reject).end();
  });
}
