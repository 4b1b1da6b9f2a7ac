/** What an instance's network is made of: a routed pair, no bridge. Pure. */
import type { Request } from "./netlink.ts";
import { deleteGroup, setAddress, setDefaultRoute, setGroup, setLink, setLinkRoute, setRate, setStrict } from "./rtnetlink.ts";

/** The gateway inside every namespace: the host's end of the pair has it, on every pair the same. */
export const GATEWAY_ADDRESS = "169.254.1.1";
/** The instance's end of its pair. */
export const INNER_INTERFACE = "eth0";
/** Addresses at the start of the subnet that no slot gets. */
const RESERVED = 16;

/** Where every node's resolver answers its instances: the first address of the subnet. */
export const hostAddress = (subnet: string) => addressAt(subnet, 1);
export const DNS_PORT = 53;

/** The host's own address on the private network. */
export const resolverName = (prefix: string) => `${prefix}d0`;
/** The tunnel to other nodes. */
export const fabricName = (prefix: string) => `${prefix}x0`;
/** Interfaces of instances; rules match them as `<prefix>i*`. */
export const interfaceName = (prefix: string, slot: number) => `${prefix}i${slot}`;
export const netnsName = (prefix: string, slot: number) => `${prefix}-i${slot}`;

/** The slot that a namespace's name says, or undefined when it is none of this prefix. */
export function slotOfNetns(prefix: string, name: string): number | undefined {
  const start = `${prefix}-i`;
  const digits = name.slice(start.length);
  return name.startsWith(start) && /^\d+$/.test(digits) ? Number(digits) : undefined;
}

/** The address so far behind the start of a subnet such as `10.201.0.0/16`; the last one is broadcast's. @throws RangeError when it has none there */
export function addressAt(subnet: string, offset: number): string {
  const [base = "", bits = ""] = subnet.split("/");
  if (offset >= 2 ** (32 - Number(bits)) - 1) throw new RangeError(`the subnet ${subnet} has no address ${offset}`);
  const value = base.split(".").reduce((sum, part) => sum * 256 + Number(part), 0) + offset;
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

/** The address of an instance's slot. @throws RangeError when the subnet has none left */
export const slotAddress = (subnet: string, slot: number) => addressAt(subnet, RESERVED + slot);

/** How many slots the subnet has addresses for. */
export const slotCount = (subnet: string) => 2 ** (32 - Number(subnet.split("/")[1])) - 1 - RESERVED;

/** So much goes out at once after a pause: enough for a whole large packet, and for a twentieth of a second. */
const SHORTEST_BURST_BYTES = 65_536;
const EGRESS_LATENCY_MS = 100;

/** Holds back what an instance sends above its rate. Inside: its own end belongs to the host too, and who sends waits instead of losing packets. */
export const limitEgress = (index: number, bytesPerSecond: number) =>
  setRate(index, { bytesPerSecond, burstBytes: Math.max(SHORTEST_BURST_BYTES, Math.ceil(bytesPerSecond / 20)), latencyMs: EGRESS_LATENCY_MS });

/** The host's end of a pair: the kernel's own word against foreign source addresses, beside the firewall's; then up. */
export const hostLink = (name: string, hasIpv6: boolean): Request[] => [setStrict(name, hasIpv6), setLink(name, "up")];

/** From the host to the instance. Again after its link was down, which takes routes away. */
export const hostRoute = (index: number, address: string): Request[] => [setAddress(index, GATEWAY_ADDRESS), setLinkRoute(index, address)];

/** Inside; also for a namespace that lost its address. */
export const innerRequests = (index: number, address: string): Request[] => [
  setLink("lo", "up"),
  setAddress(index, address),
  setLink(INNER_INTERFACE, "up"),
  setLinkRoute(index, GATEWAY_ADDRESS),
  setDefaultRoute(index, GATEWAY_ADDRESS),
];

/** Ends pairs together. `group`: nobody else's. */
export const deletePairs = (hostInterfaces: readonly string[], group: number): Request[] => [...hostInterfaces.map((name) => setGroup(name, group)), deleteGroup(group)];
