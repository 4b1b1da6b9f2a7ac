/** Noticing that containers end: their monitors write a file each into one directory. All are looked at from time to time, too. */
import { watch } from "node:fs";
import { readHostOomKills } from "../core/host/cgroup.ts";

const LOOK_EVERY_MS = 2000;
/** Not all at once, which others would wait for, and not each by itself, which would wake this process a thousand times. */
const SLICES = 20;

/** `isWritten`: its file may have been; otherwise it is time again. */
type Look = (isWritten: boolean) => void;

export class Exits {
  readonly #looks = new Map<string, Set<Look>>();
  readonly #stop: () => void;
  /** Those of this round that were not looked at yet. */
  #round: string[] = [];
  #slicesLeft = 0;
  /** Processes of the whole host that the kernel has ended for want of memory; undefined: it does not say. */
  oomKills = readHostOomKills();

  constructor(dir: string) {
    const watcher = watch(dir, { persistent: false }, (_event, name) => {
      if (name) this.#look(name, true);
    });
    watcher.on("error", () => {});
    const timer = setInterval(() => this.#lookOn(), LOOK_EVERY_MS / SLICES).unref();
    this.#stop = () => {
      clearInterval(timer);
      watcher.close();
    };
  }

  /** Calls back when the file of this container may have been written, and every two seconds. */
  listen(id: string, look: Look): () => void {
    const looks = this.#looks.get(id) ?? new Set<Look>();
    this.#looks.set(id, looks.add(look));
    return () => {
      looks.delete(look);
      if (looks.size === 0 && this.#looks.get(id) === looks) this.#looks.delete(id);
    };
  }

  close(): void {
    this.#stop();
  }

  #lookOn(): void {
    this.oomKills = readHostOomKills();
    if (this.#slicesLeft === 0) [this.#round, this.#slicesLeft] = [[...this.#looks.keys()], SLICES];
    for (const id of this.#round.splice(0, Math.ceil(this.#round.length / this.#slicesLeft--))) this.#look(id, false);
  }

  #look(id: string, isWritten: boolean): void {
    for (const look of this.#looks.get(id) ?? []) look(isWritten);
  }
}
