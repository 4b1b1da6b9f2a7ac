/** What a node must run: read from the rows, rendered for its agent. */
import { and, eq, inArray, sql } from "drizzle-orm";
import type { AppId, InstanceId, NodeId, ReleaseId, TenantId } from "../../contract/ids.ts";
import type { DesiredInstance, DesiredState } from "../../contract/node-channel.ts";
import { effectivePort, type Image, type Settings } from "../../contract/release-config.ts";
import { tenantUidBase } from "../../domain/id-ranges.ts";
import type { Db } from "../client.ts";
import { apps, instances, nodes, releases, tenants } from "../schema.ts";

/** One instance that a node must run, with all that its description needs. */
export interface DesiredRow {
  id: InstanceId;
  appId: AppId;
  appName: string;
  tenantId: TenantId;
  tenantOrdinal: number;
  releaseId: ReleaseId;
  image: Image;
  settings: Settings;
  env: Record<string, string>;
}

export interface NodeRows {
  generation: number;
  instances: DesiredRow[];
}

/** Generation and instances of one moment: one statement reads both. Undefined when there is no such node. */
export async function readNode(db: Db, nodeId: NodeId): Promise<NodeRows | undefined> {
  const rows = await db
    .select({
      generation: nodes.generation,
      id: instances.id,
      appId: apps.id,
      appName: apps.name,
      tenantId: tenants.id,
      tenantOrdinal: tenants.ordinal,
      releaseId: releases.id,
      image: releases.image,
      settings: releases.settings,
      env: releases.env,
    })
    .from(nodes)
    .leftJoin(instances, and(eq(instances.nodeId, nodes.id), inArray(instances.state, ["wanted", "draining"])))
    .leftJoin(releases, eq(releases.id, instances.releaseId))
    .leftJoin(apps, eq(apps.id, instances.appId))
    .leftJoin(tenants, eq(tenants.id, instances.tenantId))
    .where(eq(nodes.id, nodeId))
    .orderBy(sql`${instances.id} nulls last`);
  const [first] = rows;
  if (first === undefined) return undefined;
  const complete = rows.filter((row) => Object.values(row).every((value) => value !== null)) as (DesiredRow & { generation: number })[];
  return { generation: first.generation, instances: complete };
}

/** The digests of all layers that the rows need, each once. */
export function layerDigests(rows: readonly DesiredRow[]): string[] {
  return [...new Set(rows.flatMap((row) => row.image.layers.map((layer) => layer.digest)))];
}

/** The message for the agent. `urlOf` gives a layer's presigned URL by digest. */
export function renderDesired(node: NodeRows, urlOf: (digest: string) => string): DesiredState {
  return { type: "desired", generation: node.generation, instances: node.instances.map((row) => renderInstance(row, urlOf)) };
}

function renderInstance(row: DesiredRow, urlOf: (digest: string) => string): DesiredInstance {
  const { image, settings } = row;
  const port = instancePort(row);
  return {
    id: row.id,
    appId: row.appId,
    appName: row.appName,
    tenantId: row.tenantId,
    releaseId: row.releaseId,
    uidBase: tenantUidBase(row.tenantOrdinal),
    hostname: `${row.appName}-${row.id.slice(-6)}`,
    layers: image.layers.map((layer) => ({ ...layer, url: urlOf(layer.digest) })),
    args: [...image.entrypoint, ...(settings.command ?? image.cmd)],
    env: renderEnv(image.env, { PORT: String(port) }, row.env, settings.port === undefined ? {} : { PORT: String(port) }),
    workingDir: image.workingDir,
    user: image.user,
    volumes: image.volumes,
    stopSignal: image.stopSignal,
    port,
    readiness: settings.readiness,
    readyTimeoutMs: settings.readyTimeoutMs,
    stopGraceMs: settings.stopGraceMs,
    limits: {
      memoryBytes: settings.memoryBytes,
      cpuMillis: settings.cpuMillis,
      pidsMax: settings.pidsMax,
      logBytes: settings.logBytes,
    },
  };
}

/** The port to probe: the setting, else a PORT that the owner set in the environment, else what the image says. */
function instancePort({ settings, env, image }: DesiredRow): number {
  const own = /^[1-9][0-9]{0,4}$/.test(env["PORT"] ?? "") ? Number(env["PORT"]) : undefined;
  return settings.port ?? (own !== undefined && own <= 65_535 ? own : effectivePort(settings, image));
}

/** `NAME=value` for each name; the later source wins, each name keeps its first place. */
function renderEnv(imageEnv: readonly string[], ...sources: Record<string, string>[]): string[] {
  const merged = new Map<string, string>();
  for (const entry of imageEnv) {
    const at = entry.indexOf("=");
    if (at > 0) merged.set(entry.slice(0, at), entry.slice(at + 1));
  }
  for (const source of sources) {
    for (const [name, value] of Object.entries(source)) merged.set(name, value);
  }
  return [...merged].map(([name, value]) => `${name}=${value}`);
}

/** The generation of each of these nodes, for the timer that stands behind the bells. */
export async function readGenerations(db: Db, nodeIds: readonly NodeId[]): Promise<Map<NodeId, number>> {
  const rows = await db.select({ id: nodes.id, generation: nodes.generation }).from(nodes).where(inArray(nodes.id, [...nodeIds]));
  return new Map(rows.map((row) => [row.id, row.generation]));
}
