/**
 * Snapshots of images on their way to the blob store and back. A snapshot is a copy of the whole image, made while
 * nothing writes to it, checked, with its free blocks given back, compressed and hashed; what comes back is used only
 * when it is, byte for byte, what was sent. `docs/decisions/volumes.md`.
 */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { dirname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { NODE_SNAPSHOT_PATH, SNAPSHOT_DIGEST_HEADER, SNAPSHOT_IMAGE_BYTES_HEADER, type DesiredVolume } from "../core/contract/node-volumes.ts";
import { checkExt4Whole, compress, copySparse, decompress, freeze, reserve, sha256, thaw } from "../core/host/commands/ext4.ts";
import { run, runUnchecked } from "../core/host/spawn.ts";
import { check, growImage, publish, requireRoom, sizeOf } from "./image-file.ts";
import { fetchNodeToken } from "./node-token.ts";

/** An app waits with its writes so long at most. */
const FROZEN_MAX_MS = 120_000;
const COPY_TIMEOUT_MS = 3_600_000;

/** A consistent copy, while the app runs on. `mountedAt`: where the image is mounted; undefined: nothing writes to it. */
export async function copyImage(image: string, copy: string, mountedAt: string | undefined, signal: AbortSignal): Promise<void> {
  // At most: holes are left out.
  await requireRoom(dirname(copy), (await stat(image)).size);
  if (mountedAt === undefined) return void (await run(copySparse(image, copy), { timeoutMs: COPY_TIMEOUT_MS, signal }));
  await run(freeze(mountedAt));
  try {
    const { code, stderr } = await runUnchecked(copySparse(image, copy), { timeoutMs: FROZEN_MAX_MS, signal });
    if (code === null) throw new Error(`the copy took longer than the ${FROZEN_MAX_MS / 1000} s that an app can wait: stop the app, or keep the node's data on XFS or Btrfs`);
    if (code !== 0) throw new Error(/No space left/i.test(stderr) ? "the node has no room for the copy" : "the copy failed on the node");
  } finally {
    await runUnchecked(thaw(mountedAt));
  }
}

export interface Packed {
  path: string;
  digest: string;
  imageBytes: number;
}

/** The copy as it is stored; the copy itself is used up. */
export async function packCopy(copy: string, path: string, signal: AbortSignal): Promise<Packed> {
  await check(checkExt4Whole(copy));
  const { size: imageBytes } = await stat(copy);
  await run(compress(copy, `${path}.new`), { timeoutMs: COPY_TIMEOUT_MS, signal });
  await rename(`${path}.new`, path);
  await rm(copy, { force: true });
  const [hex = ""] = (await run(sha256(path), { timeoutMs: COPY_TIMEOUT_MS, signal })).stdout.split(" ");
  return { path, digest: `sha256:${hex}`, imageBytes };
}

/** Brings it to the API. False: it is not wanted any more. @throws Error: to be tried again */
export async function uploadSnapshot(api: { apiUrl: string; token: string }, id: string, packed: Packed, signal: AbortSignal): Promise<boolean> {
  const url = new URL(`${NODE_SNAPSHOT_PATH}/${id}`, api.apiUrl);
  const headers = {
    authorization: `Bearer ${await fetchNodeToken(api.apiUrl, api.token)}`,
    "content-type": "application/octet-stream",
    "content-length": String((await stat(packed.path)).size),
    [SNAPSHOT_DIGEST_HEADER]: packed.digest,
    [SNAPSHOT_IMAGE_BYTES_HEADER]: String(packed.imageBytes),
  };
  const request = (url.protocol === "https:" ? httpsRequest : httpRequest)(url, { method: "PUT", headers, signal });
  const answered = new Promise<number>((resolve, reject) => {
    request.on("response", (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on("error", reject);
  });
  // An answer before the end ends the sending: it says why.
  pipeline(createReadStream(packed.path), request).catch(() => {});
  const status = await answered.finally(() => request.destroy());
  if (status === 204) return true;
  if (status === 404) return false;
  throw new Error(`the API took the snapshot with ${status}`);
}

/** A new image from a snapshot. @throws Error when it is not what was stored, or does not fit onto the node */
export async function fetchImage({ source, sizeBytes }: Pick<DesiredVolume, "source" | "sizeBytes">, path: string, signal: AbortSignal): Promise<void> {
  if (source === undefined) throw new Error("there is no snapshot to make it from");
  const [packed, made] = [`${path}.zst.new`, `${path}.new`];
  try {
    await requireRoom(dirname(path), source.sizeBytes + Math.max(sizeBytes, source.imageBytes));
    const response = await fetch(source.url, { signal });
    if (!response.ok || response.body === null) throw new Error(`the snapshot cannot be fetched: ${response.status}`);
    const hash = createHash("sha256");
    let bytes = 0;
    await pipeline(
      Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]),
      async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          bytes += chunk.length;
          if (bytes > source.sizeBytes) throw new Error(`the snapshot has more than its ${source.sizeBytes} bytes`);
          hash.update(chunk);
          yield chunk;
        }
      },
      createWriteStream(packed, { mode: 0o600 }),
      { signal },
    );
    const digest = `sha256:${hash.digest("hex")}`;
    if (digest !== source.digest) throw new Error(`the snapshot is damaged: its digest is ${digest}, not ${source.digest}`);
    await run(decompress(packed, made, source.imageBytes), { timeoutMs: COPY_TIMEOUT_MS, signal });
    await rm(packed);
    if ((await sizeOf(made)) !== source.imageBytes) throw new Error("the file system in the snapshot is not as large as it was");
    await check(checkExt4Whole(made));
    if (sizeBytes > source.imageBytes) await growImage(made, sizeBytes, false);
    else await run(reserve(made, source.imageBytes), { timeoutMs: COPY_TIMEOUT_MS });
    await publish(made, path);
  } finally {
    for (const file of [packed, made]) await rm(file, { force: true });
  }
}
