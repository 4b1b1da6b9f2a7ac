/** Where the gateway's files are, and the maps among them. Pure. */
import { join } from "node:path";
import { SLOT_MAPS, type SlotMap, type SlotWanted } from "../plan.ts";
import { stickyToken } from "../features.ts";

export interface MapFiles extends Record<SlotMap, string> {
  hosts: string;
  featured: string;
  sticky: string;
}

export interface GatewayFiles extends MapFiles {
  config: string;
  admin: string;
  /** The Runtime API for HAProxy's own Lua. */
  self: string;
  holdSocket: string;
  /** Sockets of the inner frontends begin so. */
  inner: string;
  pages: string;
  /** Apps' own pages: `<slot>-<status>.html`. */
  errorPages: string;
  pidFile: string;
  log: string;
  mirror: string;
  counts: string;
}

export const MAP_NAMES = ["hosts", "featured", "sticky", ...SLOT_MAPS] as const;

export function filesOf(dataDir: string): GatewayFiles {
  const at = (name: string) => join(dataDir, name);
  return {
    config: at("haproxy.cfg"),
    admin: at("run/admin.sock"),
    self: at("run/self.sock"),
    holdSocket: at("run/hold.sock"),
    inner: at("run"),
    hosts: at("hosts.map"),
    featured: at("featured.map"),
    sticky: at("sticky.map"),
    timeouts: at("timeouts.map"),
    socketIdle: at("socket-idle.map"),
    features: at("features.map"),
    splits: at("splits.map"),
    pages: at("pages"),
    errorPages: at("error-pages"),
    pidFile: at("haproxy.pid"),
    log: at("haproxy.log"),
    mirror: at("mirror.ndjson"),
    counts: at("counts.json"),
  };
}

/** As maps have it: `concat(/)` makes it of a whole header. */
export function hostKey(host: string): string {
  return `${host}/`;
}

/** Map → its text, for an HAProxy that starts. */
export function buildMaps(slots: ReadonlyMap<string, SlotWanted>): Record<(typeof MAP_NAMES)[number], string> {
  const all = [...slots];
  const lines = (of: (slot: string, wanted: SlotWanted) => string[]) => all.flatMap(([slot, wanted]) => of(slot, wanted)).join("");
  const values = (map: SlotMap) => lines((slot, { values: { [map]: value } }) => (value === undefined ? [] : [`${slot} ${value}\n`]));
  return {
    hosts: lines((slot, { hosts, entry }) => hosts.map((host) => `${hostKey(host)} ${entry === "slot" ? slot : entry}\n`)),
    featured: lines((slot, { hosts, entry }) => (entry === "slot" ? [] : hosts.map((host) => `${hostKey(host)} ${slot}\n`))),
    sticky: lines((slot, { servers, isSticky }) => servers.flatMap(({ name, state, asleep }) => (isSticky && state === "ready" && !asleep ? [`${stickyToken(name)} ${slot}/${name}\n`] : []))),
    timeouts: values("timeouts"),
    socketIdle: values("socketIdle"),
    features: values("features"),
    splits: values("splits"),
  };
}
