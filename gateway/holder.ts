/**
 * Answers the Lua action that holds a request: `GET /hold?slot=…&waitedMs=…` waits until the slot has a server.
 * Answers `go`, `timeout`, `full`, `gone`, or after a while `again`: HAProxy notices only between two questions that
 * a client has left.
 */
import { chmodSync, chownSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import { dirname } from "node:path";

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
  const held = new Map<string, Set<ServerResponse>>();
  const wantedAt = new Map<string, number>();
  let count = 0;
  const end = (slot: string, response: ServerResponse, answer: string) => {
    forget(slot, response);
    response.end(answer);
  };
  const forget = (slot: string, response: ServerResponse) => {
    const waiting = held.get(slot);
    if (waiting?.delete(response) !== true) return;
    count--;
    if (waiting.size === 0) held.delete(slot);
  };
  const hold = (slot: string, response: ServerResponse, leftMs: number) => {
    held.set(slot, (held.get(slot) ?? new Set()).add(response));
    count++;
    // At most about a thousand questions a second, however many are held.
    const againMs = Math.max(options.againMs, count);
    const timer = setTimeout(() => end(slot, response, leftMs <= againMs ? "timeout" : "again"), Math.min(leftMs, againMs));
    response.on("close", () => {
      clearTimeout(timer);
      forget(slot, response);
    });
    const now = performance.now();
    if (now - (wantedAt.get(slot) ?? -Infinity) < options.remindMs) return;
    wantedAt.set(slot, now);
    options.onWanted(slot);
  };
  const server = createServer({ keepAliveTimeout: 1000 }, (request, response) => {
    const query = new URL(request.url ?? "/", "http://holder").searchParams;
    const slot = query.get("slot") ?? "";
    const { holdTimeoutMs, hasServer } = options.policyOf(slot);
    const leftMs = (holdTimeoutMs ?? 0) - Number(query.get("waitedMs") ?? 0);
    if (holdTimeoutMs === undefined) response.end("gone");
    else if (hasServer) response.end("go");
    else if (!(leftMs > 0)) response.end("timeout");
    else if (count >= options.maxHeld) response.end("full");
    else hold(slot, response, leftMs);
  });
  server.requestTimeout = 0;
  server.headersTimeout = 5000;
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
      for (const response of held.get(slot) ?? []) end(slot, response, "go");
    },
    heldCount: (slot) => (slot === undefined ? count : (held.get(slot)?.size ?? 0)),
    close: () => {
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}
