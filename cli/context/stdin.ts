/** `berth deploy -`: a tar (plain, gzip or zstd) or a Dockerfile from stdin; its first bytes tell which. */
import type { Readable } from "node:stream";
import { usageError } from "../errors.ts";
import type { Packed } from "./pack.ts";

const HEAD_BYTES = 512;
const DOCKERFILE_MAX_BYTES = 2 ** 20;

export type StdinKind = "tar" | "gzip" | "zstd" | "dockerfile" | "unsupported";

export function recognise(head: Uint8Array): StdinKind {
  const starts = (...bytes: number[]) => bytes.every((byte, index) => head[index] === byte);
  if (starts(0x1f, 0x8b)) return "gzip";
  if (starts(0x28, 0xb5, 0x2f, 0xfd)) return "zstd";
  if (Buffer.from(head.subarray(257, 262)).toString("latin1") === "ustar") return "tar";
  // bzip2, xz, zip: Docker takes the first two, Berth's API does not.
  if (starts(0x42, 0x5a, 0x68) || starts(0xfd, 0x37, 0x7a, 0x58, 0x5a) || starts(0x50, 0x4b, 0x03, 0x04)) return "unsupported";
  return head.includes(0) ? "unsupported" : "dockerfile";
}

const CONTENT_TYPES = { tar: "application/x-tar", gzip: "application/gzip", zstd: "application/zstd", dockerfile: "text/x-dockerfile" } as const;

/** The upload that stdin holds. A Dockerfile is read whole; a tar is passed on as it comes. */
export async function readStdin(stdin: Readable & { isTTY?: boolean }): Promise<Packed> {
  if (stdin.isTTY === true) throw usageError("«-» reads from stdin, and stdin is a terminal.", "Pipe a tar or a Dockerfile: tar -cz . | berth deploy - --app NAME");
  const chunks = stdin[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const head = await readHead(chunks);
  if (head.length === 0) throw usageError("Nothing came from stdin.", "Pipe a tar or a Dockerfile: tar -cz . | berth deploy - --app NAME");
  const kind = recognise(head);
  if (kind === "unsupported") throw usageError("What came from stdin is neither a tar (plain, gzip or zstd) nor a Dockerfile.");
  const contentType = CONTENT_TYPES[kind];
  if (kind !== "dockerfile") return { contentType, body: joined(head, chunks) };
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of joined(head, chunks)) {
    bytes += chunk.length;
    if (bytes > DOCKERFILE_MAX_BYTES) throw usageError("What came from stdin is too long for a Dockerfile (1 MiB).");
    parts.push(chunk);
  }
  return { contentType, body: Buffer.concat(parts) };
}

/** All of a Dockerfile that comes from stdin beside a directory (`-f -`). */
export async function readStdinText(stdin: Readable & { isTTY?: boolean }): Promise<Buffer> {
  const { contentType, body } = await readStdin(stdin);
  if (contentType !== CONTENT_TYPES.dockerfile || !(body instanceof Uint8Array)) throw usageError("«-f -» takes a Dockerfile from stdin, and not a tar.");
  return Buffer.from(body);
}

async function readHead(chunks: AsyncIterator<Buffer>): Promise<Buffer> {
  let head = Buffer.alloc(0);
  while (head.length < HEAD_BYTES) {
    const next = await chunks.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  return head;
}

async function* joined(head: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Uint8Array> {
  yield head;
  for (;;) {
    const next = await rest.next();
    if (next.done === true) return;
    yield next.value;
  }
}
