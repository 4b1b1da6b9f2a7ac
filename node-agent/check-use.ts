/**
 * What a node's own checks cost: they are nobody who asks for the instance, and no work of its own, so they must not keep it
 * from sleeping. What crosses its interface and what it uses of the cpu while it is asked, and in the moment after
 * (the app closes its end when it gets to it), is taken for the check's; packets up to what a check may have.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { readPacketsOf } from "./traffic.ts";

const AFTERWARDS_MS = 100;
/** A connection, a request, the first segments of an answer and the end have less; what is more was somebody else. */
const CHECK_PACKETS_MAX = 40;

export class CheckUse {
  readonly #appCpuMs: () => number;
  #packets = 0;
  #cpuMs = 0;
  #underWay = 0;
  /** Checks that overlap are taken together: what there was when the first began, and how many they are. */
  #before = { packets: 0, cpuMs: 0 };
  #together = 0;

  constructor(appCpuMs: () => number) {
    this.#appCpuMs = appCpuMs;
  }

  /** So far. */
  get packets(): number {
    return this.#packets;
  }

  get cpuMs(): number {
    return this.#cpuMs;
  }

  /** Nothing can be said of the instance's use now. */
  get isUnderWay(): boolean {
    return this.#underWay > 0;
  }

  during<T>(hostInterface: string, check: () => Promise<T>): Promise<T> {
    if (this.#underWay++ === 0) {
      this.#before = { packets: readPacketsOf(hostInterface), cpuMs: this.#appCpuMs() };
      this.#together = 0;
    }
    this.#together++;
    return check().finally(() => void this.#end(hostInterface));
  }

  async #end(hostInterface: string): Promise<void> {
    await sleep(AFTERWARDS_MS);
    if (--this.#underWay > 0) return;
    const crossed = Math.max(0, readPacketsOf(hostInterface) - this.#before.packets);
    this.#packets += Math.min(CHECK_PACKETS_MAX * this.#together, crossed);
    this.#cpuMs += Math.max(0, this.#appCpuMs() - this.#before.cpuMs);
  }
}
