/** The blob store on anything that speaks S3. */
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import type { Readable } from "node:stream";
import { BlobNotFound, BlobStoreUnavailable, type BlobStore } from "./blob-store.ts";
import { copyInParts, putStream } from "./s3-multipart.ts";

export interface S3Settings {
  BERTH_S3_ENDPOINT?: string | undefined;
  BERTH_S3_REGION: string;
  BERTH_S3_BUCKET: string;
  BERTH_S3_ACCESS_KEY_ID: string;
  BERTH_S3_SECRET_ACCESS_KEY: string;
}

const CONNECT_TIMEOUT_MS = 2000;
/** Until an answer begins, the sending of a part included. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Copying within the store: as long as the store needs. */
const COPY_TIMEOUT_MS = 15 * 60_000;
/** No byte for so long, in either direction: a reader that is slow on purpose gets this long. */
const IDLE_TIMEOUT_MS = 5 * 60_000;
/** S3 copies no more than this at once. */
const MAX_COPY_BYTES = 5 * 2 ** 30;
const DELETES_AT_ONCE = 8;

export interface S3Limits {
  requestTimeoutMs?: number;
  /** From this size on, a blob is copied in parts. */
  maxCopyBytes?: number;
}

export function openS3BlobStore(settings: S3Settings, limits: S3Limits = {}): BlobStore {
  const { requestTimeoutMs = REQUEST_TIMEOUT_MS, maxCopyBytes = MAX_COPY_BYTES } = limits;
  const Bucket = settings.BERTH_S3_BUCKET;
  const client = new S3Client({
    region: settings.BERTH_S3_REGION,
    ...(settings.BERTH_S3_ENDPOINT === undefined ? {} : { endpoint: settings.BERTH_S3_ENDPOINT, forcePathStyle: true }),
    credentials: { accessKeyId: settings.BERTH_S3_ACCESS_KEY_ID, secretAccessKey: settings.BERTH_S3_SECRET_ACCESS_KEY },
    // Not every store knows the newer checksums.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    maxAttempts: 2,
    // Without `throwOnRequestTimeout` the SDK only warns.
    requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, requestTimeout: requestTimeoutMs, throwOnRequestTimeout: true, socketTimeout: IDLE_TIMEOUT_MS },
  });
  // The SDK lists with `/bucket/?…`; s3rver signs `/bucket?…`. Other stores take both.
  client.middlewareStack.add(
    (next) => (args) => {
      const request = args.request as { path?: string };
      if (request.path !== undefined && request.path.length > 1) request.path = request.path.replace(/\/$/, "");
      return next(args);
    },
    { step: "build", name: "bucketPathWithoutSlash" },
  );
  const ask = async <T>(what: string, key: string, question: Promise<T>): Promise<T> => {
    try {
      return await question;
    } catch (error) {
      throw isNotFound(error) ? new BlobNotFound(key) : new BlobStoreUnavailable(`${what} ${key}`, error);
    }
  };
  return {
    put: async (key, body, options = {}) => {
      const { contentType: ContentType, signal } = options;
      try {
        return await putStream({ client, Bucket, Key: key, ...(ContentType === undefined ? {} : { ContentType }) }, body, signal);
      } catch (error) {
        // What broke may be the source: its error is the caller's own.
        if (error === body.errored) throw error;
        signal?.throwIfAborted();
        throw new BlobStoreUnavailable(`put ${key}`, error);
      }
    },
    putBytes: async (key, bytes, options = {}) => {
      const ContentType = options.contentType;
      await ask("put", key, client.send(new PutObjectCommand({ Bucket, Key: key, Body: bytes, ...(ContentType === undefined ? {} : { ContentType }) })));
    },
    get: async (key, range) => {
      const Range = range === undefined ? undefined : `bytes=${range.start}-${range.end ?? ""}`;
      const answer = await ask("get", key, client.send(new GetObjectCommand({ Bucket, Key: key, ...(Range === undefined ? {} : { Range }) })));
      return { body: answer.Body as Readable, sizeBytes: answer.ContentLength ?? 0 };
    },
    head: async (key) => {
      try {
        return (await ask("head", key, client.send(new HeadObjectCommand({ Bucket, Key: key })))).ContentLength ?? 0;
      } catch (error) {
        if (error instanceof BlobNotFound) return undefined;
        throw error;
      }
    },
    copy: async (from, to, known = {}) => {
      const sizeBytes = known.sizeBytes ?? (await ask("head", from, client.send(new HeadObjectCommand({ Bucket, Key: from })))).ContentLength ?? 0;
      const CopySource = `${Bucket}/${from.split("/").map(encodeURIComponent).join("/")}`;
      const sending = { requestTimeout: COPY_TIMEOUT_MS };
      if (sizeBytes > maxCopyBytes) return ask("copy", from, copyInParts({ client, Bucket, Key: to }, CopySource, { sizeBytes, partBytes: maxCopyBytes, sending }));
      await ask("copy", from, client.send(new CopyObjectCommand({ Bucket, Key: to, CopySource }), sending));
    },
    delete: async (keys) => {
      for (let i = 0; i < keys.length; i += DELETES_AT_ONCE) {
        await Promise.all(
          keys.slice(i, i + DELETES_AT_ONCE).map((key) =>
            ask("delete", key, client.send(new DeleteObjectCommand({ Bucket, Key: key }))).catch((error: unknown) => {
              if (!(error instanceof BlobNotFound)) throw error;
            }),
          ),
        );
      }
    },
    list: async function* (prefix) {
      let ContinuationToken: string | undefined;
      do {
        const page = await ask("list", prefix, client.send(new ListObjectsV2Command({ Bucket, Prefix: prefix, ...(ContinuationToken === undefined ? {} : { ContinuationToken }) })));
        for (const { Key, Size, LastModified } of page.Contents ?? []) {
          if (Key !== undefined) yield { key: Key, sizeBytes: Size ?? 0, modifiedAt: LastModified ?? new Date(0) };
        }
        ContinuationToken = page.NextContinuationToken;
      } while (ContinuationToken !== undefined);
    },
    presignGet: (key, expiresInMs) => getSignedUrl(client, new GetObjectCommand({ Bucket, Key: key }), { expiresIn: Math.ceil(expiresInMs / 1000) }),
  };
}

function isNotFound(error: unknown): boolean {
  return error instanceof S3ServiceException && (error.name === "NoSuchKey" || error.name === "NotFound" || error.$metadata.httpStatusCode === 404) && error.name !== "NoSuchBucket";
}
