/** `GET /v1/apps/{app}/runs/{run}/logs`: what the instances of a run wrote; followed, until it has ended. */
import type { InstanceId, RunId } from "../../core/contract/ids.ts";
import type { LogEntry } from "../../core/contract/node-channel.ts";
import type { AppRow } from "../../core/db/queries/apps.ts";
import { findRun, type RunDetails } from "../../core/db/queries/runs.ts";
import type { Actor, Deps } from "../deps.ts";
import { Merged, orSay, readTail } from "./read-app-logs.ts";
import { requireApp } from "./require.ts";
import { requireRun } from "./runs.ts";

const LOOK_EVERY_MS = 300;
/** Of each instance, to find where following broke off. */
const END_LINES = 1000;

type InstanceRow = RunDetails["attempts"][number]["instance"];

/** @throws AppError not_found */
export async function readRunLogs(deps: Deps, actor: Actor, nameOrId: string, runId: string, { tail, follow }: { tail: number; follow: boolean }, signal: AbortSignal): Promise<AsyncIterable<LogEntry[]>> {
  const app = await requireApp(deps.db, actor, nameOrId);
  const details = await requireRun(deps.db, actor, app, runId);
  return follow && details.run.finishedAt === null ? followed(deps, actor, app, details.run.id, tail, signal) : tails(deps, details, tail, signal);
}

async function* tails(deps: Deps, { attempts }: RunDetails, tail: number, signal: AbortSignal): AsyncGenerator<LogEntry[]> {
  const each = await Promise.all(attempts.map(({ instance }) => Array.fromAsync(orSay(one(readTail(deps, instance, { tailLines: tail, container: undefined }, signal)), instance))));
  const entries = each.flat(2).toSorted((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
  if (entries.length > 0) yield entries.slice(-tail || entries.length);
}

async function* one<T>(work: Promise<T>): AsyncGenerator<T> {
  yield await work;
}

async function* followed(deps: Deps, actor: Actor, app: AppRow, id: RunId, tail: number, signal: AbortSignal): AsyncGenerator<LogEntry[]> {
  const merged = new Merged<LogEntry[]>();
  const known = new Map<InstanceId, InstanceRow>();
  const last = new Map<string, LogEntry>();
  const over = new AbortController();
  const reading = AbortSignal.any([signal, over.signal]);
  const look = async () => {
    const found = await findRun(deps.db, actor.tenantId, app.id, id);
    for (const { instance } of found?.attempts ?? []) {
      if (known.has(instance.id)) continue;
      known.set(instance.id, instance);
      const lines = deps.nodes.logs(instance.nodeId, { instanceId: instance.id, container: undefined, tailLines: tail, follow: true, signal: reading });
      merged.add(orSay(lines, instance)).catch(() => {});
    }
    if (found === undefined || found.run.finishedAt !== null) merged.end();
  };
  const timer = setInterval(() => void look().catch(() => {}), LOOK_EVERY_MS);
  const stop = () => merged.end();
  signal.addEventListener("abort", stop);
  try {
    await look();
    for await (const batch of merged.batches()) {
      for (const entry of batch) last.set(entry.instanceId, entry);
      yield batch;
    }
  } finally {
    clearInterval(timer);
    signal.removeEventListener("abort", stop);
    over.abort();
  }
  if (signal.aborted) return;
  // What was written last may not have been sent when the run's end was known.
  for (const instance of known.values()) {
    const entries = await readTail(deps, instance, { tailLines: Math.max(1, Math.min(tail || END_LINES, END_LINES)), container: undefined }, signal).catch(() => []);
    yield after(entries, last.get(instance.id));
  }
}

function after(entries: readonly LogEntry[], seen: LogEntry | undefined): LogEntry[] {
  if (seen === undefined) return [...entries];
  return entries.slice(entries.findLastIndex(({ time, stream, text }) => time === seen.time && stream === seen.stream && text === seen.text) + 1);
}
