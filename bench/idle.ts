/**
 * A thousand apps that nobody asks for on one node: what they cost while they sleep, how long a request to any of them
 * takes, and a hundred of them at once. Frozen, then in standby. `BERTH_BENCH_APPS`: how many.
 */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { DesiredInstance } from "../core/contract/node-channel.ts";
import type { Endpoint } from "../core/contract/gateway-channel.ts";
import type { Temperature } from "../core/domain/temperature.ts";
import { readGroupUse } from "../core/host/cgroup.ts";
import { processCpuMs } from "../core/host/process-stat.ts";
import { TestGateway } from "../test/support/gateway.ts";
import { HTTPD, testTenant, TestNode, until } from "../test/support/node.ts";
import { atEnd } from "./support/at-end.ts";
import { percentile, timed } from "./support/measure.ts";

const APPS = Number(process.env["BERTH_BENCH_APPS"] ?? 1000);
const AT_ONCE = Math.min(100, APPS / 2);
const STARTED_AT_ONCE = 25;
const CPU_OVER_MS = 20_000;
const PATH = "/etc/hostname";
const FREEZE_AFTER_MS = 15_000;
const POLICIES = {
  frozen: { freezeAfterMs: FREEZE_AFTER_MS, standbyAfterMs: null, coldAfterMs: null },
  standby: { freezeAfterMs: FREEZE_AFTER_MS, standbyAfterMs: FREEZE_AFTER_MS + 2000, coldAfterMs: null },
} as const;
const STOP_MS = 600_000;

interface Idle {
  /** For each app: its group's, the app's own and the kernel's for it, and its monitor's (PSS). */
  memoryMib: number;
  agentCpuPercent: number;
  gatewayCpuPercent: number;
  any: number[];
  atOnce: number[];
  atOnceMs: number;
}

export async function idle(): Promise<string> {
  const node = await TestNode.start({ BERTH_NETNS_READY: "8" });
  const stopNode = atEnd(() => node.stop());
  const gateway = await TestGateway.start({ BERTH_GATEWAY_SLOTS: String(APPS + 10), BERTH_GATEWAY_COUNTS_MS: "5000" });
  const stopGateway = atEnd(() => gateway.stop());
  const apps = await startApps(node, gateway);
  const rows: string[] = [];
  for (const temperature of ["frozen", "standby"] as const) {
    node.want(...node.desired.map((desired) => ({ ...desired, sleep: POLICIES[temperature] })));
    rows.push(toRow(temperature, await measure(node, gateway, apps, temperature)));
  }
  await stopGateway();
  await stopNode();
  return [
    `${APPS} apps (busybox httpd) on one node. Waking: a request through the gateway until its whole answer is there.`,
    "",
    `| asleep | memory an app, MiB | agent, % of a cpu | gateway, % of a cpu | any, p50 ms | any, p99 ms | ${AT_ONCE} at once, p50 ms | p99 ms | all, ms |`,
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ...rows,
  ].join("\n");
}

function toRow(temperature: Temperature, { memoryMib, agentCpuPercent, gatewayCpuPercent, any, atOnce, atOnceMs }: Idle): string {
  const figures = [memoryMib.toFixed(2), agentCpuPercent.toFixed(1), gatewayCpuPercent.toFixed(1), percentile(any, 50).toFixed(1), percentile(any, 99).toFixed(1), percentile(atOnce, 50).toFixed(1), percentile(atOnce, 99).toFixed(1), atOnceMs.toFixed(0)];
  return `| ${temperature} | ${figures.join(" | ")} |`;
}

async function startApps(node: TestNode, gateway: TestGateway): Promise<string[]> {
  const hello = node.heard.findLast((message) => message.type === "hello");
  if (hello?.wake === undefined) throw new Error("the node said no address");
  // Each report names every instance: a thousand of them are not kept.
  const forgetting = setInterval(() => node.heard.splice(0, node.heard.length - 2), 100);
  atEnd(() => clearInterval(forgetting));
  const names: string[] = [];
  while (names.length < APPS) {
    const batch: DesiredInstance[] = Array.from({ length: Math.min(STARTED_AT_ONCE, APPS - names.length) }, () =>
      node.instance({ args: HTTPD, stopGraceMs: 0, readyTimeoutMs: 60_000, sleep: POLICIES.frozen, limits: { memoryBytes: 16 * 2 ** 20 } }, testTenant()));
    node.add(...batch);
    await until(() => batch.every(({ id }) => node.report(id)?.phase === "ready"), STOP_MS);
    for (const { id } of batch) {
      const { address = "", port = 0 } = node.report(id) ?? {};
      const endpoint: Endpoint = { instanceId: id, address, port, wake: hello.wake, temperature: "running" };
      const name = `idle${names.length}`;
      gateway.api.send(gateway.makeRoute(name, [], { freezeAfterMs: FREEZE_AFTER_MS, endpoints: [endpoint], holdTimeoutMs: 30_000 }));
      names.push(name);
    }
  }
  return names;
}

async function measure(node: TestNode, gateway: TestGateway, apps: readonly string[], temperature: Temperature): Promise<Idle> {
  const allAsleep = () => until(() => node.desired.every(({ id }) => node.report(id)?.temperature?.is === temperature), STOP_MS);
  const ask = async (app: string) => {
    const { ms, value } = await timed(() => gateway.get(app, { path: PATH }));
    if (value.status !== 200) throw new Error(`${app}: ${value.status}`);
    return ms;
  };
  await allAsleep();
  await sleep(2000);
  const memoryMib = memoryBytes(node) / 2 ** 20 / APPS;
  const before = { agent: processCpuMs(node.agentPid), gateway: processCpuMs(gateway.controllerPid) + processCpuMs(gateway.haproxyPid) };
  await sleep(CPU_OVER_MS);
  const agentCpuPercent = ((processCpuMs(node.agentPid) - before.agent) / CPU_OVER_MS) * 100;
  const gatewayCpuPercent = ((processCpuMs(gateway.controllerPid) + processCpuMs(gateway.haproxyPid) - before.gateway) / CPU_OVER_MS) * 100;
  const shuffled = apps.map((app) => ({ app, key: Math.random() })).toSorted((a, b) => a.key - b.key).map(({ app }) => app);
  const any: number[] = [];
  for (const app of shuffled.slice(AT_ONCE, AT_ONCE + 300)) {
    any.push(await ask(app));
    await sleep(20);
  }
  await allAsleep();
  await sleep(1000);
  const { ms: atOnceMs, value: atOnce } = await timed(() => Promise.all(shuffled.slice(0, AT_ONCE).map(ask)));
  await allAsleep();
  return { memoryMib, agentCpuPercent, gatewayCpuPercent, any, atOnce, atOnceMs };
}

function memoryBytes(node: TestNode): number {
  const monitors = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && /^\S*conmon\0/.test(textOf(`/proc/${pid}/cmdline`)) && textOf(`/proc/${pid}/cmdline`).includes(node.dir));
  const pss = (pid: string) => Number(/^Pss:\s+(\d+) kB$/m.exec(textOf(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0) * 1024;
  return (readGroupUse(`/berth-${node.prefix}`).memoryBytes ?? 0) + monitors.reduce((sum, pid) => sum + pss(pid), 0);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
