/** Build contexts for tests, and sending them. */
import { gzipSync, zstdCompressSync } from "node:zlib";
import { pack, type Header } from "tar-stream";

export type Entry = (Partial<Header> & { name: string }) | [name: string, content: string | Buffer];

/** A tar of the entries, in order. */
export async function tarOf(...entries: Entry[]): Promise<Buffer> {
  const tar = pack();
  for (const entry of entries) {
    if (Array.isArray(entry)) tar.entry({ name: entry[0] }, entry[1]);
    else tar.entry(entry, entry.type === "file" || entry.type === undefined ? "x" : undefined as never);
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export const gzip = (bytes: Buffer) => gzipSync(bytes);
export const zstd = (bytes: Buffer) => zstdCompressSync(bytes);

export interface RawHeader {
  type?: string;
  size?: number;
  linkname?: string;
  mode?: number;
  /** Changes the block before its checksum is written. */
  patch?: (block: Buffer) => void;
}

/** A tar header block of 512 bytes, as tar-stream would never write it. */
export function rawHeader(name: string, more: RawHeader = {}): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0);
  block.write(`${(more.mode ?? 0o644).toString(8).padStart(7, "0")}\0`, 100);
  block.write("0000000\0".repeat(2), 108);
  block.write(`${(more.size ?? 0).toString(8).padStart(11, "0")}\0`, 124);
  block.write("00000000000\0", 136);
  block.write("        ", 148);
  block.write(more.type ?? "0", 156);
  block.write(more.linkname ?? "", 157);
  block.write("ustar\x0000", 257, "latin1");
  more.patch?.(block);
  block.write(`${block.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

const padded = (content: Buffer) => Buffer.concat([content, Buffer.alloc((512 - (content.length % 512)) % 512)]);

/** A header and its content, whatever the header says of it. */
export function rawFile(name: string, content: string | Buffer, more: RawHeader = {}): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([rawHeader(name, { size: bytes.length, ...more }), padded(bytes)]);
}

/** A pax header for what follows (`x`), or for all that follows (`g`). */
export function rawPax(records: Record<string, string | Buffer>, type: "x" | "g" = "x"): Buffer {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from("\n")]);
    let length = rest.length + 1;
    while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
    return Buffer.concat([Buffer.from(String(length)), rest]);
  });
  return rawFile("pax", Buffer.concat(lines), { type });
}

/** Ends an archive. */
export const RAW_END = Buffer.alloc(1024);
