/**
 * Starting one instance whose layers are on the node, until it answers HTTP: Berth's agent (from the desired state that
 * names it) against `docker run` and `podman run` of the same image. Rounds alternate.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../core/host/spawn.ts";
import type { Stack } from "../test/support/stack.ts";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { median, percentile, timed, untilAnswer } from "./support/measure.ts";
import type { Peer } from "./support/peers.ts";
import type { Row } from "./support/report.ts";

const ROUNDS = 15;
const APP = "start";
const PORT = 8000;
const COMMAND = ["busybox", "httpd", "-f", "-p", String(PORT)];

interface Started {
  id: string;
  phase: string | null;
  timingsMs: Record<string, number>;
}

export async function instanceStart(stack: Stack, peers: readonly Peer[]): Promise<Row[]> {
  const dir = await mkdtemp(join(tmpdir(), "berth-bench-"));
  try {
    await writeFile(join(dir, "Dockerfile"), `FROM busybox\nEXPOSE ${PORT}\nCMD ${JSON.stringify(COMMAND)}\n`);
    await stack.cli(["deploy", dir, "--app", APP, "--quiet"]);
    const registry = new URL(stack.apiUrl).host;
    for (const peer of peers) await run(peer.argv("pull", `${registry}/library/busybox`), { timeoutMs: 120_000 });

    const seen = new Set((await instances(stack)).map((each) => each.id));
    const berthMs: number[] = [];
    const peerMs = new Map(peers.map((peer) => [peer.name, [] as number[]]));
    for (let round = 0; round < ROUNDS; round++) {
      // A change of the environment is a new release of the same image: one new instance.
      await release(stack, { ROUND: String(round) });
      for (const { id, phase, timingsMs } of await instances(stack)) {
        if (seen.has(id) || phase !== "ready") continue;
        seen.add(id);
        berthMs.push((timingsMs["running"] ?? 0) + (timingsMs["ready"] ?? 0));
      }
      for (const peer of peers) peerMs.get(peer.name)?.push(await peerRound(peer, `${registry}/library/busybox`));
    }
    await stack.cli(["destroy", APP, "--yes"]);
    return [50, 99].flatMap((p) =>
      (peers.length > 0 ? peers : [undefined]).map((peer) => {
        const times = peer ? (peerMs.get(peer.name) ?? []) : [];
        const peerFigure = times.length === 0 ? undefined : p === 50 ? median(times) : percentile(times, p);
        return { what: `start of an instance, local layers, to its first answer, p${p}`, berthMs: percentile(berthMs, p), peer: peer ? `${peer.name} run` : undefined, peerMs: peerFigure };
      }),
    );
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Without the CLI, whose own work is none of the start's; resolves when the release is live. */
async function release(stack: Stack, env: Record<string, string>): Promise<void> {
  const headers = { authorization: `Bearer ${stack.token}`, "content-type": "application/json" };
  const response = await fetch(`${stack.apiUrl}/v1/apps/${APP}/env`, { method: "PATCH", headers, body: JSON.stringify(env) });
  if (response.status !== 202) throw new Error(`the variables were not changed: ${response.status} ${await response.text()}`);
  await response.body?.cancel();
  for (const deadline = performance.now() + 60_000; ; await sleep(100)) {
    const { items } = (await (await fetch(`${stack.apiUrl}/v1/apps/${APP}/deployments?limit=1`, { headers })).json()) as { items: { state: string }[] };
    if (items[0]?.state === "live") return;
    if (items[0]?.state === "failed" || performance.now() > deadline) throw new Error(`the release did not become live: ${JSON.stringify(items[0])}`);
  }
}

async function instances(stack: Stack): Promise<Started[]> {
  const response = await fetch(`${stack.apiUrl}/v1/apps/${APP}/instances`, { headers: { authorization: `Bearer ${stack.token}` } });
  return ((await response.json()) as { items: Started[] }).items;
}

/** Host network: no bridge, no port forwarding. */
async function peerRound(peer: Peer, image: string): Promise<number> {
  const { ms } = await timed(async () => {
    // podman asks for more open files than a host may grant.
    const limits = peer.name === "podman" ? ["--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"] : [];
    await run(peer.argv("run", "-d", "--name", "bench-start", "--network", "host", ...limits, image, ...COMMAND, "-h", "/etc"));
    await untilAnswer(`http://127.0.0.1:${PORT}`, "127.0.0.1", (body) => body !== "", 60_000, "/hostname");
  });
  await run(peer.argv("rm", "-f", ...(peer.name === "podman" ? ["-t", "0"] : []), "bench-start"));
  await sleep(50);
  return ms;
}
