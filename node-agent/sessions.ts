/**
 * Sessions into instances, over the node's channel. What is under way is bounded by credit: an app that floods its
 * output, or a client that reads nothing, stops its own program and nothing else.
 */
import type { FromNode, ToNode } from "../core/contract/node-channel.ts";
import { SESSION_CHUNK_BYTES, SESSION_WINDOW_BYTES, type SessionDown, type SessionUp } from "../core/contract/sessions.ts";
import type { InstanceId } from "../core/contract/ids.ts";
import type { Log } from "../core/log.ts";
import { CannotOpen, openExec, openPort, type SessionHost, type SessionPeer } from "./session-peers.ts";

/** Together they fill the channel's buffer to three quarters at most. */
const MAX_SESSIONS = 32;
const MAX_PER_INSTANCE = 8;
const MAX_EARLY = 1000;

/** An instance that is kept awake for a session, until `letGo`. */
export interface Entered {
  host: SessionHost;
  letGo: () => void;
}

export interface SessionsOptions {
  /** The instance, while it runs here. */
  enter: (id: InstanceId, container?: string) => Promise<Entered | undefined>;
  /** False: it was not sent. */
  send: (message: FromNode) => boolean;
  /** Without a byte in either direction for so long, a session ends. */
  idleMs: number;
  log: Log;
}

type Open = Extract<ToNode, { type: "session-open" }>;

export class Sessions {
  readonly #options: SessionsOptions;
  readonly #open = new Map<string, Session>();

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  open(message: Open): void {
    const { sessionId, instanceId, target } = message;
    const { send, idleMs, log } = this.#options;
    const up = (event: SessionUp) => send({ type: "session", sessionId, event });
    const ofInstance = [...this.#open.values()].filter((each) => each.instanceId === instanceId).length;
    if (ofInstance >= MAX_PER_INSTANCE) return void up({ type: "problem", code: "too_many_sessions", detail: `An instance has at most ${MAX_PER_INSTANCE} sessions: end one.` });
    if (this.#open.size >= MAX_SESSIONS) return void up({ type: "problem", code: "too_many_sessions", detail: "The node has as many sessions as it takes; try again in a moment." });
    const session = new Session(instanceId, up, idleMs, () => this.#open.delete(sessionId));
    this.#open.set(sessionId, session);
    log.info({ sessionId, instanceId, kind: target.kind }, "session");
    this.#connect(message, session).catch((error: unknown) => {
      if (!(error instanceof CannotOpen)) log.warn({ err: error, sessionId }, "a session was not opened");
      session.end(error instanceof CannotOpen ? { type: "problem", ...error.problem } : { type: "problem", code: "exec_failed", detail: "The node could not open the session." });
    });
  }

  async #connect({ sessionId, instanceId, target }: Open, session: Session): Promise<void> {
    const entered = await this.#options.enter(instanceId, target.kind === "exec" ? target.container : undefined);
    if (entered === undefined) throw new CannotOpen("instance_not_running", target.kind === "exec" && target.container !== undefined ? `The instance has no container «${target.container}», or it does not run now.` : "The instance does not run now.");
    session.onEnd(entered.letGo);
    session.begin(target.kind === "exec" ? await openExec(entered.host, target, sessionId) : await openPort(entered.host, target.port));
  }

  hear(sessionId: string, event: SessionDown): void {
    this.#open.get(sessionId)?.hear(event);
  }

  close(sessionId: string): void {
    this.#open.get(sessionId)?.end();
  }

  /** Nobody hears them any more. */
  closeAll(): void {
    for (const session of this.#open.values()) session.end();
  }
}

class Session {
  readonly instanceId: InstanceId;
  readonly #up: (event: SessionUp) => boolean;
  readonly #idleMs: number;
  readonly #onEnd: (() => void)[];
  #peer: SessionPeer | undefined;
  /** What came before the program ran. */
  readonly #early: SessionDown[] = [];
  #over = false;
  /** Bytes that may still be sent. */
  #credit = SESSION_WINDOW_BYTES;
  /** Bytes that were taken and not passed on yet. */
  #waiting = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(instanceId: InstanceId, up: (event: SessionUp) => boolean, idleMs: number, onEnd: () => void) {
    this.instanceId = instanceId;
    this.#up = up;
    this.#idleMs = idleMs;
    this.#onEnd = [onEnd];
  }

  /** Called once it is over; at once when it is. */
  onEnd(call: () => void): void {
    if (this.#over) call();
    else this.#onEnd.push(call);
  }

  begin(peer: SessionPeer): void {
    // Whoever asked may be gone by now.
    if (this.#over) return peer.cut();
    this.#peer = peer;
    this.#touch();
    this.#send({ type: "opened" });
    for (const { stream, from } of peer.outputs) {
      from.on("data", (chunk: Buffer) => this.#pass(stream, chunk));
    }
    void peer.ended.then(({ code }) => this.end({ type: "exit", code }));
    for (const event of this.#early.splice(0)) this.hear(event);
  }

  hear(event: SessionDown): void {
    const peer = this.#peer;
    if (peer === undefined) {
      if (this.#early.push(event) > MAX_EARLY) this.end();
      return;
    }
    this.#touch();
    if (event.type === "data") {
      const bytes = Buffer.from(event.data, "base64");
      this.#waiting += bytes.length;
      if (this.#waiting > SESSION_WINDOW_BYTES) return this.end({ type: "problem", code: "invalid_request", detail: "More was sent than may wait." });
      const taken = () => {
        this.#waiting -= bytes.length;
        if (bytes.length > 0) this.#send({ type: "credit", bytes: bytes.length });
      };
      // A program that reads no more loses its input, as with a broken pipe.
      peer.input.write(bytes, taken);
    } else if (event.type === "end") {
      peer.input.end();
    } else if (event.type === "resize") {
      peer.resize(event);
    } else {
      this.#credit += event.bytes;
      if (this.#credit > 0) for (const { from } of peer.outputs) from.resume();
    }
  }

  /** `last`: what whoever asked is told; nothing when they are gone. */
  end(last?: SessionUp): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#idle);
    if (last !== undefined) this.#up(last);
    this.#peer?.cut();
    for (const call of this.#onEnd) call();
  }

  #pass(stream: 1 | 2, chunk: Buffer): void {
    this.#touch();
    for (let at = 0; at < chunk.length; at += SESSION_CHUNK_BYTES) {
      this.#send({ type: "data", stream, data: chunk.subarray(at, at + SESSION_CHUNK_BYTES).toString("base64") });
    }
    this.#credit -= chunk.length;
    if (this.#credit <= 0) for (const { from } of this.#peer?.outputs ?? []) from.pause();
  }

  #send(event: SessionUp): void {
    // With a byte missing the rest is worth nothing.
    if (!this.#over && !this.#up(event)) this.end();
  }

  #touch(): void {
    clearTimeout(this.#idle);
    if (this.#over) return;
    const minutes = Math.round(this.#idleMs / 60_000);
    this.#idle = setTimeout(() => this.end({ type: "problem", code: "session_idle", detail: `Nothing was said for ${minutes > 0 ? `${minutes} minutes` : `${this.#idleMs / 1000} s`}.` }), this.#idleMs);
  }
}
