/**
 * Certificates that an operator gives, as PEM files in a directory: HAProxy reads them when it starts, and is told here
 * of those that came or changed since. One that was taken away is forgotten with HAProxy's next start.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Log } from "../core/log.ts";
import type { AdminSocket } from "./admin-socket.ts";

const LOOK_EVERY_MS = 1000;
/** HAProxy takes them for something else. */
const IS_OTHER = /^\.|\.(key|issuer|ocsp|sctl)$/;

/** Paths of the certificates. */
export function certificatesIn(dir: string): string[] {
  return readdirSync(dir).filter((name) => !IS_OTHER.test(name)).sort().map((name) => join(dir, name));
}

export class Certificates {
  readonly #dir: string | undefined;
  readonly #log: Log;
  /** Path → when the file was changed that HAProxy has. */
  readonly #known = new Map<string, number>();

  /** Without a directory there is nothing to do. */
  constructor(dir: string | undefined, log: Log) {
    this.#dir = dir;
    this.#log = log;
  }

  /** When the next look is due, from now on. */
  get lookEveryMs(): number {
    return this.#dir === undefined ? Infinity : LOOK_EVERY_MS;
  }

  /** Another HAProxy: nobody knows what it has read. */
  forget(): void {
    this.#known.clear();
  }

  /** What cannot be used is logged once, and what was there stays in use. */
  async look(admin: Pick<AdminSocket, "send">): Promise<void> {
    if (this.#dir === undefined) return;
    for (const path of certificatesIn(this.#dir)) {
      const changedAt = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
      if (changedAt === undefined || changedAt === this.#known.get(path)) continue;
      this.#known.set(path, changedAt);
      const problem = await this.#tell(admin, this.#dir, path);
      if (problem !== undefined) this.#log.warn({ certificate: path, problem }, "haproxy does not take a certificate");
    }
  }

  async #tell(admin: Pick<AdminSocket, "send">, dir: string, path: string): Promise<string | undefined> {
    // An empty line would end it.
    const pem = readFileSync(path, "utf8").replace(/\r/g, "").split("\n").filter((line) => line.trim() !== "").join("\n");
    const set = () => admin.send(`set ssl cert ${path} <<\n${pem}\n`);
    let answer = await set();
    const isNew = /not referenced|does not exist|not found/i.test(answer);
    if (isNew) {
      await admin.send(`new ssl cert ${path}`);
      answer = await set();
    }
    if (!/Transaction (created|updated)/.test(answer)) return answer.trim();
    const committed = await admin.send(`commit ssl cert ${path}`);
    if (!/Success/.test(committed)) {
      await admin.send(`abort ssl cert ${path}`);
      return committed.trim();
    }
    if (!isNew) return undefined;
    const added = await admin.send(`add ssl crt-list ${dir} ${path}`);
    return /Success/.test(added) ? undefined : added.trim();
  }
}
