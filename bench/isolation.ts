/** The two runtime classes beside each other on one node: starting an instance, requests to it, system calls, memory. */
import { readdirSync, readFileSync } from "node:fs";
import { IsolationSchema, type Isolation } from "../core/contract/isolation.ts";
import { catalogue } from "../test/support/layers.ts";
import { HTTPD, shell, TestNode } from "../test/support/node.ts";
import { atEnd, endAll } from "./support/at-end.ts";
import { median } from "./support/measure.ts";
import { wrk } from "./support/wrk.ts";

const ROUNDS = 15;
const SECONDS = 4;
const SERVER = ["node", "-e", 'require("node:http").createServer((_, answer) => answer.end("ok")).listen(8080)'];
const CALLS = 200_000;

interface Figures {
  startMs: number;
  requestsPerSecond: number;
  p99Ms: number;
  /** Reads of one byte by one process. */
  systemCallsPerSecond: number;
  /** Of all processes of an idle instance. */
  memoryMib: number;
}

const CLASSES = IsolationSchema.options;
const node = await TestNode.start();
atEnd(() => node.stop());
try {
  const starts = new Map<Isolation, number[]>(CLASSES.map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const isolation of CLASSES) {
      const { report } = await node.ready({ args: HTTPD, isolation, stopGraceMs: 0 });
      starts.get(isolation)?.push((report.timingsMs?.["running"] ?? 0) + (report.timingsMs?.["ready"] ?? 0));
      node.want();
    }
  }
  const figures = {} as Record<Isolation, Figures>;
  for (const isolation of CLASSES) figures[isolation] = await measure(isolation, starts.get(isolation) ?? []);
  const ratios = Object.fromEntries((Object.keys(figures.crun) as (keyof Figures)[]).map((key) => [key, figures.gvisor[key] / figures.crun[key]]));
  console.log(JSON.stringify({ gvisorToCrun: ratios, figures }, null, 2));
} finally {
  await endAll();
}

async function measure(isolation: Isolation, starts: readonly number[]): Promise<Figures> {
  const idle = await node.ready({ args: HTTPD, isolation });
  const memoryMib = memoryOf(`/berth-${node.prefix}/${idle.desired.id}`) / 2 ** 20;
  const { url } = await node.ready({ args: SERVER, isolation, layers: catalogue("node"), limits: { memoryBytes: 512 * 2 ** 20 } });
  const { requestsPerSecond, p99Ms } = await wrk(url, { seconds: SECONDS, connections: 8 });
  node.want();
  const calls = await node.failed({ args: shell(`a=$(date +%s%N); dd if=/dev/zero of=/dev/null bs=1 count=${CALLS} 2>/dev/null; b=$(date +%s%N); echo $((b - a))`), isolation, layers: catalogue("debian"), readyTimeoutMs: 120_000 });
  const [line] = await node.logs(calls.id);
  node.want();
  // Each byte is a read and a write.
  return { startMs: median(starts), requestsPerSecond, p99Ms, memoryMib, systemCallsPerSecond: (2 * CALLS) / (Number(line?.text) / 1e9) };
}

/** Resident and not shared with others, of every process of the group. */
function memoryOf(group: string): number {
  const root = readdirSync("/sys/fs/cgroup").includes("memory") ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup";
  const pids = readFileSync(`${root}${group}/cgroup.procs`, "utf8").trim().split("\n");
  return pids.reduce((sum, pid) => sum + Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ?? 0) * 1024, 0);
}
