/** Nodes for operators. */
import { and, asc, eq, gt, isNull, ne, or, sql } from "drizzle-orm";
import type { AppId, NodeId } from "../../contract/ids.ts";
import type { Placement } from "../../domain/states.ts";
import type { Db, Tx } from "../client.ts";
import { apps, instances, nodes, tenants } from "../schema.ts";

export interface NodeRow {
  node: typeof nodes.$inferSelect;
  instances: number;
}

const rows = (db: Db | Tx) => db.select({ node: nodes, instances: sql<number>`(select count(*)::int from instances i where i.node_id = nodes.id and i.state <> 'gone')` }).from(nodes).$dynamic();

/** Oldest first, after the one with the id `after`. */
export function listNodes(db: Db, limit: number, after: NodeId | undefined): Promise<NodeRow[]> {
  return rows(db)
    .where(after && gt(nodes.id, after))
    .orderBy(asc(nodes.id))
    .limit(limit);
}

export async function findNode(db: Db | Tx, nameOrId: string): Promise<NodeRow | undefined> {
  const [row] = await rows(db).where(or(eq(nodes.name, nameOrId), eq(nodes.id, nameOrId as NodeId)));
  return row;
}

/** The row stays as it is until the transaction ends. */
export async function lockNode(tx: Tx, id: NodeId): Promise<void> {
  await tx.select({ id: nodes.id }).from(nodes).where(eq(nodes.id, id)).for("update");
}

export async function setPlacement(tx: Tx, id: NodeId, placement: Placement): Promise<void> {
  await tx.update(nodes).set({ placement }).where(eq(nodes.id, id));
}

/** `moves`: instances that can be elsewhere; `stays`: those whose release mounts a volume that is on the node. */
export interface NodeAppRow {
  id: AppId;
  app: string;
  tenant: string;
  moves: number;
  stays: number;
  runs: number;
  /** On this node, whether something mounts them or not. */
  volumes: string[];
}

/** Apps with instances or volumes on the node, oldest first, after the one with the id `after`; `limit` null: all. */
export async function listNodeApps(db: Db | Tx, nodeId: NodeId, limit: number | null, after: AppId | undefined): Promise<NodeAppRow[]> {
  const isPinned = sql`exists (
    select from jsonb_array_elements(coalesce(r.settings->'mounts', '[]'::jsonb)) m
    join volumes v on v.app_id = i.app_id and v.name = m->>'volume' and v.node_id = i.node_id and v.deleted_at is null)`;
  const { rows: found } = await db.execute<NodeAppRow & Record<string, unknown>>(sql`
    with here as (
      select i.app_id, count(*) filter (where i.run_id is null and not ${isPinned})::int as moves,
        count(*) filter (where i.run_id is null and ${isPinned})::int as stays, count(*) filter (where i.run_id is not null)::int as runs
      from instances i join releases r on r.id = i.release_id
      where i.node_id = ${nodeId} and i.state <> 'gone' group by i.app_id
    ), stored as (
      select v.app_id, array_agg(v.name order by v.name) as names from volumes v where v.node_id = ${nodeId} and v.deleted_at is null group by v.app_id
    )
    select a.id, a.name as app, t.name as tenant, coalesce(h.moves, 0) as moves, coalesce(h.stays, 0) as stays, coalesce(h.runs, 0) as runs, coalesce(s.names, '{}') as volumes
    from ${apps} a join ${tenants} t on t.id = a.tenant_id left join here h on h.app_id = a.id left join stored s on s.app_id = a.id
    where (h.app_id is not null or s.app_id is not null) ${after === undefined ? sql`` : sql`and a.id > ${after}`}
    order by a.id limit ${limit}`);
  return found;
}

/** Apps with instances on the node. */
export async function appsWithInstances(tx: Tx, nodeId: NodeId): Promise<AppId[]> {
  const found = await tx.selectDistinct({ id: instances.appId }).from(instances).where(and(eq(instances.nodeId, nodeId), ne(instances.state, "gone"), isNull(instances.runId)));
  return found.map(({ id }) => id);
}
