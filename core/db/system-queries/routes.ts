/** Where gateways send requests: read from the rows. */
import { and, asc, eq, inArray, isNull, sql } from "drizzle-orm";
import { isIPv4 } from "node:net";
import type { Endpoint, Route } from "../../contract/gateway-channel.ts";
import type { AppId, ReleaseId } from "../../contract/ids.ts";
import type { InstanceReport, Phase } from "../../contract/node-channel.ts";
import { appHost } from "../../contract/names.ts";
import type { Settings } from "../../contract/release-config.ts";
import type { Strategy } from "../../contract/strategy.ts";
import type { WakeAddress } from "../../contract/wake.ts";
import type { InstanceState } from "../../domain/states.ts";
import { strategyOf } from "../../domain/strategy.ts";
import { sleepPolicy, type Temperature } from "../../domain/temperature.ts";
import type { Db } from "../client.ts";
import { apps, deployments, domains, instances, nodes, releases, tenants } from "../schema.ts";

/** How long the gateway holds a request for an app that has no endpoint but should get one. */
const HOLD_TIMEOUT_MS = 30_000;

export interface RouteRow {
  appId: AppId;
  appName: string;
  /** Hosts of the tenant's own that were proved. */
  domains: string[];
  tenantName: string;
  liveReleaseId: ReleaseId | null;
  targetReleaseId: ReleaseId | null;
  liveNumber: number | null;
  /** The release on its way, while there is a live one. */
  coming: { number: number; settings: Settings; wasLive: boolean; step: number | null } | null;
  /** Its new release is watched, ms since 1970; null: it is not. */
  watchUntil: number | null;
  /** Of the live release, else of the app. */
  requestTimeoutMs: number;
  concurrency: number;
  sleep: Pick<Settings, "scaling" | "freezeAfterMs">;
  http: Settings["http"] | null;
  maintenance: Route["maintenance"] | null;
  /** Whether an instance is there or will come when one is asked for. */
  mayRun: boolean;
}

export interface RouteInstance {
  id: Endpoint["instanceId"];
  appId: AppId;
  releaseId: ReleaseId;
  state: InstanceState;
  phase: Phase | null;
  address: InstanceReport["address"] | null;
  port: number | null;
  temperature: Temperature | null;
  wake: WakeAddress | null;
  /** Of its own release. */
  protocol: "http1" | "h2c" | null;
}

/** The routes of all apps, or of these; an app that is gone or private has no route here. */
export async function readRoutes(db: Db, suffix: string, appIds?: readonly AppId[]): Promise<Route[]> {
  if (appIds?.length === 0) return [];
  const settings = sql`coalesce(${releases.settings}, ${apps.settings})`;
  const setting = (name: string) => sql<number>`(${settings}->>${sql.raw(`'${name}'`)})::int`;
  return db.transaction(
    async (tx) => {
      const rows = await tx
        .select({
          appId: apps.id,
          appName: apps.name,
          tenantName: tenants.name,
          domains: sql<string[]>`array(select d.host from ${domains} d where d.app_id = ${apps.id} and d.verified_at is not null order by d.host)`,
          liveReleaseId: apps.liveReleaseId,
          targetReleaseId: apps.targetReleaseId,
          liveNumber: releases.number,
          coming: sql<RouteRow["coming"]>`case when ${apps.liveReleaseId} is not null and ${apps.targetReleaseId} is distinct from ${apps.liveReleaseId} then (
            select jsonb_build_object('number', t.number, 'settings', t.settings, 'wasLive', t.live_at is not null,
              'step', (select d.step from ${deployments} d where d.app_id = ${apps.id} and d.state = 'releasing' and d.release_id = t.id limit 1))
            from ${releases} t where t.id = ${apps.targetReleaseId}) end`,
          watchUntil: sql<number | null>`(${apps.watch}->>'until')::float8`,
          requestTimeoutMs: setting("requestTimeoutMs"),
          concurrency: setting("concurrency"),
          sleep: sql<RouteRow["sleep"]>`jsonb_strip_nulls(jsonb_build_object('scaling', ${settings}->'scaling', 'freezeAfterMs', ${settings}->'freezeAfterMs'))`,
          http: sql<RouteRow["http"]>`${settings}->'http'`,
          maintenance: apps.maintenance,
          mayRun: sql<boolean>`(${tenants.suspendedAt} is null and (${settings} ? 'scaling' or (${settings}->>'replicas')::int > 0))`,
        })
        .from(apps)
        .innerJoin(tenants, eq(tenants.id, apps.tenantId))
        .leftJoin(releases, eq(releases.id, apps.liveReleaseId))
        .where(and(isNull(apps.deletedAt), sql`not coalesce((${settings}->>'private')::boolean, false)`, appIds ? inArray(apps.id, [...appIds]) : undefined));
      const found = await tx
        .select({
          id: instances.id,
          appId: instances.appId,
          releaseId: instances.releaseId,
          state: instances.state,
          phase: instances.phase,
          address: sql<string | null>`${instances.report}->>'address'`,
          port: sql<number | null>`(${instances.report}->>'port')::int`,
          temperature: sql<Temperature | null>`${instances.report}->'temperature'->>'is'`,
          wake: nodes.wake,
          protocol: sql<RouteInstance["protocol"]>`${releases.settings}->'http'->>'protocol'`,
        })
        .from(instances)
        .innerJoin(nodes, eq(nodes.id, instances.nodeId))
        .innerJoin(releases, eq(releases.id, instances.releaseId))
        .where(and(inArray(instances.state, ["wanted", "draining"]), appIds ? inArray(instances.appId, [...appIds]) : undefined))
        .orderBy(asc(instances.id));
      return renderRoutes(rows, found, suffix, Date.now());
    },
    // Both questions must see the same moment, or a switch of releases could show no endpoint at all.
    { isolationLevel: "repeatable read", accessMode: "read only" },
  );
}

export function renderRoutes(rows: readonly RouteRow[], found: readonly RouteInstance[], suffix: string, now: number): Route[] {
  const byApp = Map.groupBy(found, (instance) => instance.appId);
  return rows.map((row) => {
    const mine = byApp.get(row.appId) ?? [];
    const sleep = sleepPolicy(row.sleep);
    const comes = row.mayRun && (row.liveReleaseId !== null || row.targetReleaseId !== null);
    const strategy = row.coming === null ? undefined : strategyOf(row.coming.settings, { wasLive: row.coming.wasLive, hasLive: true });
    const serving = strategy?.kind === "rolling" ? [row.liveReleaseId, row.targetReleaseId] : [row.liveReleaseId];
    const canary = strategy?.kind === "canary" ? renderCanary(row, strategy, mine, suffix) : undefined;
    const isWatched = strategy === undefined ? row.watchUntil !== null && now < row.watchUntil : true;
    return {
      appId: row.appId,
      hosts: [appHost(row.appName, row.tenantName, suffix), ...row.domains],
      endpoints: mine.filter((i) => isReady(i) && serving.includes(i.releaseId)).flatMap((i) => toEndpoint(i, sleep !== undefined)),
      draining: mine.filter((i) => i.state === "draining").flatMap((i) => toEndpoint(i, false)),
      requestTimeoutMs: row.requestTimeoutMs,
      concurrency: row.concurrency,
      holdTimeoutMs: comes ? HOLD_TIMEOUT_MS : 0,
      ...(sleep === undefined ? {} : { freezeAfterMs: sleep.freezeAfterMs }),
      ...(canary && { canary }),
      ...featuresOf(row),
      ...(isWatched ? { watched: true } : {}),
      ...(row.sleep.scaling === undefined ? {} : { followsDemand: true }),
    };
  });
}

const isReady = (instance: RouteInstance) => instance.state === "wanted" && instance.phase === "ready";

/** Undefined before its first step. */
function renderCanary(row: RouteRow, strategy: Extract<Strategy, { kind: "canary" }>, mine: readonly RouteInstance[], suffix: string): Route["canary"] {
  const { coming } = row;
  const step = coming === null || coming.step === null ? undefined : strategy.steps[coming.step];
  if (coming === null || step === undefined) return undefined;
  return {
    hosts: [canaryHost(row, suffix)],
    endpoints: mine.filter((i) => isReady(i) && i.releaseId === row.targetReleaseId).flatMap((i) => toEndpoint(i, false)),
    percent: step.percent,
    name: `v${coming.number}`,
    liveName: `v${row.liveNumber}`,
    pin: strategy.pin ?? [],
    requestTimeoutMs: coming.settings.requestTimeoutMs,
    concurrency: coming.settings.concurrency,
  };
}

/** No app has two hyphens in its name. Where the label would be too long, a host that nobody resolves. */
function canaryHost({ appId, appName, tenantName }: RouteRow, suffix: string): string {
  const host = appHost(`canary--${appName}`, tenantName, suffix);
  return host.indexOf(".") <= 63 ? host : `canary.${appId}`;
}

/** Without what is not set: the route of an app that asks for nothing says nothing. What it speaks is each instance's. */
function featuresOf({ http, maintenance }: Pick<RouteRow, "http" | "maintenance">): Pick<Route, "http" | "maintenance"> {
  const { protocol: _, ...features } = http ?? {};
  return { ...(Object.keys(features).length > 0 && { http: features }), ...(maintenance !== null && { maintenance }) };
}

/** The route that tells a gateway to forget an app. */
export function goneRoute(appId: AppId): Route {
  return { appId, hosts: [], endpoints: [], draining: [], requestTimeoutMs: 0, concurrency: 0, holdTimeoutMs: 0 };
}

function toEndpoint({ id, address, port, temperature, wake, protocol }: RouteInstance, maySleep: boolean): Endpoint[] {
  if (typeof address !== "string" || !isIPv4(address) || port === null) return [];
  return [{ instanceId: id, address, port, ...(maySleep && wake !== null ? { wake, temperature: temperature ?? "running" } : {}), ...(protocol === "h2c" ? { protocol } : {}) }];
}
