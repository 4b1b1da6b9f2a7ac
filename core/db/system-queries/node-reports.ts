/** What nodes say, written down. */
import { and, eq, gt, ne, sql } from "drizzle-orm";
import type { AppId, DeploymentId, InstanceId, NodeId } from "../../contract/ids.ts";
import type { FromNode } from "../../contract/node-channel.ts";
import { NODE_LOST_AFTER_MS } from "../../domain/rollout-instances.ts";
import type { Db, Tx } from "../client.ts";
import { appEvents, deployments, instances, nodes } from "../schema.ts";
import { countInstances } from "./usage.ts";

type Message<T extends FromNode["type"]> = Extract<FromNode, { type: T }>;

export async function findNodeByTokenHash(db: Db, tokenHash: string): Promise<{ id: NodeId; name: string } | undefined> {
  const [row] = await db.select({ id: nodes.id, name: nodes.name }).from(nodes).where(eq(nodes.tokenHash, tokenHash));
  return row;
}

export async function findNode(db: Db, id: NodeId): Promise<{ id: NodeId; name: string } | undefined> {
  const [row] = await db.select({ id: nodes.id, name: nodes.name }).from(nodes).where(eq(nodes.id, id));
  return row;
}

/**
 * A generation that the agent has but the database lacks (it was restored from a backup) becomes the database's. Gives the
 * name of another node that is up and has some of the same addresses: then nothing was written.
 */
export async function writeHello(db: Db, nodeId: NodeId, hello: Message<"hello">, now: Date): Promise<string | undefined> {
  return db.transaction(async (tx) => {
    const taken = hello.network && (await nodeWithin(tx, nodeId, hello.network.subnet, now));
    if (taken === undefined) await updateNode(tx, nodeId, hello, now);
    // Nothing is placed on it, and what it had is nobody's.
    else await tx.update(nodes).set({ subnet: null, address: null, lastSeenAt: new Date(0) }).where(eq(nodes.id, nodeId));
    return taken;
  });
}

async function nodeWithin(tx: Tx, nodeId: NodeId, subnet: string, now: Date): Promise<string | undefined> {
  // Two that come at once must see each other.
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended('node-subnets', 0))`);
  const [taken] = await tx
    .select({ name: nodes.name })
    .from(nodes)
    .where(and(ne(nodes.id, nodeId), sql`${nodes.subnet}::inet && ${subnet}::inet`, gt(nodes.lastSeenAt, new Date(now.getTime() - NODE_LOST_AFTER_MS))))
    .limit(1);
  return taken?.name;
}

async function updateNode(tx: Tx, nodeId: NodeId, hello: Message<"hello">, now: Date): Promise<void> {
  await tx
    .update(nodes)
    .set({
      capacity: hello.capacity,
      wake: hello.wake ?? null,
      subnet: hello.network?.subnet ?? null,
      address: hello.network?.address ?? null,
      facts: { ...hello.facts, version: hello.version },
      seenGeneration: hello.generation,
      generation: sql`greatest(${nodes.generation}, ${hello.generation})`,
      ...spokeAt(now),
    })
    .where(eq(nodes.id, nodeId));
}

/** It speaks now; and how long it had not, if it could have been taken for lost. */
function spokeAt(now: Date) {
  const wasSilent = sql`${nodes.lastSeenAt} < ${new Date(now.getTime() - NODE_LOST_AFTER_MS).toISOString()}::timestamptz`;
  return {
    lastSeenAt: now,
    silentFrom: sql`case when ${wasSilent} then ${nodes.lastSeenAt} else ${nodes.silentFrom} end`,
    silentUntil: sql`case when ${wasSilent} then ${now.toISOString()}::timestamptz else ${nodes.silentUntil} end`,
  };
}

export async function touchNode(db: Db, nodeId: NodeId, now: Date): Promise<void> {
  await db.update(nodes).set(spokeAt(now)).where(eq(nodes.id, nodeId));
}

export interface ReportOutcome {
  /** Apps of which an instance changed its phase, address or temperature, or is gone. */
  changedApps: AppId[];
  /** Their deployments that are under way. */
  deployments: DeploymentId[];
  /** Ended ones whose last sums are in the ledger. */
  counted: InstanceId[];
}

/** Writes a whole report; with what was used, in one transaction: nothing is gone that was not counted. */
export async function writeReport(db: Db, nodeId: NodeId, report: Message<"report">, now: Date): Promise<ReportOutcome> {
  const { usage = [] } = report;
  if (usage.length === 0) return { ...(await writeInstances(db, nodeId, report, now)), counted: [] };
  return db.transaction(async (tx) => ({ ...(await writeInstances(tx, nodeId, report, now)), counted: await countInstances(tx, nodeId, usage, now) }));
}

/**
 * All of them in one statement. What the node was told to stop, and what the report no longer names or
 * names as stopped, is gone; but only when the report was made with the generation that told it.
 */
async function writeInstances(db: Db | Tx, nodeId: NodeId, report: Message<"report">, now: Date): Promise<Omit<ReportOutcome, "counted">> {
  const at = sql`${now.toISOString()}::timestamptz`;
  // Only rows that change are locked, in the order of their ids, and the node's row is not: the rollout loop locks
  // both kinds in its own order, and neither must wait for the other in a circle.
  const { rows } = await db.execute<{ app_id: AppId; deployment_ids: DeploymentId[] | null }>(sql`
    with said as (
      select r->>'id' as id, r->>'phase' as phase, r as report
      from jsonb_array_elements(${JSON.stringify(report.instances)}::jsonb) r
    ), next as (
      select i.id, i.app_id, i.tenant_id, i.run_id, said.phase, said.report, i.phase as was_phase,
        coalesce(i.report->'temperature'->>'is', 'running') as was_temperature, coalesce((i.report->>'restarts')::int, 0) as had_restarts,
        i.state = 'stopping' and ${report.generation} >= node.generation and (said.id is null or said.phase = 'stopped') as gone,
        said.id is not null and (i.phase is distinct from said.phase
          or i.report->>'address' is distinct from said.report->>'address'
          or i.report->>'port' is distinct from said.report->>'port'
          or i.report->'temperature'->>'is' is distinct from said.report->'temperature'->>'is') as moved
      from ${instances} i join ${nodes} node on node.id = i.node_id left join said on said.id = i.id
      where i.node_id = ${nodeId} and i.state <> 'gone' and (
        (said.id is not null and (i.phase is distinct from said.phase or i.report is distinct from said.report))
        or (i.state = 'stopping' and ${report.generation} >= node.generation and (said.id is null or said.phase = 'stopped')))
      order by i.id
      for update of i
    ), written as (
      update ${instances} i set
        phase = coalesce(next.phase, i.phase),
        report = coalesce(next.report, i.report),
        not_woken_at = case when next.phase = 'ready' and coalesce(next.report->'temperature'->>'is', 'running') = 'running' then null else i.not_woken_at end,
        ready_at = case when next.phase = 'ready' then coalesce(i.ready_at, ${at}) else i.ready_at end,
        state = case when next.gone then 'gone' else i.state end,
        gone_at = case when next.gone then ${at} else i.gone_at end
      from next where i.id = next.id
      returning i.app_id, next.gone or next.moved as changed
    ), noted as (
      insert into ${appEvents} (tenant_id, app_id, instance_id, kind, cause, detail, at)
      select next.tenant_id, next.app_id, next.id, event.kind, event.cause, '{}'::jsonb, ${at}
      from next cross join lateral (values
        (1, case when (next.report->>'restarts')::int > next.had_restarts then 'crashed' end, next.report->'problem'->>'code'),
        (2, case when next.phase = 'failed' and next.was_phase is distinct from 'failed' then 'failed' end, next.report->'problem'->>'code'),
        (3, case when next.phase = 'ready' and next.was_phase is distinct from 'ready' then 'ready' end, null),
        (4, case when next.phase = 'ready' and next.was_phase = 'ready' and coalesce(next.report->'temperature'->>'is', 'running') <> next.was_temperature
          then case next.report->'temperature'->>'is' when 'running' then 'woken' else next.report->'temperature'->>'is' end end, next.report->'temperature'->>'cause'),
        (5, case when next.gone then 'gone' end, null)
      ) as event (place, kind, cause)
      where event.kind is not null and next.run_id is null
      order by next.id, event.place
    )
    select distinct w.app_id,
      (select array_agg(d.id) from ${deployments} d where d.app_id = w.app_id and d.state = 'releasing') as deployment_ids
    from written w where w.changed`);
  return { changedApps: rows.map((row) => row.app_id), deployments: rows.flatMap((row) => row.deployment_ids ?? []) };
}

/** Notes which generation the agent acts on. */
export async function writeSeenGeneration(db: Db, nodeId: NodeId, generation: number, now: Date): Promise<void> {
  await db.update(nodes).set({ seenGeneration: generation, ...spokeAt(now) }).where(eq(nodes.id, nodeId));
}
