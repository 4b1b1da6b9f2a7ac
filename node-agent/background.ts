/** Puts busy instances into the background while cpu is short, and takes them out again: `core/domain/background.ts` says which. */
import { readFileSync } from "node:fs";
import type { InstanceId } from "../core/contract/ids.ts";
import { lookAtCpu, mustLook, type Watched } from "../core/domain/background.ts";
import { giveWay, hostCpus, takePart } from "../core/host/background.ts";
import { cpuMs } from "../core/host/freezer.ts";
import { Metronome } from "../core/host/metronome.ts";
import type { Log } from "../core/log.ts";
import type { Instance } from "./instance.ts";

const EVERY_MS = 1000;

export interface BackgroundOptions {
  instances: () => Iterable<readonly [InstanceId, Instance]>;
  log: Log;
}

export class Background {
  readonly #options: BackgroundOptions;
  readonly #cpus = hostCpus();
  readonly #metronome: Metronome;
  #watched: ReadonlyMap<InstanceId, Watched> = new Map();
  /** At the last look: when that was, and for how long in all some process had waited for a cpu. */
  #last = { atMicros: 0, waitedMicros: 0 };
  #timer: NodeJS.Timeout | undefined;

  constructor(options: BackgroundOptions) {
    this.#options = options;
    this.#metronome = new Metronome((error) => options.log.warn({ err: error }, "the kernel is not asked more often who should run: apps beside busy ones wait longer"));
  }

  start(): void {
    // With one cpu there is none to keep free; without a measure of what is short nobody has to give way.
    if (this.#cpus.length < 2 || waitedMicros() === undefined) return;
    // A former agent may have been killed while some were there.
    for (const [, { cpuGroup }] of this.#options.instances()) takePart(cpuGroup.path, cpuGroup.cpuMillis, this.#cpus);
    this.#timer = setInterval(() => {
      try {
        this.#look();
      } catch (error) {
        this.#options.log.warn({ err: error }, "busy instances were not looked for");
      }
    }, EVERY_MS);
  }

  close(): void {
    clearInterval(this.#timer);
    for (const [id, { cpuGroup }] of this.#options.instances()) if (this.#watched.get(id)?.inBackground) takePart(cpuGroup.path, cpuGroup.cpuMillis, this.#cpus);
    this.#metronome.end();
  }

  #look(): void {
    const now = { atMicros: performance.now() * 1000, waitedMicros: waitedMicros() ?? 0 };
    const elapsedMicros = now.atMicros - this.#last.atMicros;
    const waitedShare = (now.waitedMicros - this.#last.waitedMicros) / elapsedMicros;
    this.#last = now;
    const before = this.#watched;
    // Reading a thousand counters takes ten milliseconds: not while everybody has what they want.
    if (!mustLook(before, waitedShare)) {
      this.#watched = new Map();
      return;
    }
    const groups = new Map([...this.#options.instances()].map(([id, { cpuGroup }]) => [id, cpuGroup]));
    const readings = new Map([...groups].map(([id, { path, cpuMillis }]) => [id, { cpuMicros: cpuMs(path) * 1000, cpuMillis }]));
    this.#watched = lookAtCpu(before, readings, elapsedMicros, waitedShare);
    let isAny = false;
    for (const [id, { inBackground }] of this.#watched) {
      const { path, cpuMillis } = groups.get(id) as Instance["cpuGroup"];
      // Again each time: a container that was started anew has a new group.
      if (inBackground) giveWay(path, cpuMillis, this.#cpus);
      else if (before.get(id)?.inBackground) takePart(path, cpuMillis, this.#cpus);
      isAny ||= inBackground;
    }
    if (isAny) this.#metronome.begin(this.#cpus);
    else this.#metronome.end();
  }
}

/** Undefined when the kernel does not count it. Source: https://docs.kernel.org/accounting/psi.html */
function waitedMicros(): number | undefined {
  try {
    return Number(/^some .* total=(\d+)$/m.exec(readFileSync("/proc/pressure/cpu", "utf8"))?.[1]);
  } catch {
    return undefined;
  }
}
