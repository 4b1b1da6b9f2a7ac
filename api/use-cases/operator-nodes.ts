/** `/v1/operator/nodes`: the fleet. */
import type { Node } from "../../core/contract/nodes.ts";
import { listNodes as readNodes, type NodeRow } from "../../core/db/system-queries/nodes.ts";
import { NODE_LOST_AFTER_MS } from "../../core/domain/rollout-instances.ts";
import type { Deps } from "../deps.ts";
import { cursorOf, pageOfRows, type Page, type PageRequest } from "./page.ts";

/** @throws AppError invalid_request */
export async function listNodes(deps: Deps, page: PageRequest): Promise<Page<Node>> {
  const now = deps.clock();
  const rows = await readNodes(deps.db, page.limit + 1, cursorOf("node", page));
  return pageOfRows(rows, page, ({ node }) => node.id, (row) => toNode(row, now));
}

function toNode({ node, instances }: NodeRow, now: Date): Node {
  const { id, name, lastSeenAt, capacity, subnet, address, facts } = node;
  return {
    id,
    name,
    isUp: lastSeenAt !== null && now.getTime() - lastSeenAt.getTime() <= NODE_LOST_AFTER_MS,
    lastSeenAt: lastSeenAt?.toISOString() ?? null,
    instances,
    maxInstances: capacity?.instances ?? null,
    memoryBytes: capacity?.memoryBytes ?? null,
    cpuMillis: capacity?.cpuMillis ?? null,
    subnet,
    address,
    facts,
  };
}
