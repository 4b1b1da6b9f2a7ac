/**
 * What the API said last, on disk: a journal with one line per change, so that HAProxy can be started with every
 * route before the API answers. A line is written before HAProxy is told.
 */
import { appendFileSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { RouteSchema, type Route } from "../core/contract/gateway-channel.ts";

const LineSchema = z.union([
  /** The slot's route; null: the slot is free. A route without hosts: its app is gone, the slot is being cleaned. */
  z.object({ slot: z.string().regex(/^slot_\d+$/), route: RouteSchema.nullable() }),
  z.object({ slotCount: z.number().int().positive() }),
]);

const COMPACT_AFTER_LINES = 5000;

export class Mirror {
  readonly #path: string;
  readonly #routes = new Map<string, Route>();
  #slotCount: number;
  #lines = 0;

  /** Reads what is there; a line that was cut off by a crash is left out. */
  constructor(path: string, slotCount: number) {
    this.#path = path;
    this.#slotCount = slotCount;
    if (existsSync(path)) for (const line of readFileSync(path, "utf8").split("\n")) this.#read(line);
    this.#compact();
  }

  /** Slot → its route. */
  get routes(): ReadonlyMap<string, Route> {
    return this.#routes;
  }

  get slotCount(): number {
    return this.#slotCount;
  }

  set(slot: string, route: Route): void {
    this.#routes.set(slot, route);
    this.#append({ slot, route });
  }

  free(slot: string): void {
    this.#routes.delete(slot);
    this.#append({ slot, route: null });
  }

  grow(slotCount: number): void {
    this.#slotCount = slotCount;
    this.#append({ slotCount });
  }

  #read(line: string): void {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      return;
    }
    const parsed = LineSchema.safeParse(value);
    if (!parsed.success) return;
    if ("slotCount" in parsed.data) this.#slotCount = Math.max(this.#slotCount, parsed.data.slotCount);
    else if (parsed.data.route === null) this.#routes.delete(parsed.data.slot);
    else this.#routes.set(parsed.data.slot, parsed.data.route);
  }

  #append(line: z.infer<typeof LineSchema>): void {
    appendFileSync(this.#path, `${JSON.stringify(line)}\n`, { mode: 0o600 });
    if (++this.#lines > COMPACT_AFTER_LINES) this.#compact();
  }

  #compact(): void {
    const lines = [{ slotCount: this.#slotCount }, ...[...this.#routes].map(([slot, route]) => ({ slot, route }))];
    writeFileSync(`${this.#path}.new`, lines.map((line) => `${JSON.stringify(line)}\n`).join(""), { mode: 0o600 });
    renameSync(`${this.#path}.new`, this.#path);
    this.#lines = 0;
  }
}
