/** `GET /v1/apps/{app}/logs`: the output of an app's instances, from the nodes that run them. */
import { AppError, type Failure } from "../../core/contract/errors.ts";
import { parseId, type AppId, type InstanceId } from "../../core/contract/ids.ts";
import type { LogEntry } from "../../core/contract/node-channel.ts";
import { findLastDeployment } from "../../core/db/queries/deployments.ts";
import { findInstance, findLastProblem, listInstances, type InstanceRow } from "../../core/db/queries/instances.ts";
import type { Actor, Deps, LogRequest } from "../deps.ts";
import { requireApp } from "./require.ts";

/** While following: how often new instances are looked for. */
const LOOK_EVERY_MS = 1000;
/** A node that has not sent an instance's last lines by then is not waited for. */
const TAIL_WITHIN_MS = 5000;
/** Most lines that are held in memory to be put in order. */
const MAX_TAIL_LINES = 100_000;
/** Lines of a new instance, when it appears while following. */
const NEW_INSTANCE_TAIL = 1000;

export interface LogsQuery {
  instance?: string | undefined;
  container?: string | undefined;
  tail: number;
  follow: boolean;
}

/**
 * Batches of lines. The first has the last `tail` ones of all instances, oldest first; then, when following, what
 * comes, from instances that appear later too, until `signal`.
 * @throws AppError not_found, node_unavailable (when no instance could be asked), before the first batch
 */
export async function readAppLogs(deps: Deps, actor: Actor, nameOrId: string, query: LogsQuery, signal: AbortSignal): Promise<AsyncIterable<LogEntry[]>> {
  const app = await requireApp(deps.db, actor, nameOrId);
  const chosen = await chooseInstances(deps, actor, app.id, query.instance);
  return query.follow ? follow(deps, actor, app.id, chosen, query, signal) : once([await readTails(deps, actor, app.id, chosen, query, signal)]);
}

async function chooseInstances(deps: Deps, actor: Actor, appId: AppId, wanted: string | undefined): Promise<InstanceRow[]> {
  if (wanted === undefined) return (await listInstances(deps.db, actor.tenantId, appId)).map((row) => row.instance);
  const id = parseId("instance", wanted);
  const found = id === undefined ? undefined : await findInstance(deps.db, actor.tenantId, appId, id);
  if (found === undefined) throw new AppError("not_found", `The app has no instance «${wanted}».`);
  return [found.instance];
}

async function readTails(deps: Deps, actor: Actor, appId: AppId, chosen: readonly InstanceRow[], { tail, container }: LogsQuery, signal: AbortSignal): Promise<LogEntry[]> {
  if (chosen.length === 0) return lastWords(deps, actor, appId);
  const each = Math.min(tail, Math.ceil(MAX_TAIL_LINES / chosen.length));
  const results = await Promise.allSettled(chosen.map((instance) => readTail(deps, instance, { tailLines: each, container }, signal)));
  const entries: LogEntry[] = [];
  const failures: unknown[] = [];
  for (const [index, result] of results.entries()) {
    const remembered = problemEntries(chosen[index] as InstanceRow);
    if (result.status === "fulfilled") entries.push(...(result.value.length > 0 ? result.value : remembered));
    else if (remembered.length > 0) entries.push(...remembered);
    else failures.push(result.reason);
  }
  if (entries.length === 0 && failures.length > 0) throw failures[0];
  return byTime(entries).slice(-tail || entries.length);
}

export async function readTail(deps: Deps, instance: InstanceRow, asked: Pick<LogRequest, "tailLines" | "container">, signal: AbortSignal): Promise<LogEntry[]> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(TAIL_WITHIN_MS)]);
  const entries: LogEntry[] = [];
  for await (const batch of deps.nodes.logs(instance.nodeId, { instanceId: instance.id, ...asked, follow: false, signal: within })) entries.push(...batch);
  return entries;
}

/** Of an app without instances: what the last one that had a problem said, or the last failed deployment. */
async function lastWords(deps: Deps, actor: Actor, appId: AppId): Promise<LogEntry[]> {
  const [problem, last] = await Promise.all([findLastProblem(deps.db, actor.tenantId, appId), findLastDeployment(deps.db, actor.tenantId, appId)]);
  if (problem !== undefined) return problemEntries(problem.instance);
  const failure: Failure | null | undefined = last?.deployment.failure;
  const time = (last?.deployment.finishedAt ?? deps.clock()).toISOString();
  return (failure?.logTail ?? []).map((text) => ({ instanceId: "", stream: "system", time, text }));
}

/** The lines that the node's report kept of the problem. */
function problemEntries(instance: InstanceRow): LogEntry[] {
  const { report } = instance;
  const time = report?.lastExit?.at ?? (instance.goneAt ?? instance.createdAt).toISOString();
  return (report?.problem?.logTail ?? []).map((text) => ({ instanceId: instance.id, stream: "system", time, text }));
}

async function* once(batches: readonly LogEntry[][]): AsyncGenerator<LogEntry[]> {
  for (const batch of batches) if (batch.length > 0) yield batch;
}

async function* follow(deps: Deps, actor: Actor, appId: AppId, chosen: readonly InstanceRow[], query: LogsQuery, signal: AbortSignal): AsyncGenerator<LogEntry[]> {
  const merged = new Merged<LogEntry[]>();
  const following = new Set<InstanceId>();
  const start = (instance: InstanceRow, tailLines: number) => {
    following.add(instance.id);
    const lines = deps.nodes.logs(instance.nodeId, { instanceId: instance.id, container: query.container, tailLines, follow: true, signal });
    merged.add(orSay(lines, instance)).catch(() => {});
  };
  for (const instance of chosen) start(instance, query.tail);
  if (chosen.length === 0) merged.push(await lastWords(deps, actor, appId));

  const look = async () => {
    const rows = await listInstances(deps.db, actor.tenantId, appId);
    for (const { instance } of rows) if (!following.has(instance.id)) start(instance, NEW_INSTANCE_TAIL);
  };
  // The next look makes good for one that failed.
  const timer = query.instance === undefined ? setInterval(() => void look().catch(() => {}), LOOK_EVERY_MS) : undefined;
  const stop = () => merged.end();
  signal.addEventListener("abort", stop);
  try {
    yield* merged.batches();
  } finally {
    clearInterval(timer);
    signal.removeEventListener("abort", stop);
  }
}

/** The lines of one instance; when its node is away, what is remembered and a line that says so. */
export async function* orSay(lines: AsyncIterable<LogEntry[]>, instance: InstanceRow): AsyncGenerator<LogEntry[]> {
  try {
    yield* lines;
  } catch (error) {
    const text = error instanceof AppError ? error.message : "The log broke off.";
    yield [...problemEntries(instance), { instanceId: instance.id, stream: "system", time: new Date().toISOString(), text }];
  }
}

function byTime(entries: LogEntry[]): LogEntry[] {
  // Stable: lines of the same millisecond keep their order.
  return entries.toSorted((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
}

/** Several sources as one, in the order in which they speak. */
export class Merged<T> {
  #waiting: T[] = [];
  #wake = () => {};
  #ended = false;

  push(item: T): void {
    this.#waiting.push(item);
    this.#wake();
  }

  /** Resolves when the source has ended. A source waits while the reader has many batches to read. */
  async add(source: AsyncIterable<T>): Promise<void> {
    for await (const item of source) {
      if (this.#ended) return;
      this.push(item);
      while (this.#waiting.length > 100 && !this.#ended) await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async *batches(): AsyncGenerator<T> {
    while (!this.#ended) {
      const item = this.#waiting.shift();
      if (item !== undefined) yield item;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
