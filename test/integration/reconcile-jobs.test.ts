/** Jobs against a real PostgreSQL: times decided once whoever looks, runs carried out, tried again, cancelled; release commands before rollouts. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { and, asc, eq } from "drizzle-orm";
import type { Bells } from "../../core/bells.ts";
import { newId, type AppId, type DeploymentId, type InstanceId, type JobId, type NodeId, type ReleaseId, type RunId, type TenantId } from "../../core/contract/ids.ts";
import { JobCreateSchema, RunRequestSchema, type JobCreate } from "../../core/contract/jobs.ts";
import type { Phase } from "../../core/contract/node-channel.ts";
import { SettingsSchema } from "../../core/contract/release-config.ts";
import { openDb, type Db } from "../../core/db/client.ts";
import { apps, deployments, instances, jobs, nodes, runs } from "../../core/db/schema.ts";
import { ensureNode, ensureTenant } from "../../core/db/system-queries/bootstrap.ts";
import { readNode, renderDesired } from "../../core/db/system-queries/desired-state.ts";
import { scheduleJob } from "../../core/db/system-queries/jobs.ts";
import { deployWithoutBuild } from "../../core/db/system-queries/publish-release.ts";
import { appsToReconcile } from "../../core/db/system-queries/rollout.ts";
import { insertRun } from "../../core/db/system-queries/runs.ts";
import { openLog } from "../../core/log.ts";
import { schedulePass } from "../../workers/jobs/loop.ts";
import { reconcileApp } from "../../workers/reconcile/pass.ts";
import { seedApp, testImage } from "../support/api.ts";
import { startStores, type Stores } from "../support/stores.ts";

let stores: Stores;
let db: Db;
let close: () => Promise<void>;
let tenantId: TenantId;
let nodeId: NodeId;
const log = openLog("test", "silent");
const at = (text: string) => new Date(`2026-05-04T${text}Z`);

before(async () => {
  stores = await startStores({ only: ["postgres"] });
  ({ db, close } = openDb(stores.databaseUrl, { name: "test" }));
  tenantId = (await ensureTenant(db, "acme")).id;
  nodeId = await ensureNode(db, "n1", "node-token");
});
after(async () => {
  await close?.();
  await stores?.stop();
});

const app = (settings: object = {}) => seedApp(db, tenantId, { settings: SettingsSchema.parse({ replicas: 0, ...settings }) });

async function makeJob(appId: AppId, more: Partial<JobCreate> & { decidedUntil: Date; nextRunAt?: Date }): Promise<JobId> {
  const { decidedUntil, nextRunAt = decidedUntil, ...wish } = more;
  const { name, schedule, timeZone, concurrencyPolicy, missedRuns, startingDeadlineMs, historyKeep, paused: _paused, ...spec } = JobCreateSchema.parse({ name: "nightly", schedule: "0 * * * *", command: ["true"], ...wish });
  const id = newId("job");
  await db.insert(jobs).values({ id, tenantId, appId, name, schedule, timeZone, concurrencyPolicy, missedRuns, startingDeadlineMs, historyKeep, spec, decidedUntil, nextRunAt });
  return id;
}

async function begin(of: { id: AppId; releaseIds: ReleaseId[] }, request: object = {}): Promise<RunId> {
  const run = await db.transaction((tx) =>
    insertRun(tx, { tenantId, appId: of.id, releaseId: of.releaseIds.at(-1) as ReleaseId, settings: SettingsSchema.parse({}), request: RunRequestSchema.parse({ backoffMs: 0, ...request }), trigger: "once" }, new Date()),
  );
  return run?.id as RunId;
}

const runsOf = (appId: AppId) => db.select().from(runs).where(eq(runs.appId, appId)).orderBy(asc(runs.scheduledFor), asc(runs.id));
const pass = async (appId: AppId, now = new Date()) => {
  await db.update(nodes).set({ lastSeenAt: now }).where(eq(nodes.id, nodeId));
  return reconcileApp(db, appId, () => now);
};
const attemptsOf = (runId: RunId) => db.select().from(instances).where(eq(instances.runId, runId)).orderBy(asc(instances.task), asc(instances.attempt));
const runOf = async (id: RunId) => (await db.select().from(runs).where(eq(runs.id, id)))[0]!;

/** As its node would say it. */
async function say(id: InstanceId, phase: Phase, code?: number): Promise<void> {
  const ended = code === undefined ? {} : { lastExit: { code, oomKilled: false, at: new Date().toISOString() }, ...(code === 0 ? {} : { problem: { code: "command_failed" as const, detail: `The command exited with code ${code}.`, logTail: ["boom"] } }) };
  await db.update(instances).set({ phase, report: { id, phase, restarts: 0, ...ended } }).where(eq(instances.id, id));
}

test("each time of a schedule becomes one run, however many look at once and whatever is lost between", async () => {
  const one = await app();
  const id = await makeJob(one.id, { decidedUntil: at("00:10:00"), nextRunAt: at("01:00:00"), concurrencyPolicy: "allow" });
  const job = { id, appId: one.id };
  await scheduleJob(db, job, at("00:59:59.999"));
  assert.equal((await runsOf(one.id)).length, 0);
  const rung: string[] = [];
  // No bell is heard, and none is needed: Redis holds nothing of this.
  const bells: Bells = { ring: (bell, appId) => void rung.push(`${bell} ${appId}`), listen: () => () => {} };
  await Promise.all(Array.from({ length: 6 }, () => schedulePass({ db, bells, log, clock: () => at("01:00:00.500") })));
  assert.deepEqual((await runsOf(one.id)).map((run) => [run.scheduledFor?.toISOString(), run.state, run.trigger]), [["2026-05-04T01:00:00.000Z", "pending", "schedule"]]);
  assert.deepEqual(rung, [`reconcile ${one.id}`]);
  assert.ok((await appsToReconcile(db, new Date())).includes(one.id), "the rollout loop's timer finds it");
  // A clock that goes back an hour, and even a job that was made to look again: the time has its run.
  await scheduleJob(db, job, at("00:30:00"));
  await db.update(jobs).set({ decidedUntil: at("00:10:00"), nextRunAt: at("01:00:00") }).where(eq(jobs.id, id));
  await Promise.all([scheduleJob(db, job, at("01:00:20")), scheduleJob(db, job, at("01:00:21"))]);
  assert.equal((await runsOf(one.id)).length, 1);
  assert.equal((await db.select().from(jobs).where(eq(jobs.id, id)))[0]?.nextRunAt?.toISOString(), "2026-05-04T02:00:00.000Z");
});

test("times that passed unseen stand in the history, and are made up for as the job says", async () => {
  const one = await app();
  const id = await makeJob(one.id, { decidedUntil: at("00:10:00"), nextRunAt: at("01:00:00") });
  assert.equal(await scheduleJob(db, { id, appId: one.id }, at("04:20:00")), 1);
  assert.deepEqual((await runsOf(one.id)).map(({ scheduledFor, state }) => [scheduledFor?.getUTCHours(), state]), [[1, "missed"], [2, "missed"], [3, "missed"], [4, "pending"]]);
});

test("a run that is open: the next one is left out, or takes its place and waits until it has ended", async () => {
  const forbidding = await app();
  const forbid = await makeJob(forbidding.id, { decidedUntil: at("00:10:00"), nextRunAt: at("01:00:00") });
  await scheduleJob(db, { id: forbid, appId: forbidding.id }, at("01:00:00"));
  await scheduleJob(db, { id: forbid, appId: forbidding.id }, at("02:00:00"));
  assert.deepEqual((await runsOf(forbidding.id)).map(({ state, failure }) => [state, failure?.code]), [["pending", undefined], ["missed", "run_missed"]]);

  const replacing = await app();
  const replace = await makeJob(replacing.id, { decidedUntil: at("00:10:00"), nextRunAt: at("01:00:00"), concurrencyPolicy: "replace" });
  await scheduleJob(db, { id: replace, appId: replacing.id }, at("01:00:00"));
  await pass(replacing.id);
  await scheduleJob(db, { id: replace, appId: replacing.id }, at("02:00:00"));
  await pass(replacing.id);
  const [old, fresh] = await runsOf(replacing.id);
  assert.deepEqual([old?.state, fresh?.state], ["running", "pending"]);
  assert.match(fresh?.waiting ?? "", new RegExp(`^${old?.id}, which came before it`));
  const [attempt] = await attemptsOf(old!.id);
  assert.equal(attempt?.state, "stopping");
  await db.update(instances).set({ state: "gone", goneAt: new Date() }).where(eq(instances.id, attempt!.id));
  await pass(replacing.id);
  await pass(replacing.id);
  assert.deepEqual((await runsOf(replacing.id)).map(({ state, failure }) => [state, failure?.code]), [["cancelled", "run_cancelled"], ["running", undefined]]);
});

test("without a live release, or without room in the plan, a time is left out and says why", async () => {
  const one = await seedApp(db, tenantId, { live: false });
  await db.update(apps).set({ targetReleaseId: null }).where(eq(apps.id, one.id));
  const id = await makeJob(one.id, { decidedUntil: at("00:10:00"), nextRunAt: at("01:00:00") });
  await scheduleJob(db, { id, appId: one.id }, at("01:00:00"));
  const large = await app();
  const big = await makeJob(large.id, { decidedUntil: at("00:10:00"), nextRunAt: at("01:00:00"), tasks: 1000, parallelism: 100, memoryBytes: 64 * 2 ** 30 });
  await scheduleJob(db, { id: big, appId: large.id }, at("01:00:00"));
  assert.deepEqual([(await runsOf(one.id))[0]?.failure?.code, (await runsOf(large.id))[0]?.failure?.code], ["no_release", "quota_exceeded"]);
});

test("a run: its node gets the release's instance with the run's command, limits and variables; its end is written down and its instance leaves", async () => {
  const one = await app({ preStop: { kind: "exec", command: ["drain"] } });
  const id = await begin(one, { command: ["python", "clean.py"], memoryBytes: 64 * 2 ** 20, deadlineMs: 5000 });
  await Promise.all([pass(one.id), pass(one.id), pass(one.id)]);
  const [attempt, ...more] = await attemptsOf(id);
  assert.deepEqual([attempt?.nodeId, attempt?.state, more.length], [nodeId, "wanted", 0]);
  const desired = renderDesired((await readNode(db, nodeId))!, () => "http://layer", new Map()).instances.find((each) => each.id === attempt!.id);
  assert.deepEqual([desired?.args, desired?.run, desired?.limits.memoryBytes, desired?.preStop, desired?.sleep], [["/bin/app", "python", "clean.py"], { deadlineMs: 5000 }, 64 * 2 ** 20, undefined, undefined]);
  for (const variable of [`BERTH_RUN_ID=${id}`, "BERTH_TASK_INDEX=0", "BERTH_TASK_COUNT=1", "BERTH_TASK_ATTEMPT=1"]) assert.ok(desired?.env.includes(variable), variable);
  await say(attempt!.id, "running");
  await pass(one.id);
  assert.equal((await runOf(id)).state, "running");
  await say(attempt!.id, "completed", 0);
  await pass(one.id);
  const run = await runOf(id);
  assert.deepEqual([run.state, run.exitCode, run.failure], ["succeeded", 0, null]);
  assert.equal((await attemptsOf(id))[0]?.state, "stopping");
});

test("what failed is tried again as another instance, so often and no more", async () => {
  const one = await app();
  const id = await begin(one, { retries: 1 });
  await pass(one.id);
  for (const code of [3, 4]) {
    await say((await attemptsOf(id)).at(-1)!.id, "completed", code);
    await pass(one.id);
  }
  const run = await runOf(id);
  assert.deepEqual((await attemptsOf(id)).map(({ attempt }) => attempt), [1, 2]);
  assert.deepEqual([run.state, run.exitCode, run.failure?.code, run.failure?.logTail], ["failed", 4, "command_failed", ["boom"]]);
});

test("so many runs are kept, and their instances with them", async () => {
  const one = await app();
  const id = await makeJob(one.id, { decidedUntil: at("00:10:00"), nextRunAt: at("01:00:00"), historyKeep: 2, concurrencyPolicy: "allow" });
  for (let hour = 1; hour <= 5; hour++) {
    await scheduleJob(db, { id, appId: one.id }, at(`0${hour}:00:00`));
    await pass(one.id);
    const open = (await runsOf(one.id)).find(({ state }) => state === "running");
    const [attempt] = await attemptsOf(open!.id);
    await db.update(instances).set({ state: "gone", goneAt: new Date() }).where(eq(instances.id, attempt!.id));
    await say(attempt!.id, "completed", 0);
    await pass(one.id);
  }
  assert.deepEqual((await runsOf(one.id)).map(({ scheduledFor }) => scheduledFor?.getUTCHours()), [4, 5]);
  assert.equal((await db.select().from(instances).where(eq(instances.appId, one.id))).length, 2);
});

async function deploy(appId: AppId): Promise<DeploymentId> {
  const source = { image: testImage(), repository: "acme/web", buildId: null, buildKey: null };
  const published = await db.transaction((tx) => deployWithoutBuild(tx, { tenantId, appId, settingsPatch: {}, envPatch: {}, reason: "deploy", source }, new Date()));
  return published?.deployments[0] as DeploymentId;
}
const releaseRun = async (deployment: DeploymentId) => (await db.select().from(runs).where(eq(runs.deploymentId, deployment)))[0]!;
const deploymentOf = async (id: DeploymentId) => (await db.select().from(deployments).where(eq(deployments.id, id)))[0]!;
const served = (appId: AppId, releaseId: ReleaseId) => db.select().from(instances).where(and(eq(instances.appId, appId), eq(instances.releaseId, releaseId)));

test("a release command must succeed before an instance of its release starts, and runs once", async () => {
  const one = await app({ replicas: 1, releaseCommand: { command: ["migrate"], timeoutMs: 60_000 } });
  const deployment = await deploy(one.id);
  const { releaseId } = await deploymentOf(deployment);
  await Promise.all([pass(one.id), pass(one.id)]);
  const run = await releaseRun(deployment);
  const [attempt, ...others] = await attemptsOf(run.id);
  assert.deepEqual([run.spec.command, others.length, (await served(one.id, releaseId!)).length], [["migrate"], 0, 1], "nothing but the command");
  await say(attempt!.id, "completed", 0);
  await pass(one.id);
  assert.equal((await releaseRun(deployment)).state, "succeeded");
  assert.equal((await served(one.id, releaseId!)).filter((each) => each.runId === null).length, 1, "it is rolled out");
  assert.equal((await attemptsOf(run.id)).length, 1);
});

test("a release command that fails: the deployment has failed with its code and last lines, the live release is untouched", async () => {
  const one = await app({ replicas: 1, releaseCommand: { command: ["migrate"], timeoutMs: 60_000 } });
  await pass(one.id);
  const deployment = await deploy(one.id);
  await pass(one.id);
  await say((await attemptsOf((await releaseRun(deployment)).id))[0]!.id, "completed", 9);
  await pass(one.id);
  const { state, failure, releaseId } = await deploymentOf(deployment);
  assert.deepEqual([state, failure?.code, failure?.exitCode, failure?.logTail], ["failed", "release_command_failed", 9, ["boom"]]);
  const [row] = await db.select().from(apps).where(eq(apps.id, one.id));
  assert.deepEqual([row?.liveReleaseId, row?.targetReleaseId], [one.releaseIds[0], one.releaseIds[0]]);
  assert.equal((await served(one.id, releaseId!)).filter((each) => each.runId === null).length, 0);
  assert.equal((await served(one.id, one.releaseIds[0]!)).filter(({ state: each }) => each === "wanted").length, 1);
});

test("a newer deployment ends the command of the one before, and its own waits for that end", async () => {
  const one = await app({ replicas: 1, releaseCommand: { command: ["migrate"], timeoutMs: 60_000 } });
  const first = await deploy(one.id);
  await pass(one.id);
  const [old] = await attemptsOf((await releaseRun(first)).id);
  const second = await deploy(one.id);
  await pass(one.id);
  assert.equal((await releaseRun(second)).state, "pending");
  await db.update(instances).set({ state: "gone", goneAt: new Date() }).where(eq(instances.id, old!.id));
  await pass(one.id);
  await pass(one.id);
  assert.deepEqual([(await releaseRun(first)).state, (await releaseRun(second)).state, (await deploymentOf(first)).failure?.code], ["cancelled", "running", "superseded"]);
});

test("a destroyed app ends its runs before it leaves", async () => {
  const one = await app();
  const id = await begin(one);
  await pass(one.id);
  await db.update(apps).set({ deletedAt: new Date() }).where(eq(apps.id, one.id));
  assert.deepEqual((await pass(one.id)).actions, []);
  const [attempt] = await attemptsOf(id);
  assert.equal(attempt?.state, "stopping");
  await db.update(instances).set({ state: "gone", goneAt: new Date() }).where(eq(instances.id, attempt!.id));
  assert.deepEqual((await pass(one.id)).actions.map(({ kind }) => kind), ["remove-app"]);
});
