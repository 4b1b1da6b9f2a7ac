/** Text for `ip -batch` and `bridge -batch` that makes the way between nodes: one VXLAN device, and a route for each other node. Pure. */
import { toAddress, toNumber } from "../../domain/ipv4.ts";
import type { TunnelPeer } from "./firewall.ts";
import { fabricName, hostAddress, resolverName } from "./net.ts";

/** One network for all nodes of a Berth; firewalls tell tenants apart. */
const VNI = 7079;

export interface FabricOptions {
  prefix: string;
  subnet: string;
  /** Where other nodes send to. */
  address: string;
  port: number;
  /** Of what is inside: 50 less than the network between the nodes carries. */
  mtu: number;
}

/** The same on all nodes for the same address, so that nobody has to ask for it. Locally administered. */
export const macOf = (address: string) => ["02", "62", ...toAddress(toNumber(address)).split(".").map((part) => Number(part).toString(16).padStart(2, "0"))].join(":");

export function fabricBatch({ prefix, address, port, mtu }: FabricOptions): string {
  const device = fabricName(prefix);
  // What it learned from frames, anybody could teach it.
  return [`link add ${device} address ${macOf(address)} mtu ${mtu} type vxlan id ${VNI} local ${address} dstport ${port} nolearning`, `link set ${device} up`, ""].join("\n");
}

/** For `ip -batch`. The host itself sends with the address of its resolver, which belongs to the subnet. */
export function peerRoutes({ prefix, subnet }: FabricOptions, verb: "replace" | "delete", peer: TunnelPeer): string {
  const [device, gateway] = [fabricName(prefix), hostAddress(peer.subnet)];
  const route = `route ${verb} ${peer.subnet} via ${gateway} dev ${device} onlink src ${hostAddress(subnet)}`;
  const neighbour = `neighbour ${verb} ${gateway} lladdr ${macOf(peer.address)} nud permanent dev ${device}`;
  return verb === "replace" ? `${neighbour}\n${route}\n` : `${route}\n${neighbour}\n`;
}

/** For `bridge -batch`. */
export const peerForwarding = ({ prefix }: FabricOptions, verb: "replace" | "delete", { address }: TunnelPeer) => `fdb ${verb} ${macOf(address)} dev ${fabricName(prefix)} dst ${address}\n`;

/** A pair whose first end has the address at which the resolver answers. */
export function resolverBatch(prefix: string, subnet: string): string {
  const [device, other] = [resolverName(prefix), `${prefix}d1`];
  return [`link add ${device} type veth peer name ${other}`, `addr add ${hostAddress(subnet)}/32 dev ${device}`, `link set ${device} up`, `link set ${other} up`, ""].join("\n");
}
