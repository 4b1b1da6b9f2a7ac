/**
 * How s3rver's files change: whole or not at all, and never under another request's feet. Out of the box it writes and
 * copies in place, removes directories that another request is about to write to, and reads `bytes=0-0` as everything.
 */
import { createHash, randomUUID } from "node:crypto";
import { createReadStream, createWriteStream, mkdirSync, rmSync, type ReadStream } from "node:fs";
import { copyFile, link, mkdir, readdir, rename, rm, rmdir, stat, unlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";

type Resource = "object" | "object.md5" | "metadata.json" | "uploads";
interface S3Object {
  content: ReadStream | null;
  range?: { start: number; end: number };
}

/** The parts of `lib/stores/filesystem.js` that are replaced, and those they use. */
export interface FileStore {
  getBucketPath(bucket: string): string;
  getResourcePath(bucket: string, key: string, resource: Resource): string;
  getMetadata(bucket: string, key: string): Promise<unknown>;
  getObject(bucket: string, key: string, options?: { start?: number; end?: number }): Promise<S3Object | null>;
  putContent(path: string, content: Buffer | Readable): Promise<[sizeBytes: number, md5: string]>;
  putMetadata(bucket: string, key: string, metadata: Record<string, string>, md5?: string): Promise<void>;
  copyObject(fromBucket: string, fromKey: string, toBucket: string, toKey: string, metadata: Record<string, string> | null | undefined): Promise<unknown>;
  deleteObject(bucket: string, key: string): Promise<void>;
}

/** `partsDir`: for what is not whole yet, on the same file system; emptied now. */
export function mendFileStore(store: FileStore, partsDir: string): void {
  rmSync(partsDir, { recursive: true, force: true });
  mkdirSync(partsDir, { recursive: true });
  const temporary = () => join(partsDir, randomUUID());

  const appear = async (path: string, make: (temporary: string) => Promise<unknown>) => {
    const part = temporary();
    try {
      await make(part);
      await renameInto(part, path);
    } finally {
      // It is still there when something failed, and when it was the same file already.
      await rm(part, { force: true });
    }
  };

  store.putContent = async (path, content) => {
    const md5 = createHash("md5");
    let sizeBytes = 0;
    const count = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        md5.update(chunk);
        sizeBytes += chunk.length;
        done(null, chunk);
      },
    });
    await appear(path, (part) => pipeline(Buffer.isBuffer(content) ? Readable.from([content]) : content, count, createWriteStream(part)));
    return [sizeBytes, md5.digest("hex")];
  };

  const putMetadata = (bucket: string, key: string, metadata: Record<string, string>) => {
    const kept = Object.entries(metadata).filter(([name]) => METADATA.has(name) || name.startsWith("x-amz-meta-"));
    return appear(store.getResourcePath(bucket, key, "metadata.json"), (part) => writeFile(part, JSON.stringify(Object.fromEntries(kept))));
  };
  store.putMetadata = async (bucket, key, metadata, md5) => {
    if (md5 !== undefined) await appear(store.getResourcePath(bucket, key, "object.md5"), (part) => writeFile(part, md5));
    await putMetadata(bucket, key, metadata);
  };

  store.copyObject = async (fromBucket, fromKey, toBucket, toKey, metadata) => {
    if (fromBucket !== toBucket || fromKey !== toKey) {
      // No file is ever written again once it has its name: a second name for it is a copy.
      const copies: [Resource, typeof link][] = [["object", link], ["object.md5", copyFile], ["metadata.json", copyFile]];
      for (const [resource, copy] of copies) {
        await appear(store.getResourcePath(toBucket, toKey, resource), (part) => copy(store.getResourcePath(fromBucket, fromKey, resource), part));
      }
    }
    if (metadata) await putMetadata(toBucket, toKey, metadata);
    return store.getMetadata(toBucket, toKey);
  };

  store.deleteObject = async (bucket, key) => {
    for (const resource of ["object", "object.md5", "metadata.json"] as const) await unlink(store.getResourcePath(bucket, key, resource)).catch(ignore("ENOENT"));
    const parents = key.split("/").slice(0, -1);
    try {
      for (; parents.length > 0; parents.pop()) await rmdir(join(store.getBucketPath(bucket), ...parents));
    } catch {
      // It holds something, again or still.
    }
  };

  const getObject = store.getObject.bind(store);
  store.getObject = async (bucket, key, options = {}) => {
    if (options.end !== 0) return getObject(bucket, key, options);
    const object = await getObject(bucket, key, { start: 0 });
    if (object?.content && object.range?.end !== undefined) {
      object.content.destroy();
      object.content = createReadStream(object.content.path, { start: 0, end: 0 });
      object.range = { start: 0, end: 0 };
    }
    return object;
  };
}

/** s3rver cannot abort an upload in parts: those that nobody ended are removed like this, now and then. */
export async function removeOldUploads(store: FileStore, bucket: string, olderThanMs: number): Promise<void> {
  const dir = store.getResourcePath(bucket, "", "uploads");
  for (const name of await readdir(dir).catch(() => [])) {
    const upload = await stat(join(dir, name)).catch(() => undefined);
    if (upload && Date.now() - upload.mtimeMs > olderThanMs) await rm(join(dir, name), { recursive: true, force: true });
  }
}

const METADATA = new Set(["cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires", "x-amz-website-redirect-location"]);

/** Whoever deletes may remove the directory until something is in it. */
async function renameInto(part: string, path: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await rename(part, path);
    } catch (error) {
      if (attempt === 10 || !isCode(error, "ENOENT")) throw error;
      await mkdir(dirname(path), { recursive: true });
    }
  }
}

const isCode = (error: unknown, code: string) => error instanceof Error && "code" in error && error.code === code;
const ignore = (code: string) => (error: unknown) => {
  if (!isCode(error, code)) throw error;
};
