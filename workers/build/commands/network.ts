/** Commands for `ip -batch` and `nft -f` of the build network. Pure. */
import { PRIVATE_CIDRS } from "../../../core/host/commands/firewall.ts";
import { addressAt } from "../../../core/host/commands/net.ts";

/** One build's way out: a veth pair whose inner end is all that the sandbox has. */
export interface SlotNetwork {
  netns: string;
  /** The end on the host. */
  device: string;
  hostAddress: string;
  sandboxAddress: string;
}

const PREFIX_LENGTH = 30;
const ADDRESSES_PER_SLOT = 4;

/** The addresses of slot `index` within a subnet such as `10.202.0.0/16`. Throws when it has none left. */
export function slotAddresses(subnet: string, index: number): { host: string; sandbox: string } {
  const first = index * ADDRESSES_PER_SLOT;
  return { host: addressAt(subnet, first + 1), sandbox: addressAt(subnet, first + 2) };
}

/** For `ip -batch -`: everything but the namespace itself. */
export function slotBatch(slot: SlotNetwork): string {
  return [
    `link add ${slot.device} type veth peer name eth0 netns ${slot.netns}`,
    `addr add ${slot.hostAddress}/${PREFIX_LENGTH} dev ${slot.device}`,
    `link set ${slot.device} up`,
    "",
  ].join("\n");
}

/** For `ip -n <netns> -batch -`. */
export function slotInnerBatch(slot: SlotNetwork): string {
  return [
    `addr add ${slot.sandboxAddress}/${PREFIX_LENGTH} dev eth0`,
    "link set lo up",
    "link set eth0 up",
    `route add default via ${slot.hostAddress}`,
    "",
  ].join("\n");
}

export interface NetworkPolicy {
  table: string;
  /** Interfaces of all slots begin with this. */
  devicePrefix: string;
  subnet: string;
  /** Name servers that builds may ask. */
  resolvers: readonly string[];
  /** Private ranges that the operator opens. */
  allowCidrs: readonly string[];
  registryPort: number;
  slots: readonly SlotNetwork[];
}

/** The whole table, replaced in one transaction. */
export function policyRules(policy: NetworkPolicy): string {
  const slots = `"${policy.devicePrefix}*"`;
  const set = (name: string, values: readonly string[]) =>
    `  set ${name} { type ipv4_addr; flags interval; auto-merge; ${values.length === 0 ? "" : `elements = { ${values.join(", ")} }`} }`;
  // Sets have types by name: «typeof», as newer versions of nft write it, makes nft 1.0.6 crash on any command.
  const proxies = policy.slots.map((s) => `"${s.device}" . ${s.sandboxAddress} . ${s.hostAddress} . ${policy.registryPort}`);
  const sources = policy.slots.map((s) => `"${s.device}" . ${s.sandboxAddress}`);
  return `
table inet ${policy.table} {}
delete table inet ${policy.table}
table inet ${policy.table} {
${set("private_ranges", PRIVATE_CIDRS)}
${set("allowed", policy.allowCidrs)}
${set("resolvers", policy.resolvers)}
  set proxies { type ifname . ipv4_addr . ipv4_addr . inet_service; ${proxies.length === 0 ? "" : `elements = { ${proxies.join(", ")} }`} }
  set sources { type ifname . ipv4_addr; ${sources.length === 0 ? "" : `elements = { ${sources.join(", ")} }`} }
  chain outbound {
    ct state established,related accept
    meta nfproto != ipv4 drop
    iifname . ip saddr != @sources drop
    ip daddr @resolvers udp dport 53 accept
    ip daddr @resolvers tcp dport 53 accept
    ip daddr @allowed accept
    ip daddr @private_ranges reject with icmp type admin-prohibited
    accept
  }
  chain forward {
    type filter hook forward priority -5; policy accept;
    iifname ${slots} jump outbound
    oifname ${slots} ct state established,related accept
    oifname ${slots} drop
  }
  chain input {
    type filter hook input priority -5; policy accept;
    iifname != ${slots} accept
    ct state established,related accept
    iifname . ip saddr . ip daddr . tcp dport @proxies accept
    iifname . ip saddr @sources ip daddr @allowed accept
    iifname . ip saddr @sources ip daddr @resolvers udp dport 53 accept
    iifname . ip saddr @sources ip daddr @resolvers tcp dport 53 accept
    drop
  }
  chain postrouting {
    type nat hook postrouting priority 100; policy accept;
    ip saddr ${policy.subnet} oifname != ${slots} masquerade
  }
}
`;
}
