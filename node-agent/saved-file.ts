/** A file that is replaced as a whole, by one writer at a time: what was said last stays. */
import { rename, writeFile } from "node:fs/promises";

export class SavedFile {
  readonly #path: string;
  #text = "";
  #last: Promise<unknown> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Resolves when this or something newer is there. */
  write(text: string): Promise<void> {
    this.#text = text;
    this.#next ??= this.#last.then(() => {
      this.#next = undefined;
      return this.#replace();
    });
    this.#last = this.#next.catch(() => {});
    return this.#next;
  }

  async #replace(): Promise<void> {
    await writeFile(`${this.#path}.new`, this.#text, { mode: 0o600 });
    await rename(`${this.#path}.new`, this.#path);
  }
}
