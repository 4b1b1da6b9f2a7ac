/** The API's process: reads the environment once, starts the server, ends in order. */
import { z } from "zod";
import { openS3BlobStore } from "../core/blob-store/s3.ts";
import { DatabaseEnv, LogEnv, readEnv, RedisEnv, S3Env } from "../core/env.ts";
import { DnsEnv, openTxtLookup } from "../core/dns.ts";
import { openLog } from "../core/log.ts";
import { removeOldKeys } from "../core/db/queries/idempotency.ts";
import { removeOldSessions } from "../core/db/queries/sessions.ts";
import { removeOldTokens } from "../core/db/queries/token-changes.ts";
import { removeOldSigningKeys } from "../core/db/signing-keys.ts";
import { NetGuardEnv } from "../core/net-guard.ts";
import { OidcEnv, oidcSettings } from "./session/settings.ts";
import { pruneSecretVersions } from "../core/db/system-queries/secrets.ts";
import { openSecrets, SecretsEnv } from "../core/secrets/secrets.ts";
import { isCidr } from "./client-address.ts";
import { removeStaleUploads } from "./registry/uploads.ts";
import { removeOldContexts } from "./upload/old-contexts.ts";
import { isHarmlessRejection, startServer } from "./server.ts";

const Env = z.object({
  ...DatabaseEnv,
  ...RedisEnv,
  ...S3Env,
  ...LogEnv,
  ...SecretsEnv,
  ...DnsEnv,
  /** `host:port`; port 0 takes a free one. */
  BERTH_API_LISTEN: z.string().regex(/^\[?[^\]]+\]?:\d{1,5}$/, "must be host:port").default("127.0.0.1:7070"),
  BERTH_PUBLIC_URL: z.url().default("http://127.0.0.1:7070"),
  BERTH_APPS_URL: z.url().default("http://berth.localhost:8080"),
  BERTH_PRESIGN_TTL_MS: z.coerce.number().int().min(60_000).default(3_600_000),
  BERTH_MAX_CONTEXT_BYTES: z.coerce.number().int().positive().default(4 * 2 ** 30),
  BERTH_TRUSTED_PROXIES: z
    .string()
    .default("")
    .transform((text) => text.split(",").map((part) => part.trim()).filter((part) => part !== ""))
    .pipe(z.array(z.string().refine(isCidr, "must be addresses or ranges such as 10.0.0.0/8,::1"))),
  BERTH_RATE_LIMITS: z.enum(["on", "off"]).default("on"),
  ...NetGuardEnv,
  ...OidcEnv,
});

const TIDY_EVERY_MS = 10 * 60_000;

const env = readEnv(Env, process.env);
const log = openLog("api", env.BERTH_LOG_LEVEL);
const at = env.BERTH_API_LISTEN.lastIndexOf(":");

process.on("unhandledRejection", (reason) => {
  if (isHarmlessRejection(reason)) return log.warn({ err: reason }, "redis is away");
  log.fatal({ err: reason }, "unhandled rejection");
  process.exit(1);
});

const server = await startServer({
  host: env.BERTH_API_LISTEN.slice(0, at).replace(/^\[|\]$/g, ""),
  port: Number(env.BERTH_API_LISTEN.slice(at + 1)),
  databaseUrl: env.BERTH_DATABASE_URL,
  redisUrl: env.BERTH_REDIS_URL,
  blobs: openS3BlobStore(env),
  secrets: openSecrets(env),
  lookupTxt: openTxtLookup(env.BERTH_DNS_SERVERS),
  config: {
    publicUrl: new URL(env.BERTH_PUBLIC_URL),
    appsUrl: new URL(env.BERTH_APPS_URL),
    redisPrefix: env.BERTH_REDIS_PREFIX,
    presignTtlMs: env.BERTH_PRESIGN_TTL_MS,
    maxContextBytes: env.BERTH_MAX_CONTEXT_BYTES,
    trustedProxies: env.BERTH_TRUSTED_PROXIES,
    hasRateLimits: env.BERTH_RATE_LIMITS === "on",
    oidc: oidcSettings(env),
    hasSignUp: env.BERTH_SIGN_UP === "on",
    fetchAllow: env.BERTH_FETCH_ALLOW_CIDRS,
  },
  log,
});
log.info({ port: server.port }, "listening");

setInterval(() => {
  removeStaleUploads(server.deps, new Date()).then(
    (count) => count > 0 && log.info({ count }, "uploads to the registry that nobody ended are removed"),
    (error: unknown) => log.warn({ err: error }, "stale uploads were not removed"),
  );
  removeOldContexts(server.deps, new Date()).then(
    (count) => count > 0 && log.info({ count }, "contexts of builds that ended are removed"),
    (error: unknown) => log.warn({ err: error }, "old contexts were not removed"),
  );
  removeOldKeys(server.deps.db, new Date()).catch((error: unknown) => log.warn({ err: error }, "old idempotency keys were not removed"));
  for (const remove of [removeOldTokens, removeOldSessions, removeOldSigningKeys]) {
    remove(server.deps.db, new Date()).catch((error: unknown) => log.warn({ err: error }, "what ended long ago was not removed"));
  }
  pruneSecretVersions(server.deps.db).catch((error: unknown) => log.warn({ err: error }, "old versions of secrets were not removed"));
}, TIDY_EVERY_MS).unref();

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => {
    log.info({ signal }, "ending");
    server.close().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, "did not end in order");
        process.exit(1);
      },
    );
  });
}
