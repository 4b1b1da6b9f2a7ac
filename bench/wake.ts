/**
 * What a request to an app that sleeps takes longer than one to an app that runs: through the gateway, its instance
 * woken by the node's agent, until the whole answer is there. Against `docker unpause`, `start` and `run` of the same
 * program and then a request. Frozen, standby and cold; everything is on the node already.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import type { Endpoint } from "../core/contract/gateway-channel.ts";
import type { Temperature } from "../core/domain/temperature.ts";
import { run } from "../core/host/spawn.ts";
import { TestGateway } from "../test/support/gateway.ts";
import { busybox } from "../test/support/layers.ts";
import { HTTPD, TestNode, until } from "../test/support/node.ts";
import { atEnd } from "./support/at-end.ts";
import { percentile, timed, untilAnswer } from "./support/measure.ts";
import type { Peer } from "./support/peers.ts";
import type { Row } from "./support/report.ts";

const ROUNDS = Number(process.env["BERTH_BENCH_ROUNDS"] ?? 60);
const FREEZE_AFTER_MS = 300;
const PATH = "/etc/hostname";
const PORT = 8097;

const POLICIES = {
  frozen: { freezeAfterMs: FREEZE_AFTER_MS, standbyAfterMs: null, coldAfterMs: null },
  standby: { freezeAfterMs: FREEZE_AFTER_MS, standbyAfterMs: 350, coldAfterMs: null },
  cold: { freezeAfterMs: FREEZE_AFTER_MS, standbyAfterMs: 350, coldAfterMs: 400 },
} satisfies Record<Exclude<Temperature, "running">, object>;
type Asleep = keyof typeof POLICIES;
const DOCKER: Record<Asleep, string> = { frozen: "docker unpause", standby: "docker start", cold: "docker run" };

export async function wake(docker: Peer | undefined): Promise<Row[]> {
  const node = await TestNode.start();
  const stopNode = atEnd(() => node.stop());
  const gateway = await TestGateway.start();
  const stopGateway = atEnd(() => gateway.stop());
  if (docker) await run(docker.argv("import", "-", "bench-wake"), { input: gunzipSync(busybox().bytes), timeoutMs: 60_000 });
  const rows: Row[] = [];
  for (const temperature of Object.keys(POLICIES) as Asleep[]) {
    const berth = await berthRounds(node, gateway, temperature);
    const peer = docker ? await dockerRounds(docker, temperature) : undefined;
    for (const p of [50, 99]) {
      const what = `added to a request by an app that is ${temperature === "standby" ? "in standby" : temperature}, p${p}`;
      rows.push({ what, berthMs: percentile(berth, p), peer: peer && DOCKER[temperature], peerMs: peer && percentile(peer, p) });
    }
  }
  await stopGateway();
  await stopNode();
  return rows;
}

/** Of each round: the request that wakes, less the one that follows. */
async function berthRounds(node: TestNode, gateway: TestGateway, temperature: Asleep): Promise<number[]> {
  const { desired } = await node.ready({ args: HTTPD, stopGraceMs: 0, sleep: POLICIES[temperature] });
  const hello = node.heard.findLast((message) => message.type === "hello");
  const report = node.report(desired.id);
  if (hello?.wake === undefined || report?.address === undefined || report.port === undefined) throw new Error("the node said no address");
  const endpoint: Endpoint = { instanceId: desired.id, address: report.address, port: report.port, wake: hello.wake, temperature: "running" };
  await gateway.route(temperature, [], { freezeAfterMs: FREEZE_AFTER_MS, endpoints: [endpoint] });
  const ask = async () => {
    const { status } = await gateway.get(temperature, { path: PATH });
    if (status !== 200) throw new Error(`${temperature}: ${status}`);
  };
  const added: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await until(() => node.report(desired.id)?.temperature?.is === temperature);
    // What it does to get there is done.
    await sleep(temperature === "frozen" ? 20 : 300);
    const woken = await timed(ask);
    const running = await timed(ask);
    added.push(woken.ms - running.ms);
    await until(() => node.report(desired.id)?.temperature?.is === "running");
  }
  node.want(...node.desired.filter(({ id }) => id !== desired.id));
  return added;
}

async function dockerRounds(docker: Peer, temperature: Asleep): Promise<number[]> {
  const name = "bench-wake";
  const runArgs = ["run", "-d", "--name", name, "--network", "host", "bench-wake", "httpd", "-f", "-p", String(PORT), "-h", "/"];
  const answer = () => untilAnswer(`http://127.0.0.1:${PORT}`, "127.0.0.1", (body) => body !== "", 60_000, PATH);
  const sleepAgain: Record<Asleep, string[]> = { frozen: ["pause", name], standby: ["stop", "-t", "0", name], cold: ["rm", "-f", name] };
  const wakeUp: Record<Asleep, string[]> = { frozen: ["unpause", name], standby: ["start", name], cold: runArgs };
  const added: number[] = [];
  await run(docker.argv(...runArgs));
  await answer();
  for (let round = 0; round < Math.min(ROUNDS, 20); round++) {
    await run(docker.argv(...sleepAgain[temperature]));
    const woken = await timed(async () => {
      await run(docker.argv(...wakeUp[temperature]));
      await answer();
    });
    const running = await timed(answer);
    added.push(woken.ms - running.ms);
  }
  await run(docker.argv("rm", "-f", name));
  return added;
}
