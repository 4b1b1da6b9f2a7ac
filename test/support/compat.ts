/**
 * Images as people make them, run by Berth's node and by a Docker engine. What an image did becomes a transcript: its
 * exit code, its lines, and what it answered while it served.
 */
import { join } from "node:path";
import { connect } from "node:net";
import { gunzipSync } from "node:zlib";
import { mkdirSync, writeFileSync } from "node:fs";
import pg from "pg";
import { run, runUnchecked } from "../../core/host/spawn.ts";
import type { Peer } from "../../bench/support/peers.ts";
import { tarOf } from "./contexts.ts";
import { layoutImage } from "./oci.ts";
import { until, type InstanceWish, type TestNode } from "./node.ts";

interface Address {
  host: string;
  port: number;
}

/** An image that serves until it is stopped; the others run to their end. */
interface Server {
  port: number;
  ask: (at: Address) => Promise<string>;
  /** Lines of its output that are the same each time. */
  lines?: RegExp;
  stopGraceMs?: number;
}

const http = (path = "/") => async ({ host, port }: Address) => {
  const response = await fetch(`http://${host}:${port}${path}`, { headers: { connection: "close" } });
  return `${response.status} ${(await response.text()).trim()}`;
};

/** The first bytes that come back. */
const say = (text: string) => ({ host, port }: Address) =>
  new Promise<string>((resolve, reject) => {
    const socket = connect({ host, port, timeout: 5000 }, () => socket.write(text));
    socket.once("data", (data) => {
      socket.destroy();
      resolve(data.toString().trim());
    });
    socket.once("error", reject);
    socket.once("timeout", () => socket.destroy(new Error("silent for 5 s")));
  });

async function query({ host, port }: Address): Promise<string> {
  const client = new pg.Client({ host, port, user: "postgres", database: "postgres" });
  await client.connect();
  try {
    await client.query("create table t as select generate_series(1, 1000) as n");
    const { rows } = await client.query<{ sum: string; user: string }>("select sum(n)::text as sum, current_user as user from t");
    return JSON.stringify(rows);
  } finally {
    await client.end();
  }
}

const SERVERS: Record<string, Server> = {
  apache: { port: 80, ask: http() },
  "expose-only": { port: 8080, ask: http(), stopGraceMs: 1000 },
  healthcheck: { port: 8080, ask: http(), stopGraceMs: 1000 },
  "ignores-term": { port: 8080, ask: http(), stopGraceMs: 1000 },
  memcached: { port: 11_211, ask: say("set a 0 0 1\r\nb\r\n") },
  nginx: { port: 80, ask: http(), lines: /GET \/ HTTP/ },
  node: { port: 3000, ask: http(), lines: /closing/ },
  php: { port: 8000, ask: http() },
  postgres: { port: 5432, ask: query, lines: /received fast shutdown request|database system is shut down/ },
  redis: { port: 6379, ask: say("SET a b\r\n") },
  "static-server": { port: 8080, ask: http(), stopGraceMs: 1000 },
  "stop-signal": { port: 8080, ask: http(), lines: /got/ },
  "stop-signal-number": { port: 8080, ask: http(), lines: /got/ },
  tornado: { port: 8000, ask: http() },
};

const STOP_GRACE_MS = 10_000;
const TIMEOUT_MS = 60_000;
const HOSTNAME = "web";
/** More would be kept by nobody. */
const MAX_LINES = 80;

interface Outcome {
  code: number;
  stdout: string[];
  stderr: string[];
  answer?: string;
}

function transcript(image: string, { code, stdout, stderr, answer }: Outcome): string {
  const pattern = SERVERS[image]?.lines;
  // Only what a pattern of a server's picks says the same each time; its times and addresses do not.
  const picked = (lines: string[]) => (SERVERS[image] === undefined ? lines : lines.flatMap((line) => (pattern === undefined ? [] : (pattern.exec(line)?.[0] ?? []))));
  return [
    ...(answer === undefined ? [] : [`answers ${answer}`]),
    `exit ${code}`,
    ...picked(stdout).slice(-MAX_LINES).map((line) => `1| ${line}`),
    ...picked(stderr).slice(-MAX_LINES).map((line) => `2| ${line}`),
    "",
  ].join("\n");
}

/** Runs the image as the node runs an app of it. */
export async function underBerth(node: TestNode, layout: string, image: string, wish: Pick<InstanceWish, "isolation"> = {}): Promise<string> {
  const { layers, run: wanted } = layoutImage(layout, image);
  const server = SERVERS[image];
  const desired = node.instance({
    layers,
    args: [...(wanted.Entrypoint ?? []), ...(wanted.Cmd ?? [])],
    env: wanted.Env ?? [],
    workingDir: wanted.WorkingDir ?? "",
    user: wanted.User ?? "",
    volumes: Object.keys(wanted.Volumes ?? {}),
    stopSignal: wanted.StopSignal ?? "",
    hostname: HOSTNAME,
    port: server?.port ?? 65_000,
    readyTimeoutMs: TIMEOUT_MS,
    stopGraceMs: server?.stopGraceMs ?? STOP_GRACE_MS,
    limits: { memoryBytes: 512 * 2 ** 20 },
    ...wish,
  });
  node.add(desired);
  let answer: string | undefined;
  if (server !== undefined) {
    const report = await node.until(desired.id, "ready", TIMEOUT_MS);
    answer = await server.ask({ host: report.address ?? "", port: server.port });
  } else {
    await node.until(desired.id, "failed", TIMEOUT_MS);
  }
  const { problem } = node.report(desired.id) ?? {};
  const heard = node.heard.length;
  node.want(...node.desired.filter(({ id }) => id !== desired.id));
  await node.until(desired.id, "gone");
  const reports = node.heard.slice(server === undefined ? 0 : heard).flatMap((message) => (message.type === "report" ? message.instances.filter(({ id }) => id === desired.id) : []));
  const exit = reports.findLast(({ lastExit }) => lastExit !== undefined)?.lastExit;
  const lines = await node.logs(desired.id, { tailLines: 10_000 });
  const of = (stream: string) => lines.filter((entry) => entry.stream === stream).map(({ text }) => text);
  if (exit === undefined) return transcript(image, { code: 255, stdout: [], stderr: [`no exit: ${JSON.stringify(problem)}`] });
  return transcript(image, { code: exit.code, stdout: of("stdout"), stderr: of("stderr"), ...(answer === undefined ? {} : { answer }) });
}

/** Gives the engine the image, as `docker load` reads it. */
export async function loadDocker(docker: Peer, dir: string, layout: string, image: string): Promise<void> {
  const { layers, config } = layoutImage(layout, image);
  const names = layers.map((_, index) => `${index}/layer.tar`);
  const manifest = JSON.stringify([{ Config: "config.json", RepoTags: [`compat-${image}:latest`], Layers: names }]);
  const tar = await tarOf(["manifest.json", manifest], ["config.json", config], ...layers.map(({ bytes }, index): [string, Buffer] => [names[index] ?? "", gunzipSync(bytes)]));
  mkdirSync(dir, { recursive: true });
  const path = join(dir, `${image}.tar`);
  writeFileSync(path, tar);
  await run(docker.argv("load", "--quiet", "--input", path), { timeoutMs: 300_000 });
}

let links = 0;

/** Runs the image as Docker does, on a network of two. */
export async function underDocker(docker: Peer, image: string): Promise<string> {
  const server = SERVERS[image];
  const name = `compat-${image}`;
  await runUnchecked(docker.argv("rm", "--force", name));
  const limits = ["--network=none", `--hostname=${HOSTNAME}`, "--memory=512m", "--pids-limit=128", "--security-opt=apparmor=unconfined"];
  await run(docker.argv("create", "--name", name, ...limits, `${name}:latest`));
  try {
    let answer: string | undefined;
    const started = await runUnchecked(docker.argv("start", name));
    if (started.code === 0 && server !== undefined) {
      const at = { host: await linkTo(docker, name), port: server.port };
      await until(() => accepts(at), TIMEOUT_MS);
      answer = await server.ask(at);
      await run(docker.argv("stop", "--time", String((server.stopGraceMs ?? STOP_GRACE_MS) / 1000), name));
    }
    if (started.code === 0) await run(docker.argv("wait", name), { timeoutMs: TIMEOUT_MS });
    const { stdout: code } = await run(docker.argv("inspect", "--format", "{{.State.ExitCode}}", name));
    const { stdout, stderr } = await run(docker.argv("logs", name), { maxOutputBytes: 2 ** 28 });
    return transcript(image, { code: Number(code), stdout: linesOf(stdout), stderr: linesOf(stderr), ...(answer === undefined ? {} : { answer }) });
  } finally {
    await runUnchecked(docker.argv("rm", "--force", "--volumes", name));
  }
}

const linesOf = (text: string) => (text === "" ? [] : text.replace(/\n$/, "").split("\n"));

/** An interface of the container's own; it goes with the container. */
async function linkTo(docker: Peer, name: string): Promise<string> {
  const { stdout } = await run(docker.argv("inspect", "--format", "{{.State.Pid}}", name));
  const pid = stdout.trim();
  const [link, third] = [`cmp${process.pid % 1000}x${links}`, links++ % 250];
  await run(["ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", pid]);
  await run(["ip", "addr", "add", `198.18.${third}.1/30`, "dev", link]);
  await run(["ip", "link", "set", link, "up"]);
  for (const words of [["addr", "add", `198.18.${third}.2/30`, "dev", "eth0"], ["link", "set", "eth0", "up"]]) await run(["nsenter", "--net", "--target", pid, "ip", ...words]);
  return `198.18.${third}.2`;
}

function accepts({ host, port }: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 1000 });
    const end = (open: boolean) => {
      socket.destroy();
      // Asked again after a moment.
      setTimeout(resolve, open ? 0 : 50, open);
    };
    socket.once("connect", () => end(true));
    for (const event of ["error", "timeout"]) socket.once(event, () => end(false));
  });
}

/** Where Berth does otherwise than Docker, and why. */
export const ALLOWED: Record<string, readonly { docker: string; berth: string; why: string }[]> = {
  identity: [
    { docker: "/proc dr-xr-xr-x 0:0", berth: "/proc dr-xr-xr-x 65534:65534", why: "the host's root is nobody among a tenant's ids" },
    { docker: "1| 65536\n", berth: "1| no sysfs\n", why: "a container's /sys holds nothing of the host's but its cpus" },
  ],
  "null-command": [{ docker: "exec /script: exec format error", berth: "exec container process `/script`: Exec format error", why: "another runtime says it; people read it as `image_invalid`" }],
};
