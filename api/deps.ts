/** What every route and use-case of the API works with, wired once in `main.ts`. */
import type { Redis } from "ioredis";
import type { HttpBindings } from "@hono/node-server";
import type { Bells } from "../core/bells.ts";
import type { BlobStore } from "../core/blob-store/blob-store.ts";
import type { BuildId, InstanceId, NodeId } from "../core/contract/ids.ts";
import type { LogEntry } from "../core/contract/node-channel.ts";
import type { SessionDown, SessionTarget, SessionUp } from "../core/contract/sessions.ts";
import type { Db } from "../core/db/client.ts";
import type { OperatorHolder, TokenHolder } from "../core/db/queries/tokens.ts";
import type { TxtLookup } from "../core/dns.ts";
import type { Federation } from "../core/federation.ts";
import type { Log } from "../core/log.ts";
import type { NetGuardOptions } from "../core/net-guard.ts";
import type { RateLimits } from "./rate-limits.ts";
import type { Secrets } from "../core/secrets/secrets.ts";
import type { Once } from "./idempotency.ts";
import type { Entrance } from "./use-cases/enter-instance.ts";

export interface ApiConfig {
  /** Where clients reach this API: the registry's realm, links. */
  publicUrl: URL;
  /** Scheme, host suffix and port of apps' URLs. */
  appsUrl: URL;
  redisPrefix: string;
  /** How long a layer's URL in a desired state is valid. */
  presignTtlMs: number;
  /** Most bytes of an uploaded build context, as sent. */
  maxContextBytes: number;
  /** Addresses and ranges of proxies whose `X-Forwarded-For` is believed. */
  trustedProxies: readonly string[];
  /** False: one may ask as often as one likes, for platforms with tenants of one's own. */
  hasRateLimits: boolean;
  /** Where people sign in; undefined: with tokens alone. */
  oidc: OidcSettings | undefined;
  /** People without a tenant may make one. */
  hasSignUp: boolean;
  /** Private ranges where what tenants name may be fetched from. */
  fetchAllow: NonNullable<NetGuardOptions["allow"]>;
}

export interface OidcSettings {
  issuer: URL;
  clientId: string;
  /** Undefined: a public client. */
  clientSecret: string | undefined;
  scopes: string;
}

/** Puts builds into the queue. The job carries the id alone; adding one twice is no error. */
export interface BuildQueue {
  /** @throws AppError queue_unavailable, within about 2 s */
  add(buildId: BuildId): Promise<void>;
}

export interface LogRequest {
  instanceId: InstanceId;
  /** All of the instance's without it. */
  container?: string | undefined;
  tailLines: number;
  follow: boolean;
  /** Ends the request and closes it at the node. */
  signal: AbortSignal;
}

/** An open session at a node: `core/contract/sessions.ts`. */
export interface NodeSession {
  send(event: SessionDown): void;
  /** Ends it there, unless it has ended. */
  close(): void;
}

/** The nodes' channels, whichever API process holds them. */
export interface NodeHub {
  /** Batches of log lines as the node sends them. @throws AppError node_unavailable, before the first batch or when the channel breaks */
  logs(nodeId: NodeId, request: LogRequest): AsyncIterable<LogEntry[]>;
  /** `hear` gets undefined when the connection to the node breaks. @throws AppError node_unavailable */
  session(nodeId: NodeId, instanceId: InstanceId, target: SessionTarget, hear: (event: SessionUp | undefined) => void): Promise<NodeSession>;
}

export interface Deps {
  db: Db;
  /** Fails fast: `openRedisFailFast`. */
  redis: Redis;
  blobs: BlobStore;
  queue: BuildQueue;
  config: ApiConfig;
  log: Log;
  clock: () => Date;
  bells: Bells;
  nodes: NodeHub;
  secrets: Secrets;
  rateLimits: RateLimits;
  federation: Federation;
  /** For proofs of domains. */
  lookupTxt: TxtLookup;
}

/** Who asks, and from where. */
export interface Actor extends TokenHolder {
  /** Address of the client. */
  ip: string | null;
  requestId: string;
  /** Of a request with an `Idempotency-Key`. */
  once?: Once;
}

/** Who asks, of those who run the platform. What they change in a tenant is in that tenant's audit log. */
export interface Operator extends OperatorHolder {
  tenantId: null;
  ip: string | null;
  requestId: string;
}

/** What the route of a session found: enough to open it. */
export interface AllowedSession {
  entrance: Entrance;
  /** Undefined: a program, which the first message names. */
  port: number | undefined;
}

/** Hono's environment: `c.get("actor")` is set on all of `/v1` but the channels, sign-ins and `/v1/operator`. */
export interface ApiEnv {
  /** `allow`: of a request for an upgrade. */
  Bindings: HttpBindings & { allow?: (session: AllowedSession) => void };
  Variables: { actor: Actor; operator: Operator; requestId: string; clientIp: string | null };
}
