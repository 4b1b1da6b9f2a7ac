/**
 * Messages that ask the kernel for links, addresses, routes and queues. Pure. Source: `man 7 rtnetlink`; numbers from
 * linux/rtnetlink.h, if_link.h, if_addr.h, pkt_sched.h.
 */

import { attribute, HEADER_BYTES, ipv4, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, request as requestOf, text, uint32, uint64, type Request } from "./netlink.ts";

const NEW = NLM_F_CREATE | NLM_F_EXCL;
const NEW_OR_OTHER = NLM_F_CREATE | NLM_F_REPLACE;
const [RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK, RTM_NEWADDR, RTM_NEWROUTE, RTM_NEWQDISC] = [16, 17, 18, 19, 20, 24, 36];

const [AF_UNSPEC, AF_INET, AF_INET6] = [0, 2, 10];
const IFF_UP = 1;
const IFLA = { name: 3, kind: { of: 18, name: 1, data: 2 }, families: 26, group: 27, netnsDescriptor: 28 };
const VETH_INFO_PEER = 1;
const IFLA_INET_CONF = 1;
const IPV4_DEVCONF_RP_FILTER = 8;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const IN6_ADDR_GEN_MODE_NONE = 1;
const IFA = { address: 1, local: 2 };
const RTA = { destination: 1, link: 4, gateway: 5 };
const [RT_TABLE_MAIN, RTPROT_BOOT, RTN_UNICAST] = [254, 3, 1];
const [RT_SCOPE_UNIVERSE, RT_SCOPE_LINK] = [0, 253];
const TCA = { kind: 1, options: 2 };
const TCA_TBF = { parameters: 1, rate64: 4, burst: 6 };
const TC_H_ROOT = 0xffff_ffff;
const TC_LINKLAYER_ETHERNET = 1;
const UINT32_MAX = 0xffff_ffff;

/** A pair of interfaces, the other one in a namespace that a descriptor stands for. */
export const addVeth = (name: string, peer: string, netnsDescriptor: number) =>
  request(`adding ${name}`, RTM_NEWLINK, NEW, linkHeader(), text(IFLA.name, name), attribute(IFLA.kind.of,
    text(IFLA.kind.name, "veth"),
    attribute(IFLA.kind.data, attribute(VETH_INFO_PEER, linkHeader(), text(IFLA.name, peer), attribute(IFLA.netnsDescriptor, uint32(netnsDescriptor)))),
  ));

/** Answered with a link's description: `indexIn` reads it. */
export const findLink = (name: string) => request(`finding ${name}`, RTM_GETLINK, 0, linkHeader(), text(IFLA.name, name));

/** In the answer to `findLink`. */
export const indexIn = (answer: Buffer) => answer.readInt32LE(HEADER_BYTES + 4);

export const setLink = (name: string, direction: "up" | "down") => request(`setting ${name} ${direction}`, RTM_SETLINK, 0, linkHeader(direction === "up" ? IFF_UP : 0, IFF_UP), text(IFLA.name, name));

/** Takes only what it would send an answer to by the same link, and has no IPv6 address of its own, for which the routes of all others would be looked through. */
export const setStrict = (name: string, hasIpv6: boolean) =>
  request(`setting up ${name}`, RTM_SETLINK, 0, linkHeader(), text(IFLA.name, name), attribute(IFLA.families,
    attribute(AF_INET, attribute(IFLA_INET_CONF, attribute(IPV4_DEVCONF_RP_FILTER, uint32(1)))),
    ...(hasIpv6 ? [attribute(AF_INET6, attribute(IFLA_INET6_ADDR_GEN_MODE, Buffer.of(IN6_ADDR_GEN_MODE_NONE)))] : []),
  ));

export const setGroup = (name: string, group: number) => request(`marking ${name}`, RTM_SETLINK, 0, linkHeader(), text(IFLA.name, name), attribute(IFLA.group, uint32(group)));

/** All links of a group at once: for each by itself the kernel would wait as long as for all. */
export const deleteGroup = (group: number) => request("deleting links", RTM_DELLINK, 0, linkHeader(), attribute(IFLA.group, uint32(group)));

/** An address of which nobody else is on the link. */
export const setAddress = (index: number, address: string) =>
  request(`giving the address ${address}`, RTM_NEWADDR, NEW_OR_OTHER, Buffer.of(AF_INET, 32, 0, RT_SCOPE_UNIVERSE), uint32(index), attribute(IFA.local, ipv4(address)), attribute(IFA.address, ipv4(address)));

/** To one address that is on the link. */
export const setLinkRoute = (index: number, address: string) =>
  request(`routing ${address}`, RTM_NEWROUTE, NEW_OR_OTHER, routeHeader(32, RT_SCOPE_LINK), attribute(RTA.destination, ipv4(address)), attribute(RTA.link, uint32(index)));

/** To all others. */
export const setDefaultRoute = (index: number, gateway: string) =>
  request(`routing by ${gateway}`, RTM_NEWROUTE, NEW_OR_OTHER, routeHeader(0, RT_SCOPE_UNIVERSE), attribute(RTA.gateway, ipv4(gateway)), attribute(RTA.link, uint32(index)));

export interface Rate {
  bytesPerSecond: number;
  burstBytes: number;
  /** What waits longer is dropped. */
  latencyMs: number;
}

/** A token bucket instead of the queue that was there. Source: `man 8 tc-tbf`. */
export function setRate(index: number, { bytesPerSecond, burstBytes, latencyMs }: Rate): Request {
  const isLarge = bytesPerSecond > UINT32_MAX;
  // struct tc_tbf_qopt: two rates of 12 bytes, the second unused, then limit, buffer, mtu.
  const parameters = Buffer.alloc(36);
  parameters.writeUInt8(TC_LINKLAYER_ETHERNET, 1);
  parameters.writeUInt32LE(isLarge ? UINT32_MAX : bytesPerSecond, 8);
  parameters.writeUInt32LE(Math.min(UINT32_MAX, Math.round((bytesPerSecond * latencyMs) / 1000) + burstBytes), 24);
  return request("limiting what is sent", RTM_NEWQDISC, NEW_OR_OTHER, uint32(AF_UNSPEC), uint32(index), uint32(0), uint32(TC_H_ROOT), uint32(0), text(TCA.kind, "tbf"), attribute(TCA.options,
    attribute(TCA_TBF.parameters, parameters),
    attribute(TCA_TBF.burst, uint32(burstBytes)),
    ...(isLarge ? [attribute(TCA_TBF.rate64, uint64(bytesPerSecond))] : []),
  ));
}

/** Each is answered. */
const request = (what: string, type: number, flags: number, ...parts: Buffer[]) => requestOf(what, type, NLM_F_ACK | flags, ...parts);

function linkHeader(flags = 0, changed = 0): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt32LE(flags, 8);
  header.writeUInt32LE(changed, 12);
  return header;
}

function routeHeader(prefixLength: number, scope: number): Buffer {
  return Buffer.concat([Buffer.of(AF_INET, prefixLength, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, scope, RTN_UNICAST), uint32(0)]);
}
