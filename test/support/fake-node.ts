/** A node that only says what an agent would say: instances start at once, images are names, snapshots a few bytes. */
import { createHash } from "node:crypto";
import type { InstanceId } from "../../core/contract/ids.ts";
import type { DesiredState } from "../../core/contract/node-channel.ts";
import { NODE_SNAPSHOT_PATH, SNAPSHOT_DIGEST_HEADER, SNAPSHOT_IMAGE_BYTES_HEADER, type DesiredVolume } from "../../core/contract/node-volumes.ts";
import { connectNode, isDesired, nodeToken, type NodeClient, type TestApi } from "./api.ts";

export class FakeNode {
  readonly #api: TestApi;
  id = "" as Awaited<ReturnType<typeof connectNode>>["id"];
  name = "";
  token = "";
  /** `<volume>/<version>` of the images that are here. */
  readonly images = new Set<string>();
  /** What happened, in order. */
  readonly story: string[] = [];
  /** Why the next image or snapshot is not made; undefined: it is. «later»: not now. */
  onImage: ((volume: DesiredVolume) => string | undefined) | undefined;
  onSnapshot: ((volume: DesiredVolume) => string | undefined) | undefined;
  #client: NodeClient | undefined;
  #state: DesiredState | undefined;
  #running = new Set<string>();
  #problems = new Map<string, string>();
  #failed = new Map<string, string>();
  #stored = new Set<string>();
  #seen = 0;
  #timer: NodeJS.Timeout | undefined;

  private constructor(api: TestApi) {
    this.#api = api;
  }

  static async start(api: TestApi): Promise<FakeNode> {
    const node = new FakeNode(api);
    await node.connect();
    return node;
  }

  async connect(): Promise<void> {
    const connected = await connectNode(this.#api, this.name === "" ? {} : { name: this.name, token: this.token });
    Object.assign(this, { id: connected.id, name: connected.name, token: connected.token });
    this.#client = connected.client;
    this.#seen = 0;
    let isLooking = false;
    this.#timer = setInterval(() => {
      if (isLooking) return;
      isLooking = true;
      this.#look().catch(() => {}).finally(() => (isLooking = false));
    }, 20);
  }

  async disconnect(): Promise<void> {
    clearInterval(this.#timer);
    await this.#client?.close();
    this.#client = undefined;
  }

  get instances(): InstanceId[] {
    return [...this.#running] as InstanceId[];
  }

  /** What it was last told of the app's mounts. */
  get mounts() {
    return this.#state?.instances.flatMap(({ mounts = [] }) => mounts) ?? [];
  }

  async #look(): Promise<void> {
    const client = this.#client;
    if (client === undefined) return;
    const next = client.received.slice(this.#seen).findLast(isDesired);
    this.#seen = client.received.length;
    if (next !== undefined) this.#state = next;
    if (this.#state === undefined) return;
    const { instances, volumes = [] } = this.#state;
    const wanted = new Set<string>(instances.map(({ id }) => id));
    for (const id of this.#running) if (!wanted.has(id)) this.#say("stop");
    for (const volume of volumes) await this.#bring(volume);
    for (const id of wanted) if (!this.#running.has(id)) this.#say("start");
    this.#running = wanted;
    if (client !== this.#client) return;
    const state = (key: string, want: string) => (this.images.has(key) ? ("whole" as const) : want === "make" ? ("making" as const) : ("missing" as const));
    client.send({
      type: "report",
      generation: this.#state.generation,
      instances: instances.map(({ id }) => ({ id, phase: "ready", address: "10.0.0.1", port: 80, restarts: 0 })),
      volumes: {
        images: volumes.map(({ id, version, want, sizeBytes }) => {
          const problem = this.#problems.get(`${id}/${version}`);
          return { id, version, state: state(`${id}/${version}`, want), sizeBytes, ...(problem === undefined ? {} : { problem }) };
        }),
        failedSnapshots: [...this.#failed].map(([id, problem]) => ({ id: id as never, problem })),
      },
    });
  }

  async #bring(volume: DesiredVolume): Promise<void> {
    const key = `${volume.id}/${volume.version}`;
    if (volume.want === "gone" && this.images.delete(key)) this.#say(`remove ${volume.version}`);
    if (volume.want === "make" && !this.images.has(key)) {
      const problem = this.onImage?.(volume);
      if (problem === undefined) {
        this.images.add(key);
        this.#problems.delete(key);
        this.#say(`make ${volume.version}${volume.source === undefined ? "" : ` of ${volume.source.imageBytes} bytes`}`);
      } else if (problem !== "later") this.#problems.set(key, problem);
    }
    const { snapshot } = volume;
    if (snapshot === undefined || this.#stored.has(snapshot.id) || this.#failed.has(snapshot.id)) return;
    const problem = this.onSnapshot?.(volume);
    if (problem === "later") return;
    if (problem !== undefined) return void this.#failed.set(snapshot.id, problem);
    this.#say(`snapshot ${volume.version}${snapshot.isStopped ? " stopped" : ""}`);
    if ((await this.store(snapshot.id, `content of ${key}`)).status === 204) this.#stored.add(snapshot.id);
  }

  /** Brings bytes of a snapshot; `digest`: what it says of them. */
  async store(id: string, content: string, digest = `sha256:${createHash("sha256").update(content).digest("hex")}`): Promise<Response> {
    return fetch(`${this.#api.url}${NODE_SNAPSHOT_PATH}/${id}`, {
      method: "PUT",
      body: content,
      headers: { authorization: `Bearer ${await nodeToken(this.#api, this.token)}`, [SNAPSHOT_DIGEST_HEADER]: digest, [SNAPSHOT_IMAGE_BYTES_HEADER]: "16777216" },
    });
  }

  #say(what: string): void {
    this.story.push(what);
  }
}
