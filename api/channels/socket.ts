/** What the channels share: the upgrade with its authentication, heartbeats, and messages as JSON. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocket, WebSocketServer } from "ws";
import type { z } from "zod";
import { AppError, toProblem } from "../../core/contract/errors.ts";
import type { Log } from "../../core/log.ts";
import { bearerToken } from "../../core/tokens.ts";
import { toAppError } from "../problems.ts";

const HEARTBEAT_EVERY_MS = 5000;
/** Three heartbeats without a sign: the other side is gone, whatever TCP believes. */
const SILENT_FOR_MS = 15_000;
const MAX_MESSAGE_BYTES = 32 * 2 ** 20;
/** A peer that reads nothing must not fill our memory. */
const MAX_BUFFERED_BYTES = 64 * 2 ** 20;

export interface Channel {
  path: string;
  /** Finds who holds the token and takes the socket over; resolves to undefined when nobody does. */
  open(token: string): Promise<((socket: WebSocket) => void) | undefined>;
}

/** Listens for upgrades. `handle` is for the server's `upgrade` event; `close` ends every socket with 1001. */
export function acceptChannels(channels: readonly Channel[], log: Log) {
  const server = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES, perMessageDeflate: false });
  const handle = (request: IncomingMessage, stream: Duplex, head: Buffer): void => {
    stream.on("error", () => {});
    authorise(channels, request).then(
      (take) => {
        if (!stream.destroyed) server.handleUpgrade(request, stream, head, take);
      },
      (thrown: unknown) => {
        const error = toAppError(thrown);
        if (error.status >= 500) log.warn({ path: request.url, code: error.code, err: error.cause ?? error }, "channel refused");
        refuse(stream, error);
      },
    );
  };
  return {
    handle,
    close: () => {
      for (const socket of server.clients) socket.close(1001, "the API ends; connect again");
      server.close();
    },
    terminate: () => {
      for (const socket of server.clients) socket.terminate();
    },
  };
}

async function authorise(channels: readonly Channel[], request: IncomingMessage): Promise<(socket: WebSocket) => void> {
  const path = (request.url ?? "").split("?")[0];
  const channel = channels.find((one) => one.path === path);
  if (channel === undefined) throw new AppError("not_found", "There is no channel here.");
  const token = bearerToken(request.headers.authorization);
  const take = token === undefined ? undefined : await channel.open(token);
  if (take === undefined) throw new AppError("unauthenticated", "The channel wants the token of a node or gateway that Berth knows.");
  return take;
}

function refuse(stream: Duplex, error: AppError): void {
  const problem = toProblem(error);
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    "content-type: application/problem+json",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  stream.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}

/** Pings until the socket closes; `alive` is called with each sign of life, at most once a heartbeat. */
export function keepAlive(socket: WebSocket, alive: () => void): void {
  let lastSign = performance.now();
  let lastTold = -Infinity;
  const sign = () => {
    lastSign = performance.now();
    // Half a heartbeat: pongs come a little early or late.
    if (lastSign - lastTold < HEARTBEAT_EVERY_MS / 2) return;
    lastTold = lastSign;
    alive();
  };
  socket.on("pong", sign);
  socket.on("message", sign);
  const timer = setInterval(() => {
    if (performance.now() - lastSign > SILENT_FOR_MS) socket.terminate();
    else if (socket.readyState === WebSocket.OPEN) socket.ping();
  }, HEARTBEAT_EVERY_MS);
  socket.on("close", () => clearInterval(timer));
  // `close` follows each error.
  socket.on("error", () => {});
  if (socket.readyState === WebSocket.OPEN) socket.ping();
}

/** Sends one message (a string is JSON already); false when the socket is closed or its peer does not read. */
export function send(socket: WebSocket, message: unknown): boolean {
  if (socket.readyState !== WebSocket.OPEN) return false;
  if (socket.bufferedAmount > MAX_BUFFERED_BYTES) {
    socket.terminate();
    return false;
  }
  socket.send(typeof message === "string" ? message : JSON.stringify(message));
  return true;
}

/** Calls `handle` with each message of the schema; a message that is none closes the socket with 1008. */
export function onMessage<T extends z.ZodType>(socket: WebSocket, schema: T, log: Log, handle: (message: z.infer<T>) => void): void {
  socket.on("message", (data) => {
    const parsed = schema.safeParse(parse(String(data)));
    if (parsed.success) return handle(parsed.data);
    const [issue] = parsed.error.issues;
    log.warn({ path: issue?.path.join("."), problem: issue?.message }, "a channel's message was not valid");
    socket.close(1008, "the message is not valid");
  });
}

/** PostgreSQL's jsonb holds neither NUL nor half of a surrogate pair, and an app's log may have both. */
function parse(text: string): unknown {
  try {
    const harmless = !/\\u(0000|d[89a-f])/i.test(text) && text.isWellFormed();
    return JSON.parse(text, harmless ? undefined : (_key, value: unknown) => (typeof value === "string" ? value.replaceAll("\0", "�").toWellFormed() : value));
  } catch {
    return undefined;
  }
}
