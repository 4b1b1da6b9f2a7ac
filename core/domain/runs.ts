/**
 * What happens next with one run: its tasks are started as far as parallelism and nodes allow, tried again after a
 * pause, and counted. Pure. An attempt is an instance; one whose node is lost counts as failed, so that a task without
 * retries is begun once, whatever happens.
 */
import type { Failure } from "../contract/errors.ts";
import type { InstanceId, NodeId } from "../contract/ids.ts";
import type { InstanceReport, Phase } from "../contract/node-channel.ts";
import type { RunState } from "./jobs.ts";
import { chooseNode, isLost, type Nodes } from "./rollout-instances.ts";
import type { InstanceState } from "./states.ts";

export interface AttemptView {
  instanceId: InstanceId;
  nodeId: NodeId;
  task: number;
  /** 1, 2, 3 … of its task. */
  attempt: number;
  state: InstanceState;
  phase: Phase | null;
  problem: InstanceReport["problem"];
  exitCode: number | undefined;
  /** ms since 1970; null: it has not ended, or nobody said when. */
  endedAt: number | null;
  createdAt: number;
  /** Since when its node is silent while others speak. */
  lostAt: number | null;
}

export interface RunView {
  state: RunState;
  tasks: number;
  parallelism: number;
  retries: number;
  backoffMs: number;
  createdAt: number;
  /** Why it is to be ended; null: it is not. */
  cancel: Failure | null;
  /** Why nothing of it may be started now, in words; null: it may. */
  held: string | null;
  /** It is given up when no node has had room for so long; null: it waits. */
  patienceMs: number | null;
}

export type RunAction =
  | { kind: "place"; task: number; attempt: number; nodeId: NodeId }
  | { kind: "stop"; instanceId: InstanceId; nodeId: NodeId }
  /** Its node fell silent, or speaks again. */
  | { kind: "doubt"; instanceId: InstanceId; isLost: boolean }
  | { kind: "wait"; why: string | null }
  | { kind: "end"; state: "succeeded" | "failed" | "cancelled"; exitCode: number | null; failure: Failure | null };

/**
 * Of a node that was silent for long enough to be lost, and then for so long while another one spoke: what was away was
 * not the API. Nothing is given up before.
 */
export const ATTEMPT_LOST_AFTER_MS = 60_000;
const BACKOFF_MAX_MS = 3_600_000;
const NO_ROOM = "No node has room.";

export type Outcome = "open" | "succeeded" | "failed";

/** What came of an attempt. One that was told to stop before it had ended has failed. */
export function outcomeOf(attempt: Pick<AttemptView, "state" | "phase" | "exitCode" | "problem">): Outcome {
  const { state, phase, exitCode, problem } = attempt;
  if (phase === "completed") return exitCode === 0 && problem === undefined ? "succeeded" : "failed";
  if (phase === "failed" || phase === "stopped" || state === "gone" || state === "stopping") return "failed";
  return "open";
}

/** How long to wait after so many attempts that failed. */
export function retryPauseMs(backoffMs: number, failed: number): number {
  return Math.min(BACKOFF_MAX_MS, backoffMs * 2 ** (failed - 1));
}

export function planRun(run: RunView, attempts: readonly AttemptView[], nodes: Nodes, now: number): RunAction[] {
  const isAlone = ![...nodes.values()].some((node) => !isLost(node, now));
  const isSilent = (one: AttemptView) => !isAlone && isLost(nodes.get(one.nodeId), now);
  const isAway = (one: AttemptView) => isSilent(one) && one.lostAt !== null && now - one.lostAt >= ATTEMPT_LOST_AFTER_MS;
  const mayRun = (one: AttemptView) => one.state !== "gone" && one.phase !== "completed" && one.phase !== "failed" && !isAway(one);
  const isOpen = (one: AttemptView) => outcomeOf(one) === "open" && mayRun(one);
  const doubts = attempts
    .filter((one) => mayRun(one) && isSilent(one) === (one.lostAt === null))
    .map(({ instanceId, lostAt }): RunAction => ({ kind: "doubt", instanceId, isLost: lostAt === null }));
  const byTask = Map.groupBy(attempts, ({ task }) => task);
  const tasks = Array.from({ length: run.tasks }, (_, task) => readTask(byTask.get(task) ?? [], isOpen));
  const broken = tasks.find((task) => !task.isDone && !task.isOpen && task.failed > run.retries);
  const isOver = run.cancel !== null || broken !== undefined || tasks.every(({ isDone }) => isDone);
  // What has ended leaves its node; what is not needed any more is told to end, as is what comes back from a lost node.
  const stops = [
    ...doubts,
    ...attempts
      .filter((one) => one.state === "wanted" && (isOver || !isOpen(one) || tasks[one.task]?.isDone))
      .map(({ instanceId, nodeId }): RunAction => ({ kind: "stop", instanceId, nodeId })),
  ];
  if (isOver) return attempts.some(mayRun) ? stops : [...stops, endOf(run, broken)];
  if (run.held !== null) return [...stops, { kind: "wait", why: attempts.length > 0 ? null : run.held }];
  const { placed, isShort } = place(run, tasks, nodes, now);
  if (isShort && attempts.length === 0 && run.patienceMs !== null && now - run.createdAt > run.patienceMs) {
    return [{ kind: "end", state: "failed", exitCode: null, failure: { code: "no_capacity", detail: `No node had room for ${Math.round(run.patienceMs / 1000)} s.` } }];
  }
  return [...stops, ...placed, { kind: "wait", why: isShort && placed.length === 0 && !tasks.some(({ isOpen }) => isOpen) ? NO_ROOM : null }];
}

interface Task {
  isDone: boolean;
  isOpen: boolean;
  failed: number;
  last: AttemptView | undefined;
}

function readTask(attempts: readonly AttemptView[], isOpen: (one: AttemptView) => boolean): Task {
  const last = attempts.toSorted((a, b) => b.attempt - a.attempt)[0];
  return { isDone: attempts.some((one) => outcomeOf(one) === "succeeded"), isOpen: attempts.some(isOpen), failed: attempts.filter((one) => !isOpen(one)).length, last };
}

function place(run: RunView, tasks: readonly Task[], nodes: Nodes, now: number): { placed: RunAction[]; isShort: boolean } {
  const placed: RunAction[] = [];
  const mine: { nodeId: NodeId }[] = tasks.flatMap(({ isOpen, last }) => (isOpen && last ? [last] : []));
  for (const [task, { isDone, isOpen, failed, last }] of tasks.entries()) {
    if (mine.length >= run.parallelism) break;
    if (isDone || isOpen) continue;
    if (last && now < (last.endedAt ?? last.createdAt) + retryPauseMs(run.backoffMs, failed)) continue;
    const node = chooseNode(nodes, mine, now);
    if (!node) return { placed, isShort: true };
    node.instances += 1;
    mine.push({ nodeId: node.id });
    placed.push({ kind: "place", task, attempt: (last?.attempt ?? 0) + 1, nodeId: node.id });
  }
  return { placed, isShort: false };
}

function endOf(run: RunView, broken: Task | undefined): RunAction {
  if (run.cancel !== null) return { kind: "end", state: "cancelled", exitCode: null, failure: run.cancel };
  if (broken === undefined) return { kind: "end", state: "succeeded", exitCode: 0, failure: null };
  const failure = failureOf(broken.last);
  return { kind: "end", state: "failed", exitCode: broken.last?.exitCode ?? null, failure: broken.failed > 1 ? { ...failure, detail: `${failure.detail} It was tried ${broken.failed} times.` } : failure };
}

function failureOf(last: AttemptView | undefined): Failure {
  if (last?.problem !== undefined) return { ...last.problem, ...(last.exitCode === undefined ? {} : { exitCode: last.exitCode }) };
  return { code: "node_lost", detail: "The node that ran it was lost, or it was stopped there; how far it came is not known." };
}
