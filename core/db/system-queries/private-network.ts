/** What a node must know of its tenants' apps on other nodes, and of those nodes. */
import { and, eq, gt, inArray, isNotNull, isNull, ne, sql } from "drizzle-orm";
import { isIPv4 } from "node:net";
import type { AppId, InstanceId, NodeId, TenantId } from "../../contract/ids.ts";
import type { PrivateNetwork, Service, ServiceInstance } from "../../contract/private-network.ts";
import { tenantUidBase } from "../../domain/id-ranges.ts";
import { NODE_LOST_AFTER_MS } from "../../domain/rollout-instances.ts";
import type { Db } from "../client.ts";
import { apps, instances, nodes, releases, tenants } from "../schema.ts";

export interface ServiceRow {
  tenantId: TenantId;
  ordinal: number;
  appId: AppId;
  name: string;
  /** It has a live release that may run. */
  isLive: boolean;
  instanceId: InstanceId | null;
  nodeId: NodeId | null;
  address: string | null;
  serves: boolean | null;
  asleep: boolean | null;
}

export async function readPrivateNetwork(db: Db, nodeId: NodeId, now: Date): Promise<PrivateNetwork> {
  const up = await db
    .select({ id: nodes.id, subnet: nodes.subnet, address: nodes.address, wake: nodes.wake })
    .from(nodes)
    .where(and(isNotNull(nodes.subnet), gt(nodes.lastSeenAt, new Date(now.getTime() - NODE_LOST_AFTER_MS))))
    .orderBy(nodes.id);
  const here = db.selectDistinct({ id: instances.tenantId }).from(instances).where(and(eq(instances.nodeId, nodeId), ne(instances.state, "gone")));
  const rows = await db
    .select({
      tenantId: tenants.id,
      ordinal: tenants.ordinal,
      appId: apps.id,
      name: apps.name,
      isLive: sql<boolean>`${tenants.suspendedAt} is null and ${releases.id} is not null and (${releases.settings} ? 'scaling' or (${releases.settings}->>'replicas')::int > 0)`,
      instanceId: instances.id,
      nodeId: instances.nodeId,
      address: sql<string | null>`${instances.report}->>'address'`,
      serves: sql<boolean | null>`${instances.state} = 'wanted' and ${instances.phase} = 'ready' and ${instances.releaseId} is not distinct from ${apps.liveReleaseId}`,
      asleep: sql<boolean | null>`coalesce(${instances.report}->'temperature'->>'is', 'running') <> 'running'`,
    })
    .from(apps)
    .innerJoin(tenants, eq(tenants.id, apps.tenantId))
    .leftJoin(releases, eq(releases.id, apps.liveReleaseId))
    .leftJoin(instances, and(eq(instances.appId, apps.id), ne(instances.state, "gone")))
    .where(and(inArray(apps.tenantId, here), isNull(apps.deletedAt)))
    .orderBy(apps.id, instances.id);
  return renderPrivateNetwork(up.flatMap(({ subnet, address, wake, id }) => (subnet === null ? [] : [{ id, subnet, ...(address === null ? {} : { address }), ...(wake === null ? {} : { wake }) }])), rows);
}

export function renderPrivateNetwork(up: PrivateNetwork["nodes"], rows: readonly ServiceRow[]): PrivateNetwork {
  const byTenant = [...Map.groupBy(rows, ({ tenantId }) => tenantId)];
  return {
    type: "network",
    nodes: up,
    tenants: byTenant.map(([id, all]) => ({
      id,
      uidBase: tenantUidBase(all[0]?.ordinal ?? 0),
      services: [...Map.groupBy(all, ({ appId }) => appId).values()].map(renderService),
    })),
  };
}

function renderService(rows: readonly ServiceRow[]): Service {
  const { appId, name, isLive } = rows[0] as ServiceRow;
  const found = rows.flatMap(({ instanceId: id, nodeId, address, serves, asleep }): ServiceInstance[] =>
    // An address is a node's word: what is none must not keep a tenant's other instances from being known.
    id === null || nodeId === null || address === null || !isIPv4(address) ? [] : [{ id, nodeId, address, serves: serves === true, asleep: asleep === true }],
  );
  return { appId, name, isLive, instances: found };
}

/** Nodes where the app's tenant has instances: they must know of a change of the app. */
export async function nodesThatSee(db: Db, appId: AppId): Promise<NodeId[]> {
  const tenant = db.select({ id: apps.tenantId }).from(apps).where(eq(apps.id, appId));
  const rows = await db.selectDistinct({ id: instances.nodeId }).from(instances).where(and(inArray(instances.tenantId, tenant), ne(instances.state, "gone")));
  return rows.map(({ id }) => id);
}
