/** The sockets at which instances ask: UDP and TCP. */
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { TenantId } from "../../core/contract/ids.ts";
import { answerTo, fitted, MAX_QUERY_BYTES, readQuery, type Query } from "./messages.ts";
import { judge, type Verdict } from "./names.ts";
import type { ResolverTable } from "./table.ts";
import { framed, type Upstream } from "./upstream.ts";

const IDLE_MS = 10_000;
/** So long the news about an instance that has just started may take. */
const NEWS_WITHIN_MS = 2000;
const MAX_CONNECTIONS = 1000;
const MAX_PER_CLIENT = 16;
/** Questions of one client that wait. */
const MAX_WAITING_PER_CLIENT = 64;

export interface ResolverOptions {
  address: string;
  port: number;
  table: () => ResolverTable;
  upstream: Upstream;
  /** Resolves when the table is another one. */
  nextTable: () => Promise<void>;
  /** Addresses at which the app answers; none: it does not. */
  wake: (tenantId: TenantId, name: string) => Promise<readonly string[]>;
}

export interface ResolverServer {
  port: number;
  close(): void;
}

export async function openResolver(options: ResolverOptions): Promise<ResolverServer> {
  const udp = createSocket("udp4");
  const answer = answerer(options);
  udp.on("message", (bytes, from) => {
    void answer(bytes, from.address, "udp").then((reply) => reply && udp.send(reply, from.port, from.address, () => {}));
  });
  udp.on("error", () => {});
  udp.bind(options.port, options.address);
  await once(udp, "listening");
  const { port } = udp.address();
  const tcp = openTcp(answer);
  tcp.listen(port, options.address);
  try {
    await once(tcp, "listening");
  } catch (error) {
    udp.close();
    throw error;
  }
  return { port, close: () => close(udp, tcp) };
}

function close(udp: UdpSocket, tcp: Server): void {
  udp.close();
  tcp.close();
}

type Answerer = (bytes: Buffer, client: string, over: "udp" | "tcp") => Promise<Buffer | undefined>;

function answerer({ table, nextTable, upstream, wake }: ResolverOptions): Answerer {
  const waiting = new Map<string, number>();
  /** What is waited for; undefined: the client waits for too much already. */
  const bounded = async <T>(client: string, work: () => Promise<T>): Promise<T | undefined> => {
    const mine = waiting.get(client) ?? 0;
    if (mine >= MAX_WAITING_PER_CLIENT) return undefined;
    waiting.set(client, mine + 1);
    return work().finally(() => {
      const left = (waiting.get(client) ?? 1) - 1;
      if (left === 0) waiting.delete(client);
      else waiting.set(client, left);
    });
  };
  const untilKnown = async (query: Query, client: string): Promise<Verdict> => {
    const late = sleep(NEWS_WITHIN_MS, undefined, { ref: false }).then(() => "late" as const);
    for (;;) {
      const verdict = judge(table(), client, query.question);
      if (verdict.kind !== "unknown" || (await Promise.race([nextTable(), late])) === "late") return verdict;
    }
  };
  const reply = async (query: Query, client: string, over: "udp" | "tcp"): Promise<Buffer | undefined> => {
    const first = judge(table(), client, query.question);
    const verdict = first.kind === "unknown" ? ((await bounded(client, () => untilKnown(query, client))) ?? first) : first;
    if (verdict.kind === "forward") return (await upstream.ask(verdict.tenantId, query.bytes, over)) ?? answerTo(query, "unavailable", [], Math.random);
    if (verdict.kind === "wake") {
      const addresses = (await bounded(client, () => wake(verdict.tenantId, verdict.name))) ?? [];
      return answerTo(query, addresses.length > 0 ? "addresses" : "unavailable", addresses, Math.random);
    }
    return answerTo(query, verdict.kind, verdict.kind === "addresses" ? verdict.addresses : [], Math.random);
  };
  return async (bytes, client, over) => {
    // What is no question gets no answer: nothing to reflect.
    const query = readQuery(bytes);
    if (query === undefined) return undefined;
    const answer = await reply(query, client, over);
    return answer && over === "udp" ? fitted(query, answer) : answer;
  };
}

function openTcp(answer: Answerer): Server {
  const clients = new Map<string, number>();
  const server = createServer((socket) => {
    const client = socket.remoteAddress ?? "";
    const mine = clients.get(client) ?? 0;
    if (mine >= MAX_PER_CLIENT) return void socket.destroy();
    clients.set(client, mine + 1);
    socket.on("close", () => {
      const left = (clients.get(client) ?? 1) - 1;
      if (left === 0) clients.delete(client);
      else clients.set(client, left);
    });
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    socket.on("error", () => {});
    void converse(socket, client, answer).catch(() => socket.destroy());
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.on("error", () => {});
  return server;
}

/** One question after the other. */
async function converse(socket: Socket, client: string, answer: Answerer): Promise<void> {
  let heard = Buffer.alloc(0);
  for await (const data of socket as AsyncIterable<Buffer>) {
    heard = Buffer.concat([heard, data]);
    while (heard.length >= 2) {
      const length = heard.readUInt16BE(0);
      if (length > MAX_QUERY_BYTES) return void socket.destroy();
      if (heard.length < length + 2) break;
      const reply = await answer(heard.subarray(2, length + 2), client, "tcp");
      if (reply === undefined) return void socket.destroy();
      socket.write(framed(reply));
      heard = heard.subarray(length + 2);
    }
  }
}
