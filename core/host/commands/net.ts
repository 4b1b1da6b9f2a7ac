/** Text for `ip -batch` that makes an instance's network: a routed pair, no bridge. Pure. */

/** The gateway inside every namespace: the host's end of the pair has it, on every pair the same. */
export const GATEWAY_ADDRESS = "169.254.1.1";
/** Addresses at the start of the subnet that no slot gets. */
const RESERVED = 16;

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

/** First batch, in the host's namespace. */
export function hostBatch(prefix: string, subnet: string, slot: number): string {
  const host = interfaceName(prefix, slot);
  const netns = netnsName(prefix, slot);
  return [
    `link add ${host} type veth peer name eth0 netns ${netns}`,
    `addr add ${GATEWAY_ADDRESS}/32 dev ${host}`,
    `link set ${host} up`,
    `route add ${slotAddress(subnet, slot)}/32 dev ${host}`,
    "",
  ].join("\n");
}

/** Second batch, inside the new namespace. */
export function innerBatch(subnet: string, slot: number): string {
  return [
    "link set lo up",
    `addr add ${slotAddress(subnet, slot)}/32 dev eth0`,
    "link set eth0 up",
    `route add ${GATEWAY_ADDRESS}/32 dev eth0`,
    `route add default via ${GATEWAY_ADDRESS} dev eth0`,
    "",
  ].join("\n");
}
