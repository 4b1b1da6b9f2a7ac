/** What instances use, as the node counts it: the kernel's counters are the measure, whatever happens to the agent. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { InstanceId } from "../../core/contract/ids.ts";
import type { DesiredInstance, FromNode, InstanceUsage } from "../../core/contract/node-channel.ts";
import { openDb } from "../../core/db/client.ts";
import { instances, usage } from "../../core/db/schema.ts";
import { ensureNode, ensureTenant } from "../../core/db/system-queries/bootstrap.ts";
import { writeReport } from "../../core/db/system-queries/node-reports.ts";
import { readGroupUse } from "../../core/host/cgroup.ts";
import { readTraffic } from "../../core/host/net.ts";
import { seedApp } from "../support/api.ts";
import { IN_GVISOR } from "../support/gvisor.ts";
import { shell, TestNode, until } from "../support/node.ts";
import { startStores } from "../support/stores.ts";

type Report = Extract<FromNode, { type: "report" }>;

let node: TestNode;
before(async () => {
  node = await TestNode.start({ BERTH_USAGE_MS: "150" });
});
after(() => node?.stop());

const words = (id: InstanceId): InstanceUsage[] => node.heard.flatMap((message) => (message.type === "report" ? (message.usage ?? []).filter((one) => one.id === id) : []));
const lastWord = (id: InstanceId) => words(id).at(-1);
const kernel = (id: InstanceId) => readGroupUse(`/berth-${node.prefix}/${id}`);
const traffic = (id: InstanceId) => {
  const { netns } = JSON.parse(readFileSync(node.path("instances", id, "state.json"), "utf8")) as { netns: string };
  return readTraffic(`${node.prefix}i${netns.split("-i")[1]}`);
};

/** Resolves when two looks at the kernel agree with each other and with what the node says. */
async function untilEqual(id: InstanceId, before = { cpuMicros: 0 }): Promise<InstanceUsage> {
  await until(
    () => {
      const [said, { cpuMicros }, { egressBytes, ingressBytes }] = [lastWord(id), kernel(id), traffic(id)];
      return said?.cpuMicros === (cpuMicros ?? -1) + before.cpuMicros && said.egressBytes === egressBytes && said.ingressBytes === ingressBytes;
    },
    10_000,
    () => `${JSON.stringify(lastWord(id))} said; ${JSON.stringify({ ...kernel(id), ...traffic(id) })} is`,
  );
  return lastWord(id) as InstanceUsage;
}

const reports = () => node.heard.filter((message): message is Report => message.type === "report");

/** The API gets the node's words repeated and in any order, writes them from two processes, and is started again: the ledger has the last sums. */
async function sameInLedger(desired: DesiredInstance, heard: readonly Report[], last: InstanceUsage): Promise<void> {
  const stores = await startStores({ only: ["postgres"] });
  const handles = [openDb(stores.databaseUrl, { name: "one" }), openDb(stores.databaseUrl, { name: "two" })] as const;
  const [{ db }] = handles;
  try {
    const tenant = await ensureTenant(db, "metered");
    const app = await seedApp(db, tenant.id);
    const nodeId = await ensureNode(db, "node", "a-token");
    await db.insert(instances).values({ id: desired.id, tenantId: tenant.id, appId: app.id, releaseId: app.releaseIds[0]!, nodeId });
    const disordered = [...heard, ...heard.toReversed(), ...heard].toSorted((a, b) => ((a.usage?.[0]?.cpuMicros ?? 0) % 97) - ((b.usage?.[0]?.cpuMicros ?? 0) % 97));
    for (const [index, report] of disordered.entries()) {
      const other = disordered[(index * 7) % disordered.length] ?? report;
      await Promise.all([writeReport(db, nodeId, report, new Date()), writeReport(handles[1].db, nodeId, other, new Date())]);
    }
    await writeReport(db, nodeId, { type: "report", generation: 0, instances: [], usage: [last] }, new Date());
    const rows = await db.select().from(usage);
    const sum = (pick: (row: (typeof rows)[number]) => number | bigint) => rows.reduce((total, row) => total + Number(pick(row)), 0);
    assert.deepEqual([sum((row) => row.cpuMicros), sum((row) => row.egressBytes), sum((row) => row.ingressBytes)], [last.cpuMicros, last.egressBytes, last.ingressBytes]);
    assert.equal(sum((row) => row.memoryByteSeconds), last.memoryByteSeconds);
  } finally {
    for (const { close } of handles) await close();
    await stores.stop();
  }
}

test("sums are the kernel's, through kill -9 of the agent at any moment, and through crashes of the app", async () => {
  // Works for a while after each touch of a file, holds memory, answers requests.
  const script = `x=$(head -c 24000000 /dev/zero | tr '\\0' a); httpd -p 8080 -h /; i=0; while :; do if [ -e /tmp/work ]; then rm /tmp/work; n=0; while [ $n -lt 200000 ]; do n=$((n+1)); done; fi; [ -e /tmp/crash ] && rm /tmp/crash && exit 7; sleep 0.05; done`;
  const { desired, url } = await node.ready({ args: shell(script), stopGraceMs: 300, readyTimeoutMs: 30_000 });
  const { id } = desired;
  const touch = (name: string) => node.write(id, `/tmp/${name}`);
  const answered = async () => (await (await fetch(`${url}/bin/busybox`)).arrayBuffer()).byteLength;

  let memory = 0;
  let lookedAt = performance.now();
  const beganAt = lookedAt;
  let bytes = 0;
  for (let round = 0; round < 3; round++) {
    await touch("work");
    bytes += await answered();
    await sleep(60 + round * 70);
    await node.killAgent();
    // It goes on while no agent looks.
    bytes += await answered();
    await sleep(100);
    await node.startAgent();
    await node.until(id, "ready");
    const now = performance.now();
    memory += ((now - lookedAt) / 1000) * (kernel(id).memoryBytes ?? 0);
    lookedAt = now;
  }
  await until(async () => !(await node.has(id, "/tmp/work")));
  // The loop itself uses a little: compare where it stands still.
  process.kill(node.pid(id), "SIGSTOP");
  const said = await untilEqual(id);
  process.kill(node.pid(id), "SIGCONT");
  assert.ok(said.cpuMicros > 50_000, `${said.cpuMicros} µs`);
  assert.ok(said.egressBytes > bytes && said.egressBytes < bytes * 1.2, `${said.egressBytes} of ${bytes}`);
  assert.ok(said.ingressBytes > 0 && said.ingressBytes < said.egressBytes);
  const expected = memory / ((lookedAt - beganAt) / 1000);
  const average = said.memoryByteSeconds / ((performance.now() - beganAt) / 1000);
  // Before the first look gVisor has needed seconds of its own.
  assert.ok(average > 20e6 && (IN_GVISOR || Math.abs(average / expected - 1) < 0.35), `${average} bytes on the average, ${expected} expected`);
  assert.equal(new Set(words(id).map(({ since }) => since)).size, 1, "one count, from the first to the last");
  assert.ok(words(id).every((word, index, all) => index === 0 || word.cpuMicros >= (all[index - 1]?.cpuMicros ?? 0)), "sums never shrink");

  await sameInLedger(desired, reports(), said);

  // A crash: what the first container used stays counted, the second one comes on top.
  const { cpuMicros } = kernel(id);
  await touch("crash");
  await node.killAgent();
  await until(() => !existsSync(`/proc/${node.pid(id)}`));
  await node.startAgent();
  await node.untilReport(id, (report) => report?.restarts === 1 && report.phase === "ready");
  process.kill(node.pid(id), "SIGSTOP");
  await until(() => (lastWord(id)?.cpuMicros ?? 0) > (cpuMicros ?? 0) + (kernel(id).cpuMicros ?? 0));
  process.kill(node.pid(id), "SIGCONT");

  // Its end: the last sums are told until they are counted, also by an agent that did not see it.
  const sumBefore = lastWord(id)?.cpuMicros ?? 0;
  await touch("work");
  await sleep(50);
  node.want();
  await node.until(id, "gone");
  await until(() => lastWord(id)?.ended === true);
  const last = lastWord(id) as InstanceUsage;
  assert.ok(last.cpuMicros > sumBefore);
  const goneReport = node.heard.find((message) => message.type === "report" && !message.instances.some((one) => one.id === id) && (message.usage ?? []).some((one) => one.id === id));
  assert.ok(goneReport, "the report that no longer names it has its sums");
  await node.killAgent();
  node.heard.length = 0;
  await node.startAgent();
  await until(() => lastWord(id) !== undefined);
  assert.deepEqual(lastWord(id), last);
  node.send({ type: "counted", instanceIds: [id] });
  await until(() => readdirSync(node.path("usage")).length === 0);
  const from = node.heard.length;
  node.want();
  await until(() => node.heard.slice(from).some(({ type }) => type === "report"), 10_000);
  assert.equal(words(id).length, node.heard.slice(0, from).flatMap((m) => (m.type === "report" ? (m.usage ?? []) : [])).filter((one) => one.id === id).length);
  assert.deepEqual(await node.traces(id), []);
});

test("an instance that fails to start has its use counted, and told at its end", async () => {
  const desired = node.instance({ args: shell("n=0; while [ $n -lt 50000 ]; do n=$((n+1)); done; exit 3") });
  node.add(desired);
  await node.until(desired.id, "failed");
  // The first word after its end is the same as those that follow.
  const heard = words(desired.id).length;
  await until(() => words(desired.id).length > heard + 2);
  assert.ok((lastWord(desired.id)?.cpuMicros ?? 0) > 5000);
  const { cpuMicros } = lastWord(desired.id) as InstanceUsage;
  node.want();
  await node.until(desired.id, "gone");
  await until(() => lastWord(desired.id)?.ended === true);
  assert.equal(lastWord(desired.id)?.cpuMicros, cpuMicros);
  assert.deepEqual(await node.traces(desired.id), []);
});
