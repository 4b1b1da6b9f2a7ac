/**
 * What HAProxy must be told: pure. Apps have slots (spare backends that the configuration declares ahead);
 * a slot's hosts, values and servers are compared with what HAProxy has, and the difference is a list of commands.
 */
import type { Route } from "../core/contract/gateway-channel.ts";
import type { AppId, InstanceId } from "../core/contract/ids.ts";
import { featuresOf, type Entry } from "./features.ts";

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
  protocol?: "h2c" | undefined;
}

/** Maps that say something of a slot. */
export const SLOT_MAPS = ["timeouts", "socketIdle", "features", "splits"] as const;
export type SlotMap = (typeof SLOT_MAPS)[number];
export type SlotValues = Readonly<Partial<Record<SlotMap, string>>>;

export interface SlotWanted {
  hosts: readonly string[];
  /** Where its requests go first. */
  entry: Entry;
  values: SlotValues;
  servers: readonly ServerWanted[];
  /** Clients are led back to the server that they were at. */
  isSticky: boolean;
}

export interface ServerObserved {
  address: string;
  port: number;
  maxconn: number;
  state: "ready" | "drain" | "maint";
  asleep: boolean;
}

export interface SlotObserved {
  hosts: ReadonlyMap<string, Entry>;
  /** Hosts that are led to the slot from where features are. */
  featured: ReadonlySet<string>;
  values: SlotValues;
  servers: ReadonlyMap<string, ServerObserved>;
  /** Servers that a client may be led back to. */
  sticky: ReadonlySet<string>;
}

/** Each is one line of HAProxy's Runtime API; `slot` is the backend's name. */
export type Command =
  | { kind: "add-server"; slot: string; name: string; address: string; port: number; maxconn: number; protocol?: "h2c" | undefined }
  | { kind: "set-state"; slot: string; name: string; state: "ready" | "drain" | "maint" }
  | { kind: "set-asleep"; slot: string; name: string; asleep: boolean }
  | { kind: "set-address"; slot: string; name: string; address: string; port: number }
  | { kind: "set-maxconn"; slot: string; name: string; maxconn: number }
  /** Refused while the server has connections: asked again later. */
  | { kind: "del-server"; slot: string; name: string }
  | { kind: "add-sticky" | "del-sticky"; slot: string; name: string }
  | { kind: "add-host" | "set-host"; slot: string; host: string; entry: Entry }
  | { kind: "del-host" | "add-featured" | "del-featured"; slot: string; host: string }
  | { kind: "add-value" | "set-value"; slot: string; map: SlotMap; value: string }
  | { kind: "del-value"; slot: string; map: SlotMap };

export const EMPTY_SLOT: SlotWanted = { hosts: [], entry: "slot", values: {}, servers: [], isSticky: false };

/** `isAsleep`: of an endpoint that takes requests. `splits`: `parts.ts`; without it all its requests stay here. */
export function wantedOf(route: Route, isAsleep: (instanceId: InstanceId) => boolean = () => false, splits?: string): SlotWanted {
  const server = (state: "ready" | "drain") => (endpoint: Route["endpoints"][number]): ServerWanted => ({
    name: endpoint.instanceId,
    address: endpoint.address,
    port: endpoint.port,
    maxconn: route.concurrency,
    state,
    asleep: state === "ready" && isAsleep(endpoint.instanceId),
    protocol: endpoint.protocol,
  });
  const ready = route.endpoints.map(server("ready"));
  const names = new Set(ready.map((one) => one.name));
  const { entry, features, socketIdle, isSticky } = featuresOf(route, splits);
  const values = { timeouts: String(route.requestTimeoutMs), ...(features && { features }), ...(socketIdle && { socketIdle }), ...(splits && { splits }) };
  return {
    hosts: route.hosts,
    entry,
    values: route.hosts.length === 0 ? {} : values,
    isSticky,
    servers: [...ready, ...route.draining.map(server("drain")).filter((one) => !names.has(one.name))],
  };
}

/**
 * New servers come first and old ones leave last, so that no moment is without a server. What is done with requests is
 * known before a host leads there, and forgotten after none does.
 */
export function planSlot(slot: string, wanted: SlotWanted, observed: SlotObserved): Command[] {
  const commands: Command[] = [];
  for (const map of SLOT_MAPS) {
    const [value, before] = [wanted.values[map], observed.values[map]];
    if (value !== undefined && value !== before) commands.push({ kind: before === undefined ? "add-value" : "set-value", slot, map, value });
  }
  const ready = wanted.servers.filter((one) => one.state === "ready");
  const sticky = new Set(wanted.isSticky ? ready.filter((one) => !one.asleep).map((one) => one.name) : []);
  for (const name of observed.sticky) if (!sticky.has(name)) commands.push({ kind: "del-sticky", slot, name });
  for (const server of ready) commands.push(...planReady(slot, server, observed.servers.get(server.name)));
  for (const name of sticky) if (!observed.sticky.has(name)) commands.push({ kind: "add-sticky", slot, name });
  commands.push(...planHosts(slot, wanted, observed), ...planLeaving(slot, wanted, observed));
  for (const map of SLOT_MAPS) if (wanted.values[map] === undefined && observed.values[map] !== undefined) commands.push({ kind: "del-value", slot, map });
  return commands;
}

function planHosts(slot: string, { hosts, entry }: SlotWanted, observed: SlotObserved): Command[] {
  const featured = entry === "slot" ? [] : hosts;
  const commands: Command[] = [];
  for (const host of featured) if (!observed.featured.has(host)) commands.push({ kind: "add-featured", slot, host });
  for (const host of hosts) {
    const before = observed.hosts.get(host);
    if (before !== entry) commands.push({ kind: before === undefined ? "add-host" : "set-host", slot, host, entry });
  }
  for (const host of observed.hosts.keys()) if (!hosts.includes(host)) commands.push({ kind: "del-host", slot, host });
  for (const host of observed.featured) if (!featured.includes(host)) commands.push({ kind: "del-featured", slot, host });
  return commands;
}

/** Servers that take nothing new, or go. */
function planLeaving(slot: string, wanted: SlotWanted, observed: SlotObserved): Command[] {
  const commands: Command[] = [];
  const named = (state: "ready" | "drain") => new Set(wanted.servers.filter((one) => one.state === state).map((one) => one.name));
  const [staying, draining] = [named("ready"), named("drain")];
  for (const [name, server] of observed.servers) {
    if (staying.has(name)) continue;
    if (draining.has(name)) {
      if (server.state !== "drain") commands.push({ kind: "set-state", slot, name, state: "drain" });
      continue;
    }
    if (server.state !== "maint") commands.push({ kind: "set-state", slot, name, state: "maint" });
    commands.push({ kind: "del-server", slot, name });
  }
  return commands;
}

function planReady(slot: string, { name, address, port, maxconn, asleep, protocol }: ServerWanted, observed: ServerObserved | undefined): Command[] {
  if (observed === undefined) {
    return [
      { kind: "add-server", slot, name, address, port, maxconn, protocol },
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
  const change = (name: string, to: Partial<ServerObserved>) => {
    const before = servers.get(name);
    return { ...observed, servers: before === undefined ? servers : servers.set(name, { ...before, ...to }) };
  };
  const hosts = new Map(observed.hosts);
  const without = (set: ReadonlySet<string>, one: string) => new Set([...set].filter((it) => it !== one));
  switch (command.kind) {
    case "add-server":
      return { ...observed, servers: servers.set(command.name, { address: command.address, port: command.port, maxconn: command.maxconn, state: "maint", asleep: false }) };
    case "set-state":
      return change(command.name, { state: command.state });
    case "set-asleep":
      return change(command.name, { asleep: command.asleep });
    case "set-address":
      return change(command.name, { address: command.address, port: command.port });
    case "set-maxconn":
      return change(command.name, { maxconn: command.maxconn });
    case "del-server":
      servers.delete(command.name);
      return { ...observed, servers };
    case "add-sticky":
      return { ...observed, sticky: new Set([...observed.sticky, command.name]) };
    case "del-sticky":
      return { ...observed, sticky: without(observed.sticky, command.name) };
    case "add-host":
    case "set-host":
      return { ...observed, hosts: hosts.set(command.host, command.entry) };
    case "del-host":
      hosts.delete(command.host);
      return { ...observed, hosts };
    case "add-featured":
      return { ...observed, featured: new Set([...observed.featured, command.host]) };
    case "del-featured":
      return { ...observed, featured: without(observed.featured, command.host) };
    case "add-value":
    case "set-value":
      return { ...observed, values: { ...observed.values, [command.map]: command.value } };
    case "del-value": {
      const { [command.map]: _, ...values } = observed.values;
      return { ...observed, values };
    }
  }
}

export const NOTHING_OBSERVED: SlotObserved = { hosts: new Map(), featured: new Set(), values: {}, servers: new Map(), sticky: new Set() };

/** Whether a slot that lost its app may be given to another one: nothing of the former is left in HAProxy. */
export function isClean({ hosts, featured, values, servers, sticky }: SlotObserved): boolean {
  return hosts.size + featured.size + servers.size + sticky.size + Object.keys(values).length === 0;
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
