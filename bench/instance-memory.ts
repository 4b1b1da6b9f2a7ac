/** Memory of the platform per running instance, beyond the app's own: monitor, agent, gateway. PSS, so that shared pages count once. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Stack } from "../test/support/stack.ts";

const INSTANCES = 50;
const APP = "memory";

export interface InstanceMemory {
  instances: number;
  monitorBytes: number;
  agentBytes: number;
  gatewayBytes: number;
  totalBytes: number;
}

export async function instanceMemory(stack: Stack): Promise<InstanceMemory> {
  const dir = await mkdtemp(join(tmpdir(), "berth-bench-"));
  try {
    await writeFile(join(dir, "Dockerfile"), 'FROM busybox\nEXPOSE 8000\nCMD ["busybox", "httpd", "-f", "-p", "8000"]\n');
    await stack.cli(["deploy", dir, "--app", APP, "--quiet"]);
    const before = await platform(stack);
    await stack.cli(["scale", APP, "--replicas", String(INSTANCES)], { timeoutMs: 300_000 });
    const after = await platform(stack);
    const each = (name: keyof typeof after) => Math.max(0, after[name] - before[name]) / (INSTANCES - 1);
    const result = { instances: INSTANCES, monitorBytes: each("monitors"), agentBytes: each("agent"), gatewayBytes: each("gateway") };
    await stack.cli(["destroy", APP, "--yes"]);
    return { ...result, totalBytes: result.monitorBytes + result.agentBytes + result.gatewayBytes };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function platform(stack: Stack): Promise<{ monitors: number; agent: number; gateway: number }> {
  const dataDir = stack.config.dataDir;
  let monitors = 0;
  let gateway = 0;
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (!command.includes(dataDir)) continue;
    if (/^(\S*\/)?conmon\0/.test(command)) monitors += await pss(pid);
    if (/^(\S*\/)?haproxy\0/.test(command)) gateway += await pss(pid);
  }
  return { monitors, gateway, agent: await pss(String(stack.pid("agent"))) };
}

async function pss(pid: string): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
  return Number(/^Pss:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1024;
}
