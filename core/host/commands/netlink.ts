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

/** Each begins at a multiple of four. */
export function attribute(type: number, ...parts: Buffer[]): Buffer {
  const value = Buffer.concat(parts);
  const bytes = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4);
  bytes.writeUInt16LE(4 + value.length, 0);
  bytes.writeUInt16LE(type, 2);
  value.copy(bytes, 4);
  return bytes;
}

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
