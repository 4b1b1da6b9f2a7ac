/**
 * What HAProxy must be told: pure. Apps have slots (spare backends that the configuration declares ahead);
 * a slot's hosts, timeout and servers are compared with what HAProxy has, and the difference is a list of commands.
 */
import type { Route } from "../core/contract/gateway-channel.ts";
import type { AppId, InstanceId } from "../core/contract/ids.ts";

export interface ServerWanted {
  /** The instance's id. */
  name: string;
  address: string;
  port: number;
  maxconn: number;
  /** drain: takes no new request. One that HAProxy does not have is not added for that. */
  state: "ready" | "drain";
  /** May be frozen or further gone: it stays in HAProxy with weight 0, so that requests are held and wake it first. */
  asleep: boolean;
}

export interface SlotWanted {
  hosts: readonly string[];
  timeoutMs: number;
  servers: readonly ServerWanted[];
  /** `parts.ts`; undefined: all its requests stay here. */
  split?: string | undefined;
}

export interface ServerObserved {
  address: string;
  port: number;
  maxconn: number;
  state: "ready" | "drain" | "maint";
  asleep: boolean;
}

export interface SlotObserved {
  hosts: ReadonlySet<string>;
  timeoutMs: number | undefined;
  split?: string | undefined;
  servers: ReadonlyMap<string, ServerObserved>;
}

/** Each is one line of HAProxy's Runtime API; `slot` is the backend's name. */
export type Command =
  | { kind: "add-server"; slot: string; name: string; address: string; port: number; maxconn: number }
  | { kind: "set-state"; slot: string; name: string; state: "ready" | "drain" | "maint" }
  | { kind: "set-asleep"; slot: string; name: string; asleep: boolean }
  | { kind: "set-address"; slot: string; name: string; address: string; port: number }
  | { kind: "set-maxconn"; slot: string; name: string; maxconn: number }
  /** Refused while the server has connections: asked again later. */
  | { kind: "del-server"; slot: string; name: string }
  | { kind: "add-host" | "del-host"; slot: string; host: string }
  | { kind: "add-split" | "set-split"; slot: string; split: string }
  | { kind: "del-split"; slot: string }
  | { kind: "add-timeout" | "set-timeout"; slot: string; timeoutMs: number }
  | { kind: "del-timeout"; slot: string };

export const EMPTY_SLOT: SlotWanted = { hosts: [], timeoutMs: 0, servers: [] };

/** `isAsleep`: of an endpoint that takes requests. */
export function wantedOf(route: Route, isAsleep: (instanceId: InstanceId) => boolean = () => false): SlotWanted {
  const server = (state: "ready" | "drain") => (endpoint: Route["endpoints"][number]): ServerWanted => ({
    name: endpoint.instanceId,
    address: endpoint.address,
    port: endpoint.port,
    maxconn: route.concurrency,
    state,
    asleep: state === "ready" && isAsleep(endpoint.instanceId),
  });
  const ready = route.endpoints.map(server("ready"));
  const names = new Set(ready.map((one) => one.name));
  return {
    hosts: route.hosts,
    timeoutMs: route.requestTimeoutMs,
    servers: [...ready, ...route.draining.map(server("drain")).filter((one) => !names.has(one.name))],
  };
}

/** New servers come first and old ones leave last, so that no moment is without a server. */
export function planSlot(slot: string, wanted: SlotWanted, observed: SlotObserved): Command[] {
  const commands: Command[] = [];
  if (wanted.hosts.length > 0 && observed.timeoutMs !== wanted.timeoutMs) {
    commands.push({ kind: observed.timeoutMs === undefined ? "add-timeout" : "set-timeout", slot, timeoutMs: wanted.timeoutMs });
  }
  const ready = wanted.servers.filter((one) => one.state === "ready");
  for (const server of ready) commands.push(...planReady(slot, server, observed.servers.get(server.name)));
  for (const host of wanted.hosts) if (!observed.hosts.has(host)) commands.push({ kind: "add-host", slot, host });
  for (const host of observed.hosts) if (!wanted.hosts.includes(host)) commands.push({ kind: "del-host", slot, host });
  if (wanted.split !== observed.split) {
    if (wanted.split === undefined) commands.push({ kind: "del-split", slot });
    else commands.push({ kind: observed.split === undefined ? "add-split" : "set-split", slot, split: wanted.split });
  }
  const draining = new Set(wanted.servers.filter((one) => one.state === "drain").map((one) => one.name));
  const staying = new Set(ready.map((one) => one.name));
  for (const [name, server] of observed.servers) {
    if (staying.has(name)) continue;
    if (draining.has(name)) {
      if (server.state !== "drain") commands.push({ kind: "set-state", slot, name, state: "drain" });
      continue;
    }
    if (server.state !== "maint") commands.push({ kind: "set-state", slot, name, state: "maint" });
    commands.push({ kind: "del-server", slot, name });
  }
  if (wanted.hosts.length === 0 && observed.timeoutMs !== undefined) commands.push({ kind: "del-timeout", slot });
  return commands;
}

function planReady(slot: string, { name, address, port, maxconn, asleep }: ServerWanted, observed: ServerObserved | undefined): Command[] {
  if (observed === undefined) {
    return [
      { kind: "add-server", slot, name, address, port, maxconn },
      ...(asleep ? [{ kind: "set-asleep" as const, slot, name, asleep }] : []),
      { kind: "set-state", slot, name, state: "ready" },
    ];
  }
  const commands: Command[] = [];
  if (observed.address !== address || observed.port !== port) commands.push({ kind: "set-address", slot, name, address, port });
  if (observed.maxconn !== maxconn) commands.push({ kind: "set-maxconn", slot, name, maxconn });
  if (observed.asleep !== asleep) commands.push({ kind: "set-asleep", slot, name, asleep });
  if (observed.state !== "ready") commands.push({ kind: "set-state", slot, name, state: "ready" });
  return commands;
}

/** One slot as HAProxy has it after the command was carried out. */
export function applyCommand(observed: SlotObserved, command: Command): SlotObserved {
  const servers = new Map(observed.servers);
  const hosts = new Set(observed.hosts);
  let { timeoutMs, split } = observed;
  const change = (name: string, to: Partial<ServerObserved>) => {
    const before = servers.get(name);
    if (before !== undefined) servers.set(name, { ...before, ...to });
  };
  switch (command.kind) {
    case "add-server":
      servers.set(command.name, { address: command.address, port: command.port, maxconn: command.maxconn, state: "maint", asleep: false });
      break;
    case "set-state":
      change(command.name, { state: command.state });
      break;
    case "set-asleep":
      change(command.name, { asleep: command.asleep });
      break;
    case "set-address":
      change(command.name, { address: command.address, port: command.port });
      break;
    case "set-maxconn":
      change(command.name, { maxconn: command.maxconn });
      break;
    case "del-server":
      servers.delete(command.name);
      break;
    case "add-host":
      hosts.add(command.host);
      break;
    case "del-host":
      hosts.delete(command.host);
      break;
    case "add-timeout":
    case "set-timeout":
      timeoutMs = command.timeoutMs;
      break;
    case "del-timeout":
      timeoutMs = undefined;
      break;
    case "add-split":
    case "set-split":
      split = command.split;
      break;
    case "del-split":
      split = undefined;
  }
  return { hosts, servers, timeoutMs, split };
}

export const NOTHING_OBSERVED: SlotObserved = { hosts: new Set(), timeoutMs: undefined, servers: new Map() };

/** Whether a slot that lost its app may be given to another one: nothing of the former is left in HAProxy. */
export function isClean(observed: SlotObserved): boolean {
  return observed.hosts.size === 0 && observed.servers.size === 0 && observed.timeoutMs === undefined && observed.split === undefined;
}

/**
 * The slot for an app that has none: a stray one (in HAProxy, but in no mirror) that serves its hosts already, else
 * the first free slot with nothing in it. Undefined: slots have run out.
 */
export function chooseSlot(
  route: Pick<Route, "hosts">,
  free: ReadonlySet<string>,
  strays: ReadonlySet<string>,
  observed: ReadonlyMap<string, SlotObserved>,
): string | undefined {
  for (const slot of strays) {
    if (route.hosts.some((host) => observed.get(slot)?.hosts.has(host))) return slot;
  }
  for (const slot of free) if (isClean(observed.get(slot) ?? NOTHING_OBSERVED)) return slot;
  return undefined;
}

/** Apps that the snapshot does not name any more. */
export function gone(known: ReadonlySet<AppId>, snapshot: readonly Route[]): AppId[] {
  const named = new Set(snapshot.map((route) => route.appId));
  return [...known].filter((appId) => !named.has(appId));
}
