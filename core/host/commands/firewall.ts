/** The rules around instances, as text for `nft -f`. Pure. */

export interface FirewallPolicy {
  /** BERTH_NET_PREFIX. */
  prefix: string;
  /** Addresses of instances. */
  subnet: string;
  /** Destinations that the operator allows although they are private. */
  allowCidrs: readonly string[];
  /** Name servers that instances may ask. */
  resolvers: readonly string[];
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

const set = (elements: readonly string[]) => `{ ${elements.join(", ")} }`;

/** One whole table; loading it replaces the former one in one step, so there is no moment without rules. */
export function firewallRules(policy: FirewallPolicy): string {
  const table = tableName(policy.prefix);
  const ours = `"${policy.prefix}i*"`;
  const allow = policy.allowCidrs.length === 0 ? [] : [`    ip daddr ${set(policy.allowCidrs)} accept`];
  const dns = policy.resolvers.length === 0 ? [] : [`    ip daddr ${set(policy.resolvers)} meta l4proto { tcp, udp } th dport 53 accept`];
  return `table inet ${table}
delete table inet ${table}
table inet ${table} {
  chain prerouting {
    type filter hook prerouting priority raw; policy accept;
    iifname != ${ours} accept
    meta nfproto ipv6 drop
    # A source address that is not the interface's own.
    fib saddr . iif oif missing drop
  }
  chain input {
    type filter hook input priority filter - 10; policy accept;
    iifname != ${ours} accept
    ct state established,related accept
    drop
  }
  chain forward {
    type filter hook forward priority filter - 10; policy accept;
    iifname ${ours} jump leaving
    oifname ${ours} jump entering
  }
  chain leaving {
    ct state established,related accept
    oifname ${ours} drop
${[...dns, ...allow].join("\n")}
    ip daddr ${set(PRIVATE_CIDRS)} drop
    fib daddr type { local, broadcast, multicast } drop
    accept
  }
  chain entering {
    # Only what an instance began comes back; the host itself does not pass here.
    ct state established,related accept
    drop
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${policy.subnet} oifname != ${ours} masquerade
  }
}
`;
}
