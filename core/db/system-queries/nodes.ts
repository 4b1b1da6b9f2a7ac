/** Nodes for operators. */
import { asc, gt, sql } from "drizzle-orm";
import type { NodeId } from "../../contract/ids.ts";
import type { Db } from "../client.ts";
import { nodes } from "../schema.ts";

export interface NodeRow {
  node: typeof nodes.$inferSelect;
  instances: number;
}

/** Oldest first, after the one with the id `after`. */
export function listNodes(db: Db, limit: number, after: NodeId | undefined): Promise<NodeRow[]> {
  return db
    .select({ node: nodes, instances: sql<number>`(select count(*)::int from instances i where i.node_id = nodes.id and i.state <> 'gone')` })
    .from(nodes)
    .where(after && gt(nodes.id, after))
    .orderBy(asc(nodes.id))
    .limit(limit);
}
