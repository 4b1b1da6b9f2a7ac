/** One lasting connection to HAProxy's Runtime API: commands are written one after the other without waiting, answers come in order. */
import { createConnection, type Socket } from "node:net";

const PROMPT = "\n> ";

export class AdminClosed extends Error {
  constructor(cause?: unknown) {
    super("HAProxy's admin socket is closed", { cause });
    this.name = "AdminClosed";
  }
}

export interface AdminSocket {
  /** The answer to one command. Rejects with AdminClosed. */
  send(line: string): Promise<string>;
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;
  readonly isClosed: boolean;
  close(): void;
}

/** Connects and turns the prompt on. Rejects when HAProxy does not answer in time. */
export async function openAdminSocket(path: string, timeoutMs = 2000): Promise<AdminSocket> {
  const socket = createConnection(path);
  const client = attach(socket);
  const timer = setTimeout(() => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  try {
    // Its answer is the first prompt.
    await client.send("prompt");
    return client;
  } finally {
    clearTimeout(timer);
  }
}

function attach(socket: Socket): AdminSocket {
  const waiting: { resolve: (answer: string) => void; reject: (error: unknown) => void }[] = [];
  const chunks: string[] = [];
  let cause: unknown;
  socket.setEncoding("utf8");
  socket.on("data", (chunk: string) => {
    chunks.push(chunk);
    // Long answers come in many chunks: they are joined once the end may be there.
    if (!chunk.includes("> ") && !chunk.endsWith(">") && !chunk.startsWith(" ")) return;
    let text = chunks.join("");
    chunks.length = 0;
    for (let end = text.indexOf(PROMPT); end !== -1; end = text.indexOf(PROMPT)) {
      waiting.shift()?.resolve(text.slice(0, end));
      text = text.slice(end + PROMPT.length);
    }
    if (text !== "") chunks.push(text);
  });
  socket.on("error", (error) => {
    cause = error;
  });
  const closed = new Promise<void>((resolve) => {
    socket.on("close", () => {
      for (const one of waiting.splice(0)) one.reject(new AdminClosed(cause));
      resolve();
    });
  });
  return {
    send: (line) =>
      new Promise((resolve, reject) => {
        if (socket.destroyed) return reject(new AdminClosed(cause));
        waiting.push({ resolve, reject });
        socket.write(`${line}\n`);
      }),
    closed,
    get isClosed() {
      return socket.destroyed;
    },
    close: () => socket.destroy(),
  };
}
