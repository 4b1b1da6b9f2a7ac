/** Instances that may sleep, woken when a request is held for them: without the API, by the agents of their nodes. */
import type { Endpoint } from "../core/contract/gateway-channel.ts";
import type { Log } from "../core/log.ts";
import { Doze } from "./doze.ts";
import { Waker, type WakeOutcome } from "./waker.ts";

/** An agent that is being restarted is waited for, where the instance cannot serve without it. */
const PATIENCE_MS = 10_000;
const lostItsProcess = ({ temperature }: Endpoint) => temperature === "standby" || temperature === "cold";

export interface SleepersOptions {
  log: Log;
  /** The slot has other servers awake than before. */
  onChange(slot: string): void;
}

export class Sleepers {
  readonly #o: SleepersOptions;
  readonly #waker = new Waker();
  readonly doze = new Doze();

  constructor(options: SleepersOptions) {
    this.#o = options;
  }

  /** Wakes all that sleep in the slot; false when none could be, or none was there. The first that is awake serves at once. */
  async wake(slot: string, timeoutMs: number): Promise<boolean> {
    const sleepers = this.doze.sleepers(slot);
    const outcomes = await Promise.all(sleepers.map((endpoint) => this.#wakeOne(slot, endpoint, timeoutMs)));
    if (outcomes.some(({ kind }) => kind === "woken")) return true;
    // Without their agents nobody freezes them further and nobody thaws them: what was not known to have lost its
    // process is asked all the same. It may well run; if not, the request waits in its queue for the agent.
    const left = sleepers.filter((one, index) => outcomes[index]?.kind === "unreachable" && !lostItsProcess(one));
    for (const { instanceId } of left) this.doze.woken(slot, instanceId, performance.now());
    if (left.length > 0) this.#o.onChange(slot);
    return left.length > 0;
  }

  /** A look at HAProxy's counters: whose lease has ended is taken for asleep, what is busy is kept awake. */
  look(backends: ReadonlyMap<string, { requests: number; inFlight: number }>): void {
    const { dozed, renew } = this.doze.look(backends, performance.now());
    for (const slot of dozed) this.#o.onChange(slot);
    for (const { slot, endpoint } of renew) void this.#wakeOne(slot, endpoint, 30_000);
  }

  async #wakeOne(slot: string, endpoint: Endpoint, timeoutMs: number): Promise<WakeOutcome> {
    const beganAt = performance.now();
    const outcome = await this.#waker.wake(endpoint, timeoutMs, lostItsProcess(endpoint) ? PATIENCE_MS : 0);
    const ms = Math.round((performance.now() - beganAt) * 10) / 10;
    if (outcome.kind === "woken") {
      this.doze.woken(slot, endpoint.instanceId, performance.now());
      this.#o.onChange(slot);
      this.#o.log.debug({ slot, instanceId: endpoint.instanceId, ms }, "woken");
    } else this.#o.log.warn({ slot, instanceId: endpoint.instanceId, ms, ...outcome }, "an instance was not woken");
    return outcome;
  }

  close(): void {
    this.#waker.close();
  }
}
