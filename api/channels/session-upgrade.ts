/**
 * The client's end of a session. The upgrade passes through the same routes as any request (token, scope, limits, log);
 * what they allow is then joined with the node's end.
 */
import type { IncomingMessage } from "node:http";
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocket, WebSocketServer } from "ws";
import { ClientEventSchema, SESSION_CHUNK_BYTES, SESSION_WINDOW_BYTES, type ServerEvent, type SessionTarget, type SessionUp } from "../../core/contract/sessions.ts";
import type { AllowedSession, ApiEnv, Deps, NodeSession } from "../deps.ts";
import { toAppError } from "../problems.ts";
import { cutWhenRevoked } from "../stream-guard.ts";
import { noteEntrance } from "../use-cases/enter-instance.ts";

const PATH = /^\/v1\/apps\/[^/]+\/instances\/[^/]+\/(?:exec|ports\/[^/]+)$/;
const MAX_MESSAGE_BYTES = 2 ** 20;
const START_WITHIN_MS = 10_000;
const PING_EVERY_MS = 10_000;
const SILENT_FOR_MS = 35_000;

export type Ask = (request: Request, bindings: ApiEnv["Bindings"]) => Response | Promise<Response>;

export function acceptSessions(deps: Deps, ask: Ask) {
  const server = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES, perMessageDeflate: false });
  /** False: it is none of ours. */
  const handle = (request: IncomingMessage, stream: Duplex, head: Buffer): boolean => {
    const path = (request.url ?? "").split("?")[0] ?? "";
    if (!PATH.test(path)) return false;
    stream.on("error", () => {});
    void (async () => {
      let allowed: AllowedSession | undefined;
      const headers = Object.entries(request.headers).flatMap(([name, value]) => (typeof value === "string" && name !== "host" ? [[name, value] as [string, string]] : []));
      const response = await ask(new Request(`http://localhost${path}`, { headers }), { incoming: request, outgoing: undefined as never, allow: (session) => (allowed = session) } as ApiEnv["Bindings"]);
      if (stream.destroyed) return;
      if (allowed === undefined) {
        stream.end(await asText(response));
        return;
      }
      const session = allowed;
      server.handleUpgrade(request, stream, head, (socket) => void new ClientEnd(deps, session, socket).begin());
    })().catch((error: unknown) => {
      deps.log.error({ err: error }, "a session was not opened");
      stream.destroy();
    });
    return true;
  };
  return {
    handle,
    close: () => {
      for (const socket of server.clients) socket.close(1001, "the API ends");
      server.close();
    },
    terminate: () => {
      for (const socket of server.clients) socket.terminate();
    },
  };
}

/** An answer that is no upgrade, as it goes over the wire. */
async function asText(response: Response): Promise<string> {
  const body = await response.text();
  const headers = [...response.headers].filter(([name]) => name !== "content-length" && name !== "transfer-encoding").map(([name, value]) => `${name}: ${value}`);
  const lines = [`HTTP/1.1 ${response.status} ${STATUS_CODES[response.status] ?? ""}`, ...headers, `content-length: ${Buffer.byteLength(body)}`, "connection: close"];
  return `${lines.join("\r\n")}\r\n\r\n${body}`;
}

class ClientEnd {
  readonly #deps: Deps;
  readonly #allowed: AllowedSession;
  readonly #socket: WebSocket;
  #session: NodeSession | undefined;
  #over = false;
  #stopGuard = () => {};
  /** Input that the node has given no credit for yet. */
  readonly #pending: Buffer[] = [];
  #pendingBytes = 0;
  #isInputOver = false;
  #credit = SESSION_WINDOW_BYTES;

  constructor(deps: Deps, allowed: AllowedSession, socket: WebSocket) {
    this.#deps = deps;
    this.#allowed = allowed;
    this.#socket = socket;
  }

  async begin(): Promise<void> {
    const socket = this.#socket;
    const { port, entrance } = this.#allowed;
    socket.on("error", () => {});
    socket.on("close", () => this.#leave());
    socket.on("message", (data, isBinary) => this.#hear(data as Buffer, isBinary));
    this.#stopGuard = cutWhenRevoked(this.#deps, entrance.actor, () => this.#finish({ type: "problem", code: "unauthenticated", detail: "The token was revoked, or has expired." }));
    this.#watch();
    if (port !== undefined) return this.#open({ kind: "port", port });
    setTimeout(() => {
      if (this.#session === undefined) this.#refuse("The first message did not come in time.");
    }, START_WITHIN_MS).unref();
  }

  /** Pings, and gives up a client that is silent; one that is not read from now cannot answer. */
  #watch(): void {
    const socket = this.#socket;
    let lastSign = performance.now();
    const sign = () => (lastSign = performance.now());
    for (const event of ["pong", "message"] as const) socket.on(event, sign);
    const timer = setInterval(() => {
      if (socket.isPaused) sign();
      else if (performance.now() - lastSign > SILENT_FOR_MS) socket.terminate();
      if (socket.readyState === WebSocket.OPEN) socket.ping();
    }, PING_EVERY_MS);
    socket.on("close", () => clearInterval(timer));
  }

  #hear(data: Buffer, isBinary: boolean): void {
    if (this.#over) return;
    if (isBinary) {
      this.#pending.push(data);
      this.#pendingBytes += data.length;
      return this.#pump();
    }
    const parsed = ClientEventSchema.safeParse(parseJson(data));
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      return this.#refuse(`The message is not valid: ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}`.trim());
    }
    const event = parsed.data;
    if (event.type === "end") {
      this.#isInputOver = true;
      this.#pump();
    } else if (event.type === "resize") {
      this.#session?.send(event);
    } else if (this.#allowed.port !== undefined || this.#opening) {
      this.#refuse("The session has started already.");
    } else {
      void this.#open({ kind: "exec", args: event.args, terminal: event.terminal, ...(event.container === undefined ? {} : { container: event.container }) });
    }
  }

  #opening = false;

  async #open(target: SessionTarget): Promise<void> {
    this.#opening = true;
    const { entrance } = this.#allowed;
    try {
      await noteEntrance(this.#deps, entrance, target);
      const session = await this.#deps.nodes.session(entrance.nodeId, entrance.instanceId, target, (event) => this.#up(event));
      if (this.#over) return session.close();
      this.#session = session;
      this.#pump();
    } catch (thrown) {
      const error = toAppError(thrown);
      if (error.status >= 500) this.#deps.log.warn({ err: error.cause ?? error }, "a session was not opened");
      this.#finish({ type: "problem", code: error.code, detail: error.message });
    }
  }

  #up(event: SessionUp | undefined): void {
    if (this.#over) return;
    if (event === undefined) {
      this.#finish({ type: "problem", code: "node_unavailable", detail: "The connection to the node that runs this instance broke." });
    } else if (event.type === "data") {
      const bytes = Buffer.from(event.data, "base64");
      // Credit for what the kernel has taken: a client that reads nothing gets no more.
      this.#socket.send(Buffer.concat([Buffer.of(event.stream), bytes]), (error) => {
        if (!error && bytes.length > 0) this.#session?.send({ type: "credit", bytes: bytes.length });
      });
    } else if (event.type === "credit") {
      this.#credit += event.bytes;
      this.#pump();
    } else if (event.type === "opened") {
      this.#socket.send(JSON.stringify(event satisfies ServerEvent));
    } else {
      this.#finish(event);
    }
  }

  #pump(): void {
    const session = this.#session;
    while (session !== undefined && this.#credit > 0 && this.#pending.length > 0) {
      const first = this.#pending[0] as Buffer;
      const chunk = first.subarray(0, Math.min(SESSION_CHUNK_BYTES, this.#credit));
      if (chunk.length === first.length) this.#pending.shift();
      else this.#pending[0] = first.subarray(chunk.length);
      this.#pendingBytes -= chunk.length;
      this.#credit -= chunk.length;
      session.send({ type: "data", data: chunk.toString("base64") });
    }
    if (this.#isInputOver && this.#pending.length === 0) {
      if (session === undefined) return;
      this.#isInputOver = false;
      session.send({ type: "end" });
    }
    if (this.#pendingBytes > SESSION_WINDOW_BYTES) this.#socket.pause();
    else if (this.#socket.isPaused) this.#socket.resume();
  }

  #refuse(detail: string): void {
    this.#finish({ type: "problem", code: "invalid_request", detail });
  }

  #finish(event: ServerEvent): void {
    if (this.#over) return;
    this.#leave();
    this.#socket.resume();
    this.#socket.send(JSON.stringify(event));
    this.#socket.close(1000);
  }

  #leave(): void {
    this.#over = true;
    this.#stopGuard();
    this.#session?.close();
  }
}

function parseJson(data: Buffer): unknown {
  try {
    return JSON.parse(data.toString("utf8"));
  } catch {
    return undefined;
  }
}
