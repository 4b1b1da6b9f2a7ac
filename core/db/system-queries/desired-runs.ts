/** How an instance of a run differs from one that serves. */
import type { RunId } from "../../contract/ids.ts";
import type { RunSpec } from "../../contract/jobs.ts";
import type { DesiredInstance } from "../../contract/node-channel.ts";
import { sharedMounts } from "../../domain/mounts.ts";
import type { DesiredRow } from "./desired-state.ts";

export interface RunPlace {
  id: RunId;
  spec: RunSpec;
  task: number;
  attempt: number;
}

/** Its row, with what the run wants in place of what the release does. */
export function asRun(row: DesiredRow, { id, spec, task, attempt }: RunPlace): DesiredRow {
  const { liveness: _liveness, preStop: _preStop, scaling: _scaling, freezeAfterMs: _freezeAfterMs, startupCpuMillis: _startup, init: _init, sidecars: _sidecars, restartPolicy: _restartPolicy, ...settings } = row.settings;
  const env = { ...row.env, BERTH_RUN_ID: id, BERTH_TASK_INDEX: String(task), BERTH_TASK_COUNT: String(spec.tasks), BERTH_TASK_ATTEMPT: String(attempt) };
  const command = spec.command ?? settings.command;
  return { ...row, env, settings: { ...settings, memoryBytes: spec.memoryBytes, cpuMillis: spec.cpuMillis, mounts: sharedMounts(settings), ...(command === undefined ? {} : { command }) } };
}

export function renderRun({ spec }: RunPlace, instance: DesiredInstance): DesiredInstance {
  return { ...instance, run: { deadlineMs: spec.deadlineMs } };
}
