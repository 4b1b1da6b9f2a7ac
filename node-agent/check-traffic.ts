/**
 * Packets of a node's own checks: they are nobody who asks for the instance, so they must not keep it from sleeping. What
 * crosses its interface while it is asked, and in the moment after (the app closes its end when it gets to it), is
 * taken for the check's, up to what a check may have.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { readPacketsOf } from "./traffic.ts";

const AFTERWARDS_MS = 100;
/** A connection, a request, the first segments of an answer and the end have less; what is more was somebody else. */
const CHECK_PACKETS_MAX = 40;

export class CheckTraffic {
  #packets = 0;
  #underWay = 0;
  /** Checks that overlap are taken together: when the first began, and how many they are. */
  #before = 0;
  #together = 0;

  /** So far. */
  get packets(): number {
    return this.#packets;
  }

  /** Nothing can be said of the interface's packets now. */
  get isUnderWay(): boolean {
    return this.#underWay > 0;
  }

  during<T>(hostInterface: string, check: () => Promise<T>): Promise<T> {
    if (this.#underWay++ === 0) {
      this.#before = readPacketsOf(hostInterface);
      this.#together = 0;
    }
    this.#together++;
    return check().finally(() => void this.#end(hostInterface));
  }

  async #end(hostInterface: string): Promise<void> {
    await sleep(AFTERWARDS_MS);
    if (--this.#underWay > 0) return;
    const crossed = Math.max(0, readPacketsOf(hostInterface) - this.#before);
    this.#packets += Math.min(CHECK_PACKETS_MAX * this.#together, crossed);
  }
}
