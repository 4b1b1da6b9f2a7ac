/** `/v1/operator/nodes`: the fleet, and which of it takes instances. */
import { AppError } from "../../core/contract/errors.ts";
import type { Node, NodeApp, NodePatch } from "../../core/contract/nodes.ts";
import type { Tx } from "../../core/db/client.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { appsWithInstances, findNode, listNodeApps, listNodes as readNodes, lockNode, setPlacement, type NodeRow } from "../../core/db/system-queries/nodes.ts";
import { readNodes as readNodeViews } from "../../core/db/system-queries/rollout.ts";
import { placementOf, whyNotDrained } from "../../core/domain/drain.ts";
import { NODE_LOST_AFTER_MS } from "../../core/domain/rollout-instances.ts";
import type { Placement } from "../../core/domain/states.ts";
import type { Deps, Operator } from "../deps.ts";
import { checkVersion, contentVersion, type IfMatch } from "../preconditions.ts";
import { cursorOf, pageOfRows, type Page, type PageRequest } from "./page.ts";

/** @throws AppError invalid_request */
export async function listNodes(deps: Deps, page: PageRequest): Promise<Page<Node>> {
  const now = deps.clock();
  const rows = await readNodes(deps.db, page.limit + 1, cursorOf("node", page));
  return pageOfRows(rows, page, ({ node }) => node.id, (row) => toNode(row, now));
}

/** @throws AppError not_found */
export async function getNode(deps: Deps, nameOrId: string): Promise<Node> {
  return toNode(await requireNode(deps.db, nameOrId), deps.clock());
}

/** Of what people change: whether it takes instances. */
export function nodeVersion({ schedulable, draining }: Pick<Node, "schedulable" | "draining">): number {
  return contentVersion({ schedulable: String(schedulable), draining: String(draining) });
}

/** @throws AppError not_found, invalid_request */
export async function listAppsOfNode(deps: Deps, nameOrId: string, page: PageRequest): Promise<Page<NodeApp>> {
  const { node } = await requireNode(deps.db, nameOrId);
  const rows = await listNodeApps(deps.db, node.id, page.limit + 1, cursorOf("app", page));
  return pageOfRows(rows, page, ({ id }) => id, (row) => row);
}

/** Cordons it, or lets it take instances again; either ends a drain. @throws AppError not_found, version_mismatch */
export async function updateNode(deps: Deps, operator: Operator, nameOrId: string, { schedulable }: NodePatch, ifMatch: IfMatch): Promise<Node> {
  return deps.db.transaction(async (tx) => {
    const row = await lockedNode(tx, nameOrId);
    checkVersion(nodeVersion(shownPlacement(row.node.placement)), ifMatch);
    if (schedulable !== undefined) await place(tx, operator, row, placementOf(schedulable), schedulable ? "node.uncordon" : "node.cordon");
    return toNode(await requireNode(tx, row.node.id), deps.clock());
  });
}

/** What can be elsewhere moves there, and nothing more comes. Doing it twice changes nothing. @throws AppError not_found, conflict (there is no elsewhere) */
export async function drainNode(deps: Deps, operator: Operator, nameOrId: string): Promise<Node> {
  const now = deps.clock();
  const { node, moving } = await deps.db.transaction(async (tx) => {
    const row = await lockedNode(tx, nameOrId);
    const { id, placement } = row.node;
    const moves = (await listNodeApps(tx, id, null, undefined)).reduce((sum, each) => sum + each.moves, 0);
    const refusal = placement === "draining" ? undefined : whyNotDrained(await readNodeViews(tx, now), id, moves, now.getTime());
    if (refusal !== undefined) throw new AppError("conflict", refusal);
    await place(tx, operator, row, "draining", "node.drain");
    return { node: toNode(await requireNode(tx, id), now), moving: await appsWithInstances(tx, id) };
  });
  for (const id of moving) deps.bells.ring("reconcile", id);
  return node;
}

async function place(tx: Tx, operator: Operator, { node }: NodeRow, placement: Placement, verb: string): Promise<void> {
  if (node.placement === placement) return;
  await setPlacement(tx, node.id, placement);
  await writeAudit(tx, operator, verb, node.id, { name: node.name }, { before: { placement: node.placement }, after: { placement } });
}

/** @throws AppError not_found */
async function requireNode(db: Deps["db"] | Tx, nameOrId: string): Promise<NodeRow> {
  const found = await findNode(db, nameOrId);
  if (found === undefined) throw new AppError("not_found", `There is no node «${nameOrId}».`);
  return found;
}

async function lockedNode(tx: Tx, nameOrId: string): Promise<NodeRow> {
  const { node } = await requireNode(tx, nameOrId);
  await lockNode(tx, node.id);
  return requireNode(tx, node.id);
}

function shownPlacement(placement: Placement): Pick<Node, "schedulable" | "draining"> {
  return { schedulable: placement === "open", draining: placement === "draining" };
}

function toNode({ node, instances }: NodeRow, now: Date): Node {
  const { id, name, lastSeenAt, placement, capacity, subnet, address, facts } = node;
  return {
    id,
    name,
    isUp: lastSeenAt !== null && now.getTime() - lastSeenAt.getTime() <= NODE_LOST_AFTER_MS,
    lastSeenAt: lastSeenAt?.toISOString() ?? null,
    ...shownPlacement(placement),
    instances,
    maxInstances: capacity?.instances ?? null,
    memoryBytes: capacity?.memoryBytes ?? null,
    cpuMillis: capacity?.cpuMillis ?? null,
    subnet,
    address,
    facts,
  };
}
