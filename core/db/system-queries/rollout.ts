/** Reads and writes of the rollout loop. All run inside the transaction that holds the app's lock. */
import { and, eq, inArray, isNotNull, isNull, lt, ne, notInArray, or, sql } from "drizzle-orm";
import type { Failure } from "../../contract/errors.ts";
import { newId, type AppId, type DeploymentId, type InstanceId, type NodeId, type ReleaseId } from "../../contract/ids.ts";
import { startPatienceMs } from "../../domain/pods.ts";
import { NODE_LOST_AFTER_MS } from "../../domain/rollout-instances.ts";
import type { InstanceView, ReleasePlan, RolloutAction, RolloutSnapshot } from "../../domain/rollout.ts";
import { lastSeen } from "../../domain/silence.ts";
import { wantedOfRollout, wantedReplicas } from "../../domain/scaling.ts";
import { statesBefore } from "../../domain/states.ts";
import { autoRollbackOf, keepWarmMsOf, strategyOf } from "../../domain/strategy.ts";
import type { Db, Tx } from "../client.ts";
import { writeSystemAudit } from "../queries/audit.ts";
import { apps, builds, deployments, instances, nodes, releases, tenants, volumeOperations, volumes } from "../schema.ts";
import { countAttempts } from "./build-usage.ts";
import { appsWithRuns, countRunning, readGate } from "./release-gate.ts";
import { removeEvents } from "./events.ts";
import { connectedGateways } from "./gateways.ts";
import { bindVolumes, readAppVolumes } from "./volumes.ts";
import { wantedSql } from "../wanted-replicas.ts";

/** Before an agent has said how many it takes. */
const DEFAULT_NODE_CAPACITY = 1000;

/** One worker at a time decides for an app; the lock ends with the transaction. */
export async function lockApp(tx: Tx, appId: AppId): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`rollout:${appId}`}, 0))`);
}

/** All that the plan needs, or undefined when the app is gone. */
export async function readRollout(tx: Tx, appId: AppId, now: Date): Promise<RolloutSnapshot | undefined> {
  const [row] = await tx.select({ app: apps, suspendedAt: tenants.suspendedAt }).from(apps).innerJoin(tenants, eq(tenants.id, apps.tenantId)).where(eq(apps.id, appId));
  if (!row) return undefined;
  const { app, suspendedAt } = row;
  const isOn = suspendedAt === null;
  const ids = [app.liveReleaseId, app.targetReleaseId, app.formerReleaseId].filter((id) => id !== null);
  const plans = await tx
    .select({ id: releases.id, number: releases.number, settings: releases.settings, liveAt: releases.liveAt })
    .from(releases)
    .where(ids.length === 0 ? sql`false` : inArray(releases.id, ids));
  const owned = await readAppVolumes(tx, appId);
  const plan = (id: ReleaseId | null): ReleasePlan | null => {
    const found = plans.find((release) => release.id === id);
    if (!found) return null;
    const { number, settings } = found;
    const wanted = id === app.liveReleaseId ? wantedReplicas : wantedOfRollout;
    const wasLive = found.liveAt !== null;
    const pinned = owned.pinning(settings);
    return {
      id: found.id,
      number,
      replicas: isOn ? wanted(settings, app.scaledTo) : 0,
      readyTimeoutMs: startPatienceMs(settings),
      strategy: strategyOf(settings, { wasLive, hasLive: app.liveReleaseId !== null }),
      autoRollback: autoRollbackOf(settings),
      keepWarmMs: keepWarmMsOf(settings),
      wasLive,
      ...(pinned === undefined ? {} : { pinned }),
    };
  };
  const former = plan(app.formerReleaseId);
  const [open] = await tx
    .select({ id: deployments.id, releasedAt: deployments.releasedAt, createdAt: deployments.createdAt, step: deployments.step, stepAt: deployments.stepAt })
    .from(deployments)
    .where(and(eq(deployments.appId, appId), eq(deployments.state, "releasing"), app.targetReleaseId ? eq(deployments.releaseId, app.targetReleaseId) : sql`false`))
    .limit(1);
  return {
    app: { id: app.id, deleted: app.deletedAt !== null, held: owned.isHeld, volumes: owned.count, runs: await countRunning(tx, appId) },
    live: plan(app.liveReleaseId),
    target: plan(app.targetReleaseId),
    deployment: open ? { id: open.id, releasedAt: (open.releasedAt ?? open.createdAt).getTime(), step: open.step, stepAt: open.stepAt?.getTime() ?? null, ...(await readGate(tx, open.id)) } : null,
    former: isOn && former !== null && app.formerUntil !== null ? { id: former.id, number: former.number, until: app.formerUntil.getTime() } : null,
    watch: app.watch,
    instances: await readInstances(tx, appId),
    nodes: await readNodes(tx, now),
    gateways: await connectedGateways(tx, now),
  };
}

async function readInstances(tx: Tx, appId: AppId): Promise<InstanceView[]> {
  const rows = await tx
    .select({ instance: instances, stopGraceMs: sql<number>`(${releases.settings}->>'stopGraceMs')::int` })
    .from(instances)
    .innerJoin(releases, eq(releases.id, instances.releaseId))
    .where(and(eq(instances.appId, appId), ne(instances.state, "gone"), isNull(instances.runId)));
  return rows.map(({ instance, stopGraceMs }) => ({
    id: instance.id,
    releaseId: instance.releaseId,
    nodeId: instance.nodeId,
    state: instance.state,
    phase: instance.phase,
    problem: instance.report?.problem,
    exitCode: instance.report?.lastExit?.code,
    restarts: instance.report?.restarts ?? 0,
    sleep: sleepOf(instance.report?.temperature),
    createdAt: instance.createdAt.getTime(),
    readyAt: instance.readyAt?.getTime() ?? null,
    stopGraceMs,
    drainingAt: instance.drainingAt?.getTime() ?? null,
    drainedBy: instance.drainedBy,
    notWoken: instance.notWokenAt !== null,
    served: Object.values(instance.served).reduce((sum, [requests, errors]) => ({ requests: sum.requests + requests, errors: sum.errors + errors }), { requests: 0, errors: 0 }),
  }));
}

function sleepOf(temperature: NonNullable<typeof instances.$inferSelect["report"]>["temperature"]): InstanceView["sleep"] {
  if (temperature?.is === "standby" || temperature?.is === "cold") return "deep";
  return temperature?.is === "frozen" && temperature.cause === "kept-warm" ? "frozen" : null;
}

export async function readNodes(tx: Tx, now: Date): Promise<RolloutSnapshot["nodes"]> {
  const counts = tx
    .select({ nodeId: instances.nodeId, count: sql<number>`count(*)::int`.as("count") })
    .from(instances)
    // What is only kept warm makes room.
    .where(notInArray(instances.state, ["gone", "warm"]))
    .groupBy(instances.nodeId)
    .as("counts");
  const rows = await tx
    .select({ id: nodes.id, lastSeenAt: nodes.lastSeenAt, silentFrom: nodes.silentFrom, silentUntil: nodes.silentUntil, capacity: nodes.capacity, placement: nodes.placement, instances: counts.count })
    .from(nodes)
    .leftJoin(counts, eq(counts.nodeId, nodes.id));
  const seen = lastSeen(
    rows.map(({ lastSeenAt, silentFrom, silentUntil }) => ({ lastSeenAt: lastSeenAt?.getTime() ?? null, silence: silentFrom && silentUntil && { from: silentFrom.getTime(), until: silentUntil.getTime() } })),
    now.getTime(),
  );
  return rows.map((row, index) => ({
    id: row.id,
    lastSeenAt: seen[index] ?? null,
    capacity: row.capacity?.instances ?? DEFAULT_NODE_CAPACITY,
    instances: row.instances ?? 0,
    placement: row.placement,
  }));
}

/** The node must look at its desired state again; the row stays locked until the transaction ends. */
export async function bumpNode(tx: Tx, nodeId: NodeId): Promise<void> {
  await tx.update(nodes).set({ generation: sql`${nodes.generation} + 1` }).where(eq(nodes.id, nodeId));
}

export async function placeInstance(tx: Tx, appId: AppId, releaseId: ReleaseId, nodeId: NodeId): Promise<InstanceId> {
  await bumpNode(tx, nodeId);
  const id = newId("instance");
  await tx.execute(sql`
    insert into ${instances} (id, tenant_id, app_id, release_id, node_id)
    select ${id}, tenant_id, app_id, id, ${nodeId} from ${releases} where id = ${releaseId} and app_id = ${appId}`);
  await bindVolumes(tx, appId, releaseId, nodeId);
  return id;
}

export async function drainInstance(tx: Tx, instanceId: InstanceId, now: Date): Promise<void> {
  await tx
    .update(instances)
    .set({ state: "draining", drainingAt: now, drainedBy: [] })
    .where(and(eq(instances.id, instanceId), inArray(instances.state, statesBefore("instance", "draining"))));
}

/** It has drained, and its node freezes it. */
export async function keepInstance(tx: Tx, instanceId: InstanceId, nodeId: NodeId): Promise<void> {
  await tx
    .update(instances)
    .set({ state: "warm" })
    .where(and(eq(instances.id, instanceId), inArray(instances.state, statesBefore("instance", "warm"))));
  await bumpNode(tx, nodeId);
}

/** Its release is wanted again. */
export async function reviveInstance(tx: Tx, instanceId: InstanceId, nodeId: NodeId): Promise<void> {
  await tx
    .update(instances)
    .set({ state: "wanted", drainingAt: null, drainedBy: [] })
    .where(and(eq(instances.id, instanceId), inArray(instances.state, statesBefore("instance", "wanted"))));
  await bumpNode(tx, nodeId);
}

export async function stopInstance(tx: Tx, instanceId: InstanceId, nodeId: NodeId): Promise<void> {
  await tx
    .update(instances)
    .set({ state: "stopping" })
    .where(and(eq(instances.id, instanceId), inArray(instances.state, statesBefore("instance", "stopping"))));
  await bumpNode(tx, nodeId);
}

/** A canary goes on to its next step. */
export async function writeStep(tx: Tx, deploymentId: DeploymentId, step: number, now: Date): Promise<void> {
  await tx.update(deployments).set({ step, stepAt: now }).where(and(eq(deployments.id, deploymentId), eq(deployments.state, "releasing")));
}

/** The target becomes live, and its deployment with it. */
export async function goLive(tx: Tx, appId: AppId, { releaseId, former, watch }: Omit<Extract<RolloutAction, { kind: "go-live" }>, "kind">, now: Date): Promise<DeploymentId[]> {
  // What has just shown that it works serves: the next look at its requests decides how many of it.
  const scaledTo = sql`greatest(${apps.scaledTo}, 1)`;
  const before = { formerReleaseId: former?.id ?? null, formerUntil: former === null ? null : new Date(former.until), watch };
  await tx.update(apps).set({ liveReleaseId: releaseId, scaledTo, ...before }).where(and(eq(apps.id, appId), eq(apps.targetReleaseId, releaseId)));
  await tx.update(releases).set({ liveAt: now }).where(and(eq(releases.id, releaseId), isNull(releases.liveAt)));
  return endDeployments(tx, appId, releaseId, { state: "live", finishedAt: now });
}

/** The target is given up: the live release, if there is one, is the target again. */
export async function giveUp(tx: Tx, appId: AppId, releaseId: ReleaseId, failure: Failure, now: Date): Promise<DeploymentId[]> {
  await tx.update(apps).set({ targetReleaseId: sql`${apps.liveReleaseId}` }).where(and(eq(apps.id, appId), eq(apps.targetReleaseId, releaseId)));
  return endDeployments(tx, appId, releaseId, { state: "failed", failure, finishedAt: now });
}

async function endDeployments(
  tx: Tx,
  appId: AppId,
  releaseId: ReleaseId,
  end: { state: "live" | "failed"; failure?: Failure; finishedAt: Date },
): Promise<DeploymentId[]> {
  const ended = await tx
    .update(deployments)
    .set({
      ...end,
      timingsMs: sql`${deployments.timingsMs} || jsonb_build_object(
        'rollout', round(extract(epoch from ${end.finishedAt.toISOString()}::timestamptz - coalesce(${deployments.releasedAt}, ${deployments.createdAt})) * 1000),
        'total', round(extract(epoch from ${end.finishedAt.toISOString()}::timestamptz - ${deployments.createdAt}) * 1000))`,
    })
    .where(and(eq(deployments.appId, appId), eq(deployments.releaseId, releaseId), inArray(deployments.state, statesBefore("deployment", end.state)), ne(deployments.state, "building")))
    .returning({ id: deployments.id, tenantId: deployments.tenantId });
  for (const { id, tenantId } of ended) {
    await writeSystemAudit(tx, tenantId, `deployment.${end.state}`, id, end.failure ? { code: end.failure.code } : {});
  }
  return ended.map(({ id }) => id);
}

/** A destroyed app whose instances are gone leaves with all its rows; its blobs go with garbage collection, what it used stays in the ledger. */
export async function removeApp(tx: Tx, appId: AppId, now: Date): Promise<void> {
  await removeEvents(tx, appId);
  const running = await tx.select().from(builds).where(and(eq(builds.appId, appId), eq(builds.state, "running"))).for("update");
  const [gone] = await tx.delete(apps).where(eq(apps.id, appId)).returning({ appName: apps.name, tenantId: apps.tenantId });
  if (gone === undefined) return;
  await writeSystemAudit(tx, gone.tenantId, "app.removed", appId, { name: gone.appName });
  await countAttempts(tx, running.map((build) => ({ ...build, appName: gone.appName })), now);
}

/** Apps with something left to do, for the timer that stands behind the bells. */
export async function appsToReconcile(db: Db, now: Date): Promise<AppId[]> {
  const unsettled = db
    .selectDistinct({ appId: instances.appId })
    .from(instances)
    .where(or(inArray(instances.state, ["draining", "stopping"]), and(eq(instances.state, "wanted"), or(isNull(instances.phase), ne(instances.phase, "ready")))));
  const outOfWarmth = db
    .select({ appId: instances.appId })
    .from(instances)
    .innerJoin(apps, eq(apps.id, instances.appId))
    .where(
      and(
        eq(instances.state, "warm"),
        sql`(${apps.formerReleaseId} is distinct from ${instances.releaseId} or ${apps.formerUntil} <= now() or ${instances.phase} is distinct from 'ready' or ${instances.report}->'temperature'->>'is' in ('standby', 'cold'))`,
      ),
    );
  const rows = await db
    .select({ id: apps.id })
    .from(apps)
    .innerJoin(tenants, eq(tenants.id, apps.tenantId))
    .leftJoin(releases, eq(releases.id, apps.liveReleaseId))
    .where(
      or(
        sql`${apps.deletedAt} is not null`,
        sql`${apps.targetReleaseId} is distinct from ${apps.liveReleaseId}`,
        inArray(apps.id, unsettled),
        inArray(apps.id, outOfWarmth),
        sql`case when ${tenants.suspendedAt} is null then coalesce(${wantedSql(releases.settings, apps.scaledTo)}, 0) else 0 end <> (select count(*) from ${instances} i where i.app_id = ${apps.id} and i.state = 'wanted' and i.run_id is null)`,
        inArray(apps.id, appsWithRuns(db)),
        inArray(apps.id, db.select({ appId: volumeOperations.appId }).from(volumeOperations).where(isNull(volumeOperations.finishedAt))),
        inArray(apps.id, db.select({ appId: volumes.appId }).from(volumes).where(isNotNull(volumes.deletedAt))),
        // Instances of a lost or draining node have nothing of the above.
        inArray(
          apps.id,
          db.selectDistinct({ appId: instances.appId }).from(instances).innerJoin(nodes, eq(nodes.id, instances.nodeId))
            .where(or(and(eq(instances.state, "wanted"), lt(nodes.lastSeenAt, new Date(now.getTime() - NODE_LOST_AFTER_MS))), and(inArray(instances.state, ["wanted", "warm"]), eq(nodes.placement, "draining")))),
        ),
      ),
    );
  return rows.map((row) => row.id);
}
