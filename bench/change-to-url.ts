/**
 * One changed file, from `berth deploy` to the URL answering with the change, against `docker build` + `docker push` +
 * `docker run` of the same change by hand; and the same upload again («already live»). Warm caches on both sides, rounds
 * alternate.
 */
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "tar";
import { run } from "../core/host/spawn.ts";
import type { Stack } from "../test/support/stack.ts";
import { median, timed, untilAnswer } from "./support/measure.ts";
import type { Peer } from "./support/peers.ts";
import type { Row } from "./support/report.ts";

const ROUNDS = 7;
const DOCKERFILE = `FROM busybox
WORKDIR /srv
RUN adduser -D -H web || true
COPY index.html .
EXPOSE 8000
CMD ["busybox", "httpd", "-f", "-p", "8000", "-h", "/srv"]
`;

export async function changeToUrl(stack: Stack, docker: Peer | undefined): Promise<Row[]> {
  const dir = await mkdtemp(join(tmpdir(), "berth-bench-"));
  try {
    const berth = join(dir, "bench");
    await cp(await context(dir, "template"), berth, { recursive: true });
    const berthMs: number[] = [];
    const sameMs: number[] = [];
    const uploadMs: number[] = [];
    const dockerMs: number[] = [];
    const byHand = docker ? await dockerRound(stack, docker, await context(dir, "by-hand")) : undefined;
    for (let round = 0; round <= ROUNDS; round++) {
      const text = `round ${round} ${Date.now()}`;
      await writeFile(join(berth, "index.html"), text);
      const changed = await timed(async () => {
        await stack.cli(["deploy", berth, "--quiet"]);
        await untilAnswer(stack.gatewayUrl, stack.host("bench"), (body) => body === text);
      });
      const same = await timed(() => stack.cli(["deploy", berth, "--quiet"]));
      const upload = await timed(() => uploadAgain(stack, berth));
      const hand = byHand ? await byHand(text) : undefined;
      // The first round fills the caches of both.
      if (round === 0) continue;
      berthMs.push(changed.ms);
      sameMs.push(same.ms);
      uploadMs.push(upload.ms);
      if (hand !== undefined) dockerMs.push(hand);
    }
    return [
      { what: "one changed file, `berth deploy` to URL answering", berthMs: median(berthMs), peer: "docker build + push + run", peerMs: dockerMs.length ? median(dockerMs) : undefined },
      { what: "the same upload again over HTTP, «already live»", berthMs: median(uploadMs), peer: undefined, peerMs: undefined },
      { what: "the same with `berth deploy`", berthMs: median(sameMs), peer: undefined, peerMs: undefined },
    ];
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** What the server needs to see that this is live already: no program is started. */
async function uploadAgain(stack: Stack, dir: string): Promise<void> {
  const body = await new Response(create({ gzip: true, cwd: dir }, ["Dockerfile", "index.html"])).bytes();
  const response = await fetch(`${stack.apiUrl}/v1/apps/bench/deployments`, {
    method: "POST",
    headers: { authorization: `Bearer ${stack.token}`, "content-type": "application/gzip" },
    body,
  });
  const { alreadyLive } = (await response.json()) as { alreadyLive?: boolean };
  if (response.status !== 200 || alreadyLive !== true) throw new Error(`the same upload was not seen to be live: ${response.status}`);
}

async function context(dir: string, name: string): Promise<string> {
  const path = join(dir, name);
  await run(["mkdir", "-p", path]);
  await writeFile(join(path, "Dockerfile"), DOCKERFILE);
  await writeFile(join(path, "index.html"), "template");
  return path;
}

/** A function that does one change by hand and gives its duration in ms. */
async function dockerRound(stack: Stack, docker: Peer, dir: string): Promise<(text: string) => Promise<number>> {
  const registry = new URL(stack.apiUrl).host;
  const repository = `${registry}/${stack.tenant}/by-hand`;
  await run(docker.argv("login", "-u", "berth", "--password-stdin", registry), { input: stack.token });
  await run(docker.argv("pull", `${registry}/library/busybox`));
  await run(docker.argv("tag", `${registry}/library/busybox`, "busybox"));
  const env = { ...process.env, DOCKER_BUILDKIT: "1" };
  return async (text) => {
    await writeFile(join(dir, "index.html"), text);
    const { ms } = await timed(async () => {
      await run(docker.argv("build", "-q", "--network", "host", "-t", repository, dir), { env, timeoutMs: 120_000 });
      await run(docker.argv("push", "-q", repository));
      await run(docker.argv("run", "-d", "--name", "by-hand", "--network", "host", repository));
      await untilAnswer("http://127.0.0.1:8000", "127.0.0.1", (body) => body === text);
    });
    await run(docker.argv("rm", "-f", "by-hand"));
    return ms;
  };
}
