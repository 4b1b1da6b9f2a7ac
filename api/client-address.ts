/** Where a request comes from: the socket's other end, or what a proxy that the operator trusts says of it. */
import { BlockList, isIP, isIPv4 } from "node:net";

/** `10.0.0.0/8`, `::1`: addresses and ranges. */
export function isCidr(text: string): boolean {
  const [address = "", prefix, ...rest] = text.split("/");
  if (isIP(address) === 0 || rest.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (isIPv4(address) ? 32 : 128));
}

const familyOf = (address: string) => (isIPv4(address) ? "ipv4" : "ipv6");
/** IPv4 as sockets that listen on both show it. */
const plain = (address: string) => address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, "");

export type ClientAddress = (socketAddress: string | undefined, forwardedFor: string | undefined) => string | null;

/**
 * `X-Forwarded-For` is read from its end, and only as far as trusted proxies wrote it: what a client put there itself
 * stands before that.
 */
export function clientAddress(trustedCidrs: readonly string[]): ClientAddress {
  const trusted = new BlockList();
  for (const cidr of trustedCidrs) {
    const [address = "", prefix] = cidr.split("/");
    if (prefix === undefined) trusted.addAddress(address, familyOf(address));
    else trusted.addSubnet(address, Number(prefix), familyOf(address));
  }
  return (socketAddress, forwardedFor) => {
    if (socketAddress === undefined) return null;
    let address = plain(socketAddress);
    const said = (forwardedFor ?? "").split(",").map((part) => plain(part.trim()));
    while (trusted.check(address, familyOf(address))) {
      const next = said.pop() ?? "";
      // Nothing, or no address: the proxy itself is all that is known.
      if (isIP(next) === 0) break;
      address = next;
    }
    return address;
  };
}

/** What counts as one client: an IPv6 network of 64 bits is one household or machine. */
export function clientNetwork(address: string): string {
  if (isIPv4(address)) return address;
  const [head = "", tail] = (address.split("%")[0] ?? "").split("::");
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const last = tail === "" ? [] : tail.split(":");
    while (groups.length + last.length < 8) groups.push("0");
    groups.push(...last);
  }
  return `${groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16)).join(":")}::/64`;
}
