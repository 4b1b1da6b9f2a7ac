/**
 * Going back to the release before while its instances are still warm: from `berth rollback` until the URL answers with
 * the older release, and the same over HTTP. Against `docker run` of the former image until it answers; that a proxy must
 * then be led there is left out, to the peer's advantage.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../core/host/spawn.ts";
import { until, type Stack } from "../test/support/stack.ts";
import { median, percentile, timed, untilAnswer } from "./support/measure.ts";
import type { Peer } from "./support/peers.ts";
import type { Row } from "./support/report.ts";

const ROUNDS = Number(process.env["BERTH_BENCH_ROUNDS"] ?? 20);
const PORT = 8093;
const APP = "bench-rollback";
const HTTPD = ["busybox", "httpd", "-f", "-p"];

export async function rollback(stack: Stack, docker: Peer | undefined): Promise<Row[]> {
  const dir = await mkdtemp(join(tmpdir(), "berth-bench-"));
  try {
    const releases = ["one", "two"];
    for (const text of releases) {
      await writeFile(join(dir, "index.html"), text);
      await writeFile(join(dir, "Dockerfile"), `FROM busybox\nWORKDIR /srv\nCOPY index.html .\nEXPOSE 8000\nCMD ${JSON.stringify([...HTTPD, "8000", "-h", "/srv"])}\n`);
      await stack.cli(["deploy", dir, "--app", APP, "--quiet"]);
      await untilAnswer(stack.gatewayUrl, stack.host(APP), (body) => body === text);
    }
    const byCommand: number[] = [];
    const byApi: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      // v1, v2, v1, …: whichever was left last is the one that is warm.
      const to = round % 2 === 0 ? 1 : 2;
      await untilWarm(stack);
      const isBack = () => untilAnswer(stack.gatewayUrl, stack.host(APP), (body) => body === releases[to - 1]);
      const viaApi = round % 4 >= 2;
      const { ms } = await timed(async () => {
        if (viaApi) await ask(stack, to);
        else await stack.cli(["rollback", `v${to}`, "--app", APP, "--detach", "--quiet"]);
        await isBack();
      });
      (viaApi ? byApi : byCommand).push(ms);
    }
    await stack.cli(["destroy", APP, "--yes"]);
    const peer = docker ? await dockerRounds(stack, docker) : undefined;
    const row = (what: string, berthMs: number, peerMs: number | undefined): Row => ({ what, berthMs, peer: peer && "docker run of the former image", peerMs });
    return [
      row("`berth rollback` until the URL answers with the release before, median", median(byCommand), peer && median(peer)),
      row("the same, worst", percentile(byCommand, 100), peer && percentile(peer, 100)),
      row("the same over HTTP, without the command line, median", median(byApi), peer && median(peer)),
    ];
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function ask(stack: Stack, to: number): Promise<void> {
  const answer = await fetch(`${stack.apiUrl}/v1/apps/${APP}/rollback`, {
    method: "POST",
    headers: { authorization: `Bearer ${stack.token}`, "content-type": "application/json" },
    body: JSON.stringify({ release: `v${to}` }),
  });
  if (answer.status !== 202) throw new Error(`the rollback was answered ${answer.status}: ${await answer.text()}`);
}

/** The instance of the release before has drained and is frozen. */
async function untilWarm(stack: Stack): Promise<void> {
  await until(async () => {
    const { instances } = JSON.parse((await stack.cli(["status", APP, "--json"])).stdout) as { instances: { state: string; temperature: { is: string } | null }[] };
    return instances.length === 2 && instances.some(({ state, temperature }) => state === "warm" && temperature?.is === "frozen");
  });
}

async function dockerRounds(stack: Stack, docker: Peer): Promise<number[]> {
  const image = `${new URL(stack.apiUrl).host}/library/busybox`;
  await run(docker.argv("pull", image), { timeoutMs: 120_000 });
  const times: number[] = [];
  for (let round = 0; round < Math.min(ROUNDS, 10); round++) {
    const { ms } = await timed(async () => {
      await run(docker.argv("run", "-d", "--name", APP, "--network", "host", image, ...HTTPD, String(PORT), "-h", "/"));
      await untilAnswer(`http://127.0.0.1:${PORT}`, "127.0.0.1", (body) => body !== "", 60_000, "/etc/hostname");
    });
    times.push(ms);
    await run(docker.argv("rm", "-f", APP));
  }
  return times;
}
