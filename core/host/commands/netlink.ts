/**
 * What all messages to the kernel's netlink sockets are made of, in the byte order of the platforms that Berth runs on, all
 * little-endian. Pure. Source: `man 7 netlink`; numbers from linux/netlink.h.
 */

export interface Request {
  /** For an error's text. */
  what: string;
  bytes: Buffer;
}

export const HEADER_BYTES = 16;
const NLM_F_REQUEST = 1;
export const [NLM_F_ACK, NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE] = [4, 0x100, 0x200, 0x400];
export const [NLMSG_ERROR, NLMSGERR_ATTR_MSG] = [2, 1];

export function request(what: string, type: number, flags: number, ...parts: Buffer[]): Request {
  const body = Buffer.concat(parts);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(HEADER_BYTES + body.length, 0);
  header.writeUInt16LE(type, 4);
  header.writeUInt16LE(NLM_F_REQUEST | flags, 6);
  return { what, bytes: Buffer.concat([header, body]) };
}

/** Messages and their attributes begin at multiples of four. */
export const aligned = (length: number) => Math.ceil(length / 4) * 4;

export function attribute(type: number, ...parts: Buffer[]): Buffer {
  const value = Buffer.concat(parts);
  const bytes = Buffer.alloc(4 + aligned(value.length));
  bytes.writeUInt16LE(4 + value.length, 0);
  bytes.writeUInt16LE(type, 2);
  value.copy(bytes, 4);
  return bytes;
}

/** What does not fit into one message, or would have too many answers at once. */
export function chunks<T>(items: readonly T[], most: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / most) }, (_, index) => items.slice(index * most, (index + 1) * most));
}

export const ipv4 = (address: string) => Buffer.from(address.split(".").map(Number));
export const text = (type: number, value: string) => attribute(type, Buffer.from(`${value}\0`));

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
