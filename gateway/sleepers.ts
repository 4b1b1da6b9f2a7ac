/** Instances that may sleep, woken when a request is held for them: without the API, by the agents of their nodes. */
import type { Endpoint } from "../core/contract/gateway-channel.ts";
import type { InstanceId } from "../core/contract/ids.ts";
import type { Log } from "../core/log.ts";
import { Waker, type WakeOutcome } from "../core/waker.ts";
import { Doze } from "./doze.ts";

/** An agent that is being restarted is waited for, where the instance cannot serve without it. */
const PATIENCE_MS = 5000;
const lostItsProcess = ({ temperature }: Pick<Endpoint, "temperature">) => temperature === "standby" || temperature === "cold";

export interface SleepersOptions {
  log: Log;
  /** The slot has other servers awake than before. */
  onChange(slot: string): void;
  /** The same of one that was woken for a request: at once. */
  onWoken(slot: string, instanceId: InstanceId): void;
}

export class Sleepers {
  readonly #o: SleepersOptions;
  readonly #waker = new Waker();
  readonly doze = new Doze();

  constructor(options: SleepersOptions) {
    this.#o = options;
  }

  /** Wakes all that sleep in the slot. The first that is awake serves at once. Gives those that do not come up, when none does. */
  async wake(slot: string, timeoutMs: number): Promise<{ serves: boolean; notWoken: InstanceId[] }> {
    const sleepers = this.doze.sleepers(slot);
    const outcomes = await Promise.all(sleepers.map((endpoint) => this.#wakeOne(slot, endpoint, timeoutMs)));
    if (outcomes.some(({ kind }) => kind === "woken")) return { serves: true, notWoken: [] };
    // Without their agents nobody freezes them further and nobody thaws them: what was not known to have lost its
    // process, on a node that is up, is asked all the same. It may well run; if not, the request waits there for the agent.
    const left = sleepers.filter((one, index) => outcomes[index]?.kind === "away" && !lostItsProcess(one));
    for (const { instanceId } of left) this.doze.woken(slot, instanceId, performance.now());
    if (left.length > 0) this.#o.onChange(slot);
    return { serves: left.length > 0, notWoken: sleepers.filter((one) => !left.includes(one)).map(({ instanceId }) => instanceId) };
  }

  /** A look at HAProxy's counters: whose lease has ended is taken for asleep, what is busy is kept awake. */
  look(backends: ReadonlyMap<string, { requests: number; inFlight: number }>): void {
    const { dozed, renew } = this.doze.look(backends, performance.now());
    for (const slot of dozed) this.#o.onChange(slot);
    for (const { slot, endpoint } of renew) void this.#wakeOne(slot, endpoint, 30_000);
  }

  async #wakeOne(slot: string, endpoint: Endpoint, timeoutMs: number): Promise<WakeOutcome> {
    const beganAt = performance.now();
    const isTold = this.#waker.isWaking(endpoint.instanceId);
    const outcome = await this.#wake(endpoint, timeoutMs);
    const ms = Math.round((performance.now() - beganAt) * 10) / 10;
    if (outcome.kind === "woken") {
      this.doze.woken(slot, endpoint.instanceId, performance.now());
      this.#o.onWoken(slot, endpoint.instanceId);
      this.#o.log.debug({ slot, instanceId: endpoint.instanceId, ms }, "woken");
    } else if (!isTold) this.#o.log.warn({ slot, instanceId: endpoint.instanceId, ms, ...outcome }, "an instance was not woken");
    return outcome;
  }

  async #wake({ instanceId, wake, temperature }: Endpoint, timeoutMs: number): Promise<WakeOutcome> {
    if (wake === undefined) return { kind: "failed", detail: "its node was never said" };
    return this.#waker.wake(wake, instanceId, timeoutMs, lostItsProcess({ temperature }) ? PATIENCE_MS : 0);
  }

  close(): void {
    this.#waker.close();
  }
}
