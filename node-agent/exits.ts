/** Noticing that containers end: their monitors write a file each into one directory. */
import { watch } from "node:fs";

export class Exits {
  readonly #listeners = new Map<string, () => void>();
  readonly #stop: () => void;

  constructor(dir: string) {
    const watcher = watch(dir, { persistent: false }, (_event, name) => {
      if (name) this.#listeners.get(name)?.();
    });
    watcher.on("error", () => {});
    this.#stop = () => watcher.close();
  }

  /** Calls back when the file of this container may have been written; one listener a container. */
  listen(id: string, callback: () => void): () => void {
    this.#listeners.set(id, callback);
    return () => this.#listeners.delete(id);
  }

  close(): void {
    this.#stop();
  }
}
