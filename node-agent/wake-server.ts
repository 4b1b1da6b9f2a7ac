/** Where gateways wake this node's instances: `core/contract/wake.ts`. Instances cannot reach it: the firewall drops what they send to the host. */
import { randomBytes, timingSafeEqual } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer, type WebSocket } from "ws";
import { z } from "zod";
import type { InstanceId } from "../core/contract/ids.ts";
import { ToWakerSchema, WAKE_PATH, type FromWaker, type WakeAddress, type Woken } from "../core/contract/wake.ts";
import type { Log } from "../core/log.ts";
import { NotReady } from "./not-ready.ts";

const SavedSchema = z.object({ token: z.string().min(32), port: z.number().int() });

const MAX_MESSAGE_BYTES = 4096;
/** Longer than a thaw: who asks is told that somebody is at it. */
const MOMENT_MS = 50;
/** Gateways that went away without a word. */
const PING_EVERY_MS = 30_000;

export interface WakeServerOptions {
  /** `ADDRESS:PORT`; port 0: any, and the same again after a restart, as gateways know it. */
  listen: string;
  /** Token and port live here. */
  stateFile: string;
  /** Undefined: there is no such instance. @throws NotReady */
  wake: (id: InstanceId) => Promise<Woken> | undefined;
  log: Log;
}

export interface WakeServer {
  address: WakeAddress;
  close(): void;
}

export async function openWakeServer(options: WakeServerOptions): Promise<WakeServer> {
  const at = options.listen.lastIndexOf(":");
  const [host, wantedPort] = [options.listen.slice(0, at), Number(options.listen.slice(at + 1))];
  const saved = readState(options.stateFile);
  const token = saved?.token ?? randomBytes(24).toString("hex");
  const server = createServer((_request, response) => response.writeHead(404).end());
  const channels = acceptGateways(options, Buffer.from(`Bearer ${token}`));
  server.on("upgrade", channels.upgrade);
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host, port }, () => {
        server.off("error", reject);
        resolve();
      });
    });
  const tries = wantedPort === 0 && saved !== undefined ? [saved.port, 0] : [wantedPort];
  for (const [index, port] of tries.entries()) {
    try {
      await listen(port);
      break;
    } catch (error) {
      if (index === tries.length - 1) throw error;
    }
  }
  const { port } = server.address() as AddressInfo;
  writeFileSync(`${options.stateFile}.new`, JSON.stringify({ token, port }), { mode: 0o600 });
  renameSync(`${options.stateFile}.new`, options.stateFile);
  return {
    address: { url: `http://${host}:${port}`, token },
    close: () => {
      channels.close();
      server.close();
      server.closeAllConnections();
    },
  };
}

function acceptGateways(options: WakeServerOptions, expected: Buffer) {
  const channels = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES, perMessageDeflate: false });
  const silent = new WeakSet<WebSocket>();
  const ping = setInterval(() => {
    for (const socket of channels.clients) {
      if (silent.has(socket)) socket.terminate();
      silent.add(socket);
      socket.ping();
    }
  }, PING_EVERY_MS);
  channels.on("connection", (socket) => {
    socket.on("error", () => {});
    socket.on("pong", () => silent.delete(socket));
    socket.on("message", (data) => void answer(options, socket, String(data)));
  });
  const upgrade = (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    stream.on("error", () => {});
    const given = Buffer.from(request.headers.authorization ?? "");
    const isKnown = given.length === expected.length && timingSafeEqual(given, expected);
    if (isKnown && request.url === WAKE_PATH) channels.handleUpgrade(request, stream, head, (socket) => channels.emit("connection", socket));
    else stream.end(`HTTP/1.1 ${isKnown ? "404 Not Found" : "401 Unauthorized"}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  };
  return {
    upgrade,
    close: () => {
      clearInterval(ping);
      for (const socket of channels.clients) socket.terminate();
    },
  };
}

async function answer({ wake, log }: WakeServerOptions, socket: WebSocket, text: string): Promise<void> {
  const beganAt = performance.now();
  const asked = ToWakerSchema.safeParse(parse(text));
  if (!asked.success) return socket.close(1008, "it asks for no instance");
  const instanceId = asked.data.wake;
  const say = (message: FromWaker) => socket.send(JSON.stringify(message));
  const waking = wake(instanceId);
  if (waking === undefined) return say({ type: "failed", instanceId, detail: "there is no such instance here" });
  const moment = setTimeout(() => say({ type: "begun", instanceId }), MOMENT_MS);
  try {
    say({ type: "woken", instanceId, ...(await waking), ms: Math.round((performance.now() - beganAt) * 10) / 10 });
  } catch (error) {
    if (!(error instanceof NotReady)) log.error({ err: error, instanceId }, "an instance was not woken");
    say({ type: "failed", instanceId, detail: error instanceof Error ? error.message : String(error) });
  } finally {
    clearTimeout(moment);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function readState(path: string): z.infer<typeof SavedSchema> | undefined {
  try {
    return SavedSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined;
  }
}
