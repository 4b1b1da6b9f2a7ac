/** What a node must run: read from the rows, rendered for its agent. */
import { and, eq, inArray, sql } from "drizzle-orm";
import type { AppId, InstanceId, NodeId, ReleaseId, TenantId } from "../../contract/ids.ts";
import type { DesiredInstance, DesiredState } from "../../contract/node-channel.ts";
import { effectivePort, type Image, type ReleaseSecret, type Settings } from "../../contract/release-config.ts";
import { ResourceLimitsSchema } from "../../contract/resource-limits.ts";
import { tenantUidBase } from "../../domain/id-ranges.ts";
import type { InstanceState } from "../../domain/states.ts";
import { sleepPolicy } from "../../domain/temperature.ts";
import type { Db } from "../client.ts";
import { apps, instances, nodes, releases, runs, tenants } from "../schema.ts";
import { renderContainers } from "./desired-containers.ts";
import { nodeVolumesSql, renderMounts, renderVolumes, type NodeVolumeRow } from "./node-volumes.ts";
import { asRun, renderRun, type RunPlace } from "./desired-runs.ts";
import { placeOf, type OpenedSecrets, type WantedSecret } from "./secrets.ts";

/** One instance that a node must run, with all that its description needs. */
export interface DesiredRow {
  id: InstanceId;
  appId: AppId;
  appName: string;
  tenantId: TenantId;
  tenantOrdinal: number;
  releaseId: ReleaseId;
  state: InstanceState;
  image: Image;
  settings: Settings;
  images: Record<string, Image>;
  env: Record<string, string>;
  sharedEnv: Record<string, string>;
  secrets: ReleaseSecret[];
  /** It runs to its end. */
  run: RunPlace | null;
}

export interface NodeRows {
  generation: number;
  instances: DesiredRow[];
  volumes: NodeVolumeRow[];
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
      state: instances.state,
      image: releases.image,
      settings: releases.settings,
      images: releases.images,
      env: releases.env,
      sharedEnv: releases.sharedEnv,
      secrets: releases.secrets,
      run: sql<RunPlace | null>`case when ${runs.id} is not null then jsonb_build_object('id', ${runs.id}, 'spec', ${runs.spec}, 'task', ${instances.task}, 'attempt', ${instances.attempt}) end`,
      // Once, however many instances there are.
      volumes: sql<NodeVolumeRow[] | null>`case when row_number() over (order by ${instances.id} nulls last) = 1 then ${nodeVolumesSql(nodeId)} end`,
    })
    .from(nodes)
    .leftJoin(instances, and(eq(instances.nodeId, nodes.id), inArray(instances.state, ["wanted", "draining", "warm"])))
    .leftJoin(releases, eq(releases.id, instances.releaseId))
    .leftJoin(apps, eq(apps.id, instances.appId))
    .leftJoin(runs, eq(runs.id, instances.runId))
    .leftJoin(tenants, eq(tenants.id, instances.tenantId))
    .where(eq(nodes.id, nodeId))
    .orderBy(sql`${instances.id} nulls last`);
  const [first] = rows;
  if (first === undefined) return undefined;
  const complete = rows.filter(({ volumes: _volumes, run: _run, ...row }) => Object.values(row).every((value) => value !== null)) as (DesiredRow & { generation: number })[];
  return { generation: first.generation, instances: complete, volumes: first.volumes ?? [] };
}

/** The digests of all layers that the rows need, each once. */
export function layerDigests(rows: readonly DesiredRow[]): string[] {
  return [...new Set(rows.flatMap((row) => [row.image, ...Object.values(row.images)].flatMap((image) => image.layers.map((layer) => layer.digest))))];
}

/** Where the bytes are of snapshots that the node makes images from. */
export function snapshotKeys({ volumes }: NodeRows): string[] {
  return volumes.flatMap(({ source }) => source?.key ?? []);
}

/** The versions of secrets that the rows need. */
export function wantedSecrets(rows: readonly DesiredRow[]): WantedSecret[] {
  return rows.flatMap(({ tenantId, secrets }) => secrets.map(({ id, version }) => ({ tenantId, id, version })));
}

/** The message for the agent. `urlOf` gives a presigned URL by a layer's digest or a snapshot's key. The opened secrets are in it, and nowhere else. */
export function renderDesired(node: NodeRows, urlOf: (digest: string) => string, opened: OpenedSecrets): DesiredState {
  return { type: "desired", generation: node.generation, instances: node.instances.map((row) => (row.run === null ? renderInstance(row, node.volumes, urlOf, opened) : renderRun(row.run, renderInstance(asRun(row, row.run), node.volumes, urlOf, opened)))), volumes: renderVolumes(node.volumes, urlOf) };
}

function renderInstance(row: DesiredRow, volumesOfNode: readonly NodeVolumeRow[], urlOf: (digest: string) => string, opened: OpenedSecrets): DesiredInstance {
  const { image, settings } = row;
  const port = instancePort(row);
  const secrets = renderSecrets(row, opened);
  const sleep = sleepPolicy(settings);
  const mounts = renderMounts(settings, row.appId, volumesOfNode);
  const hidden = new Set(row.secrets.flatMap(({ kind, name }) => (kind === "env" ? [name] : [])));
  const shown = (all: string[]) => all.filter((entry) => !hidden.has(entry.slice(0, entry.indexOf("="))));
  const env = renderEnv(image.env, { PORT: String(port) }, row.sharedEnv, row.env, settings.port === undefined ? {} : { PORT: String(port) });
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
    env: shown(env),
    ...(secrets === undefined ? {} : { secrets }),
    workingDir: image.workingDir,
    user: image.user,
    volumes: image.volumes,
    ...(mounts.length === 0 ? {} : { mounts }),
    ...(settings.scratch === undefined ? {} : { scratch: settings.scratch }),
    stopSignal: image.stopSignal,
    port,
    readiness: settings.readiness,
    readyTimeoutMs: settings.readyTimeoutMs,
    ...(settings.liveness === undefined ? {} : { liveness: settings.liveness }),
    ...(settings.preStop === undefined ? {} : { preStop: settings.preStop }),
    ...(settings.isolation === "gvisor" ? { isolation: settings.isolation } : {}),
    stopGraceMs: settings.stopGraceMs,
    ...(sleep === undefined ? {} : { sleep }),
    ...(row.state === "warm" ? { keptWarm: true } : {}),
    limits: {
      memoryBytes: settings.memoryBytes,
      cpuMillis: settings.cpuMillis,
      pidsMax: settings.pidsMax,
      logBytes: settings.logBytes,
      // A release made before one of them was known has its default.
      ...ResourceLimitsSchema.parse(settings),
    },
    ...renderNetwork(settings),
    ...(settings.startup === undefined ? {} : { startup: settings.startup }),
    ...(settings.restartPolicy === undefined ? {} : { restartPolicy: settings.restartPolicy }),
    ...renderContainers(row, urlOf, (own, hasAppEnv, more) => (hasAppEnv ? shown(renderEnv(own.env, row.sharedEnv, row.env, more)) : renderEnv(own.env, more))),
  };
}

function renderNetwork({ ingress, egress, egressBytesPerSecond }: Settings): Pick<DesiredInstance, "network"> {
  const network = { ...(ingress ? { ingress } : {}), ...(egress ? { egress } : {}), ...(egressBytesPerSecond ? { egressBytesPerSecond } : {}) };
  return Object.keys(network).length === 0 ? {} : { network };
}

/** Without its secrets an instance is not run: it says why instead. */
function renderSecrets({ tenantId, secrets }: DesiredRow, opened: OpenedSecrets): DesiredInstance["secrets"] {
  if (secrets.length === 0) return undefined;
  const env: string[] = [];
  const files: { name: string; content: string }[] = [];
  for (const { id, name, kind, version } of secrets) {
    const value = opened.get(placeOf({ tenantId, id, version }));
    if (!Buffer.isBuffer(value)) return { kind: "unavailable", detail: `The secret «${name}» (version ${version}) cannot be opened. Set it again, or ask the operator for the keys.` };
    if (kind === "env") env.push(`${name}=${value.toString("utf8")}`);
    else files.push({ name, content: value.toString("base64") });
  }
  return { kind: "values", env, files };
}

/** The port to probe: the setting, else a PORT that the owner set in the environment, else what the image says. */
function instancePort({ settings, env, sharedEnv, image }: DesiredRow): number {
  const wanted = env["PORT"] ?? sharedEnv["PORT"] ?? "";
  const own = /^[1-9][0-9]{0,4}$/.test(wanted) ? Number(wanted) : undefined;
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
