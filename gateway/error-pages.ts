/** Apps' own error pages as files, which HAProxy's Lua reads when it needs one: `<slot>-<status>.html`. */
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Route } from "../core/contract/gateway-channel.ts";

export class ErrorPages {
  readonly #dir: string;
  /** Names of files that are there. */
  readonly #here: Set<string>;

  constructor(dir: string) {
    this.#dir = dir;
    mkdirSync(dir, { recursive: true, mode: 0o711 });
    this.#here = new Set(readdirSync(dir));
  }

  /** Makes the slot's pages those of the route. Files appear whole. */
  set(slot: string, { http }: Pick<Route, "http">): void {
    const wanted = new Map<string, string>(Object.entries(http?.errorPages ?? {}).flatMap(([status, html]) => (html === undefined ? [] : [[`${slot}-${status}.html`, html] as const])));
    for (const [name, html] of wanted) {
      const path = join(this.#dir, name);
      writeFileSync(`${path}.new`, html, { mode: 0o644 });
      renameSync(`${path}.new`, path);
      this.#here.add(name);
    }
    for (const name of this.#here) if (name.startsWith(`${slot}-`) && !wanted.has(name)) this.#remove(name);
  }

  /** Only those of these slots stay. */
  keep(slots: ReadonlyMap<string, Route>): void {
    for (const name of this.#here) if (!slots.has(name.split("-")[0] ?? "")) this.#remove(name);
    for (const [slot, route] of slots) this.set(slot, route);
  }

  #remove(name: string): void {
    rmSync(join(this.#dir, name), { force: true });
    this.#here.delete(name);
  }
}
