/** The worker process: reads the environment once, starts what its roles say, ends in order. */
import { hostname } from "node:os";
import { z } from "zod";
import { openS3BlobStore } from "../core/blob-store/s3.ts";
import { openBells } from "../core/bells.ts";
import { openDb } from "../core/db/client.ts";
import { sealSigningKeys } from "../core/db/signing-keys.ts";
import { DatabaseEnv, LogEnv, readEnv, RedisEnv, S3Env } from "../core/env.ts";
import { openLog } from "../core/log.ts";
import { openSecrets, SecretsEnv } from "../core/secrets/secrets.ts";
import { openRedisFailFast, openRedisPatient } from "../core/redis.ts";
import { startAutoscale } from "./autoscale/loop.ts";
import { BuildEnv, buildConfig } from "./build/config.ts";
import { startBuilds } from "./build/start.ts";
import { startReconcile } from "./reconcile/loop.ts";
import { DnsEnv, openTxtLookup } from "../core/dns.ts";
import { startDomains } from "./domains/loop.ts";
import { startJobs } from "./jobs/loop.ts";
import { UsageEnv, usageConfig } from "./usage/config.ts";
import { startUsage } from "./usage/loop.ts";
import { startVolumes } from "./volumes/loop.ts";

const Env = z.object({
  ...DatabaseEnv,
  ...RedisEnv,
  ...S3Env,
  ...LogEnv,
  ...SecretsEnv,
  ...BuildEnv,
  /** The same in every life of this worker: then it takes its former builds again at once. */
  BERTH_WORKER_NAME: z.string().min(1).max(200).optional(),
  /** What this process does. */
  BERTH_WORKER_ROLES: z
    .string()
    .default("build,reconcile,autoscale,usage,domains,volumes,jobs")
    .transform((text) => text.split(","))
    .pipe(z.array(z.enum(["build", "reconcile", "autoscale", "usage", "domains", "volumes", "jobs"])).min(1)),
  /** How often the autoscaler looks. */
  BERTH_AUTOSCALE_EVERY_MS: z.coerce.number().int().min(100).max(60_000).default(2000),
  /** How often schedules of jobs are looked at. */
  BERTH_JOBS_EVERY_MS: z.coerce.number().int().min(100).max(60_000).default(1000),
  ...UsageEnv,
  ...DnsEnv,
  /** How often claims of domains are looked for that are due. */
  BERTH_DOMAINS_EVERY_MS: z.coerce.number().int().min(100).max(600_000).default(5000),
  /** How often volumes are looked after: daily snapshots, and those that are over. */
  BERTH_VOLUMES_EVERY_MS: z.coerce.number().int().min(100).max(600_000).default(10_000),
  /** How long running builds may go on after SIGTERM before they return to the queue. */
  BERTH_WORKER_DRAIN_MS: z.coerce.number().int().min(0).default(10_000),
});

const env = readEnv(Env, process.env);
const log = openLog("worker", env.BERTH_LOG_LEVEL);

process.on("unhandledRejection", (reason) => {
  log.fatal({ err: reason }, "unhandled rejection");
  process.exit(1);
});

const { db, close: closeDb } = openDb(env.BERTH_DATABASE_URL, { name: "berth-worker", max: 20 });
const redis = openRedisFailFast(env.BERTH_REDIS_URL, "worker");
const subscriber = openRedisPatient(env.BERTH_REDIS_URL, "worker-bells");
const bells = openBells(redis, subscriber, env.BERTH_REDIS_PREFIX);
const clock = () => new Date();
const common = { db, bells, log, clock };

const closers: (() => Promise<void>)[] = [];
if (env.BERTH_WORKER_ROLES.includes("reconcile")) closers.push(startReconcile(common));
if (env.BERTH_WORKER_ROLES.includes("autoscale")) {
  closers.push(startAutoscale({ ...common, redis, redisPrefix: env.BERTH_REDIS_PREFIX, everyMs: env.BERTH_AUTOSCALE_EVERY_MS }));
}
if (env.BERTH_WORKER_ROLES.includes("jobs")) closers.push(startJobs({ ...common, everyMs: env.BERTH_JOBS_EVERY_MS }));
if (env.BERTH_WORKER_ROLES.includes("usage")) closers.push(startUsage({ db, log, clock, ...usageConfig(env) }));
if (env.BERTH_WORKER_ROLES.includes("domains")) {
  closers.push(startDomains({ ...common, lookup: openTxtLookup(env.BERTH_DNS_SERVERS), everyMs: env.BERTH_DOMAINS_EVERY_MS }));
}
if (env.BERTH_WORKER_ROLES.includes("volumes")) closers.push(startVolumes({ ...common, blobs: openS3BlobStore(env), everyMs: env.BERTH_VOLUMES_EVERY_MS }));
if (env.BERTH_WORKER_ROLES.includes("build")) {
  const config = buildConfig(env);
  const secrets = openSecrets(env);
  // It signs the tokens of builds.
  sealSigningKeys(db, secrets);
  closers.push(
    await startBuilds({
      ...common,
      blobs: openS3BlobStore(env),
      secrets,
      redis,
      redisUrl: env.BERTH_REDIS_URL,
      redisPrefix: env.BERTH_REDIS_PREFIX,
      name: env.BERTH_WORKER_NAME ?? `${hostname()}:${config.workerData}`,
      config,
      drainMs: env.BERTH_WORKER_DRAIN_MS,
    }),
  );
}
log.info({ roles: env.BERTH_WORKER_ROLES }, "worker started");

let ending = false;
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.on(signal, () => {
    if (ending) return;
    ending = true;
    log.info({ signal }, "ending");
    end().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, "did not end in order");
        process.exit(1);
      },
    );
  });
}

async function end(): Promise<void> {
  await Promise.all(closers.map((close) => close()));
  redis.disconnect();
  subscriber.disconnect();
  await closeDb();
}
