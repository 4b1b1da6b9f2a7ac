/** The one outbound connection to the API: desired state in, reports and log lines out. */
import WebSocket from "ws";
import { NODE_CHANNEL_PATH, ToNodeSchema, type FromNode, type ToNode } from "../core/contract/node-channel.ts";
import type { Log } from "../core/log.ts";
import { fetchNodeToken } from "./node-token.ts";

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;
const CONNECT_TIMEOUT_MS = 5000;
/** The API pings; a connection that was silent for so long is a dead one. */
const SILENCE_MS = 30_000;
/** RFC 6455, 7.4.1: policy violation. */
const REFUSED = 1008;
/** A slow connection must not fill the memory with log lines. */
const MAX_BUFFERED_BYTES = 8 * 2 ** 20;

export interface ChannelOptions {
  apiUrl: string;
  token: string;
  log: Log;
  /** Said first on every connection. */
  hello: () => FromNode;
  onOpen: () => void;
  onMessage: (message: ToNode) => void;
  onClose: () => void;
  random: () => number;
}

export class NodeChannel {
  readonly #options: ChannelOptions;
  #socket: WebSocket | undefined;
  #attempt = 0;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: ChannelOptions) {
    this.#options = options;
  }

  connect(): void {
    this.#connect().catch((error: unknown) => {
      this.#options.log.warn({ err: error instanceof Error ? error.message : error }, "the API's channel");
      this.#again();
    });
  }

  async #connect(): Promise<void> {
    const { apiUrl, log } = this.#options;
    const token = await fetchNodeToken(apiUrl, this.#options.token);
    if (this.#closed) return;
    const url = new URL(NODE_CHANNEL_PATH, apiUrl);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${token}` }, handshakeTimeout: CONNECT_TIMEOUT_MS, perMessageDeflate: false });
    this.#socket = socket;
    let silence: NodeJS.Timeout | undefined;
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(() => socket.terminate(), SILENCE_MS);
    };
    socket.on("open", () => {
      this.#attempt = 0;
      heard();
      log.info("connected to the API");
      this.send(this.#options.hello());
      this.#options.onOpen();
    });
    socket.on("ping", heard);
    socket.on("message", (data) => {
      heard();
      const parsed = ToNodeSchema.safeParse(parseJson(String(data)));
      if (parsed.success) this.#options.onMessage(parsed.data);
      else log.error({ issues: parsed.error.issues.slice(0, 5) }, "a message that the contract does not know");
    });
    socket.on("error", (error) => log.warn({ err: error.message }, "the API's channel"));
    socket.on("close", (code, reason) => {
      clearTimeout(silence);
      if (code === REFUSED) log.error({ reason: String(reason) }, "the API refuses this node");
      this.#options.onClose();
      this.#again();
    });
  }

  #again(): void {
    if (this.#closed) return;
    // Half of the pause is random: a fleet does not come back as one.
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#attempt++);
    this.#retry = setTimeout(() => this.connect(), pause * (0.5 + this.#options.random() / 2));
  }

  /** False when there is no connection, or when it is too slow for more. */
  send(message: FromNode): boolean {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN || socket.bufferedAmount > MAX_BUFFERED_BYTES) return false;
    socket.send(JSON.stringify(message));
    return true;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#socket?.close();
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
