/** How one instance's process ends: noticed, read, and brought about in order. */
import { setTimeout as sleep } from "node:timers/promises";
import { readMemoryPeak, readOomKills } from "../core/host/cgroup.ts";
import { isProcess, startTimeOf } from "../core/host/process-stat.ts";
import type { DesiredInstance, Exit } from "../core/contract/node-channel.ts";
import type { Container } from "./container.ts";
import type { Exits } from "./exits.ts";
import { keepOlder } from "./logs.ts";

/** Reading about a process takes ten times as long as asking whether there is one. */
const CERTAIN_LOOK_EVERY = 5;
const CODE_WITHIN_MS = 10_000;

/** Whether the kernel has ended a process of the group for want of memory. Looked for only when it has ended one of the host's. */
class OomWatch {
  readonly #exits: Exits;
  readonly #cgroupsPath: string;
  /** The host's count at the last two looks, which found none in the group. Two, as the kernel counts for the host first. */
  #counts: (number | undefined)[] = [];

  constructor(exits: Exits, cgroupsPath: string) {
    this.#exits = exits;
    this.#cgroupsPath = cgroupsPath;
  }

  async hasStruck(): Promise<boolean> {
    const now = this.#exits.oomKills;
    if (now !== undefined && this.#counts.length === 2 && this.#counts.every((count) => count === now)) return false;
    if ((await readOomKills(this.#cgroupsPath)) > 0) return true;
    this.#counts = [...this.#counts.slice(-1), now];
    return false;
  }
}

export class Ending {
  readonly #container: Container;
  readonly #exits: Exits;
  readonly #process: () => { pid: number | null; startTime: string | null };

  constructor(container: Container, exits: Exits, process: () => { pid: number | null; startTime: string | null }) {
    this.#container = container;
    this.#exits = exits;
    this.#process = process;
  }

  /** The monitor's word is a reason to look; a monitor that died is noticed by looking at the process. */
  untilExit(id: string, signal: AbortSignal): Promise<Exit> {
    return new Promise((resolve) => {
      const oom = new OomWatch(this.#exits, this.#container.cgroupsPath);
      let looks = 0;
      const isOver = (isCertain: boolean) => {
        const { pid, startTime } = this.#process();
        // Another process may have its id since, and what nobody has waited for has one still.
        return pid === null || !isProcess(pid) || ((isCertain || looks++ % CERTAIN_LOOK_EVERY === 0) && startTimeOf(pid) !== startTime);
      };
      const look = async (isCertain: boolean) => {
        keepOlder(this.#container.logFile);
        if (isOver(isCertain)) {
          if (!signal.aborted) resolve(await this.read());
        } else if (await oom.hasStruck()) {
          // Half an app is no app.
          await this.#container.kill("KILL");
        }
      };
      if (signal.aborted) return;
      // One that failed is made up for by the next.
      const tryToLook = (isCertain: boolean) => void look(isCertain).catch(() => {});
      const unlisten = this.#exits.listen(id, tryToLook);
      signal.addEventListener("abort", unlisten);
      tryToLook(true);
    });
  }

  async read(): Promise<Exit> {
    const code = (await this.#readCode()) ?? 137;
    const oomKilled = (await readOomKills(this.#container.cgroupsPath)) > 0;
    const memoryPeakBytes = readMemoryPeak(this.#container.cgroupsPath);
    return { code, oomKilled, ...(memoryPeakBytes === undefined ? {} : { memoryPeakBytes }), at: new Date().toISOString() };
  }

  /** The process ends before its monitor has written the code: a moment, and on a busy host seconds. */
  async #readCode(): Promise<number | undefined> {
    for (const deadline = performance.now() + CODE_WITHIN_MS; ; await sleep(20)) {
      const isMonitored = await this.#container.isMonitored();
      const code = await this.#container.readExit();
      if (code !== undefined || !isMonitored || performance.now() > deadline) return code;
    }
  }

  /** What comes before the stop (`first`), the stop signal, the kill: the grace time is for both. `hurry` cuts it short. */
  async bringAbout({ id, stopSignal, stopGraceMs }: DesiredInstance, { hurry = new Promise(() => {}), first }: { hurry?: Promise<unknown>; first?: ((signal: AbortSignal) => Promise<unknown>) | undefined } = {}): Promise<Exit> {
    const watching = new AbortController();
    try {
      const exited = this.untilExit(id, watching.signal);
      const grace = sleep(stopGraceMs, undefined, { signal: watching.signal }).catch(() => undefined);
      if (first !== undefined) await Promise.race([first(watching.signal), exited, grace, hurry]);
      await this.#container.kill(stopSignal || "SIGTERM");
      const end = await Promise.race([exited, grace, hurry.then(() => undefined)]);
      if (end !== undefined) return end;
      await this.#container.kill("KILL");
      return await exited;
    } finally {
      watching.abort();
    }
  }
}
