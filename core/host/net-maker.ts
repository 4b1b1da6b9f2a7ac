/**
 * A thread that makes network namespaces with their way to the host and changes what is inside, one after the other: whoever is
 * inside one is there with its whole thread, and the kernel lets it wait for its locks.
 */
import { closeSync, openSync, writeFileSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { hostLink, hostRoute, innerRequests, INNER_INTERFACE, limitEgress } from "./commands/net.ts";
import { addVeth } from "./commands/rtnetlink.ts";
import { Rtnetlink } from "./netlink.ts";
import { withinNetns, withinNewNetns } from "./syscalls.ts";

/** `restore`: its address is gone, and with it its way out. */
export type NetnsOrder =
  | { kind: "make"; path: string; hostInterface: string; address: string; egressBytesPerSecond: number; hasIpv6: boolean }
  | { kind: "restore"; path: string; address: string }
  | { kind: "limit"; path: string; egressBytesPerSecond: number };

/** Answers come in the order of what was asked for. */
export type NetnsAnswer = { error?: Error };

const host = new Rtnetlink();

parentPort?.on("message", (order: NetnsOrder) => {
  let answer: NetnsAnswer = {};
  try {
    if (order.kind === "make") withinNewNetns(order.path, () => makeInside(order));
    else withinNetns(order.path, () => changeInside(order));
  } catch (error) {
    answer = { error: error as Error };
  }
  parentPort?.postMessage(answer);
});

/** @throws NetlinkError; Error of a file */
function makeInside({ path, hostInterface, address, egressBytesPerSecond, hasIpv6 }: Extract<NetnsOrder, { kind: "make" }>): void {
  const inner = new Rtnetlink();
  const here = openSync(path, "r");
  try {
    // Ports below 1024 need no capability here: the namespace belongs to the host, so an app's own could not grant it. No name
    // is looked up twice: the kernel looks through those of all namespaces.
    writeFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
    // `all` is what comes later, too.
    if (hasIpv6) writeFileSync("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
    host.do(addVeth(hostInterface, INNER_INTERFACE, here), ...hostLink(hostInterface, hasIpv6));
    host.do(...hostRoute(host.mustFind(hostInterface), address));
    const index = inner.mustFind(INNER_INTERFACE);
    inner.do(...innerRequests(index, address), limitEgress(index, egressBytesPerSecond));
  } finally {
    closeSync(here);
    inner.close();
  }
}

/** @throws NetlinkError */
function changeInside(order: Exclude<NetnsOrder, { kind: "make" }>): void {
  const inner = new Rtnetlink();
  try {
    const index = inner.mustFind(INNER_INTERFACE);
    inner.do(...(order.kind === "restore" ? innerRequests(index, order.address) : [limitEgress(index, order.egressBytesPerSecond)]));
  } finally {
    inner.close();
  }
}
