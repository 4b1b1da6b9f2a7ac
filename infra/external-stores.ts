/** Stores that were given from outside are asked once before anything relies on them. Passwords are left out of what is said. */
import { CreateBucketCommand, HeadBucketCommand, S3Client, S3ServiceException } from "@aws-sdk/client-s3";
import { Redis } from "ioredis";
import { Client } from "pg";
import type { BerthConfig } from "./config.ts";

const TIMEOUT_MS = 5000;

export async function checkExternalStores({ stores }: BerthConfig): Promise<void> {
  await Promise.all([
    stores.postgres.external ? said("BERTH_DATABASE_URL", stores.postgres.url, checkPostgres(stores.postgres.url)) : undefined,
    stores.redis.external ? said("BERTH_REDIS_URL", stores.redis.url, checkRedis(stores.redis.url)) : undefined,
    stores.s3.external ? said("BERTH_S3_ENDPOINT", stores.s3.env["BERTH_S3_ENDPOINT"] ?? "AWS", checkS3(stores.s3.env)) : undefined,
  ]);
}

async function said(variable: string, url: string, check: Promise<void>): Promise<void> {
  try {
    await check;
  } catch (error) {
    const cause = error instanceof Error ? error.message || error.name : String(error);
    throw new Error(`the store of ${variable} (${url.replace(/\/\/[^@/]*@/, "//")}) cannot be used: ${cause}`, { cause: error });
  }
}

async function checkPostgres(url: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: TIMEOUT_MS, application_name: "berth-infra" });
  client.on("error", () => {});
  try {
    await client.connect();
    const { rows } = await client.query<{ version: number }>("select current_setting('server_version_num')::int as version");
    if ((rows[0]?.version ?? 0) < 140_000) throw new Error("Berth wants PostgreSQL 14 or newer");
  } finally {
    await client.end().catch(() => {});
  }
}

async function checkRedis(url: string): Promise<void> {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0, connectTimeout: TIMEOUT_MS });
  let cause: Error | undefined;
  redis.on("error", (error) => (cause = error));
  try {
    await redis.connect();
    const policy = /maxmemory_policy:(\S+)/.exec(await redis.info("memory"))?.[1];
    if (policy !== undefined && policy !== "noeviction") throw new Error(`its maxmemory-policy is ${policy}: queues lose jobs unless it is noeviction`);
  } catch (error) {
    throw cause ?? error;
  } finally {
    redis.disconnect();
  }
}

/** A bucket that is missing is made. */
async function checkS3(env: Record<string, string>): Promise<void> {
  const Bucket = env["BERTH_S3_BUCKET"] ?? "berth";
  const client = new S3Client({
    region: env["BERTH_S3_REGION"] ?? "us-east-1",
    ...(env["BERTH_S3_ENDPOINT"] === undefined ? {} : { endpoint: env["BERTH_S3_ENDPOINT"], forcePathStyle: true }),
    credentials: { accessKeyId: env["BERTH_S3_ACCESS_KEY_ID"] ?? "", secretAccessKey: env["BERTH_S3_SECRET_ACCESS_KEY"] ?? "" },
    maxAttempts: 2,
  });
  const abortSignal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    await client.send(new HeadBucketCommand({ Bucket }), { abortSignal });
  } catch (error) {
    if (!(error instanceof S3ServiceException)) throw error;
    // A HEAD has no body: only the status tells.
    if (error.$metadata.httpStatusCode === 404) await client.send(new CreateBucketCommand({ Bucket }), { abortSignal });
    else if (error.$metadata.httpStatusCode === 403) throw new Error(`access to bucket «${Bucket}» is denied`, { cause: error });
    else throw error;
  } finally {
    client.destroy();
  }
}
