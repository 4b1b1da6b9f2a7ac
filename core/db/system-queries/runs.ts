/** Runs: making them, and taking each as far as it goes now. All under the app's lock. */
import { and, asc, eq, inArray, sql } from "drizzle-orm";
import type { Bell } from "../../contract/bells.ts";
import type { Failure } from "../../contract/errors.ts";
import { newId, type AppId, type DeploymentId, type JobId, type NodeId, type ReleaseId, type TenantId } from "../../contract/ids.ts";
import { RunRequestSchema, type RunRequest, type RunSpec } from "../../contract/jobs.ts";
import type { Settings } from "../../contract/release-config.ts";
import type { RunTrigger } from "../../domain/jobs.ts";
import { sharedMounts } from "../../domain/mounts.ts";
import { nodesFor } from "../../domain/rollout-volumes.ts";
import { planRun, type AttemptView, type RunAction } from "../../domain/runs.ts";
import { statesBefore } from "../../domain/states.ts";
import type { Tx } from "../client.ts";
import { apps, deployments, instances, jobs, releases, runs, tenants } from "../schema.ts";
import { bumpNode, readNodes, stopInstance } from "./rollout.ts";
import { bindVolumes, readAppVolumes } from "./volumes.ts";

export type RunRow = typeof runs.$inferSelect;
type Bells = { bell: Bell; id: string }[];

/** Runs of no job that an app keeps. */
const HISTORY_KEEP = 100;
/** How long a release command looks for a node with room. */
const RELEASE_PATIENCE_MS = 60_000;
const OPEN = ["pending", "running"] as const;

export interface NewRun {
  tenantId: TenantId;
  appId: AppId;
  job?: { id: JobId; name: string };
  deploymentId?: DeploymentId;
  releaseId: ReleaseId | null;
  /** Of the release: what the request leaves open. */
  settings: Pick<Settings, "memoryBytes" | "cpuMillis">;
  request: RunRequest;
  trigger: RunTrigger;
  scheduledFor?: Date;
  /** It is left out, and why. */
  missed?: Failure;
}

export function specOf(request: RunRequest, { memoryBytes, cpuMillis }: NewRun["settings"]): RunSpec {
  return { ...request, memoryBytes: request.memoryBytes ?? memoryBytes, cpuMillis: request.cpuMillis ?? cpuMillis };
}

/** Undefined: the same time of the job, or the same deployment, has its run. */
export async function insertRun(tx: Tx, run: NewRun, now: Date): Promise<RunRow | undefined> {
  const { job, deploymentId = null, missed, settings, request, scheduledFor = null, ...row } = run;
  const ended = missed === undefined ? {} : { state: "missed" as const, failure: missed, finishedAt: now };
  const [made] = await tx
    .insert(runs)
    .values({ id: newId("run"), ...row, jobId: job?.id ?? null, jobName: job?.name ?? null, deploymentId, scheduledFor, spec: specOf(request, settings), createdAt: now, ...ended })
    .onConflictDoNothing()
    .returning();
  return made;
}

/** Where the release has a command that must succeed before it is rolled out: once for each deployment, never tried again. */
export async function insertReleaseRun(tx: Tx, { settings, ...of }: { tenantId: TenantId; appId: AppId; deploymentId: DeploymentId; releaseId: ReleaseId; settings: Settings }, now: Date): Promise<void> {
  const { releaseCommand } = settings;
  if (releaseCommand === undefined) return;
  const request = RunRequestSchema.parse({ command: releaseCommand.command, deadlineMs: releaseCommand.timeoutMs });
  await insertRun(tx, { ...of, settings, request, trigger: "release" }, now);
}

/** Asks runs of the app that have not ended to end: one of a job, or all of it. */
export async function cancelRuns(tx: Tx, which: ReturnType<typeof eq>, now: Date): Promise<void> {
  await tx.update(runs).set({ cancelRequestedAt: sql`coalesce(${runs.cancelRequestedAt}, ${now.toISOString()}::timestamptz)` }).where(and(which, inArray(runs.state, [...OPEN])));
}

interface OpenRun {
  run: RunRow;
  settings: Settings | null;
  deploymentState: string | null;
  appDeletedAt: Date | null;
  suspendedAt: Date | null;
  concurrencyPolicy: string | null;
}

/** Takes every open run of the app one step further; returns what to ring after the commit. */
export async function stepRuns(tx: Tx, appId: AppId, now: Date): Promise<Bells> {
  const open: OpenRun[] = await tx
    .select({ run: runs, settings: releases.settings, deploymentState: deployments.state, appDeletedAt: apps.deletedAt, suspendedAt: tenants.suspendedAt, concurrencyPolicy: jobs.concurrencyPolicy })
    .from(runs)
    .innerJoin(apps, eq(apps.id, runs.appId))
    .innerJoin(tenants, eq(tenants.id, runs.tenantId))
    .leftJoin(releases, eq(releases.id, runs.releaseId))
    .leftJoin(deployments, eq(deployments.id, runs.deploymentId))
    .leftJoin(jobs, eq(jobs.id, runs.jobId))
    .where(and(eq(runs.appId, appId), inArray(runs.state, [...OPEN])))
    .orderBy(asc(runs.createdAt), asc(runs.id));
  if (open.length === 0) return [];
  const volumes = await readAppVolumes(tx, appId);
  const nodes = new Map((await readNodes(tx, now)).map((node) => [node.id, { ...node }]));
  const attempts = await readAttempts(tx, open.map(({ run }) => run));
  const bells: Bells = [];
  for (const [index, one] of open.entries()) {
    const { run, settings } = one;
    const mounts = settings === null ? [] : sharedMounts(settings);
    const pinned = volumes.pinning({ mounts });
    const held = volumes.isHeld && mounts.length > 0 ? "One of the app's volumes is being switched." : heldBy(one, open.slice(0, index));
    const actions = planRun(
      { ...run.spec, state: run.state, createdAt: run.createdAt.getTime(), cancel: whyCancelled(one), held, patienceMs: run.trigger === "release" ? RELEASE_PATIENCE_MS : null },
      attempts.get(run.id) ?? [],
      nodesFor(pinned === undefined ? {} : { pinned }, nodes, now.getTime()),
      now.getTime(),
    );
    for (const action of actions) bells.push(...(await execute(tx, run, action, pinned !== undefined, now)));
  }
  return bells;
}

function whyCancelled({ run, deploymentState, appDeletedAt, suspendedAt }: OpenRun): Failure | null {
  const cancelled = (detail: string): Failure => ({ code: "run_cancelled", detail });
  if (appDeletedAt !== null) return cancelled("The app was destroyed.");
  if (suspendedAt !== null) return { code: "tenant_suspended", detail: "The tenant was suspended." };
  if (run.cancelRequestedAt !== null) return cancelled("It was cancelled.");
  if (run.deploymentId !== null && deploymentState !== "releasing") return cancelled("Its deployment has ended.");
  return null;
}

/** Two releases' commands never run side by side, nor do runs of a job that does not allow it. */
function heldBy({ run, concurrencyPolicy }: OpenRun, before: readonly OpenRun[]): string | null {
  const isSame = (other: RunRow) => (run.trigger === "release" ? other.trigger === "release" : run.jobId !== null && concurrencyPolicy !== "allow" && other.jobId === run.jobId);
  const first = before.find((one) => isSame(one.run));
  return first === undefined ? null : `${first.run.id}, which came before it, has not ended.`;
}

async function readAttempts(tx: Tx, of: readonly RunRow[]): Promise<Map<string, AttemptView[]>> {
  const rows = await tx.select().from(instances).where(inArray(instances.runId, of.map(({ id }) => id)));
  const views = rows.map((row) => ({ runId: row.runId as string, view: toAttempt(row) }));
  return new Map([...Map.groupBy(views, ({ runId }) => runId)].map(([id, all]) => [id, all.map(({ view }) => view)]));
}

function toAttempt({ id, nodeId, task, attempt, state, phase, report, createdAt, goneAt, lostAt }: typeof instances.$inferSelect): AttemptView {
  const saidAt = report?.lastExit === undefined ? undefined : Date.parse(report.lastExit.at);
  return {
    instanceId: id,
    nodeId,
    task: task ?? 0,
    attempt: attempt ?? 1,
    state,
    phase,
    problem: report?.problem,
    exitCode: report?.lastExit?.code,
    endedAt: saidAt ?? goneAt?.getTime() ?? null,
    createdAt: createdAt.getTime(),
    lostAt: lostAt?.getTime() ?? null,
  };
}

async function execute(tx: Tx, run: RunRow, action: RunAction, mountsVolumes: boolean, now: Date): Promise<Bells> {
  const told: Bells = [{ bell: "run", id: run.id }];
  const node = (id: NodeId) => ({ bell: "node" as const, id });
  switch (action.kind) {
    case "place":
      await placeAttempt(tx, run, action, mountsVolumes, now);
      return [node(action.nodeId), ...told];
    case "stop":
      await stopInstance(tx, action.instanceId, action.nodeId);
      return [node(action.nodeId)];
    case "doubt":
      await tx.update(instances).set({ lostAt: action.isLost ? now : null }).where(eq(instances.id, action.instanceId));
      return [];
    case "wait":
      if (action.why === run.waiting) return [];
      await tx.update(runs).set({ waiting: action.why }).where(eq(runs.id, run.id));
      return told;
    case "end":
      return [...(await endRun(tx, run, action, now)), ...told];
  }
}

async function placeAttempt(tx: Tx, { id, appId, tenantId, releaseId }: RunRow, { task, attempt, nodeId }: Extract<RunAction, { kind: "place" }>, mountsVolumes: boolean, now: Date): Promise<void> {
  if (releaseId === null) return;
  await bumpNode(tx, nodeId);
  // Whoever comes second finds that it is there.
  await tx.insert(instances).values({ id: newId("instance"), tenantId, appId, releaseId, nodeId, runId: id, task, attempt, createdAt: now }).onConflictDoNothing();
  await tx.update(runs).set({ state: "running", startedAt: now, waiting: null }).where(and(eq(runs.id, id), eq(runs.state, "pending")));
  if (mountsVolumes) await bindVolumes(tx, appId, releaseId, nodeId);
}

async function endRun(tx: Tx, run: RunRow, { state, exitCode, failure }: Extract<RunAction, { kind: "end" }>, now: Date): Promise<Bells> {
  // What had nothing to run yet goes through the same states.
  if (state === "succeeded") await tx.update(runs).set({ state: "running" }).where(and(eq(runs.id, run.id), eq(runs.state, "pending")));
  await tx.update(runs).set({ state, exitCode, failure, waiting: null, finishedAt: now }).where(and(eq(runs.id, run.id), inArray(runs.state, statesBefore("run", state))));
  await pruneRuns(tx, run);
  if (run.deploymentId === null) return [];
  // The rollout has all of its time before it.
  if (state === "succeeded") await tx.update(deployments).set({ releasedAt: now }).where(and(eq(deployments.id, run.deploymentId), eq(deployments.state, "releasing")));
  return [{ bell: "reconcile", id: run.appId }, { bell: "deployment", id: run.deploymentId }];
}

/** So many runs that have ended are kept, of the job or of none, with their instances; what is not gone from its node stays for now. */
async function pruneRuns(tx: Tx, { appId, jobId }: RunRow): Promise<void> {
  const [job] = jobId === null ? [] : await tx.select({ keep: jobs.historyKeep }).from(jobs).where(eq(jobs.id, jobId));
  await tx.execute(sql`
    with old as (
      select r.id from ${runs} r
      where r.app_id = ${appId} and r.job_id is not distinct from ${jobId}::text and r.state not in ('pending', 'running')
        and not exists (select from ${instances} i where i.run_id = r.id and i.state <> 'gone')
      order by r.id desc offset ${job?.keep ?? HISTORY_KEEP}
    ), left_behind as (delete from ${instances} i using old where i.run_id = old.id)
    delete from ${runs} r using old where r.id = old.id`);
}
