/** What is in the sets of the firewall: who has which address, and what each may. Pure. */
import { WHOLE_TENANT, type EgressRule, type IngressRule, type InstanceNetwork } from "../../contract/network-rules.ts";
import { disjoint, MAX_PORT, portsOf, rangeOf, toAddress, type AddressRange, type Area } from "../../domain/ipv4.ts";

/** An address of a tenant; `app` is a name among the tenant's. */
export interface Member {
  address: string;
  /** Tells tenants apart: not 0. */
  tenant: number;
  app: string;
}

/** One whose network is on this host. */
export interface LocalMember extends Member {
  interface: string;
  network: InstanceNetwork;
}

export interface FirewallContent {
  locals: readonly LocalMember[];
  /** Instances of the same tenants on other nodes. */
  remotes: readonly Member[];
  /** What other nodes themselves send with. */
  hosts: readonly string[];
  /** Where other nodes are reached: for them, and not for instances. */
  nodes: readonly string[];
}

/** Sets of the table, with their types. Named types: with «typeof», nft 1.0.6 crashes on any command. */
export const SETS = {
  senders: "set senders { type ifname . ipv4_addr; }",
  tenants: "map tenants { type ipv4_addr : mark; }",
  members: "set members { type ipv4_addr . mark; }",
  hosts: "set hosts { type ipv4_addr; }",
  nodes: "set nodes { type ipv4_addr; }",
  narrowed: "set narrowed { type ipv4_addr; }",
  ingress: "set ingress { type ipv4_addr . ipv4_addr . inet_service; flags interval; }",
  ingress_outside: "set ingress_outside { type ipv4_addr . ipv4_addr . inet_service; flags interval; }",
  limited: "set limited { type ipv4_addr; }",
  egress_private: "set egress_private { type ipv4_addr . inet_proto . ipv4_addr . inet_service; flags interval; }",
  egress_all: "set egress_all { type ipv4_addr . ipv4_addr; flags interval; }",
  egress: "set egress { type ipv4_addr . inet_proto . ipv4_addr . inet_service; flags interval; }",
} as const;
export type SetName = keyof typeof SETS;
export type Elements = Record<SetName, Set<string>>;

export const noElements = (): Elements => Object.fromEntries(Object.keys(SETS).map((name) => [name, new Set<string>()])) as Elements;

const EVERYBODY: AddressRange = { first: 0, last: 2 ** 32 - 1 };
const ALL_PORTS = { firstPort: 0, lastPort: MAX_PORT };
/** Apps' names have no dot. */
const isRange = (peer: string) => peer.includes(".");

export function firewallElements({ locals, remotes, hosts, nodes }: FirewallContent): Elements {
  const elements = noElements();
  const members = [...locals, ...remotes];
  const byApp = Map.groupBy(members, ({ tenant, app }) => `${tenant}/${app}`);
  for (const { address, tenant } of members) {
    elements.tenants.add(`${address} : ${tenant}`);
    elements.members.add(`${address} . ${tenant}`);
  }
  for (const address of hosts) elements.hosts.add(address);
  for (const address of nodes) elements.nodes.add(address);
  for (const { address, tenant, interface: device, network } of locals) {
    elements.senders.add(`"${device}" . ${address}`);
    const peers: Peers = (name) => (name === WHOLE_TENANT ? [EVERYBODY] : (byApp.get(`${tenant}/${name}`) ?? []).map((member) => rangeOf(member.address)));
    if (network.ingress) addIngress(elements, address, network.ingress, peers);
    if (network.egress) addEgress(elements, address, network.egress.allow, peers);
  }
  return elements;
}

/** The addresses that a name stands for. */
type Peers = (name: string) => AddressRange[];

function addIngress(elements: Elements, address: string, rules: readonly IngressRule[], peers: Peers): void {
  elements.narrowed.add(address);
  const of = (from: (peer: string) => AddressRange[]) =>
    disjoint(rules.flatMap((rule) => rule.from.flatMap(from).flatMap((range) => portRanges(rule.ports).map((ports) => ({ ...range, ...ports })))));
  // A range means neighbours of the host as well as the tenant's own addresses within it; a name means the tenant alone.
  for (const area of of((peer) => (isRange(peer) ? [rangeOf(peer)] : peers(peer)))) elements.ingress.add(`${address} . ${textOf(area)}`);
  for (const area of of((peer) => (isRange(peer) ? [rangeOf(peer)] : []))) elements.ingress_outside.add(`${address} . ${textOf(area)}`);
}

function addEgress(elements: Elements, address: string, rules: readonly EgressRule[], peers: Peers): void {
  elements.limited.add(address);
  const isAll = (rule: EgressRule) => rule.ports === undefined && rule.protocol === undefined;
  const whole = disjoint(rules.filter((rule) => isRange(rule.to) && isAll(rule)).map((rule) => ({ ...rangeOf(rule.to), ...ALL_PORTS })));
  for (const range of whole) elements.egress_all.add(`${address} . ${rangeText(range)}`);
  for (const protocol of ["tcp", "udp"] as const) {
    const areas = (some: readonly EgressRule[], to: (peer: string) => AddressRange[]) =>
      disjoint(some.filter((rule) => rule.protocol === undefined || rule.protocol === protocol).flatMap((rule) => to(rule.to).flatMap((range) => portRanges(rule.ports).map((ports) => ({ ...range, ...ports })))));
    for (const area of areas(rules.filter((rule) => isRange(rule.to) && !isAll(rule)), (to) => [rangeOf(to)])) elements.egress.add(`${address} . ${protocol} . ${textOf(area)}`);
    for (const area of areas(rules.filter((rule) => !isRange(rule.to)), peers)) elements.egress_private.add(`${address} . ${protocol} . ${textOf(area)}`);
  }
}

const portRanges = (ports: IngressRule["ports"]) => ports?.map(portsOf) ?? [ALL_PORTS];
const span = (first: string | number, last: string | number) => (first === last ? `${first}` : `${first}-${last}`);
const rangeText = ({ first, last }: AddressRange) => span(toAddress(first), toAddress(last));
const textOf = (area: Area) => `${rangeText(area)} . ${span(area.firstPort, area.lastPort)}`;

export interface ElementChange {
  verb: "delete" | "add";
  name: SetName;
  elements: string[];
}

/** From what is there to what is wanted: what goes comes first. */
export function changedElements(before: Elements, after: Elements): ElementChange[] {
  const names = Object.keys(SETS) as SetName[];
  const changes = ([["delete", after, before], ["add", before, after]] as const).flatMap(([verb, have, want]) =>
    names.map((name) => ({ verb, name, elements: [...want[name].difference(have[name])] })));
  return changes.filter(({ elements }) => elements.length > 0);
}

/** The same for `nft -f`, in one transaction. Empty when nothing changes. */
export const elementChanges = (table: string, before: Elements, after: Elements) =>
  changedElements(before, after).map(({ verb, name, elements }) => `${verb} element inet ${table} ${name} { ${elements.join(", ")} }\n`).join("");
