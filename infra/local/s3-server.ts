/**
 * The process of the local S3-compatible store: `node s3-server.ts`, see `s3.ts`.
 * s3rver lets unsigned requests pass and refuses signed ones of `/bucket/`; both are mended here, its files in `s3-files.ts`.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { z } from "zod";
import { readEnv } from "../../core/env.ts";
import { mendFileStore, removeOldUploads, type FileStore } from "./s3-files.ts";

const OLD_UPLOAD_MS = 24 * 3_600_000;
const SWEEP_EVERY_MS = 3_600_000;

interface Server {
  store: FileStore;
  configureBuckets(): Promise<void>;
  callback(): (request: unknown, response: unknown) => void;
}
interface Account {
  createKeyPair(id: string, secret: string): void;
  revokeAccessKey(id: string): void;
}

const require = createRequire(import.meta.url);
const S3rver = require("@20minutes/s3rver") as new (options: Record<string, unknown>) => Server;
const { DUMMY_ACCOUNT } = require("@20minutes/s3rver/lib/models/account") as { DUMMY_ACCOUNT: Account };

/** It checks the signature of `/bucket/` as that of `/bucket`: here it checks what was asked for. */
const v4 = require("@20minutes/s3rver/lib/signature/v4") as { getStringToSign(canonical: { uri: string }, request: unknown): string };
const asked = new AsyncLocalStorage<{ path: string }>();
const getStringToSign = v4.getStringToSign;
v4.getStringToSign = (canonical, request) => {
  const slash = asked.getStore()?.path.endsWith("/") === true && !canonical.uri.endsWith("/");
  return getStringToSign({ ...canonical, uri: slash ? `${canonical.uri}/` : canonical.uri }, request);
};

const env = readEnv(
  z.object({
    BERTH_S3_DIRECTORY: z.string(),
    BERTH_S3_PORT: z.coerce.number().int(),
    BERTH_S3_BUCKET: z.string(),
    BERTH_S3_ACCESS_KEY_ID: z.string().min(16),
    BERTH_S3_SECRET_ACCESS_KEY: z.string().min(16),
  }),
  process.env,
);
DUMMY_ACCOUNT.revokeAccessKey("S3RVER");
DUMMY_ACCOUNT.createKeyPair(env.BERTH_S3_ACCESS_KEY_ID, env.BERTH_S3_SECRET_ACCESS_KEY);

const s3 = new S3rver({
  directory: env.BERTH_S3_DIRECTORY,
  silent: true,
  vhostBuckets: false,
  configureBuckets: [{ name: env.BERTH_S3_BUCKET }],
});
mendFileStore(s3.store, `${env.BERTH_S3_DIRECTORY}.parts`);
await s3.configureBuckets();
const handle = s3.callback();
setInterval(() => void removeOldUploads(s3.store, env.BERTH_S3_BUCKET, OLD_UPLOAD_MS).catch(() => {}), SWEEP_EVERY_MS).unref();

const server = createServer((request, response) => {
  const url = new URL(request.url ?? "/", "http://s3");
  const signed = request.headers.authorization !== undefined || url.searchParams.has("X-Amz-Signature");
  if (!signed) {
    response.writeHead(403, { "content-type": "application/xml" });
    response.end("<Error><Code>AccessDenied</Code><Message>requests must be signed</Message></Error>");
    return;
  }
  asked.run({ path: url.pathname }, () => handle(request, response));
});
// Uploads and downloads of large layers take as long as they take.
server.requestTimeout = 0;
server.keepAliveTimeout = 75_000;
server.listen(env.BERTH_S3_PORT, "127.0.0.1");
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => process.exit(0));
