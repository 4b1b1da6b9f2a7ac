/**
 * Builds, one for each job that this worker has room for. A job only says «look for a build»: PostgreSQL decides which
 * one is next, a job that finds none has ended, and one that has built looks again. A sweep rings for what the queue
 * has lost, and for what may run only now. Redis may lose everything at any time.
 */
import { mkdir, readdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Queue, Worker } from "bullmq";
import type { Redis } from "ioredis";
import { BUILD_QUEUE, buildQueuePrefix } from "../../core/contract/bells.ts";
import { parseId, type BuildId } from "../../core/contract/ids.ts";
import { claimNextBuild, countTakeable, type ClaimedBuild } from "../../core/db/system-queries/build-claims.ts";
import { cancelQueuedBuilds, dropLeases, giveUpLostBuilds, isCancelRequested, renewLease, returnBuild } from "../../core/db/system-queries/builds.ts";
import { crunDelete } from "../../core/host/commands/crun.ts";
import { run, runUnchecked } from "../../core/host/spawn.ts";
import { runBuild, type BuildDeps, type StopReason } from "./run-build.ts";

export interface BuildWorkerOptions {
  deps: BuildDeps;
  /** Name of this worker in the database. */
  name: string;
  /** Connections of `openRedisPatient`, of this worker's own. */
  queueRedis: Redis;
  workerRedis: Redis;
  /** Builds what was claimed; tests have their own. */
  build?: typeof runBuild;
}

export interface BuildWorker {
  /** Takes nothing new; gives the running builds `graceMs` to end, then returns them to the queue. */
  close(graceMs: number): Promise<void>;
}

const SWEEP_MS = 5000;
const LOOK_MS = 20;
/** For closing what belongs to the queue, each. */
const CLOSE_MS = 2000;
/** A job whose worker died is another's after so long; the database's lease decides whether its build is, too. */
const JOB_LOCK_MS = 8000;

export async function startBuildWorker(options: BuildWorkerOptions): Promise<BuildWorker> {
  const { deps, name } = options;
  const { config, log } = deps;
  await removeLeftovers(deps);
  const running = new Map<BuildId, (reason: StopReason) => void>();
  const prefix = buildQueuePrefix(deps.redisPrefix);
  const queue = new Queue(BUILD_QUEUE, { connection: options.queueRedis, prefix });
  let closing = false;
  const worker = new Worker(
    BUILD_QUEUE,
    async () => {
      while (!closing && (await buildNext(options, running))) continue;
    },
    { connection: options.workerRedis, prefix, concurrency: config.concurrency, lockDuration: JOB_LOCK_MS, stalledInterval: JOB_LOCK_MS / 2, maxStalledCount: 100 },
  );
  const onQueueError = (error: Error) => log.debug({ err: error }, "the queue is away");
  queue.on("error", onQueueError);
  worker.on("error", onQueueError);
  const stopListening = deps.bells.listen("buildCancel", (id) => {
    const buildId = parseId("build", id);
    if (buildId !== undefined) void stopIfCancelled(deps, buildId, running);
  });

  const sweepNow = () => sweep(deps, queue, config.concurrency - running.size);
  const firstSweep = () => dropLeases(deps.db, name, deps.clock()).then(sweepNow);
  let sweeping: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    sweeping = sweeping.then(sweepNow).catch((error: unknown) => log.warn({ err: error }, "the sweep failed"));
  }, SWEEP_MS);
  sweeping = firstSweep().catch((error: unknown) => log.warn({ err: error }, "the sweep failed"));
  log.info({ worker: name, concurrency: config.concurrency }, "build worker started");

  return {
    close: async (graceMs) => {
      closing = true;
      clearInterval(timer);
      stopListening();
      const grace = setTimeout(() => {
        for (const stop of running.values()) stop("drained");
      }, graceMs);
      const closed = worker.close();
      while (running.size > 0) await sleep(LOOK_MS);
      clearTimeout(grace);
      // After an outage of Redis some of these never end; Redis holds nothing that is missed.
      for (const ending of [closed, sweeping, queue.close()]) await Promise.race([ending.catch(onQueueError), sleep(CLOSE_MS, undefined, { ref: false })]);
      await removeCgroup(config.netPrefix);
    },
  };
}

/** False when there is nothing to build. */
async function buildNext({ deps, name, build: work = runBuild }: BuildWorkerOptions, running: Map<BuildId, (reason: StopReason) => void>): Promise<boolean> {
  const { db, config, log, clock } = deps;
  const startedAt = clock().getTime();
  const claimed = await claimNextBuild(db, { worker: name, leaseMs: config.leaseMs, busyWith: [...running.keys()] }, clock());
  if (claimed === undefined) return false;
  const { build } = claimed;
  const { id } = build;
  const fence = { id, attempt: build.attempt };
  const stopper = new AbortController();
  const stop = (reason: StopReason) => stopper.abort(reason);
  running.set(id, stop);
  const lease = holdLease(deps, claimed, stop);
  let outcome: string = "error";
  try {
    if (build.cancelRequestedAt !== null) stop("cancelled");
    outcome = await work(deps, claimed, stopper.signal, () => clearInterval(lease));
    if (outcome === "drained") await returnBuild(db, fence, clock());
  } catch (error) {
    log.error({ err: error, build: id }, "a build broke; another attempt will follow");
  } finally {
    clearInterval(lease);
    running.delete(id);
    log.info({ build: id, tenant: build.tenantId, app: build.appId, attempt: build.attempt, outcome, ms: clock().getTime() - startedAt }, "build");
  }
  return true;
}

/** Renews the lease and hears of cancelling, until cleared. A worker that could not renew in time stops: another may have begun. */
function holdLease({ db, config, clock, log }: BuildDeps, { build }: ClaimedBuild, stop: (reason: StopReason) => void): NodeJS.Timeout {
  const fence = { id: build.id, attempt: build.attempt };
  let heldUntil = clock().getTime() + config.leaseMs;
  let busy = false;
  return setInterval(() => {
    const now = clock().getTime();
    if (now > heldUntil) stop("lost");
    if (busy) return;
    busy = true;
    renewLease(db, fence, config.leaseMs, new Date(now))
      .then((state) => {
        if (state === "held") heldUntil = now + config.leaseMs;
        else stop(state);
      })
      .catch((error: unknown) => log.warn({ err: error, build: build.id }, "the lease could not be renewed"))
      .finally(() => (busy = false));
  }, Math.min(1000, config.leaseMs / 4));
}

async function stopIfCancelled(deps: BuildDeps, id: BuildId, running: ReadonlyMap<BuildId, (reason: StopReason) => void>): Promise<void> {
  try {
    const stop = running.get(id);
    if (stop === undefined) return await endCancelled(deps);
    if (await isCancelRequested(deps.db, id)) stop("cancelled");
  } catch (error) {
    deps.log.warn({ err: error, build: id }, "a request to cancel could not be read");
  }
}

async function endCancelled({ db, bells, clock }: BuildDeps): Promise<void> {
  const ended = await cancelQueuedBuilds(db, clock());
  for (const { deployments } of ended) for (const id of deployments) bells.ring("deployment", id);
}

/** Ends what nobody works on; rings for what the queue has lost, or for what its tenant may run only now, while this worker has room. */
async function sweep(deps: BuildDeps, queue: Queue, room: number): Promise<void> {
  const { db, bells, clock } = deps;
  await endCancelled(deps);
  for (const { deployments } of await giveUpLostBuilds(db, clock())) for (const id of deployments) bells.ring("deployment", id);
  if (room <= 0 || deps.redis.status !== "ready") return;
  const count = await countTakeable(db, room, clock());
  // Jobs without names of their own: one that is at work must not stand in the way of a bell.
  if (count > 0) await queue.addBulk(Array.from({ length: count }, () => ({ name: "build", data: {}, opts: { removeOnComplete: true, removeOnFail: true } })));
}

/** The empty parent of this Berth's cgroups, on v1 and v2; others of this host may still have theirs in it. */
async function removeCgroup(prefix: string): Promise<void> {
  const controllers = await readdir("/sys/fs/cgroup").catch(() => []);
  for (const parent of ["", ...controllers]) await rmdir(join("/sys/fs/cgroup", parent, `berth-${prefix}`)).catch(() => {});
}

/** What a former life of this worker left when it was killed: sandboxes, their cgroups and files. */
async function removeLeftovers({ config }: BuildDeps): Promise<void> {
  const data = config.workerData;
  for (const name of ["jobs", "bundles", "crun", "logs", "tenants"]) await mkdir(join(data, name), { recursive: true, mode: 0o711 });
  const runtime = { crun: config.crun, stateDir: join(data, "crun") };
  for (const id of await readdir(runtime.stateDir)) await runUnchecked(crunDelete(runtime, id));
  for (const name of ["jobs", "bundles", "logs"]) {
    for (const entry of await readdir(join(data, name))) await rm(join(data, name, entry), { recursive: true, force: true });
  }
  await run([config.crun, "--version"]);
}
