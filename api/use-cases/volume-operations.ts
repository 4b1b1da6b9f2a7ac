/** `/v1/apps/{app}/volumes/{volume}/operations`: what takes its time. The rollout loop carries it out, step by step. */
import { AppError } from "../../core/contract/errors.ts";
import type { Id, NodeId } from "../../core/contract/ids.ts";
import type { VolumeOperation, VolumeOperationCreate } from "../../core/contract/volumes.ts";
import type { Tx } from "../../core/db/client.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { requireRoom } from "../../core/db/queries/quota.ts";
import { findNodeNamed, findOperation as readOperation, findSnapshot, insertOperation, listOperations as readOperations, mountedVolumes, type VolumeDetails } from "../../core/db/queries/volumes.ts";
import { NODE_LOST_AFTER_MS } from "../../core/domain/rollout-instances.ts";
import type { Actor, Deps } from "../deps.ts";
import { keepInside } from "../idempotency.ts";
import { toOperation } from "../views/volume.ts";
import { cursorOf, pageOfRows, type Page, type PageRequest } from "./page.ts";
import { busy, requireVolume, takeVolume } from "./volumes.ts";

/** @throws AppError not_found, volume_empty, volume_busy, volume_node_lost, conflict, quota_exceeded */
export async function startOperation(deps: Deps, actor: Actor, app: string, name: string, input: VolumeOperationCreate): Promise<{ operation: VolumeOperation; app: string }> {
  const now = deps.clock();
  const { appId, made, appName } = await deps.db.transaction(async (tx) => {
    const { app: found, details } = await takeVolume(tx, actor, app, name);
    const { volume } = details;
    if (details.operation !== null) throw busy(details);
    if (volume.nodeId === null) throw new AppError("volume_empty", `Nothing was stored in «${name}» yet: it comes to be, on some node, with the first instance that mounts it.`);
    const wish = await read(tx, actor, found.id, details, input, now);
    const row = await insertOperation(tx, { tenantId: actor.tenantId, appId: found.id, volumeId: volume.id, kind: input.kind, ...wish, createdAt: now });
    if (row === undefined) throw busy(details);
    await writeAudit(tx, actor, `volume.${input.kind}`, volume.id, { app: found.name, name, operation: row.id, ...wish });
    const toNode = "node" in input ? (input.node ?? null) : null;
    const operation = toOperation({ operation: row, toNode }, name);
    await keepInside(tx, actor, { status: 202, location: locationOf(found.name, operation), body: operation });
    return { appId: found.id, made: operation, appName: found.name };
  });
  deps.bells.ring("reconcile", appId);
  return { operation: made, app: appName };
}

export function locationOf(app: string, { volume, id }: VolumeOperation): string {
  return `/v1/apps/${app}/volumes/${volume}/operations/${id}`;
}

async function read(tx: Tx, actor: Actor, appId: VolumeDetails["volume"]["appId"], { volume, image }: VolumeDetails, input: VolumeOperationCreate, now: Date): Promise<{ snapshotId?: Id<"snapshot">; toNodeId?: NodeId }> {
  if (input.kind === "snapshot") {
    if (image?.state !== "whole") throw new AppError("volume_empty", `Nothing was stored in «${volume.name}» yet.`);
    await requireRoom(tx, actor.tenantId, "storageBytes", 1);
    return {};
  }
  const toNodeId = input.node === undefined ? undefined : await requireNode(tx, input.node, volume.nodeId, now);
  if (toNodeId !== undefined && toNodeId !== volume.nodeId) await requireLoneMount(tx, actor, appId, volume.name);
  if (input.kind === "move") {
    if (toNodeId === undefined || toNodeId === volume.nodeId) throw new AppError("conflict", `«${volume.name}» is on ${input.node} already.`);
    return { toNodeId };
  }
  const snapshot = await findSnapshot(tx, actor.tenantId, volume.id, input.snapshot);
  if (snapshot === undefined || snapshot.state === "removing") throw new AppError("not_found", `«${volume.name}» has no snapshot ${input.snapshot}.`);
  if (snapshot.state !== "ready") throw new AppError("conflict", `The snapshot ${snapshot.id} is ${snapshot.state}: it cannot be restored.`);
  return { snapshotId: snapshot.id, ...(toNodeId === undefined ? {} : { toNodeId }) };
}

async function requireNode(tx: Tx, name: string, present: NodeId | null, now: Date): Promise<NodeId> {
  const node = await findNodeNamed(tx, name);
  if (node === undefined) throw new AppError("not_found", `There is no node «${name}».`);
  if (now.getTime() - (node.lastSeenAt?.getTime() ?? 0) > NODE_LOST_AFTER_MS) throw new AppError("volume_node_lost", `The node «${name}» is away.`);
  if (node.placement !== "open" && node.id !== present) throw new AppError("conflict", `The node «${name}» is cordoned: it takes nothing new. Choose another one.`);
  return node.id;
}

/** An app's volumes are on one node: one of several cannot go alone while the app mounts them. */
async function requireLoneMount(tx: Tx, actor: Actor, appId: VolumeDetails["volume"]["appId"], name: string): Promise<void> {
  const mounted = await mountedVolumes(tx, actor.tenantId, appId);
  const others = [...mounted].filter((other) => other !== name);
  if (!mounted.has(name) || others.length === 0) return;
  throw new AppError("conflict", `The app mounts «${others.join("», «")}», too, and no instance can mount volumes of two nodes. Deploy it without mounts, move each volume, and mount them again.`);
}

/** @throws AppError not_found */
export async function listOperations(deps: Deps, actor: Actor, app: string, name: string, page: PageRequest): Promise<Page<VolumeOperation>> {
  const { details } = await requireVolume(deps.db, actor, app, name);
  const rows = await readOperations(deps.db, actor.tenantId, details.volume.id, page.limit + 1, cursorOf("operation", page));
  return pageOfRows(rows, page, ({ operation }) => operation.id, (row) => toOperation(row, name));
}

/** @throws AppError not_found */
export async function getOperation(deps: Deps, actor: Actor, app: string, name: string, id: Id<"operation">): Promise<VolumeOperation> {
  const { details } = await requireVolume(deps.db, actor, app, name);
  const row = await readOperation(deps.db, actor.tenantId, details.volume.id, id);
  if (row === undefined) throw new AppError("not_found", `«${name}» has no operation ${id}.`);
  return toOperation(row, name);
}
