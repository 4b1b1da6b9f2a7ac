/** What comes and goes at instances, as the kernel tells it. Parsing is pure. */
import { readFileSync } from "node:fs";

/** Packets so far, both ways, by interface: from the text of `/proc/net/dev`. */
export function parsePackets(text: string): Map<string, number> {
  const packets = new Map<string, number>();
  for (const line of text.split("\n").slice(2)) {
    const colon = line.indexOf(":");
    if (colon === -1) continue;
    const fields = line.slice(colon + 1).trim().split(/\s+/);
    packets.set(line.slice(0, colon).trim(), Number(fields[1]) + Number(fields[9]));
  }
  return packets;
}

/** All interfaces of this network namespace in one read. */
export const readPackets = () => parsePackets(readFileSync("/proc/net/dev", "utf8"));

/** The same of one interface; 0 when it is gone. */
export function readPacketsOf(hostInterface: string): number {
  try {
    return ["rx_packets", "tx_packets"].reduce((sum, name) => sum + Number(readFileSync(`/sys/class/net/${hostInterface}/statistics/${name}`, "utf8")), 0);
  } catch {
    return 0;
  }
}

export interface SocketsSeen {
  /** Connections to the port that are open: a request may be in flight on each. */
  connections: number;
  /** Something waits to be taken: a connection, or bytes on one. */
  waiting: boolean;
}

const ESTABLISHED = "01";
const CLOSE_WAIT = "08";
const LISTEN = "0A";

/** From the text of `/proc/<pid>/net/tcp` or `tcp6`: for a socket that listens, its queue is of connections. */
export function parseSockets(text: string, port: number): SocketsSeen {
  const seen = { connections: 0, waiting: false };
  for (const line of text.split("\n").slice(1)) {
    const [, local, , state, queues] = line.trim().split(/\s+/);
    if (local === undefined || queues === undefined) continue;
    const received = Number.parseInt(queues.split(":")[1] ?? "0", 16);
    const isOwn = Number.parseInt(local.split(":")[1] ?? "", 16) === port;
    if (state === ESTABLISHED && isOwn) seen.connections++;
    // The end of a connection counts as one byte, and alone it is no reason: the app notices it when it next runs.
    if (received > (state === CLOSE_WAIT ? 1 : 0) && [LISTEN, ESTABLISHED, CLOSE_WAIT].includes(state ?? "")) seen.waiting = true;
  }
  return seen;
}

/** In the network namespace of the process; what cannot be read holds nothing. */
export function readSockets(pid: number, port: number): SocketsSeen {
  const all = ["tcp", "tcp6"].map((file) => {
    try {
      return parseSockets(readFileSync(`/proc/${pid}/net/${file}`, "utf8"), port);
    } catch {
      return { connections: 0, waiting: false };
    }
  });
  return { connections: all.reduce((sum, { connections }) => sum + connections, 0), waiting: all.some(({ waiting }) => waiting) };
}
