/** Sessions into instances, as the CLI sees them: bytes in both directions with back-pressure, and how it ended. */
import type { IncomingMessage } from "node:http";
import WebSocket from "ws";
import type { ClientEvent, ServerEvent } from "../../core/contract/sessions.ts";
import type { Client } from "../client.ts";
import { responseError } from "../transport.ts";
import { CliError, EXIT, problemError } from "../errors.ts";
import { ERRORS, type ErrorCode } from "../../core/contract/errors.ts";

const HANDSHAKE_TIMEOUT_MS = 30_000;
/** Longest that a silent connection is believed in: the API pings every 10 s. */
const SILENT_FOR_MS = 45_000;

export interface Session {
  /** Resolves when the bytes were passed to the network. */
  write(bytes: Uint8Array): Promise<void>;
  /** No more input. */
  end(): void;
  resize(size: { columns: number; rows: number }): void;
  /** The exit code. @throws CliError */
  ended: Promise<number>;
  close(): void;
}

export interface Listeners {
  onOpen?: () => void;
  /** False: nothing more until `resume` is called. */
  onData: (stream: 1 | 2, bytes: Buffer, resume: () => void) => boolean;
}

/** An instance to enter: the one whose id ends like this, else one that is ready, else one that starts. @throws CliError */
export async function chooseInstance(client: Client, app: string, wanted: string | undefined): Promise<string> {
  const { instances } = await client.status(app);
  const found = instances.filter(({ id }) => (wanted === undefined ? true : id === wanted || id.endsWith(wanted)));
  const chosen = ["ready", "starting"].map((phase) => found.find((one) => one.phase === phase)).find((one) => one !== undefined) ?? (wanted === undefined ? undefined : found[0]);
  if (chosen !== undefined) return chosen.id;
  if (wanted !== undefined) throw new CliError(`${app} has no instance «${wanted}».`, { exitCode: EXIT.notFound, code: "not_found", hint: `See «berth status ${app}».` });
  throw new CliError(`No instance of ${app} runs now.`, { code: "instance_not_running", hint: `See «berth status ${app}».` });
}

/** `…/exec` wants `start`, `…/ports/N` does not. @throws CliError when it is refused */
export async function connectSession(client: Client, place: { app: string; instance: string; path: string }, start: Extract<ClientEvent, { type: "start" }> | undefined, listeners: Listeners): Promise<Session> {
  const { target } = client;
  const url = new URL(`${target.api}/v1/apps/${encodeURIComponent(place.app)}/instances/${encodeURIComponent(place.instance)}/${place.path}`);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url, {
    headers: { authorization: `Bearer ${target.token ?? ""}`, "user-agent": "berth-cli" },
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    perMessageDeflate: false,
  });
  const ended = Promise.withResolvers<number>();
  // Who waits for the start alone does not wait for the end.
  ended.promise.catch(() => {});
  socket.on("message", (data, isBinary) => {
    if (isBinary) {
      const bytes = data as Buffer;
      if (!listeners.onData(bytes[0] === 2 ? 2 : 1, bytes.subarray(1), () => socket.resume())) socket.pause();
      return;
    }
    const event = JSON.parse(String(data)) as ServerEvent;
    if (event.type === "opened") listeners.onOpen?.();
    else if (event.type === "exit") ended.resolve(event.code);
    else ended.reject(sessionError(event));
  });
  let silence: NodeJS.Timeout | undefined;
  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(() => (socket.isPaused ? heard() : socket.terminate()), SILENT_FOR_MS);
  };
  for (const event of ["open", "ping", "message"] as const) socket.on(event, heard);
  socket.on("close", () => {
    clearTimeout(silence);
    ended.reject(new CliError("The connection to the instance broke.", { code: "node_unavailable", hint: "See «berth status», then try again." }));
  });
  await opened(socket, client);
  const send = (event: ClientEvent) => {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(event));
  };
  if (start !== undefined) send(start);
  return {
    write: (bytes) =>
      new Promise((resolve) => {
        if (socket.readyState !== WebSocket.OPEN) return resolve();
        socket.send(bytes, () => resolve());
      }),
    end: () => send({ type: "end" }),
    resize: (size) => send({ type: "resize", ...size }),
    ended: ended.promise,
    close: () => socket.close(1000),
  };
}

function opened(socket: WebSocket, client: Client): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("open", () => resolve());
    socket.once("unexpected-response", (_request, response: IncomingMessage) => {
      void readText(response).then(async (text) => {
        socket.terminate();
        reject(await responseError(new Response(text, { status: response.statusCode ?? 500, headers: { "content-type": response.headers["content-type"] ?? "" } }), client.target, "entering the instance"));
      }, reject);
    });
    socket.on("error", (error) => reject(new CliError(`${client.target.api} cannot be reached: ${error.message}.`, { code: "unreachable", cause: error })));
  });
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

function sessionError({ code, detail }: Extract<ServerEvent, { type: "problem" }>): CliError {
  const [status, title] = ERRORS[code satisfies ErrorCode];
  return problemError({ type: "", title, status, code, detail });
}
