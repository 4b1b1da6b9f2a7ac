/** What was counted, on disk: a new controller goes on from there. */
import { randomUUID } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { CountsStateSchema, emptyCounts, type CountsState } from "./counts.ts";

export function readCounts(path: string): CountsState {
  try {
    return CountsStateSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return emptyCounts(randomUUID(), Date.now());
  }
}

export function writeCounts(path: string, state: CountsState): void {
  writeFileSync(`${path}.new`, JSON.stringify(state), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
