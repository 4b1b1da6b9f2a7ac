/** An app with a canary has two slots: HAProxy then counts and drains each release by itself. Pure. */
import type { Route } from "../core/contract/gateway-channel.ts";
import type { AppId } from "../core/contract/ids.ts";

/** What a slot belongs to. */
export type PartKey = string & { readonly __kind: "part" };

export function keyOf({ appId, part }: Pick<Route, "appId" | "part">): PartKey {
  return (part === undefined ? appId : canaryKey(appId)) as PartKey;
}

export function canaryKey(appId: AppId): PartKey {
  return `${appId} canary` as PartKey;
}

/** The route of each slot; a canary that is no more has one without hosts. */
export function partsOf(route: Route): Route[] {
  const { appId, canary, watched, http, maintenance } = route;
  const gone: Route = { appId, part: "canary", hosts: [], endpoints: [], draining: [], requestTimeoutMs: 0, concurrency: 0, holdTimeoutMs: 0 };
  if (canary === undefined || route.hosts.length === 0) return [gone, route];
  const { hosts, endpoints, requestTimeoutMs, concurrency } = canary;
  // Whoever is kept out of the app is kept out of its canary.
  const features = { ...(http && { http }), ...(maintenance && { maintenance }) };
  return [{ ...gone, hosts, endpoints, requestTimeoutMs, concurrency, ...(watched === undefined ? {} : { watched }), ...features }, route];
}

/** Of ten thousand: how many requests go to the canary, and what else `lua/split.lua` must know. */
export function splitOf({ canary }: Route, canarySlot: string | undefined): string | undefined {
  if (canary === undefined || canarySlot === undefined) return undefined;
  const flags = `${canary.pin.includes("header") ? "h" : ""}${canary.pin.includes("cookie") ? "c" : ""}`;
  return [canarySlot, Math.round(canary.percent * 100), flags === "" ? "-" : flags, canary.name, canary.liveName].join(":");
}
