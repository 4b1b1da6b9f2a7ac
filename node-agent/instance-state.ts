/** What of an instance must survive its agent, in `state.json`. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DesiredInstanceSchema, type DesiredInstance, type Exit, type InstanceReport, type Phase } from "../core/contract/node-channel.ts";
import type { Temperature, TemperatureCause } from "../core/domain/temperature.ts";
import { writeSmall } from "./small-file.ts";

export interface SavedInstance {
  desired: DesiredInstance;
  phase: Phase;
  netns: string | null;
  pid: number | null;
  startTime: string | null;
  /** Of an instance with several containers: whether its own was started, or waits for the others still. */
  isStarted?: boolean;
  everReady: boolean;
  /** Of what runs to its end: when it began, ms since 1970. */
  startedAt?: number;
  /** Was ready in this life of its process, and says that it is not now. */
  isUnready?: boolean;
  restarts: number;
  /** Crashes in a row. */
  crashes: number;
  lastExit: Exit | null;
  problem: InstanceReport["problem"] | null;
  /** How warm it is kept while it is `ready`. */
  temperature: { is: Temperature; since: string; cause?: TemperatureCause };
  /** Woken from `standby` or `cold` and not ready again yet. */
  booting: boolean;
}

export function writeSaved(dir: string, saved: SavedInstance): void {
  writeSmall(join(dir, "state.json"), JSON.stringify(saved));
}

export async function readSaved(instancesDir: string, id: string): Promise<SavedInstance | undefined> {
  const text = await readFile(join(instancesDir, id, "state.json"), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const saved = JSON.parse(text) as SavedInstance;
  // An agent of a former version may have left out what has a default now.
  return { ...saved, desired: DesiredInstanceSchema.parse(saved.desired) };
}
