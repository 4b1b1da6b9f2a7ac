/** The gateway's end of its channel to the API: connects, says hello, and connects again for as long as it is wanted. */
import { WebSocket } from "ws";
import { GATEWAY_CHANNEL_PATH, ToGatewaySchema, type FromGateway, type ToGateway } from "../core/contract/gateway-channel.ts";
import type { Log } from "../core/log.ts";

/** The API pings every 5 s. */
const SILENT_FOR_MS = 15_000;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 2000;
const MAX_MESSAGE_BYTES = 64 * 2 ** 20;

export interface ChannelOptions {
  apiUrl: string;
  token: string;
  log: Log;
  onMessage(message: ToGateway): void;
  /** A new connection, which begins with a hello: what was said before may be lost. */
  onConnected(): void;
}

export interface GatewayChannel {
  /** False when there is no connection. */
  send(message: FromGateway): boolean;
  readonly connected: boolean;
  close(): void;
}

export function openChannel(options: ChannelOptions): GatewayChannel {
  const url = new URL(GATEWAY_CHANNEL_PATH, options.apiUrl);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  let socket: WebSocket | undefined;
  let timer: NodeJS.Timeout | undefined;
  let failures = 0;
  let closed = false;
  const send = (message: FromGateway): boolean => {
    if (socket?.readyState !== WebSocket.OPEN) return false;
    socket.send(JSON.stringify(message));
    return true;
  };
  const connect = () => {
    const mine = new WebSocket(url, { headers: { authorization: `Bearer ${options.token}` }, perMessageDeflate: false, maxPayload: MAX_MESSAGE_BYTES, handshakeTimeout: 5000 });
    socket = mine;
    watch(mine);
    mine.on("open", () => {
      failures = 0;
      options.log.info("channel open");
      options.onConnected();
    });
    mine.on("message", (data) => {
      const parsed = ToGatewaySchema.safeParse(parse(String(data)));
      if (parsed.success) options.onMessage(parsed.data);
      else options.log.warn({ problem: parsed.error.issues[0]?.message, path: parsed.error.issues[0]?.path.join(".") }, "a message of the API was not valid");
    });
    mine.on("error", (error) => {
      if (failures === 0) options.log.warn({ err: error }, "channel failed; routing goes on");
    });
    mine.on("close", () => {
      if (closed) return;
      const waitMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** failures++) * (0.5 + Math.random() / 2);
      timer = setTimeout(connect, waitMs);
    });
  };
  connect();
  return {
    send,
    get connected() {
      return socket?.readyState === WebSocket.OPEN;
    },
    close: () => {
      closed = true;
      clearTimeout(timer);
      socket?.close(1001);
      setTimeout(() => socket?.terminate(), 500).unref();
    },
  };
}

/** Ends a connection that is silent for three heartbeats. */
function watch(socket: WebSocket): void {
  const timer = setTimeout(() => socket.terminate(), SILENT_FOR_MS);
  const sign = () => timer.refresh();
  for (const event of ["open", "ping", "message"]) socket.on(event, sign);
  socket.on("close", () => clearTimeout(timer));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
