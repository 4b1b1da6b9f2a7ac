/** Lines of HAProxy's Runtime API, and what it answers. */
import { ENTRIES, stickyToken, type Entry } from "../features.ts";
import { SLOT_MAPS, type Command, type ServerObserved, type SlotMap, type SlotObserved } from "../plan.ts";
import { hostKey, type MapFiles } from "./files.ts";

/** Names come from ids and host names that the contract has checked: no blank, no `;`, no line end. */
export function render(command: Command, files: MapFiles): string {
  const server = "name" in command ? `${command.slot}/${command.name}` : command.slot;
  switch (command.kind) {
    // Not with the keyword `enabled`: HAProxy 2.6 then shows the server as up and never chooses it. The pool's two
    // settings are zero for a server that is added at run time, and then each request opens a connection.
    case "add-server":
      return `add server ${server} ${command.address}:${command.port} maxconn ${command.maxconn} pool-max-conn ${command.maxconn} pool-purge-delay 5s${protocolOf(command)}`;
    case "set-state":
      return `set server ${server} state ${command.state}`;
    case "set-asleep":
      return `set server ${server} weight ${command.asleep ? 0 : 1}`;
    case "set-address":
      return `set server ${server} addr ${command.address} port ${command.port}`;
    case "set-maxconn":
      return `set maxconn server ${server} ${command.maxconn}`;
    case "del-server":
      return `del server ${server}`;
    case "add-sticky":
      return `add map ${files.sticky} ${stickyToken(command.name)} ${server}`;
    case "del-sticky":
      return `del map ${files.sticky} ${stickyToken(command.name)}`;
    case "add-host":
    case "set-host":
      return `${command.kind === "add-host" ? "add" : "set"} map ${files.hosts} ${hostKey(command.host)} ${command.entry === "slot" ? command.slot : command.entry}`;
    case "del-host":
      return `del map ${files.hosts} ${hostKey(command.host)}`;
    case "add-featured":
      return `add map ${files.featured} ${hostKey(command.host)} ${command.slot}`;
    case "del-featured":
      return `del map ${files.featured} ${hostKey(command.host)}`;
    case "add-value":
    case "set-value":
      return `${command.kind === "add-value" ? "add" : "set"} map ${files[command.map]} ${command.slot} ${command.value}`;
    case "del-value":
      return `del map ${files[command.map]} ${command.slot}`;
  }
}

/** Of a server's line. */
export function protocolOf({ protocol }: { protocol?: "h2c" | undefined }): string {
  return protocol === "h2c" ? " proto h2" : "";
}

/** done; busy: the server still has connections, ask again; failed: HAProxy is not as we thought. */
export function outcome(command: Command, answer: string): "done" | "busy" | "failed" {
  const text = answer.trim();
  if (command.kind === "add-server") return text.startsWith("New server registered") ? "done" : "failed";
  if (command.kind === "del-server") {
    if (text.startsWith("Server deleted")) return "done";
    return /still has connections|in use|cannot be removed|cannot remove/i.test(text) ? "busy" : "failed";
  }
  // It tells of the change, or that nothing had to change.
  if (command.kind === "set-address") return /changed|no need to change|nothing changed/i.test(text) ? "done" : "failed";
  return text === "" ? "done" : "failed";
}

export interface BackendStats {
  requests: number;
  responses2xx: number;
  responses4xx: number;
  responses5xx: number;
  bytesIn: number;
  bytesOut: number;
  inFlight: number;
}

export interface ServerStats extends ServerObserved {
  /** Requests that it works on, and that wait for it. */
  sessions: number;
  /** Requests that it answered or left without an answer, and of them those with a status from 500 on or none. */
  served: number;
  errors: number;
}

export interface Stats {
  backends: Map<string, BackendStats>;
  servers: Map<string, Map<string, ServerStats>>;
}

/** Backends and servers. */
export const SHOW_STATS = "show stat -1 6 -1";

/** Reads the CSV of `show stat`. Throws when a column is missing. Fields in use hold no quoted commas. */
export function parseStats(text: string): Stats {
  const lines = text.trim().split("\n");
  const header = (lines[0] ?? "").replace(/^# /, "").split(",");
  const column = (name: string): number => {
    const at = header.indexOf(name);
    if (at === -1) throw new Error(`show stat has no column «${name}»`);
    return at;
  };
  const at = {
    backend: column("pxname"), server: column("svname"), queued: column("qcur"), sessions: column("scur"), limit: column("slim"),
    bytesIn: column("bin"), bytesOut: column("bout"), status: column("status"), requests: column("req_tot"), r2: column("hrsp_2xx"),
    r4: column("hrsp_4xx"), r5: column("hrsp_5xx"), r1: column("hrsp_1xx"), r3: column("hrsp_3xx"), rOther: column("hrsp_other"), broken: column("eresp"), address: column("addr"), weight: column("weight"),
  };
  const stats: Stats = { backends: new Map(), servers: new Map() };
  for (const line of lines.slice(1)) {
    const fields = line.split(",");
    const slot = fields[at.backend] ?? "";
    if (!slot.startsWith("slot_")) continue;
    const number = (index: number) => Number(fields[index] ?? 0);
    if (fields[at.server] === "BACKEND") {
      stats.backends.set(slot, {
        requests: number(at.requests), responses2xx: number(at.r2), responses4xx: number(at.r4), responses5xx: number(at.r5),
        bytesIn: number(at.bytesIn), bytesOut: number(at.bytesOut), inFlight: number(at.sessions),
      });
      continue;
    }
    const [address = "", port = "0"] = (fields[at.address] ?? "").split(":");
    const servers = stats.servers.get(slot) ?? new Map<string, ServerStats>();
    stats.servers.set(slot, servers);
    servers.set(fields[at.server] ?? "", {
      address, port: Number(port), maxconn: number(at.limit), state: stateOf(fields[at.status] ?? ""), asleep: number(at.weight) === 0, sessions: number(at.sessions) + number(at.queued),
      served: number(at.r1) + number(at.r2) + number(at.r3) + number(at.r4) + number(at.r5) + number(at.rOther) + number(at.broken),
      errors: number(at.r5) + number(at.broken),
    });
  }
  return stats;
}

function stateOf(status: string): ServerObserved["state"] {
  if (status.startsWith("MAINT")) return "maint";
  return status.startsWith("DRAIN") ? "drain" : "ready";
}

/** Lines of `show map`: `<ref> <key> <value>`. */
export function parseMap(text: string): [key: string, value: string][] {
  return text.split("\n").flatMap((line) => {
    const [, key, value] = line.trim().split(" ");
    return key === undefined || value === undefined ? [] : [[key, value] as [string, string]];
  });
}

/** The text of each map, as `show map` gives it. */
export type MapTexts = Record<"hosts" | "featured" | "sticky" | SlotMap, string>;

/** All that HAProxy has, by slot; slots with nothing are left out. */
export function observe(servers: Stats["servers"], texts: MapTexts): Map<string, SlotObserved> {
  type Slot = { hosts: Map<string, Entry>; featured: Set<string>; values: Partial<Record<SlotMap, string>>; servers: Map<string, ServerObserved>; sticky: Set<string> };
  const slots = new Map<string, Slot>();
  const slotOf = (name: string) => {
    const slot: Slot = slots.get(name) ?? { hosts: new Map(), featured: new Set(), values: {}, servers: new Map(), sticky: new Set() };
    slots.set(name, slot);
    return slot;
  };
  for (const [name, found] of servers) {
    for (const [server, { address, port, maxconn, state, asleep }] of found) slotOf(name).servers.set(server, { address, port, maxconn, state, asleep });
  }
  const isEntry = (value: string): value is Entry => ENTRIES.includes(value as Entry);
  const hostOf = (key: string) => key.replace(/\/$/, "");
  const featured = new Map(parseMap(texts.featured).map(([key, slot]) => [hostOf(key), slot]));
  for (const [host, slot] of featured) slotOf(slot).featured.add(host);
  for (const [key, value] of parseMap(texts.hosts)) {
    const host = hostOf(key);
    if (isEntry(value)) slotOf(featured.get(host) ?? "").hosts.set(host, value);
    else slotOf(value).hosts.set(host, "slot");
  }
  for (const [, value] of parseMap(texts.sticky)) {
    const [slot = "", name = ""] = value.split("/");
    slotOf(slot).sticky.add(name);
  }
  for (const map of SLOT_MAPS) for (const [slot, value] of parseMap(texts[map])) slotOf(slot).values[map] = value;
  slots.delete("");
  return slots;
}
