/**
 * `npm run deploys`: deployments one after the other through the whole of Berth, under a steady load, with long answers
 * and WebSockets under way. Not one request may fail. BERTH_DEPLOYS (20), BERTH_LOAD_PER_SECOND (500).
 */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { get, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startStack, type Stack } from "../test/support/stack.ts";
import { startSteadyLoad } from "../test/support/steady-load.ts";
import { percentile, timed, untilAnswer } from "./support/measure.ts";

const DEPLOYS = Number(process.env["BERTH_DEPLOYS"] ?? 20);
const PER_SECOND = Number(process.env["BERTH_LOAD_PER_SECOND"] ?? 500);
const APP = "deploys";
const LONG_MS = 12_000;
const STRATEGIES = ["kind: blue-green", "kind: rolling\n    maxSurge: 1", "kind: canary\n    steps:\n      - { percent: 20, holdMs: 500 }\n      - { percent: 60, holdMs: 500 }"];

/** Answers its name; slowly at `/long`; whatever comes over an upgraded connection goes back. */
const SERVER = `
import { createHash } from "node:crypto";
import { createServer } from "node:http";
const name = process.env.NAME;
const server = createServer((request, response) => {
  if (request.url !== "/long") return response.end(name);
  response.write("begin ");
  setTimeout(() => response.end("end"), ${LONG_MS});
});
server.keepAliveTimeout = 120000;
server.on("upgrade", (request, socket) => {
  const accept = createHash("sha1").update(request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
  socket.write("HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: " + accept + "\\r\\n\\r\\n");
  socket.on("data", (data) => socket.write(data)).on("error", () => {});
});
server.listen(8080);
process.on("SIGTERM", () => process.exit(0));
`;

interface Figures {
  deploys: number;
  requests: number;
  failed: string[];
  slowestMs: number;
  deployMsMedian: number;
  longAnswers: number;
  echoes: number;
}

const stack = await startStack();
const dir = await mkdtemp(join(tmpdir(), "berth-deploys-"));
try {
  const figures = await measure(stack);
  console.log(JSON.stringify(figures, null, 2));
  assert.deepEqual(figures.failed, []);
} catch (error) {
  console.error(stack.logs(20));
  throw error;
} finally {
  await rm(dir, { recursive: true, force: true });
  await stack.stop();
}

async function measure({ gatewayUrl, host, cli }: Stack): Promise<Figures> {
  await writeFile(join(dir, "server.mjs"), SERVER);
  await writeFile(join(dir, "Dockerfile"), 'FROM node\nCOPY server.mjs /\nCMD ["node", "/server.mjs"]\n');
  const deploy = async (n: number) => {
    await writeFile(join(dir, "berth.yaml"), `settings:\n  replicas: 2\n  stopGraceMs: 300000\n  strategy:\n    ${STRATEGIES[n % STRATEGIES.length]}\nenv:\n  NAME: r${n}\n`);
    await cli(["deploy", dir, "--app", APP, "--quiet"]);
    await untilAnswer(gatewayUrl, host(APP), (body) => body === `r${n}`);
  };
  await deploy(0);
  const { hostname, port } = new URL(gatewayUrl);
  const at = { host: hostname, port, headers: { host: host(APP) } };
  const endLoad = startSteadyLoad({ host: host(APP), address: hostname, port: Number(port), perSecond: PER_SECOND });
  const deployMs: number[] = [];
  const long: Promise<string>[] = [];
  const sockets: Echo[] = [];
  for (let n = 1; n <= DEPLOYS; n++) {
    // Both outlast deployments that follow; instances have five minutes to drain.
    long.push(text(at));
    if (n % 5 === 1) sockets.push(await openEcho(at));
    deployMs.push((await timed(() => deploy(n))).ms);
    for (const socket of sockets.slice(-1)) await socket.say(`after ${n}`);
  }
  const { failed, sent, slowestMs } = await endLoad();
  for (const body of await Promise.all(long)) if (body !== "begin end") failed.push(`a long answer: ${body}`);
  for (const socket of sockets) socket.close();
  return { deploys: DEPLOYS, requests: sent, failed, slowestMs: Math.round(slowestMs), deployMsMedian: Math.round(percentile(deployMs, 50)), longAnswers: long.length, echoes: sockets.reduce((sum, { heard }) => sum + heard(), 0) };
}

type At = { host: string; port: string; headers: Record<string, string> };

function text(at: At): Promise<string> {
  return new Promise((resolve) => {
    get({ ...at, path: "/long", agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (more: string) => (body += more));
      response.on("end", () => resolve(body)).on("error", (error) => resolve(error.message));
    }).on("error", (error) => resolve(error.message));
  });
}

interface Echo {
  /** Resolves when it has come back. */
  say(text: string): Promise<void>;
  heard(): number;
  close(): void;
}

/** An upgraded connection; bytes as they are, without frames. */
function openEcho(at: At): Promise<Echo> {
  const key = randomBytes(16).toString("base64");
  return new Promise((resolve, reject) => {
    const asked = request({ ...at, agent: false, headers: { ...at.headers, connection: "Upgrade", upgrade: "websocket", "sec-websocket-key": key, "sec-websocket-version": "13" } });
    asked.on("error", reject).on("upgrade", (response, socket) => {
      const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
      if (response.headers["sec-websocket-accept"] !== accept) return reject(new Error("no WebSocket"));
      let heard = 0;
      socket.on("error", () => {});
      return resolve({
        say: (words) =>
          new Promise<void>((done, fail) => {
            const late = setTimeout(() => fail(new Error(`no echo of «${words}»`)), 5000);
            socket.once("data", (data: Buffer) => {
              clearTimeout(late);
              assert.equal(data.toString(), words);
              heard++;
              done();
            });
            socket.write(words);
          }),
        heard: () => heard,
        close: () => void socket.destroy(),
      });
    });
    asked.end();
  });
}
