/** A node agent of a test's own: main.ts in a pinned mount namespace, a stand-in for the API's channel and for the blob store. */
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { chmodSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ChildProcess } from "node:child_process";
import { WebSocketServer, type WebSocket } from "ws";
import { newId, type AppId, type InstanceId, type NodeId, type ReleaseId, type TenantId } from "../../core/contract/ids.ts";
import { FromNodeSchema, NODE_TOKEN_PATH, type DesiredContainer, type DesiredInstance, type DesiredState, type FromNode, type InstanceReport, type LogEntry, type Phase, type ToNode } from "../../core/contract/node-channel.ts";
import { NODE_SNAPSHOT_PATH, SNAPSHOT_DIGEST_HEADER, SNAPSHOT_IMAGE_BYTES_HEADER, type DesiredVolume, type VolumesReport } from "../../core/contract/node-volumes.ts";
import type { PrivateNetwork } from "../../core/contract/private-network.ts";
import { ResourceLimitsSchema } from "../../core/contract/resource-limits.ts";
import { tenantUidBase } from "../../core/domain/id-ranges.ts";
import { gvisorClass } from "../../core/host/commands/runsc.ts";
import { run, runUnchecked, start } from "../../core/host/spawn.ts";
import { REPOSITORY, type BerthConfig } from "../../infra/config.ts";
import { killSandboxes, removeFromHost } from "../../infra/teardown.ts";
import { passedEnv } from "./env.ts";
import { IN_GVISOR } from "./gvisor.ts";
import { busybox, type TestLayer } from "./layers.ts";
import { PATIENCE } from "./patience.ts";
import { cacheDir } from "./stores.ts";

const TOKEN = "a-node-token";
const CHANNEL_TOKEN = "for-the-channel";
const UNTIL_MS = 30_000;

export interface TestTenant {
  tenantId: TenantId;
  uidBase: number;
}

let tenants = 0;
export function testTenant(): TestTenant {
  return { tenantId: newId("tenant"), uidBase: tenantUidBase(1000 + tenants++) };
}

export type InstanceWish = Omit<Partial<DesiredInstance>, "layers" | "limits"> & { layers?: readonly TestLayer[]; limits?: Partial<DesiredInstance["limits"]> };

/** A network namespace that stands for a host: `test/support/hosts.ts`. */
export interface TestHost {
  netns: string;
  /** Where it reaches the test. */
  gateway: string;
}

export class TestNode {
  readonly id: NodeId = newId("node");
  readonly dir = mkdtempSync(join(tmpdir(), "berth-node-"));
  readonly prefix = `n${randomInt(36 ** 3).toString(36).padStart(3, "0")}`;
  /** 10.90–10.149, which no other test's world uses. */
  readonly subnet = `10.${90 + randomInt(60)}.${16 * randomInt(16)}.0/20`;
  readonly env: Record<string, string>;
  readonly heard: FromNode[] = [];
  /** Requests for layers so far, by digest. */
  readonly pulls = new Map<string, number>();
  /** Changes how a layer is served: called before its bytes are sent. */
  onPull: ((digest: string) => Promise<void> | void) | undefined;
  generation = 1;
  desired: DesiredInstance[] = [];
  volumes: DesiredVolume[] = [];
  /** What the agent brought of snapshots, by id. */
  readonly snapshots = new Map<string, { bytes: Buffer; digest: string; imageBytes: number }>();
  /** Called before a snapshot is taken in: a status to answer it with instead. */
  onSnapshot: ((id: string) => Promise<number | undefined> | number | undefined) | undefined;
  readonly #blobs = new Map<string, Buffer>();
  readonly #server: Server;
  readonly #host: TestHost | undefined;
  readonly #apiUrl: string;
  #network: PrivateNetwork | undefined;
  readonly #sockets = new Set<WebSocket>();
  readonly #inGvisor = new Set<InstanceId>();
  /** Those of them that have several containers. */
  readonly #hasSandbox = new Set<InstanceId>();
  #child: ChildProcess | undefined;
  #log = "";

  private constructor(server: Server, env: Record<string, string>, host: TestHost | undefined) {
    this.#server = server;
    this.#host = host;
    this.#apiUrl = `http://${host?.gateway ?? "127.0.0.1"}:${this.port}`;
    // What runs as a tenant must get through to its root directory.
    chmodSync(this.dir, 0o711);
    this.env = {
      ...passedEnv(),
      BERTH_API_URL: this.#apiUrl,
      BERTH_NODE_TOKEN: TOKEN,
      BERTH_NODE_NAME: "test",
      BERTH_NODE_DATA: join(this.dir, "node"),
      BERTH_TOOLCHAIN: join(cacheDir(), "toolchain/root"),
      BERTH_TOOLCHAIN_BIN: join(cacheDir(), "toolchain/bin"),
      BERTH_NET_PREFIX: this.prefix,
      BERTH_SUBNET: this.subnet,
      BERTH_NETNS_READY: "2",
      ...env,
    };
  }

  /** `host`: not this one. */
  static async start(env: Record<string, string> = {}, host?: TestHost): Promise<TestNode> {
    const tools = { ...passedEnv(), BERTH_CACHE: cacheDir() };
    await run([join(REPOSITORY, "infra/toolchain/make")], { env: tools, timeoutMs: 600_000 });
    await run([join(REPOSITORY, "infra/catalogue/make")], { env: tools, timeoutMs: 600_000 });
    const server = createServer().listen(0, host?.gateway ?? "127.0.0.1");
    await once(server, "listening");
    const node = new TestNode(server, env, host);
    node.#serve();
    try {
      await run([join(REPOSITORY, "infra/sandbox-namespace")], { env: { ...tools, BERTH_DATA: node.dir } });
      await node.startAgent();
      return node;
    } catch (error) {
      await node.stop();
      throw error;
    }
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Wraps a command that looks at the agent's mounts. */
  inside(...argv: string[]): string[] {
    return ["nsenter", `--mount=${join(this.dir, "run/mnt")}`, "--", ...argv];
  }

  /** Wraps a command that is to run on the node's host. */
  onHost(...argv: string[]): string[] {
    return this.#host ? ["nsenter", `--net=/run/netns/${this.#host.netns}`, "--", ...argv] : argv;
  }

  get log(): string {
    return this.#log;
  }

  get agentPid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Of a container's bundle, which is in the agent's memory alone. */
  bundlePath(containerId: string, file: string): string {
    return `/proc/${this.agentPid}/root${this.path("run/bundles", containerId, file)}`;
  }

  path(...parts: string[]): string {
    return join(this.dir, "node", ...parts);
  }

  async startAgent(): Promise<void> {
    const from = this.heard.length;
    const child = start(this.onHost(...this.inside(process.execPath, join(REPOSITORY, "node-agent/main.ts"))), { env: this.env, stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (data: Buffer) => (this.#log += data.toString()));
    child.on("exit", () => (this.#child = undefined));
    await until(() => {
      if (this.#child !== child) throw new Error(`the agent ended:\n${this.#log}`);
      return this.heard.slice(from).some(({ type }) => type === "hello");
    });
  }

  /** What the agent does in its last moment is nothing. */
  async killAgent(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.#child;
    if (!child) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }

  /** Cuts every connection of the agent to the API. */
  disconnect(): void {
    for (const socket of this.#sockets) socket.terminate();
  }

  send(message: ToNode): void {
    for (const socket of this.#sockets) socket.send(JSON.stringify(message));
  }

  /** An instance as the API would render it, of busybox unless layers are named. Its layers can be pulled from now on. */
  instance({ layers, limits, ...wish }: InstanceWish & { args: string[] }, tenant: TestTenant = testTenant()): DesiredInstance {
    const base = { appName: "web", appId: newId("app") as AppId, releaseId: newId("release") as ReleaseId, hostname: "web" };
    const desired: DesiredInstance = {
      id: newId("instance"),
      ...base,
      ...tenant,
      layers: (layers ?? [busybox()]).map((layer) => this.#offer(layer)),
      env: [],
      workingDir: "",
      user: "",
      volumes: [],
      stopSignal: "",
      port: 8080,
      readiness: { kind: "tcp" },
      readyTimeoutMs: 10_000 * PATIENCE,
      stopGraceMs: 5000,
      ...(IN_GVISOR && { isolation: "gvisor" as const }),
      limits: { memoryBytes: 128 * 2 ** 20, cpuMillis: 1000, pidsMax: 128, logBytes: 2 ** 20, ...ResourceLimitsSchema.parse({}), ...limits },
      ...wish,
    };
    if (desired.isolation === "gvisor") this.#inGvisor.add(desired.id);
    if (desired.isolation === "gvisor" && (desired.init || desired.sidecars)) this.#hasSandbox.add(desired.id);
    return desired;
  }

  /** A container beside an instance's own, of busybox. */
  beside<T extends object>(name: string, args: string[], more: T = {} as T) {
    const container: DesiredContainer = {
      name,
      layers: [this.#offer(busybox())],
      args,
      env: [],
      workingDir: "",
      user: "",
      volumes: [],
      stopSignal: "",
      limits: { memoryBytes: 32 * 2 ** 20, cpuMillis: 250, pidsMax: 64 },
      restartPolicy: "always",
      hasSecrets: false,
    };
    return { ...container, ...more };
  }

  #offer({ bytes, ...layer }: TestLayer): DesiredInstance["layers"][number] {
    this.#blobs.set(layer.digest, bytes);
    return { ...layer, url: `${this.#apiUrl}/${layer.digest}` };
  }

  /** Makes exactly these the node's instances. */
  want(...instances: DesiredInstance[]): void {
    this.desired = instances;
    this.generation++;
    this.send(this.#state());
  }

  /** Makes exactly these its images of volumes; what it was told of others before is not said again. */
  wantVolumes(...volumes: DesiredVolume[]): void {
    this.volumes = volumes;
    this.want(...this.desired);
  }

  /** Waits for what the agent says of an image. */
  async untilVolume({ id, version }: Pick<DesiredVolume, "id" | "version">, wanted: (said: VolumesReport["images"][number]) => boolean): Promise<void> {
    const said = () => this.heard.findLast((message) => message.type === "report")?.volumes?.images.find((image) => image.id === id && image.version === version);
    await until(() => said() !== undefined && wanted(said() as never), UNTIL_MS, () => `the last is ${JSON.stringify(said())}\n${this.#log}`);
  }

  /** What a new image is made from. */
  sourceOf(id: string): DesiredVolume["source"] {
    const { bytes, digest, imageBytes } = this.snapshots.get(id) ?? { bytes: Buffer.of(), digest: "", imageBytes: 0 };
    return { url: `http://127.0.0.1:${this.port}${NODE_SNAPSHOT_PATH}/${id}`, digest, sizeBytes: bytes.length, imageBytes };
  }

  /** These beside those that are wanted already. */
  add(...instances: DesiredInstance[]): void {
    this.want(...this.desired, ...instances);
  }

  /** What it is to know of its tenants' apps, now and when it connects again. */
  tell(network: PrivateNetwork): void {
    this.#network = network;
    this.send(network);
  }

  /** The last report about an instance of the agent's present life. */
  report(id: InstanceId): InstanceReport | undefined {
    const report = this.heard.findLast((message) => message.type === "report");
    return report?.instances.find((each) => each.id === id);
  }

  /** Waits for a phase; fails at once when the instance has failed instead. */
  async until(id: InstanceId, phase: Phase | "gone", timeoutMs = UNTIL_MS): Promise<InstanceReport> {
    return this.untilReport(id, (report) => {
      if (report?.phase === "failed" && phase !== "failed" && phase !== "gone") throw new Error(`it failed: ${JSON.stringify(report.problem)}\n${this.#log}`);
      return phase === "gone" ? report === undefined : report?.phase === phase;
    }, timeoutMs);
  }

  async untilReport(id: InstanceId, wanted: (report: InstanceReport | undefined) => boolean, timeoutMs = UNTIL_MS): Promise<InstanceReport> {
    await until(() => wanted(this.report(id)), timeoutMs, () => `the last report is ${JSON.stringify(this.report(id))}\n${this.#log}`);
    return this.report(id) as InstanceReport;
  }

  /** Wants one more instance and waits until it is ready. */
  async ready(wish: InstanceWish & { args: string[] }, tenant?: TestTenant): Promise<{ desired: DesiredInstance; report: InstanceReport; url: string }> {
    const desired = this.instance(wish, tenant);
    this.add(desired);
    const report = await this.until(desired.id, "ready");
    return { desired, report, url: `http://${report.address}:${report.port}` };
  }

  /** The same for one that is expected to fail; gives its report. */
  async failed(wish: InstanceWish & { args: string[] }, tenant?: TestTenant): Promise<InstanceReport> {
    const desired = this.instance(wish, tenant);
    this.add(desired);
    return this.until(desired.id, "failed");
  }

  /** Log lines of an instance; with `until`, follows until it says so. */
  async logs(instanceId: InstanceId, options: { tailLines?: number; until?: (entries: readonly LogEntry[]) => boolean } = {}): Promise<LogEntry[]> {
    const requestId = newId("request");
    this.send({ type: "logs-open", requestId, instanceId, tailLines: options.tailLines ?? 1000, follow: options.until !== undefined });
    const answers = () => this.heard.filter((message) => message.type === "logs" && message.requestId === requestId) as Extract<FromNode, { type: "logs" }>[];
    const entries = () => answers().flatMap((message) => message.entries);
    await until(() => answers().some(({ done }) => done) || options.until?.(entries()) === true, UNTIL_MS, () => `only ${JSON.stringify(entries().slice(-5))} came`);
    if (options.until) this.send({ type: "logs-close", requestId });
    await until(() => answers().some(({ done }) => done));
    return entries();
  }

  /** Host id of the instance's first process. */
  pid(id: InstanceId): number {
    return (JSON.parse(readFileSync(this.path("instances", id, "state.json"), "utf8")) as { pid: number }).pid;
  }

  /** The same of one of the containers beside its own. */
  pidOf(id: InstanceId, container: string): number {
    return (JSON.parse(readFileSync(this.path("instances", `${id}.${container}`, "container.json"), "utf8")) as { pid: number }).pid;
  }

  /** Wraps a command that is to run in an instance's network, past its agent: with this host's files, but in gVisor with the instance's own. */
  inNetwork(id: InstanceId, ...argv: string[]): string[] {
    return this.#inGvisor.has(id) ? this.inContainer(id, ...argv) : ["nsenter", `--target=${this.pid(id)}`, "--net", "--", ...argv];
  }

  /** The same in its network and with its files. */
  inContainer(id: InstanceId, ...argv: string[]): string[] {
    if (!this.#inGvisor.has(id)) return ["nsenter", `--target=${this.pid(id)}`, "--net", "--mount", "--", ...argv];
    return this.#execInGvisor(id, undefined, ...argv);
  }

  #execInGvisor(id: InstanceId, beside: string | undefined, ...argv: string[]): string[] {
    const container = beside === undefined ? id : `${id}.${beside}`;
    const { program, globalArgs } = gvisorClass({ runsc: join(this.env["BERTH_TOOLCHAIN_BIN"] ?? "", "runsc"), stateDir: this.path("runsc"), inSandbox: "" });
    return this.inside(program, ...globalArgs, "exec", this.#hasSandbox.has(id) ? `${container}_` : container, ...argv);
  }

  /** Writes a file in an instance, past its agent; `beside`: in one of the containers beside its own. */
  async write(id: InstanceId, path: string, text = "", beside?: string): Promise<void> {
    if (!this.#inGvisor.has(id)) return writeFileSync(this.#rooted(id, path, beside), text);
    await run(this.#execInGvisor(id, beside, "sh", "-c", `printf %s "$1" >"$2"`, "sh", text, path));
  }

  #rooted(id: InstanceId, path: string, beside?: string): string {
    return `/proc/${beside === undefined ? this.pid(id) : this.pidOf(id, beside)}/root${path}`;
  }

  async has(id: InstanceId, path: string): Promise<boolean> {
    if (!this.#inGvisor.has(id)) return existsSync(this.#rooted(id, path));
    return (await runUnchecked(this.inContainer(id, "test", "-e", path))).code === 0;
  }

  /** Removes one. */
  async remove(id: InstanceId, path: string, beside?: string): Promise<void> {
    if (!this.#inGvisor.has(id)) return rmSync(this.#rooted(id, path, beside));
    await run(this.#execInGvisor(id, beside, "rm", path));
  }

  /** Mounts, cgroups and files of an instance that are there now, but for its log. */
  async traces(id: InstanceId): Promise<string[]> {
    const { stdout } = await run(this.inside("cat", "/proc/self/mountinfo"));
    const mounts = stdout.split("\n").filter((line) => line.includes(id));
    const groups = globSync([`/sys/fs/cgroup/berth-${this.prefix}/${id}*`, `/sys/fs/cgroup/*/berth-${this.prefix}/${id}*`]);
    const places = ["instances", "crun", "runsc", "run/bundles", "run/exits", "run/sockets"].map((place) => `${this.path(place)}/${id}*`);
    const { stdout: files } = await runUnchecked(this.inside("sh", "-c", `ls -d ${places.join(" ")} 2>/dev/null`));
    return [...mounts, ...groups, ...files.split("\n").filter(Boolean)];
  }

  async stop(): Promise<void> {
    await this.killAgent();
    const config = { netPrefix: this.prefix, runDir: join(this.dir, "run") } as BerthConfig;
    await killSandboxes(config);
    await removeFromHost(config);
    this.disconnect();
    this.#server.close();
    this.#server.closeAllConnections();
    rmSync(this.dir, { recursive: true, force: true });
  }

  #state(): DesiredState {
    return { type: "desired", generation: this.generation, instances: this.desired, volumes: this.volumes };
  }

  async #serveSnapshot(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const id = request.url?.split("/").at(-1) ?? "";
    if (request.method === "GET") return void response.end(this.snapshots.get(id)?.bytes);
    const status = await this.onSnapshot?.(id);
    if (status !== undefined) return void response.writeHead(status).end();
    const bytes = Buffer.concat(await request.toArray());
    this.snapshots.set(id, { bytes, digest: String(request.headers[SNAPSHOT_DIGEST_HEADER]), imageBytes: Number(request.headers[SNAPSHOT_IMAGE_BYTES_HEADER]) });
    response.writeHead(204).end();
  }

  #serve(): void {
    this.#server.on("request", (request, response) => {
      if (request.url === NODE_TOKEN_PATH) {
        const known = request.headers.authorization === `Bearer ${TOKEN}`;
        return void response.writeHead(known ? 200 : 401, { "content-type": "application/json" }).end(JSON.stringify(known ? { token: CHANNEL_TOKEN, expiresInSeconds: 300 } : {}));
      }
      if (request.url?.startsWith(NODE_SNAPSHOT_PATH)) return void this.#serveSnapshot(request, response);
      const digest = (request.url ?? "").slice(1);
      this.pulls.set(digest, (this.pulls.get(digest) ?? 0) + 1);
      const bytes = this.#blobs.get(digest);
      void (async () => {
        await this.onPull?.(digest);
        if (bytes) response.end(bytes);
        else response.writeHead(404).end();
      })().catch(() => response.destroy());
    });
    new WebSocketServer({ server: this.#server }).on("connection", (socket, upgrade) => {
      if (upgrade.headers.authorization !== `Bearer ${CHANNEL_TOKEN}`) return socket.close(1008);
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      socket.on("message", (data) => {
        const message = FromNodeSchema.parse(JSON.parse(String(data)));
        this.heard.push(message);
        if (message.type !== "hello") return;
        socket.send(JSON.stringify(this.#state()));
        if (this.#network) socket.send(JSON.stringify(this.#network));
      });
    });
  }
}

export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = UNTIL_MS, explain: () => string = () => ""): Promise<void> {
  for (const deadline = Date.now() + timeoutMs * PATIENCE; !(await condition()); await sleep(5)) {
    if (Date.now() > deadline) throw new Error(`it did not come true within ${timeoutMs * PATIENCE} ms: ${explain()}`);
  }
}

/** An HTTP server on PORT (8080) that shows /www. */
export const HTTPD = ["httpd", "-f", "-p", "8080", "-h", "/"];
export const shell = (script: string) => ["sh", "-c", script];
