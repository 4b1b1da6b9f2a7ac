/** Text for `ip -batch` that makes an instance's network: a routed pair, no bridge. Pure. */

/** The gateway inside every namespace: the host's end of the pair has it, on every pair the same. */
export const GATEWAY_ADDRESS = "169.254.1.1";
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

/** Holds back what an instance sends above its rate. Inside: its own end belongs to the host too, and who sends waits instead of losing packets. */
export const limitEgress = (bytesPerSecond: number) => [
  "tc", "qdisc", "replace", "dev", "eth0", "root", "tbf",
  "rate", `${bytesPerSecond}bps`, "burst", `${Math.max(SHORTEST_BURST_BYTES, Math.ceil(bytesPerSecond / 20))}`, "latency", "100ms",
];

/** For `ip -batch`: their links down, which cuts connections off and ends none; or up again, with the routes that went. */
export const cutBatch = (prefix: string, slots: readonly number[]) => slots.map((slot) => `link set ${interfaceName(prefix, slot)} down\n`).join("");
export const joinBatch = (prefix: string, subnet: string, slots: readonly number[]) =>
  slots.map((slot) => `link set ${interfaceName(prefix, slot)} up\nroute replace ${slotAddress(subnet, slot)}/32 dev ${interfaceName(prefix, slot)}\n`).join("");

/** First batch, in the host's namespace: makes the other one too. */
export function hostBatch(prefix: string, subnet: string, slot: number, hasIpv6: boolean): string {
  const host = interfaceName(prefix, slot);
  const netns = netnsName(prefix, slot);
  return [
    `netns add ${netns}`,
    `link add ${host} type veth peer name eth0 netns ${netns}`,
    // It needs no IPv6 address, and the routes of all others would be looked through for it.
    ...(hasIpv6 ? [`link set ${host} addrgenmode none`] : []),
    `addr add ${GATEWAY_ADDRESS}/32 dev ${host}`,
    `link set ${host} up`,
    `route add ${slotAddress(subnet, slot)}/32 dev ${host}`,
    "",
  ].join("\n");
}

/** Second batch, inside the new namespace; also for one that lost its address. */
export function innerBatch(subnet: string, slot: number): string {
  return [
    "link set lo up",
    `addr replace ${slotAddress(subnet, slot)}/32 dev eth0`,
    "link set eth0 up",
    `route replace ${GATEWAY_ADDRESS}/32 dev eth0`,
    `route replace default via ${GATEWAY_ADDRESS} dev eth0`,
    "",
  ].join("\n");
}

/**
 * Ports below 1024 need no capability here: the namespace belongs to the host, so an app's own could not grant it. `all` is
 * what comes later, too; a kernel without IPv6 has no such file. No name is looked up twice: the kernel looks through those of
 * all namespaces.
 */
const SYSCTL_SCRIPT = "echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start; echo 1 2>/dev/null > /proc/sys/net/ipv6/conf/all/disable_ipv6";

/** All that is to be done inside, with `innerBatch` on its input: one program that becomes the next. */
export const innerCommand = (egressBytesPerSecond: number) => ["sh", "-c", `${SYSCTL_SCRIPT}; ip -batch - && exec ${limitEgress(egressBytesPerSecond).join(" ")}`];

/** The pair first: the namespace itself may live on for as long as a socket in it does. */
export const removeBatch = (prefix: string, slot: number) => `link delete ${interfaceName(prefix, slot)}\nnetns delete ${netnsName(prefix, slot)}\n`;
