/** An API on stores of the test's own, with tenants, tokens and small clients for its channels. */
import { randomBytes } from "node:crypto";
import { WebSocket } from "ws";
import type { BlobStore } from "../../core/blob-store/blob-store.ts";
import { newId, type AppId, type Id, type InstanceId, type NodeId, type ReleaseId, type TenantId } from "../../core/contract/ids.ts";
import type { DesiredState, FromNode, ToNode } from "../../core/contract/node-channel.ts";
import type { FromGateway, Route, ToGateway } from "../../core/contract/gateway-channel.ts";
import { SettingsSchema, type Image, type Settings } from "../../core/contract/release-config.ts";
import { apps, instances, nodes, releases } from "../../core/db/schema.ts";
import { createToken, ensureGateway, ensureNode, ensureTenant } from "../../core/db/system-queries/bootstrap.ts";
import { migrateDatabase } from "../../core/db/migrate.ts";
import type { Db } from "../../core/db/client.ts";
import type { TxtLookup } from "../../core/dns.ts";
import { openLog } from "../../core/log.ts";
import { NetGuardEnv } from "../../core/net-guard.ts";
import { keysOf } from "../../core/secrets/key-file.ts";
import { secretsOf, type Secrets } from "../../core/secrets/secrets.ts";
import { startServer, type RunningServer } from "../../api/server.ts";
import type { OidcSettings } from "../../api/deps.ts";
import type { BodyPace } from "../../api/slow-clients.ts";
import { eq, sql } from "drizzle-orm";

export interface ApiStores {
  databaseUrl: string;
  redisUrl: string;
  blobs: BlobStore;
}

export interface TestApi extends RunningServer {
  url: string;
  db: Db;
  /** `fetch` with a token and a JSON body; the answer is read whole. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of every shape
  call(method: string, path: string, options?: { token?: string | undefined; body?: unknown; headers?: Record<string, string> }): Promise<{ status: number; body: any; headers: Headers }>;
  /** A new tenant with a random name and a token of it. */
  tenant(): Promise<{ id: TenantId; name: string; token: string }>;
}

export const randomName = (prefix: string) => `${prefix}${randomBytes(4).toString("hex")}`;

/** With a master key of its own. */
export const testSecrets = (): Secrets => secretsOf(keysOf({ keys: [{ id: "test", key: randomBytes(32).toString("base64") }] }));

export async function startTestApi(stores: ApiStores, options: { redisPrefix?: string; migrate?: boolean; presignTtlMs?: number; rateLimits?: boolean; secrets?: Secrets; lookupTxt?: TxtLookup; trustedProxies?: string[]; bodyPace?: BodyPace; oidc?: OidcSettings; signUp?: boolean; fetchAllow?: string } = {}): Promise<TestApi> {
  if (options.migrate ?? true) await migrateDatabase(stores.databaseUrl);
  const server = await startServer({
    host: "127.0.0.1",
    port: 0,
    databaseUrl: stores.databaseUrl,
    redisUrl: stores.redisUrl,
    blobs: stores.blobs,
    secrets: options.secrets ?? testSecrets(),
    // Of names of tests nobody knows anything.
    lookupTxt: options.lookupTxt ?? (async () => []),
    config: {
      publicUrl: new URL("http://127.0.0.1:7070"),
      appsUrl: new URL("http://berth.localhost:8080"),
      redisPrefix: options.redisPrefix ?? randomName("test-"),
      presignTtlMs: options.presignTtlMs ?? 3_600_000,
      maxContextBytes: 2 ** 32,
      trustedProxies: options.trustedProxies ?? [],
      // Tests ask as often as they like.
      hasRateLimits: options.rateLimits ?? false,
      oidc: options.oidc,
      hasSignUp: options.signUp ?? false,
      // Issuers of tests are on this host.
      fetchAllow: NetGuardEnv.BERTH_FETCH_ALLOW_CIDRS.parse(options.fetchAllow ?? "127.0.0.0/8"),
    },
    log: openLog("test-api", process.env["BERTH_LOG_LEVEL"] ?? "silent"),
    ...(options.bodyPace === undefined ? {} : { bodyPace: options.bodyPace }),
  });
  const url = `http://127.0.0.1:${server.port}`;
  // Registry clients follow it for their token.
  server.deps.config.publicUrl = new URL(url);
  const { db } = server.deps;
  return {
    ...server,
    url,
    db,
    call: async (method, path, { token, body, headers } = {}) => {
      const response = await fetch(url + path, {
        method,
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
      });
      const text = await response.text();
      const isJson = /^application\/(problem\+)?json/.test(response.headers.get("content-type") ?? "");
      return { status: response.status, headers: response.headers, body: isJson && text !== "" ? JSON.parse(text) : text };
    },
    tenant: async () => {
      const { id, name } = await ensureTenant(db, randomName("t"));
      return { id, name, token: (await createToken(db, id, { name: "test" })).token };
    },
  };
}

export const testImage = (more: Partial<Image> = {}): Image => ({
  manifestDigest: `sha256:${"a".repeat(64)}`,
  layers: [{ digest: `sha256:${"b".repeat(64)}`, diffId: `sha256:${"c".repeat(64)}`, sizeBytes: 10, mediaType: "application/vnd.oci.image.layer.v1.tar+gzip" }],
  entrypoint: ["/bin/app"],
  cmd: ["serve"],
  env: ["PATH=/bin", "PORT=1"],
  workingDir: "/",
  user: "",
  exposedPorts: [8000],
  volumes: [],
  stopSignal: "SIGTERM",
  ...more,
});

/** Writes an app with releases, the last one its target and, unless told otherwise, live. */
export async function seedApp(
  db: Db,
  tenantId: TenantId,
  options: { name?: string; releases?: number; live?: boolean; settings?: Partial<Settings>; env?: Record<string, string> } = {},
): Promise<{ id: AppId; name: string; releaseIds: ReleaseId[] }> {
  const id = newId("app");
  const name = options.name ?? randomName("app");
  const settings = { ...SettingsSchema.parse({}), ...options.settings };
  const env = options.env ?? {};
  await db.insert(apps).values({ id, tenantId, name, settings, env });
  const releaseIds: ReleaseId[] = [];
  for (let number = 1; number <= (options.releases ?? 1); number++) {
    const releaseId = newId("release");
    releaseIds.push(releaseId);
    const live = options.live ?? true;
    await db.insert(releases).values({ id: releaseId, tenantId, appId: id, number, repository: `x/${name}`, image: testImage(), settings, env, reason: "deploy", liveAt: live ? new Date() : null });
    await db.update(apps).set({ targetReleaseId: releaseId, ...(live ? { liveReleaseId: releaseId } : {}) }).where(eq(apps.id, id));
  }
  return { id, name, releaseIds };
}

/** Places an instance on a node, as the rollout loop does. */
export async function seedInstance(db: Db, at: { tenantId: TenantId; appId: AppId; releaseId: ReleaseId; nodeId: NodeId }): Promise<InstanceId> {
  const id = newId("instance");
  await db.transaction(async (tx) => {
    await tx.insert(instances).values({ id, ...at });
    await tx.update(nodes).set({ generation: sql`${nodes.generation} + 1` }).where(eq(nodes.id, at.nodeId));
  });
  return id;
}

/** One side of a channel: sends, and waits for the first message that a test of it accepts. */
export class ChannelClient<Out, In extends { type: string }> {
  readonly socket: WebSocket;
  readonly received: In[] = [];
  #waiters = new Set<() => void>();

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data) => {
      this.received.push(JSON.parse(String(data)) as In);
      for (const wake of this.#waiters) wake();
    });
  }

  send(message: Out): void {
    this.socket.send(JSON.stringify(message));
  }

  /** The first message, from the index `from` on, that `accept` takes. */
  async next<T extends In>(accept: (message: In) => message is T, options?: { from?: number; withinMs?: number }): Promise<T>;
  async next(accept: (message: In) => boolean, options?: { from?: number; withinMs?: number }): Promise<In>;
  async next(accept: (message: In) => boolean, { from = 0, withinMs = 5000 } = {}): Promise<In> {
    const deadline = Date.now() + withinMs;
    for (;;) {
      const found = this.received.slice(from).find(accept);
      if (found !== undefined) return found;
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`no such message within ${withinMs} ms; there were ${JSON.stringify(this.received.slice(from)).slice(0, 2000)}`);
      await new Promise<void>((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          this.#waiters.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, left);
        this.#waiters.add(wake);
      });
    }
  }

  async close(): Promise<void> {
    if (this.socket.readyState === WebSocket.CLOSED) return;
    const closed = new Promise((resolve) => this.socket.once("close", resolve));
    this.socket.close();
    await closed;
  }
}

export type NodeClient = ChannelClient<FromNode, ToNode>;
export type GatewayClient = ChannelClient<FromGateway, ToGateway>;

function connect(url: string, path: string, token: string): Promise<WebSocket> {
  const socket = new WebSocket(url.replace("http:", "ws:") + path, { headers: { authorization: `Bearer ${token}` } });
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    // Messages must not be missed between «open» and the first listener.
    socket.once("open", () => resolve(socket));
  });
}

export async function connectNode(api: TestApi, options: { name?: string; token?: string; hello?: boolean; network?: { subnet: string; address?: string } } = {}): Promise<{ id: NodeId; token: string; name: string; client: NodeClient }> {
  const name = options.name ?? randomName("node");
  const token = options.token ?? randomBytes(24).toString("base64url");
  const id = await ensureNode(api.db, name, token);
  const client: NodeClient = new ChannelClient(await connect(api.url, "/v1/node/channel", await nodeToken(api, token)));
  if (options.hello ?? true) client.send({ type: "hello", generation: 0, version: "test", capacity: { memoryBytes: 2 ** 30, cpuMillis: 4000, instances: 100 }, facts: {}, ...(options.network ? { network: options.network } : {}) });
  return { id, token, name, client };
}

/** What an agent shows at its channel. */
export async function nodeToken(api: TestApi, token: string): Promise<string> {
  const { status, body } = await api.call("POST", "/v1/node/token", { token });
  if (status !== 200) throw new Error(`no token for the channel: ${status} ${JSON.stringify(body)}`);
  return body.token as string;
}

export async function connectGateway(api: TestApi): Promise<{ id: Id<"gateway">; token: string; client: GatewayClient }> {
  const token = randomBytes(24).toString("base64url");
  const id = await ensureGateway(api.db, randomName("gw"), token);
  const client: GatewayClient = new ChannelClient(await connect(api.url, "/v1/gateway/channel", token));
  client.send({ type: "hello", version: "test" });
  return { id, token, client };
}

export const isDesired = (message: ToNode): message is DesiredState => message.type === "desired";
export const isRouteOf = (appId: AppId) => (message: ToGateway): message is { type: "route"; route: Route } => message.type === "route" && message.route.appId === appId;

/** For tests that never read a blob: it only makes URLs. */
export const testBlobs = {
  presignGet: async (key: string) => `http://blobs.test/${key}`,
  head: async () => undefined,
  delete: async () => {},
} as Partial<BlobStore> as BlobStore;
