/** The HTTP server around the app: limits on slow clients, upgrades, an orderly end. */
import { createAdaptorServer } from "@hono/node-server";
import type { Redis } from "ioredis";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { isRedisUnavailable, openRedisFailFast, openRedisPatient } from "../core/redis.ts";
import { openBells } from "../core/bells.ts";
import { forgetSessions } from "../core/db/queries/sessions.ts";
import { forgetTokens } from "../core/db/queries/tokens.ts";
import { openDb } from "../core/db/client.ts";
import { sealSigningKeys } from "../core/db/signing-keys.ts";
import { openFederation } from "../core/federation.ts";
import { openNetGuard } from "../core/net-guard.ts";
import type { BlobStore } from "../core/blob-store/blob-store.ts";
import type { Log } from "../core/log.ts";
import type { Secrets } from "../core/secrets/secrets.ts";
import { createApp } from "./app.ts";
import { openBuildQueue } from "./build-queue.ts";
import { clientAddress } from "./client-address.ts";
import { openGatewayChannels } from "./channels/gateway.ts";
import { openNodeHub } from "./channels/node-hub.ts";
import { openNodeChannels } from "./channels/node.ts";
import { acceptSessions } from "./channels/session-upgrade.ts";
import { acceptChannels } from "./channels/socket.ts";
import type { TxtLookup } from "../core/dns.ts";
import type { ApiConfig, Deps } from "./deps.ts";
import { NO_RATE_LIMITS, openRateLimits } from "./rate-limits.ts";
import { cutSlowBodies, type BodyPace } from "./slow-clients.ts";

/** Headers must be there by then. */
const HEADERS_TIMEOUT_MS = 15_000;
const CHECK_CONNECTIONS_EVERY_MS = 5000;
/** A whole request, a slow upload of a large context included. */
const REQUEST_TIMEOUT_MS = 3_600_000;
/** Longer than clients and proxies keep idle connections, so that we never close under a request. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;
const MAX_HEADER_BYTES = 64 * 1024;
const MAX_CONNECTIONS = 10_000;
/** How long requests under way may take to end; what streams is cut then. */
const DRAIN_MS = 5000;
/** How long the start waits for Redis; without it, what needs it answers 503. */
const REDIS_PATIENCE_MS = 1000;
const QUERY_TIMEOUT_MS = 8000;
/** A Redis that hangs must not hold up requests: they are counted in memory then. */
const LIMITS_TIMEOUT_MS = 100;
/** What a pipeline's issuer says of itself, and its keys. */
const ISSUER_MAX_BYTES = 256 * 1024;

export interface ServerOptions {
  host: string;
  /** 0 takes a free one. */
  port: number;
  databaseUrl: string;
  redisUrl: string;
  blobs: BlobStore;
  secrets: Secrets;
  config: ApiConfig;
  log: Log;
  /** For proofs of domains. */
  lookupTxt: TxtLookup;
  /** Another one than the usual: for tests. */
  bodyPace?: BodyPace;
}

export interface RunningServer {
  port: number;
  deps: Deps;
  /** Stops taking requests, lets those under way end, then closes the stores. */
  close(): Promise<void>;
}

/** Starts whether or not the stores are there: what needs one that is away answers 503 until it is back. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { config, log } = options;
  const { db, close: closeDb } = openDb(options.databaseUrl, { name: "berth-api", max: 20, queryTimeoutMs: QUERY_TIMEOUT_MS });
  const redis = openRedisFailFast(options.redisUrl, "berth-api");
  const subscriber = openRedisPatient(options.redisUrl, "berth-api-bells");
  const bells = openBells(redis, subscriber, config.redisPrefix);
  const queue = openBuildQueue(redis, config.redisPrefix);
  const clock = () => new Date();
  const base = { db, redis, blobs: options.blobs, secrets: options.secrets, queue, config, log, clock, bells };
  const nodes = openNodeChannels(base);
  const gateways = openGatewayChannels(base);
  const hub = openNodeHub({ channels: nodes, redis, subscriber, redisPrefix: config.redisPrefix, log });
  const limitsRedis = openRedisFailFast(options.redisUrl, "berth-api-limits", { commandTimeoutMs: LIMITS_TIMEOUT_MS });
  const rateLimits = config.hasRateLimits ? openRateLimits(limitsRedis, config.redisPrefix) : NO_RATE_LIMITS;
  sealSigningKeys(db, options.secrets);
  const guard = openNetGuard({ allow: config.fetchAllow, maxBytes: ISSUER_MAX_BYTES });
  const federation = openFederation(guard, config.fetchAllow);
  const deps: Deps = { ...base, nodes: hub, rateLimits, federation, lookupTxt: options.lookupTxt };
  const stopTokenBell = bells.listen("token", () => {
    forgetTokens(db);
    forgetSessions(db);
  });

  const channels = acceptChannels([nodes.channel, gateways.channel], log);
  const app = createApp(deps, clientAddress(config.trustedProxies));
  const sessions = acceptSessions(deps, app.fetch);
  const server = createAdaptorServer({
    fetch: app.fetch,
    serverOptions: {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_CONNECTIONS_EVERY_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      noDelay: true,
    },
  }) as Server;
  server.maxConnections = MAX_CONNECTIONS;
  server.on("upgrade", (request, stream, head) => {
    if (!sessions.handle(request, stream, head)) channels.handle(request, stream, head);
  });
  const stopWatch = cutSlowBodies(server, options.bodyPace);
  // The first requests should find Redis, if it is there at all.
  await Promise.all([redis, limitsRedis, subscriber].map((one) => connected(one, REDIS_PATIENCE_MS)));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, resolve);
  });

  let closing: Promise<void> | undefined;
  const close = async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    channels.close();
    sessions.close();
    const cut = setTimeout(() => {
      sessions.terminate();
      channels.terminate();
      server.closeAllConnections();
    }, DRAIN_MS);
    await closed;
    clearTimeout(cut);
    stopWatch();
    stopTokenBell();
    hub.close();
    nodes.close();
    gateways.close();
    await queue.close();
    await guard.close();
    redis.disconnect();
    limitsRedis.disconnect();
    subscriber.disconnect();
    await closeDb();
  };
  return { port: (server.address() as AddressInfo).port, deps, close: () => (closing ??= close()) };
}

function connected(redis: Redis, withinMs: number): Promise<void> {
  if (redis.status === "ready") return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      redis.off("ready", done);
      resolve();
    };
    const timer = setTimeout(done, withinMs);
    redis.once("ready", done);
  });
}

/** BullMQ and ioredis reject promises of their own making when Redis goes away: no reason to end. */
export function isHarmlessRejection(reason: unknown): boolean {
  return isRedisUnavailable(reason);
}
