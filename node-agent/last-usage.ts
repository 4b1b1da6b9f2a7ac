/** Last sums of instances that are gone, one small file each, kept until the API says that it has them. */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { InstanceId } from "../core/contract/ids.ts";
import { InstanceUsageSchema, type InstanceUsage } from "../core/contract/node-channel.ts";
import type { SaidUsage } from "../core/domain/usage.ts";

/** So many are said at once; the others when these are counted. */
const SAID_MAX = 1000;

export class LastUsage {
  readonly #dir: string;
  readonly #kept = new Map<InstanceId, InstanceUsage>();

  constructor(dir: string) {
    this.#dir = dir;
  }

  open(): void {
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(this.#dir)) {
      const usage = name.endsWith(".json") ? read(join(this.#dir, name)) : undefined;
      if (usage !== undefined) this.#kept.set(usage.id, usage);
    }
  }

  /** On disk before it returns: the instance's own files go next. */
  keep(id: InstanceId, said: SaidUsage): void {
    const usage: InstanceUsage = { id, ...said, ended: true };
    writeFileSync(join(this.#dir, `${id}.new`), JSON.stringify(usage), { mode: 0o600 });
    renameSync(join(this.#dir, `${id}.new`), join(this.#dir, `${id}.json`));
    this.#kept.set(id, usage);
  }

  forget(ids: readonly InstanceId[]): void {
    for (const id of ids) if (this.#kept.delete(id)) rmSync(join(this.#dir, `${id}.json`), { force: true });
  }

  list(): InstanceUsage[] {
    return [...this.#kept.values()].slice(0, SAID_MAX);
  }
}

function read(path: string): InstanceUsage | undefined {
  try {
    return InstanceUsageSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined;
  }
}
