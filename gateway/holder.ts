/**
 * Answers the Lua action that holds a request. It says `<slot> <ms waited so far>` in a line, and hears in another one,
 * when the slot has a server: `go`; else `timeout`, `full`, `gone`, or after a while `again`: HAProxy notices only
 * between two questions that a client has left.
 */
import { chmodSync, chownSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { dirname } from "node:path";

const MAX_QUESTION_CHARS = 256;

export interface HoldPolicy {
  /** Undefined: no app has this slot. */
  holdTimeoutMs: number | undefined;
  hasServer: boolean;
}

export interface HolderOptions {
  socketPath: string;
  /** Group of HAProxy's processes, which connect. */
  groupId: number | undefined;
  maxHeld: number;
  policyOf(slot: string): HoldPolicy;
  /** A request waits for the slot; said at most once in `remindMs`. */
  onWanted(slot: string): void;
  remindMs: number;
  /** After how long a question is answered with `again`. */
  againMs: number;
}

export interface Holder {
  /** Lets the slot's requests go on. */
  release(slot: string): void;
  heldCount(slot?: string): number;
  close(): Promise<void>;
}

export async function openHolder(options: HolderOptions): Promise<Holder> {
  const held = new Map<string, Set<Socket>>();
  const wantedAt = new Map<string, number>();
  let count = 0;
  const end = (slot: string, question: Socket, answer: string) => {
    forget(slot, question);
    question.end(`${answer}\n`);
  };
  const forget = (slot: string, question: Socket) => {
    const waiting = held.get(slot);
    if (waiting?.delete(question) !== true) return;
    count--;
    if (waiting.size === 0) held.delete(slot);
  };
  const hold = (slot: string, question: Socket, leftMs: number) => {
    held.set(slot, (held.get(slot) ?? new Set()).add(question));
    count++;
    // At most about a thousand questions a second, however many are held.
    const againMs = Math.max(options.againMs, count);
    const timer = setTimeout(() => end(slot, question, leftMs <= againMs ? "timeout" : "again"), Math.min(leftMs, againMs));
    question.on("close", () => {
      clearTimeout(timer);
      forget(slot, question);
    });
    const now = performance.now();
    if (now - (wantedAt.get(slot) ?? -Infinity) < options.remindMs) return;
    wantedAt.set(slot, now);
    options.onWanted(slot);
  };
  const ask = (line: string, question: Socket) => {
    const [slot = "", waitedMs] = line.split(" ");
    const { holdTimeoutMs, hasServer } = options.policyOf(slot);
    const leftMs = (holdTimeoutMs ?? 0) - Number(waitedMs);
    if (holdTimeoutMs === undefined) question.end("gone\n");
    else if (hasServer) question.end("go\n");
    else if (!(leftMs > 0)) question.end("timeout\n");
    else if (count >= options.maxHeld) question.end("full\n");
    else hold(slot, question, leftMs);
  };
  const open = new Set<Socket>();
  const server = createServer((question) => {
    open.add(question);
    question.on("close", () => open.delete(question));
    question.on("error", () => {});
    let text = "";
    question.setEncoding("utf8").on("data", (more: string) => {
      if (text.includes("\n")) return;
      text += more;
      const end = text.indexOf("\n");
      if (end !== -1) ask(text.slice(0, end), question);
      else if (text.length > MAX_QUESTION_CHARS) question.destroy();
    });
  });
  mkdirSync(dirname(options.socketPath), { recursive: true, mode: 0o711 });
  rmSync(options.socketPath, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path: options.socketPath, backlog: 4096 }, resolve);
  });
  chmodSync(options.socketPath, 0o660);
  if (options.groupId !== undefined) chownSync(options.socketPath, 0, options.groupId);
  return {
    release: (slot) => {
      wantedAt.delete(slot);
      for (const question of held.get(slot) ?? []) end(slot, question, "go");
    },
    heldCount: (slot) => (slot === undefined ? count : (held.get(slot)?.size ?? 0)),
    close: () => {
      return new Promise((resolve) => {
        server.close(() => resolve());
        for (const question of open) question.destroy();
      });
    },
  };
}
