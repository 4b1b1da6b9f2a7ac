/**
 * The rules around instances, as text for `nft -f`. Their number does not grow with the instances: who is who, and what
 * each may, are elements of sets (`firewall-elements.ts`). An address that is in none reaches nothing and nobody. Pure.
 */
import { rangeOf } from "../../domain/ipv4.ts";
import { elementChanges, noElements, SETS, type Elements } from "./firewall-elements.ts";
import { DNS_PORT, fabricName } from "./net.ts";

export interface FirewallPolicy {
  /** BERTH_NET_PREFIX. */
  prefix: string;
  /** Addresses of instances. */
  subnet: string;
  /** Destinations that the operator allows although they are private. */
  allowCidrs: readonly string[];
  /** Where the node's resolver answers its instances. */
  resolver: string;
  /** Most connections that one instance has open, and all of one tenant on this node. */
  connections: { instance: number; tenant: number };
  /** UDP port of the tunnel between nodes; absent: this node has none. */
  tunnelPort?: number;
}

/** Another node: what comes from the address is of the subnet's instances. */
export interface TunnelPeer {
  address: string;
  subnet: string;
}

export const tableName = (prefix: string) => `berth_${prefix}`;

/** Never the internet: RFC 1918, shared, loopback, link-local with the metadata address, multicast, reserved. */
export const PRIVATE_CIDRS = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "224.0.0.0/3",
];

/** Questions of one tenant's instances on this node. */
const QUESTIONS_PER_SECOND = 500;
const QUESTIONS_BURST = 1000;

const set = (elements: readonly string[]) => `{ ${elements.join(", ")} }`;
/** At once and visibly, so that an app does not wait for what will never answer. */
const REFUSE = "reject with icmp type admin-prohibited";

/** One whole table with its elements; loading it replaces the former one in one step, so there is no moment without rules. */
export function firewallRules(policy: FirewallPolicy, elements: Elements = noElements(), peers: readonly TunnelPeer[] = []): string {
  const table = tableName(policy.prefix);
  return `table inet ${table}
delete table inet ${table}
table inet ${table} {
${Object.values(SETS).map((text) => `  ${text}\n`).join("")}  set connections { type ipv4_addr; size 65535; flags dynamic; }
  set tenant_connections { type mark; size 65535; flags dynamic; }
  set questions { type mark; size 65535; flags dynamic; timeout 1m; }
  chain tunnel {
${tunnelRules(peers).map((rule) => `    ${rule}\n`).join("")}  }
${hostChains(policy)}${forwardChains(policy)}}
${elementChanges(table, noElements(), elements)}`;
}

/** Other peers, in one step. */
export function tunnelChange(prefix: string, peers: readonly TunnelPeer[]): string {
  const chain = `inet ${tableName(prefix)} tunnel`;
  return `flush chain ${chain}\n${tunnelRules(peers).map((rule) => `add rule ${chain} ${rule}\n`).join("")}`;
}

/** What comes from other nodes, still wrapped: each may send for its own instances alone. */
function tunnelRules(peers: readonly TunnelPeer[]): string[] {
  // Behind the headers of UDP and VXLAN: an Ethernet frame of type IPv4, and the beginning of its source address.
  const rules = peers.map(({ address, subnet }) => {
    const bits = Number(subnet.split("/")[1]);
    return `ip saddr ${address} @th,224,16 0x0800 @th,336,${bits} ${rangeOf(subnet).first / 2 ** (32 - bits)} accept`;
  });
  return [...rules, "drop"];
}

function hostChains({ prefix, subnet, resolver, tunnelPort }: FirewallPolicy): string {
  const [ours, fabric] = [`"${prefix}i*"`, `"${fabricName(prefix)}"`];
  return `  chain prerouting {
    type filter hook prerouting priority raw; policy accept;
    iifname ${ours} jump sent
    iifname ${fabric} jump sent_elsewhere
    # Questions are many and short: their number is limited in another way.
    iifname ${ours} ip daddr ${resolver} udp dport ${DNS_PORT} notrack
    # The resolver is the instances' own, whatever network asks for it.
    ip daddr ${resolver} iifname != ${ours} iifname != "lo" iifname != ${fabric} drop
${tunnelPort === undefined ? "" : `    udp dport ${tunnelPort} fib daddr type local jump tunnel\n`}  }
  chain sent {
    meta nfproto != ipv4 drop
    # Only what was started, and only with its own address.
    iifname . ip saddr != @senders drop
  }
  chain sent_elsewhere {
    meta nfproto != ipv4 drop
    # An address that is not another node's.
    fib saddr . iif oif missing drop
  }
  chain input {
    type filter hook input priority filter - 10; policy accept;
    iifname ${ours} goto to_host
    iifname ${fabric} ct state established,related accept
    iifname ${fabric} drop
  }
  chain to_host {
    ip daddr ${resolver} meta l4proto { tcp, udp } th dport ${DNS_PORT} jump ask
    ct state established,related accept
    ${REFUSE}
  }
  chain ask {
    meta mark set 0
    meta mark set ip saddr map @tenants
    add @questions { meta mark limit rate over ${QUESTIONS_PER_SECOND}/second burst ${QUESTIONS_BURST} packets } drop
    ct state new jump count
    meta mark set 0
    accept
  }
  chain output {
    type filter hook output priority raw; policy accept;
    ip saddr ${resolver} udp sport ${DNS_PORT} notrack
    # While the resolver starts again a question is asked again, and not given up.
    ip saddr ${resolver} icmp type destination-unreachable drop
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${subnet} oifname != ${ours} oifname != ${fabric} masquerade
  }
`;
}

function forwardChains({ prefix, allowCidrs, connections, tunnelPort }: FirewallPolicy): string {
  const [ours, fabric] = [`"${prefix}i*"`, `"${fabricName(prefix)}"`];
  return `  chain forward {
    type filter hook forward priority filter - 10; policy accept;
${tunnelPort === undefined ? "" : `    # What instances and builds wrap themselves would come from this host's address, which other nodes believe.
    oifname != ${ours} oifname != ${fabric} udp dport ${tunnelPort} drop
`}    iifname ${ours} goto leaving
    iifname ${fabric} oifname ${ours} goto arriving
    iifname ${fabric} drop
    oifname ${ours} goto entering
    oifname ${fabric} drop
  }
  chain leaving {
    oifname ${ours} goto private
    oifname ${fabric} ip daddr @hosts ct state established,related accept
    oifname ${fabric} goto private
    ct state established,related accept
    ip saddr @limited jump allowed
${allowCidrs.length === 0 ? "" : `    ip daddr ${set(allowCidrs)} goto internet\n`}    ip daddr ${set(PRIVATE_CIDRS)} ${REFUSE}
    ip daddr @nodes ${REFUSE}
    fib daddr type { local, broadcast, multicast } ${REFUSE}
    goto internet
  }
  chain internet {
    meta mark set 0
    meta mark set ip saddr map @tenants
    ct state new jump count
    meta mark set 0
    accept
  }
  chain arriving {
    # Gateways of other hosts.
    ip saddr @hosts accept
    goto private
  }
  chain private {
    # For every packet, both ways: what a connection began as says nothing about who has the address now.
    meta mark set 0
    meta mark set ip saddr map @tenants
    ip daddr . meta mark != @members goto foreign
    tcp flags syn tcp option maxseg size set rt mtu
    ct state established,related goto done
    iifname ${ours} ip saddr @limited jump privately_allowed
    ip daddr @narrowed jump narrow
    ct state new iifname ${ours} jump count
    goto done
  }
  chain done {
    meta mark set 0
    accept
  }
  chain foreign {
    # From another node: the news about a new instance there may be on its way, and the packet comes again.
    iifname ${ours} ${REFUSE}
    drop
  }
  chain allowed {
    ip saddr . ip daddr @egress_all return
    meta l4proto { tcp, udp } ip saddr . meta l4proto . ip daddr . th dport @egress return
    ${REFUSE}
  }
  chain privately_allowed {
    meta l4proto { tcp, udp } ip saddr . meta l4proto . ip daddr . th dport @egress_private return
    ${REFUSE}
  }
  chain narrow {
    meta l4proto { tcp, udp } ip daddr . ip saddr . th dport @ingress return
    ${REFUSE}
  }
  chain count {
    add @connections { ip saddr ct count over ${connections.instance} } ${REFUSE}
    add @tenant_connections { meta mark ct count over ${connections.tenant} } ${REFUSE}
  }
  chain entering {
    # What an instance began comes back, and what its owner asks for from outside; the host itself does not pass here.
    ct state established,related accept
    meta l4proto { tcp, udp } ip daddr . ip saddr . th dport @ingress_outside accept
    drop
  }
`;
}
