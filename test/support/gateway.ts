/** A gateway of a test's own: main.ts with a real HAProxy, a stand-in for the API's channel, and small apps. */
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, request, type IncomingMessage, type OutgoingHttpHeaders, type RequestListener, type Server } from "node:http";
import { createServer as createTcpServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ChildProcess } from "node:child_process";
import { WebSocketServer, type WebSocket } from "ws";
import { FromGatewaySchema, RouteSchema, type Endpoint, type FromGateway, type Route, type ToGateway } from "../../core/contract/gateway-channel.ts";
import { newId } from "../../core/contract/ids.ts";
import { start } from "../../core/host/spawn.ts";
import { openAdminSocket } from "../../gateway/admin-socket.ts";
import { filesOf } from "../../gateway/commands/files.ts";
import { featuresOf } from "../../gateway/features.ts";
import { observeHaproxy } from "../../gateway/observe.ts";

const TOKEN = "a-gateway-token";

export async function freePort(address = "127.0.0.1"): Promise<number> {
  const server = createTcpServer().listen(0, address);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** The API's end: keeps what the gateway said, and sends routes. */
export class FakeApi {
  readonly heard: FromGateway[] = [];
  readonly port: number;
  routes: Route[] = [];
  /** False: it hears counts and does not count them. */
  counts = true;
  /** The last sequence of each incarnation. */
  readonly counted = new Map<string, number>();
  #server: Server;
  #sockets = new Set<WebSocket>();

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  static async start(port = 0): Promise<FakeApi> {
    const server = createServer().listen(port, "127.0.0.1");
    await once(server, "listening");
    const api = new FakeApi(server, (server.address() as AddressInfo).port);
    const sockets = new WebSocketServer({ server });
    sockets.on("connection", (socket, upgrade) => {
      if (upgrade.headers.authorization !== `Bearer ${TOKEN}`) return socket.close(1008);
      api.#sockets.add(socket);
      socket.on("close", () => api.#sockets.delete(socket));
      socket.on("message", (data) => {
        const message = FromGatewaySchema.parse(JSON.parse(String(data)));
        api.heard.push(message);
        const answer = (word: ToGateway) => socket.send(JSON.stringify(word));
        if (message.type === "hello") {
          if (message.incarnation !== undefined) answer({ type: "counted", incarnation: message.incarnation, sequence: api.counted.get(message.incarnation) ?? 0 });
          answer({ type: "routes-snapshot", routes: api.routes });
        }
        if (message.type === "counts" && api.counts) {
          api.counted.set(message.incarnation, Math.max(message.sequence, api.counted.get(message.incarnation) ?? 0));
          answer({ type: "counted", incarnation: message.incarnation, sequence: message.sequence });
        }
      });
    });
    return api;
  }

  /** Puts the route in place of the app's former one, and sends it. */
  send(route: Route): void {
    this.routes = [...this.routes.filter((one) => one.appId !== route.appId), ...(route.hosts.length === 0 ? [] : [route])];
    for (const socket of this.#sockets) socket.send(JSON.stringify({ type: "route", route } satisfies ToGateway));
  }

  all<T extends FromGateway["type"]>(type: T): Extract<FromGateway, { type: T }>[] {
    return this.heard.filter((one) => one.type === type) as Extract<FromGateway, { type: T }>[];
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.terminate();
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

export interface Answer {
  status: number;
  headers: IncomingMessage["headers"];
  body: string;
}

export class TestGateway {
  readonly dir = mkdtempSync(join(tmpdir(), "berth-gateway-"));
  readonly port: number;
  readonly env: Record<string, string>;
  api: FakeApi;
  #child: ChildProcess | undefined;
  #apps: Server[] = [];
  #log = "";

  private constructor(api: FakeApi, port: number, env: Record<string, string>, listen: string) {
    this.api = api;
    this.port = port;
    // HAProxy's own user must get through.
    chmodSync(this.dir, 0o711);
    this.env = {
      BERTH_API_URL: `http://127.0.0.1:${api.port}`, BERTH_GATEWAY_TOKEN: TOKEN, BERTH_GATEWAY_LISTEN: `${listen}:${port}`,
      BERTH_GATEWAY_DATA: this.dir, BERTH_GATEWAY_SLOTS: "64", BERTH_GATEWAY_MAX_CONNECTIONS: "4000", BERTH_GATEWAY_COUNTS_MS: "200", ...env,
    };
  }

  static async start(env: Record<string, string> = {}, listen = "127.0.0.1"): Promise<TestGateway> {
    const gateway = new TestGateway(await FakeApi.start(), await freePort(), env, listen);
    try {
      await gateway.startController();
    } catch (error) {
      await gateway.api.stop();
      rmSync(gateway.dir, { recursive: true, force: true });
      throw error;
    }
    return gateway;
  }

  get log(): string {
    return this.#log;
  }

  get haproxyPid(): number {
    return Number(readFileSync(join(this.dir, "haproxy.pid"), "utf8").split(" ")[0]);
  }

  get controllerPid(): number {
    return this.#child?.pid ?? 0;
  }

  async startController(): Promise<void> {
    const main = new URL("../../gateway/main.ts", import.meta.url).pathname;
    const hellos = this.api.all("hello").length;
    const child = start([process.execPath, main], { env: { ...process.env, ...this.env }, stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    const ready = new Promise<void>((resolve, reject) => {
      let own = "";
      const take = (data: Buffer) => {
        own += data.toString();
        this.#log += data.toString();
        if (own.includes('"gateway ready"')) resolve();
      };
      child.stdout?.on("data", take);
      child.stderr?.on("data", take);
      child.on("exit", (code) => reject(new Error(`the controller ended with ${code}:\n${this.#log}`)));
    });
    await ready;
    await until(() => this.api.all("hello").length > hellos || !this.api, 3000).catch(() => {});
  }

  async killController(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  /** A small app at an address of its own. */
  async app(handler: RequestListener, address = "127.0.0.2"): Promise<Endpoint & { server: Server }> {
    const server = createServer(handler).listen(0, address);
    await once(server, "listening");
    this.#apps.push(server);
    return { instanceId: newId("instance"), address, port: (server.address() as AddressInfo).port, server };
  }

  /** A route that is sent to the gateway and seen by it. */
  async route(name: string, endpoints: readonly Endpoint[], more: Partial<Route> = {}): Promise<Route> {
    const route = this.makeRoute(name, endpoints, more);
    await this.send(route);
    return route;
  }

  makeRoute(name: string, endpoints: readonly Endpoint[], more: Partial<Route> = {}): Route {
    const plain = endpoints.map(({ instanceId, address, port }) => ({ instanceId, address, port }));
    return {
      appId: newId("app"), hosts: [`${name}.berth.localhost`], endpoints: plain, draining: [],
      requestTimeoutMs: 30_000, concurrency: 80, holdTimeoutMs: 5000, ...more,
    };
  }

  /** Sends the route and waits until the mirror has it, and HAProxy too. */
  async send(route: Route): Promise<void> {
    this.api.send(route);
    const text = JSON.stringify(RouteSchema.parse(route));
    await until(() => this.mirror().includes(text) || (route.hosts.length === 0 && !this.mirror().includes(route.appId)));
    await until(() => this.#serves(route));
  }

  /** Whether HAProxy has the hosts of the route and its servers, as the route says. */
  async #serves(route: Route): Promise<boolean> {
    const { hosts, endpoints, draining, canary } = route;
    const admin = await openAdminSocket(filesOf(this.dir).admin).catch(() => undefined);
    if (admin === undefined) return false;
    try {
      const slots = [...(await observeHaproxy(admin, filesOf(this.dir))).values()];
      const slot = slots.find((one) => hosts.some((host) => one.hosts.has(host)));
      if (hosts.length === 0 || slot === undefined) return hosts.length === 0;
      if (slot.values.splits?.split(":")[1] !== (canary && String(Math.round(canary.percent * 100)))) return false;
      const { entry, features } = featuresOf(route, slot.values.splits);
      if (slot.values.features !== features || hosts.some((host) => slot.hosts.get(host) !== entry)) return false;
      const isIn = (state: string) => (one: { instanceId: string }) => slot.servers.get(one.instanceId)?.state === state;
      const servers = [...slot.servers].filter(([, server]) => server.state !== "maint").map(([name]) => name);
      const names = new Set([...endpoints, ...draining].map((one) => one.instanceId as string));
      return endpoints.every(isIn("ready")) && servers.every((name) => names.has(name)) && draining.every((one) => slot.servers.get(one.instanceId)?.state !== "ready");
    } finally {
      admin.close();
    }
  }

  mirror(): string {
    try {
      return readFileSync(join(this.dir, "mirror.ndjson"), "utf8");
    } catch {
      return "";
    }
  }

  get(host: string, options: { path?: string; method?: string; headers?: OutgoingHttpHeaders; body?: string; timeoutMs?: number } = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { path = "/", method = "GET", headers = {}, body, timeoutMs = 20_000 } = options;
      const name = host.includes(".") ? host : `${host}.berth.localhost`;
      const sent = request({ host: "127.0.0.1", port: this.port, path, method, headers: { host: name, ...headers }, agent: false, timeout: timeoutMs }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString() }));
        response.on("error", reject);
      });
      sent.on("timeout", () => sent.destroy(new Error(`no answer within ${timeoutMs} ms`)));
      sent.on("error", reject);
      sent.end(body);
    });
  }

  /** Leaves nothing: the controller takes HAProxy with it. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child !== undefined && (child.exitCode !== null || child.signalCode !== null)) await this.startController();
    const ending = this.#child;
    if (ending !== undefined) {
      ending.removeAllListeners("exit");
      const ended = once(ending, "exit");
      ending.kill("SIGTERM");
      await ended;
    }
    for (const server of this.#apps) {
      server.close();
      server.closeAllConnections();
    }
    await this.api.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export async function until(check: () => boolean | Promise<boolean>, timeoutMs = 5000): Promise<void> {
  for (const deadline = Date.now() + timeoutMs; !(await check()); await sleep(5)) {
    if (Date.now() > deadline) throw new Error(`not so after ${timeoutMs} ms: ${check}`);
  }
}
