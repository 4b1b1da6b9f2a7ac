/** Reading small bodies whole, and the headers that say which part of something larger is meant. */
import type { Context } from "hono";
import { RegistryError } from "./errors.ts";

/** @throws RegistryError SIZE_INVALID */
export async function readBody(c: Context, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of (c.req.raw.body ?? []) as AsyncIterable<Uint8Array>) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) throw new RegistryError("SIZE_INVALID", `the body has at most ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

export interface Span {
  /** First byte, from 0. */
  start: number;
  /** Last byte, inclusive. */
  end: number;
}

/** `Range` of a read: one range of bytes; anything else is answered with the whole, as HTTP allows. Pure. @throws RegistryError beyond the end */
export function parseRange(header: string | undefined, sizeBytes: number): Span | undefined {
  const [, from = "", to = ""] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "") ?? [];
  if (from === "" && to === "") return undefined;
  // `-5`: the last five.
  const start = from === "" ? Math.max(0, sizeBytes - Number(to)) : Number(from);
  const end = from === "" || to === "" ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1);
  if (start >= sizeBytes) throw new RegistryError("RANGE_INVALID", `the blob has ${sizeBytes} bytes`, { "content-range": `bytes */${sizeBytes}` });
  return end < start ? undefined : { start, end };
}

/** `Content-Range` of a chunk, `0-99`; some clients write it as HTTP does, `bytes 0-99/*`. Pure. @throws RegistryError */
export function parseContentRange(header: string | undefined): Span | undefined {
  if (header === undefined) return undefined;
  const [, from, to] = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d+|\*))?$/.exec(header) ?? [];
  const span = { start: Number(from), end: Number(to) };
  if (from === undefined || span.end < span.start) throw new RegistryError("RANGE_INVALID", "Content-Range is «first byte»-«last byte»");
  return span;
}
