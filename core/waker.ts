/**
 * Wakes instances at their nodes' agents: `core/contract/wake.ts`. One lasting connection a node, so that a wake is a
 * message there and one back; one question an instance at a time, however many requests wait.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket } from "ws";
import type { InstanceId } from "./contract/ids.ts";
import { FromWakerSchema, WAKE_PATH, type FromWaker, type ToWaker, type WakeAddress, type Woken } from "./contract/wake.ts";

const RETRY_MS = 100;
const CONNECT_TIMEOUT_MS = 1000;
/** An agent that says neither that it has begun nor anything else is not there, whatever TCP believes. */
const SIGN_TIMEOUT_MS = 3000;
const MAX_MESSAGE_BYTES = 65_536;

/**
 * `woken`: it takes requests. `failed`: it did not start, or is not there. `away`: no agent listens on its node, which is
 * up; `lost`: nobody answers there.
 */
export type WakeOutcome = { kind: "woken"; woken: Woken } | { kind: "failed" | "away" | "lost"; detail: string };

export class Waker {
  readonly #waking = new Map<InstanceId, Promise<WakeOutcome>>();
  readonly #links = new Map<string, Link>();

  /** An agent that is being started again is asked for so long as `patienceMs`. Never rejects. */
  wake(address: WakeAddress, instanceId: InstanceId, timeoutMs: number, patienceMs: number): Promise<WakeOutcome> {
    const known = this.#waking.get(instanceId);
    if (known !== undefined) return known;
    const waking = this.#ask(address, instanceId, timeoutMs, patienceMs).finally(() => this.#waking.delete(instanceId));
    this.#waking.set(instanceId, waking);
    return waking;
  }

  isWaking(instanceId: InstanceId): boolean {
    return this.#waking.has(instanceId);
  }

  async #ask(address: WakeAddress, instanceId: InstanceId, timeoutMs: number, patienceMs: number): Promise<WakeOutcome> {
    for (const deadline = performance.now() + patienceMs; ; await sleep(RETRY_MS)) {
      const link = this.#linkTo(address);
      const outcome = await link.ask(instanceId, timeoutMs);
      if (outcome.kind === "woken" || outcome.kind === "failed" || performance.now() >= deadline) return outcome;
    }
  }

  #linkTo(address: WakeAddress): Link {
    const key = `${address.url} ${address.token}`;
    const known = this.#links.get(key);
    if (known?.isOpen === true) return known;
    const link = new Link(address, () => {
      if (this.#links.get(key) === link) this.#links.delete(key);
    });
    this.#links.set(key, link);
    return link;
  }

  close(): void {
    for (const link of this.#links.values()) link.close();
  }
}

/** One connection to one agent, from its opening to its end. */
class Link {
  readonly #socket: WebSocket;
  readonly #opened: Promise<void>;
  readonly #waiting = new Map<InstanceId, (message: FromWaker | WakeOutcome) => void>();
  #end: WakeOutcome = { kind: "away", detail: "its node's agent closed the connection" };
  isOpen = true;

  constructor({ url, token }: WakeAddress, onEnd: () => void) {
    const to = new URL(WAKE_PATH, url);
    to.protocol = "ws:";
    this.#socket = new WebSocket(to, { headers: { authorization: `Bearer ${token}` }, perMessageDeflate: false, maxPayload: MAX_MESSAGE_BYTES, handshakeTimeout: CONNECT_TIMEOUT_MS });
    this.#opened = new Promise((resolve) => this.#socket.once("open", resolve));
    this.#socket.on("message", (data) => this.#hear(String(data)));
    this.#socket.on("error", (error) => (this.#end = endOf(error)));
    this.#socket.on("close", () => {
      this.isOpen = false;
      onEnd();
      for (const hear of this.#waiting.values()) hear(this.#end);
    });
  }

  /** Never rejects. */
  ask(instanceId: InstanceId, timeoutMs: number): Promise<WakeOutcome> {
    return new Promise((resolve) => {
      const silence = setTimeout(() => {
        this.#end = { kind: "lost", detail: `its node's agent gave no sign within ${SIGN_TIMEOUT_MS} ms` };
        this.#socket.terminate();
      }, SIGN_TIMEOUT_MS);
      const late = setTimeout(() => end({ kind: "failed", detail: `not awake within ${timeoutMs} ms` }), timeoutMs);
      const end = (outcome: WakeOutcome) => {
        clearTimeout(silence);
        clearTimeout(late);
        this.#waiting.delete(instanceId);
        resolve(outcome);
      };
      this.#waiting.set(instanceId, (message) => {
        if ("kind" in message) end(message);
        else if (message.type === "begun") clearTimeout(silence);
        else end(message.type === "woken" ? { kind: "woken", woken: message } : { kind: "failed", detail: message.detail });
      });
      const send = () => this.#socket.send(JSON.stringify({ wake: instanceId } satisfies ToWaker));
      if (this.#socket.readyState === WebSocket.OPEN) send();
      else void this.#opened.then(send);
    });
  }

  #hear(text: string): void {
    const message = FromWakerSchema.safeParse(parse(text));
    if (message.success) this.#waiting.get(message.data.instanceId)?.(message.data);
  }

  close(): void {
    this.#socket.terminate();
  }
}

function endOf(error: NodeJS.ErrnoException): WakeOutcome {
  // The kernel of a node that is up says that nobody listens.
  if (error.code === "ECONNREFUSED" || error.code === "ECONNRESET") return { kind: "away", detail: error.message };
  return { kind: /server response: 4/.test(error.message) ? "failed" : "lost", detail: error.message };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
