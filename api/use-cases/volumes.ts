/** `/v1/apps/{app}/volumes`: what an app keeps. */
import { AppError } from "../../core/contract/errors.ts";
import type { Id } from "../../core/contract/ids.ts";
import type { Volume, VolumeSnapshot } from "../../core/contract/volumes.ts";
import type { Db, Tx } from "../../core/db/client.ts";
import type { AppRow } from "../../core/db/queries/apps.ts";
import { writeAudit } from "../../core/db/queries/audit.ts";
import { requireRoom } from "../../core/db/queries/quota.ts";
import {
  deleteVolumes,
  findSnapshot,
  findVolume,
  growVolume,
  insertVolume,
  listSnapshots as readSnapshots,
  listVolumes as readVolumes,
  mountedVolumes,
  removeSnapshot,
  type VolumeDetails,
} from "../../core/db/queries/volumes.ts";
import { bumpNode, lockApp } from "../../core/db/system-queries/rollout.ts";
import type { Actor, Deps } from "../deps.ts";
import { keepInside } from "../idempotency.ts";
import { toSnapshot, toVolume } from "../views/volume.ts";
import { cursorOf, pageOfRows, type Page, type PageRequest } from "./page.ts";
import { requireApp } from "./require.ts";

/** @throws AppError not_found */
export async function requireVolume(db: Db | Tx, actor: Actor, app: string, name: string): Promise<{ app: AppRow; details: VolumeDetails }> {
  const found = await requireApp(db, actor, app);
  const details = await findVolume(db, actor.tenantId, found.id, name);
  if (details === undefined) throw new AppError("not_found", `${found.name} has no volume «${name}».`);
  return { app: found, details };
}

/** The same, locked against the rollout loop. */
export async function takeVolume(tx: Tx, actor: Actor, app: string, name: string): Promise<{ app: AppRow; details: VolumeDetails }> {
  const { id } = await requireApp(tx, actor, app);
  await lockApp(tx, id);
  return requireVolume(tx, actor, id, name);
}

/** @throws AppError not_found */
export async function listVolumes(deps: Deps, actor: Actor, app: string, page: PageRequest): Promise<Page<Volume>> {
  const { id, name } = await requireApp(deps.db, actor, app);
  const rows = await readVolumes(deps.db, actor.tenantId, id, { limit: page.limit + 1, after: cursorOf("volume", page) });
  return pageOfRows(rows, page, ({ volume }) => volume.id, (row) => toVolume(row, name, deps.clock()));
}

/** @throws AppError not_found */
export async function getVolume(deps: Deps, actor: Actor, app: string, name: string): Promise<Volume> {
  const found = await requireVolume(deps.db, actor, app, name);
  return toVolume(found.details, found.app.name, deps.clock());
}

/** Nothing is stored before an instance mounts it. @throws AppError not_found, name_taken, quota_exceeded */
export async function createVolume(deps: Deps, actor: Actor, app: string, { name, sizeBytes }: { name: string; sizeBytes: number }): Promise<Volume> {
  return deps.db.transaction(async (tx) => {
    const found = await requireApp(tx, actor, app);
    await lockApp(tx, found.id);
    const id = await insertVolume(tx, { tenantId: actor.tenantId, appId: found.id, name, sizeBytes });
    if (id === undefined) throw new AppError("name_taken", `${found.name} has a volume «${name}» already.`);
    await writeAudit(tx, actor, "volume.create", id, { app: found.name, name, sizeBytes });
    const { details } = await requireVolume(tx, actor, found.id, name);
    const volume = toVolume(details, found.name, deps.clock());
    await keepInside(tx, actor, { status: 201, location: `/v1/apps/${found.name}/volumes/${name}`, body: volume });
    return volume;
  });
}

/** @throws AppError not_found, invalid_request, quota_exceeded */
export async function resizeVolume(deps: Deps, actor: Actor, app: string, name: string, sizeBytes: number): Promise<Volume> {
  const { volume, nodeId } = await deps.db.transaction(async (tx) => {
    const found = await takeVolume(tx, actor, app, name);
    const { volume: row } = found.details;
    if (sizeBytes < row.sizeBytes) throw new AppError("invalid_request", `A volume only grows: «${name}» has ${row.sizeBytes} bytes, ${sizeBytes} were asked for.`, { fields: [{ path: "sizeBytes", message: `is at least ${row.sizeBytes}` }] });
    if (sizeBytes > row.sizeBytes) {
      await requireRoom(tx, actor.tenantId, "volumeBytes", sizeBytes - row.sizeBytes);
      await growVolume(tx, actor.tenantId, row.id, sizeBytes);
      if (row.nodeId !== null) await bumpNode(tx, row.nodeId);
      await writeAudit(tx, actor, "volume.resize", row.id, { app: found.app.name, name }, { before: { sizeBytes: row.sizeBytes }, after: { sizeBytes } });
    }
    const grown = toVolume((await requireVolume(tx, actor, found.app.id, name)).details, found.app.name, deps.clock());
    await keepInside(tx, actor, { status: 200, body: grown });
    return { volume: grown, nodeId: row.nodeId };
  });
  if (nodeId !== null) deps.bells.ring("node", nodeId);
  return volume;
}

/** It goes with all of its snapshots. @throws AppError not_found, volume_in_use, volume_busy */
export async function deleteVolume(deps: Deps, actor: Actor, app: string, name: string): Promise<void> {
  const { appId, nodes } = await deps.db.transaction(async (tx) => {
    const { app: found, details } = await takeVolume(tx, actor, app, name);
    const { volume, operation } = details;
    if ((await mountedVolumes(tx, actor.tenantId, found.id)).has(name)) {
      throw new AppError("volume_in_use", `${found.name} mounts «${name}». Deploy it without the mount (settings.mounts) first, and wait until the former instances have ended.`);
    }
    if (operation !== null) throw busy(details);
    const touched = await deleteVolumes(tx, actor.tenantId, [volume.id], deps.clock());
    await writeAudit(tx, actor, "volume.delete", volume.id, { app: found.name, name, sizeBytes: volume.sizeBytes });
    return { appId: found.id, nodes: touched };
  });
  deps.bells.ring("reconcile", appId);
  for (const id of nodes) deps.bells.ring("node", id);
}

export function busy({ volume, operation }: VolumeDetails): AppError {
  return new AppError("volume_busy", `A ${operation?.kind ?? "change"} of «${volume.name}» is under way${operation ? ` (${operation.id}, ${operation.state})` : ""}: wait until it has ended.`);
}

/** @throws AppError not_found */
export async function listSnapshots(deps: Deps, actor: Actor, app: string, name: string, page: PageRequest): Promise<Page<VolumeSnapshot>> {
  const { details } = await requireVolume(deps.db, actor, app, name);
  const rows = await readSnapshots(deps.db, actor.tenantId, details.volume.id, page.limit + 1, cursorOf("snapshot", page));
  return pageOfRows(rows, page, ({ id }) => id, (row) => toSnapshot(row, name));
}

/** @throws AppError not_found, volume_busy */
export async function deleteSnapshot(deps: Deps, actor: Actor, app: string, name: string, id: Id<"snapshot">): Promise<void> {
  await deps.db.transaction(async (tx) => {
    const { app: found, details } = await takeVolume(tx, actor, app, name);
    const row = await findSnapshot(tx, actor.tenantId, details.volume.id, id);
    if (row === undefined) throw new AppError("not_found", `«${name}» has no snapshot ${id}.`);
    if (row.state === "removing") return;
    if (!(await removeSnapshot(tx, actor.tenantId, id))) throw busy(details);
    await writeAudit(tx, actor, "volume.snapshot-delete", details.volume.id, { app: found.name, name, snapshot: id });
  });
}
