/** Requests of apps, counted and said to the API: the state on disk, and what waits to be acknowledged. `counts.ts` decides. */
import { randomUUID } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import type { FromGateway, ToGateway } from "../core/contract/gateway-channel.ts";
import type { AppId } from "../core/contract/ids.ts";
import type { Log } from "../core/log.ts";
import type { BackendStats } from "./commands/runtime.ts";
import { acknowledge, collect, CountsStateSchema, emptyCounts, newProcess, takeMessage, type CountsMessage, type CountsState } from "./counts.ts";

export interface CounterOptions {
  path: string;
  log: Log;
  send(message: FromGateway): boolean;
}

export class Counter {
  readonly #o: CounterOptions;
  #state: CountsState;
  /** The API has said which counts it has, on this connection. */
  #isAgreed = false;

  constructor(options: CounterOptions) {
    this.#o = options;
    this.#state = read(options.path);
  }

  get incarnation(): string {
    return this.#state.incarnation;
  }

  /** Counts wait until the API has said which it has. */
  onConnected(): void {
    this.#isAgreed = false;
  }

  onCounted(counted: Extract<ToGateway, { type: "counted" }>): void {
    const before = this.#state.incarnation;
    this.#state = acknowledge(this.#state, counted, randomUUID(), Date.now());
    if (this.#state.incarnation !== before) this.#o.log.warn({ counted: counted.sequence }, "the counts on disk are an old copy: counting begins anew");
    if (this.#isAgreed) return;
    this.#isAgreed = true;
    for (const message of this.#state.outbox) this.#tell(message);
  }

  onProcess(identity: string): void {
    this.#save(newProcess(this.#state, identity));
  }

  collect(identity: string, backends: ReadonlyMap<string, BackendStats>, appOf: ReadonlyMap<string, AppId>): void {
    const counts = collect(this.#state, identity, backends, appOf);
    const taken = this.#isAgreed ? takeMessage(counts, Date.now()) : undefined;
    this.#save(taken?.state ?? counts);
    if (taken !== undefined) this.#tell(taken.message);
  }

  #tell(message: CountsMessage): void {
    this.#o.send({ type: "counts", incarnation: this.#state.incarnation, ...message });
  }

  #save(state: CountsState): void {
    this.#state = state;
    writeFileSync(`${this.#o.path}.new`, JSON.stringify(state), { mode: 0o600 });
    renameSync(`${this.#o.path}.new`, this.#o.path);
  }
}

function read(path: string): CountsState {
  try {
    return CountsStateSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return emptyCounts(randomUUID(), Date.now());
  }
}
