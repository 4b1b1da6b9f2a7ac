/** Keeps the node's resolver running and tells it what it needs to know. */
import { fileURLToPath } from "node:url";
import type { TenantId } from "../core/contract/ids.ts";
import { start } from "../core/host/spawn.ts";
import type { Log } from "../core/log.ts";
import { NO_NAMES, type FromResolver, type ResolverTable, type ToResolver } from "./resolver/table.ts";

type ChildProcess = ReturnType<typeof start>;

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;

export interface ResolverOptions {
  address: string;
  port: number;
  /** Name servers for all that is not internal. */
  servers: readonly string[];
  wake: (tenantId: TenantId, name: string) => Promise<readonly string[]>;
  log: Log;
}

export class Resolver {
  readonly #options: ResolverOptions;
  #child: ChildProcess | undefined;
  #table: ResolverTable = NO_NAMES;
  #sent = "";
  #pauseMs = FIRST_PAUSE_MS;
  #again: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: ResolverOptions) {
    this.#options = options;
  }

  open(): void {
    const { address, port, servers, log } = this.#options;
    const main = fileURLToPath(new URL("resolver/main.ts", import.meta.url));
    const child = start([process.execPath, "--max-old-space-size=64", "--max-semi-space-size=2", main, JSON.stringify({ address, port, servers: servers.join(",") })], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      // Nothing of the agent's own is its business.
      env: { PATH: process.env["PATH"] },
    });
    this.#child = child;
    child.on("message", (message: FromResolver) => this.#hear(child, message));
    const ended = (why: unknown) => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#sent = "";
      if (this.#closed) return;
      log.error({ err: why }, "the resolver ended");
      this.#again = setTimeout(() => this.open(), this.#pauseMs);
      this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 2);
    };
    child.once("error", ended);
    child.once("exit", (code, signal) => ended(signal ?? code));
    child.unref();
    child.channel?.unref();
    this.#tell();
  }

  know(table: ResolverTable): void {
    this.#table = table;
    this.#tell();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#again);
    this.#child?.kill("SIGKILL");
  }

  #tell(): void {
    const text = JSON.stringify(this.#table);
    if (this.#child === undefined || text === this.#sent) return;
    this.#sent = text;
    this.#say(this.#child, { type: "table", table: this.#table });
  }

  #hear(child: ChildProcess, message: FromResolver): void {
    if (message.type === "ready") {
      this.#pauseMs = FIRST_PAUSE_MS;
      return;
    }
    const { wake, log } = this.#options;
    const tell = (addresses: readonly string[]) => this.#say(child, { type: "woken", id: message.id, addresses });
    wake(message.tenantId, message.name).then(tell, (error: unknown) => {
      log.error({ err: error, app: message.name }, "an app was not woken for its name");
      tell([]);
    });
  }

  #say(child: ChildProcess, message: ToResolver): void {
    if (child.connected) child.send(message, () => {});
  }
}
