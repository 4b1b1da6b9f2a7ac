/** The node: what it must run, what it runs, and the way from one to the other. */
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { DesiredStateSchema, type DesiredInstance, type DesiredState, type InstanceReport, type InstanceUsage } from "../core/contract/node-channel.ts";
import type { InstanceId } from "../core/contract/ids.ts";
import { MAIN } from "../core/contract/pods.ts";
import type { Woken } from "../core/contract/wake.ts";
import { unlimitFreeLoops } from "../core/host/io-limits.ts";
import { mountMemory, unmount } from "../core/host/mounts.ts";
import type { NetnsPool } from "../core/host/net.ts";
import type { Log } from "../core/log.ts";
import type { ContainerHost } from "./container.ts";
import type { Exits } from "./exits.ts";
import { readSaved } from "./instance-state.ts";
import { Instance } from "./instance.ts";
import { LastUsage } from "./last-usage.ts";
import type { LayerStore } from "./layer-store.ts";
import { logFiles } from "./logs.ts";
import { NotReady } from "./not-ready.ts";
import { accepts, planInstances } from "./plan.ts";
import { Turns } from "./turns.ts";
import type { PrivateNetworkState } from "./private-network.ts";
import { unmountScratch } from "./mounts.ts";
import { SavedFile } from "./saved-file.ts";
import type { Entered } from "./sessions.ts";
import type { TenantLayers } from "./tenant-layers.ts";
import type { ImageName, Volumes } from "./volumes.ts";

/** Logs of instances that are gone, kept for those who ask why. */
const KEPT_LOGS = 200;
const EVICT_EVERY_MS = 60_000;
/** The kernel waits more than it works while it makes a container: more than there are cpus, and not a thousand. */
const STARTS_AT_ONCE = 8;
/** Reading so many instances' counters takes a few milliseconds: then others have a turn. */
const SAMPLED_AT_ONCE = 20;

export interface AgentDeps {
  dataDir: string;
  host: ContainerHost;
  store: LayerStore;
  tenantLayers: TenantLayers;
  pool: NetnsPool;
  network: PrivateNetworkState;
  exits: Exits;
  volumes: Volumes;
  log: Log;
  /** A report is due. */
  onChange: () => void;
}

export class Agent {
  readonly #deps: AgentDeps;
  readonly #instances = new Map<InstanceId, Instance>();
  readonly #lastUsage: LastUsage;
  readonly #starts = new Turns(Math.max(STARTS_AT_ONCE, 2 * availableParallelism()));
  readonly #saved: SavedFile;
  #generation = 0;
  #evicting: NodeJS.Timeout | undefined;

  constructor(deps: AgentDeps) {
    this.#deps = deps;
    this.#lastUsage = new LastUsage(join(deps.dataDir, "usage"));
    this.#saved = new SavedFile(join(deps.dataDir, "desired.json"));
  }

  /** How many instances are here. */
  get size(): number {
    return this.#instances.size;
  }

  get generation(): number {
    return this.#generation;
  }

  /** Names of the layers that instances need: the store spares them. */
  layersInUse(): ReadonlySet<string> {
    return new Set([...this.#instances.values()].flatMap((instance) => instance.layerNames));
  }

  /** Takes up what a former agent left: its desired state, its containers, its namespaces. */
  async open(): Promise<void> {
    const { host, network, pool, store } = this.#deps;
    for (const dir of [host.instancesDir, host.logsDir, host.bundlesDir, host.exitDir, host.socketDir]) await mkdir(dir, { recursive: true, mode: 0o711 });
    this.#lastUsage.open();
    unlimitFreeLoops();
    // Runtimes keep whole specs there, variables of containers among them.
    for (const { stateDir } of Object.values(host.runtimes)) await mountMemory(stateDir);
    await store.open();
    await this.#deps.volumes.open();
    const saved = await this.#orNothing(this.#readDesired());
    const states = await Promise.all((await readdir(host.instancesDir)).map((id) => this.#orNothing(readSaved(host.instancesDir, id))));
    await host.secrets.open(new Set([...states.flatMap((state) => state?.desired.id ?? []), ...(saved?.instances ?? []).map(({ id }) => id)]));
    await pool.start(states.flatMap((state) => state?.netns ?? []));
    // Before the first process that could send a packet.
    await network.open(
      states.flatMap((state) => {
        const netns = state?.netns ? pool.adopt(state.netns) : undefined;
        return state && netns ? [{ desired: state.desired, netns }] : [];
      }),
    );
    if (saved?.volumes) this.#deps.volumes.want(saved.volumes);
    for (const state of states) {
      if (!state) continue;
      const instance = this.#make(state.desired, state);
      this.#instances.set(state.desired.id, instance);
      instance.begin();
    }
    await this.#removeStrayDirectories(states.flatMap((state) => state?.desired.id ?? []));
    if (saved) this.#apply(saved);
    this.#evicting = setInterval(() => void this.#evict(), EVICT_EVERY_MS);
  }

  /** Acts on a newer desired state; an older one is refused (false). It is kept for an agent that starts without the API. */
  async accept(received: DesiredState): Promise<boolean> {
    if (!accepts(this.#generation, received)) return false;
    const desired = this.#deps.host.secrets.keep(received);
    this.#apply(desired);
    await this.#saved.write(JSON.stringify(desired));
    return true;
  }

  /** An instance that is here has it, or will. */
  usesVolume(image: ImageName): boolean {
    return [...this.#instances.values()].some((instance) => instance.mountsVolume(image));
  }

  entries(): Iterable<readonly [InstanceId, Instance]> {
    return this.#instances;
  }

  /** Undefined: there is no such instance. The answer comes when it takes requests. @throws NotReady */
  wake(id: InstanceId): Promise<Woken> | undefined {
    const instance = this.#instances.get(id);
    return instance?.sleeping.wake("request").then((was) => {
      const { endpoint } = instance;
      if (endpoint === undefined) throw new NotReady({ code: "app_unhealthy", detail: "The instance has no address." });
      return { was, ...endpoint };
    });
  }

  report(): InstanceReport[] {
    return [...this.#instances.values()].map((instance) => instance.report());
  }

  /** What those that are here have used until now. */
  async sampleUsage(): Promise<InstanceUsage[]> {
    const sampled: InstanceUsage[] = [];
    for (const [id, instance] of this.#instances) {
      // It may have gone while others had their turn.
      if (this.#instances.has(id)) sampled.push(instance.usage());
      if (sampled.length % SAMPLED_AT_ONCE === 0) await nextTurn();
    }
    return sampled;
  }

  /** Last sums of instances that are gone, until the API has them. */
  lastUsage(): InstanceUsage[] {
    return this.#lastUsage.list();
  }

  forgetUsage(ids: readonly InstanceId[]): void {
    this.#lastUsage.forget(ids);
  }

  async enter(id: InstanceId, container?: string): Promise<Entered | undefined> {
    return this.#instances.get(id)?.enter(container);
  }

  /** Where the logs of an instance's containers are, or of the one that is named; also when it is gone. */
  async logFiles(id: InstanceId, container?: string): Promise<{ name: string; path: string }[]> {
    const all = this.#instances.get(id)?.logFiles ?? (await this.#leftLogs(id));
    return container === undefined ? all : all.filter(({ name }) => name === container);
  }

  async #leftLogs(id: InstanceId): Promise<{ name: string; path: string }[]> {
    const { logsDir } = this.#deps.host;
    const found = (await readdir(logsDir)).flatMap((file) => {
      const name = file.startsWith(`${id}.`) ? /^[^.]+\.([^.]+)\.log$/.exec(file)?.[1] : undefined;
      return name === undefined ? [] : [{ name, path: join(logsDir, file) }];
    });
    return [{ name: MAIN, path: join(logsDir, `${id}.log`) }, ...found];
  }

  /** Lets go without touching a container. */
  close(): void {
    clearInterval(this.#evicting);
    this.#deps.volumes.close();
  }

  #apply(desired: DesiredState): void {
    this.#generation = desired.generation;
    // One of an API that knows none says nothing of them.
    if (desired.volumes) this.#deps.volumes.want(desired.volumes);
    for (const action of planInstances(desired.instances, new Set(this.#instances.keys()))) {
      if (action.kind === "start") this.#start(action.instance);
      else if (action.kind === "refresh") this.#instances.get(action.instance.id)?.refresh(action.instance);
      else this.#end(action.id);
    }
    this.#deps.onChange();
  }

  #start(desired: DesiredInstance): void {
    const instance = this.#make(desired);
    this.#instances.set(desired.id, instance);
    instance.begin();
  }

  #end(id: InstanceId): void {
    const instance = this.#instances.get(id);
    void instance?.end().then(
      () => {
        this.#instances.delete(id);
        this.#deps.volumes.look();
        this.#deps.onChange();
      },
      (error: unknown) => this.#deps.log.error({ err: error, instanceId: id }, "an instance was not removed"),
    );
  }

  #make(desired: DesiredInstance, saved?: NonNullable<Awaited<ReturnType<typeof readSaved>>>): Instance {
    const { host, store, pool, network, exits, volumes, log, onChange } = this.#deps;
    return new Instance({ host, store, pool, network, exits, volumes, lastUsage: this.#lastUsage, starts: this.#starts, log, onChange, tenantLayers: (each) => this.#deps.tenantLayers.of(each) }, desired, saved);
  }

  /** A file that the host's crash left broken must not keep the node from starting: the API says again what should run. */
  #orNothing<T>(reading: Promise<T>): Promise<T | undefined> {
    return reading.catch((error: unknown) => {
      this.#deps.log.warn({ err: error }, "a state file could not be read");
      return undefined;
    });
  }

  async #readDesired(): Promise<DesiredState | undefined> {
    const text = await readFile(join(this.#deps.dataDir, "desired.json"), "utf8").catch(() => undefined);
    return text === undefined ? undefined : DesiredStateSchema.parse(JSON.parse(text));
  }

  /** Directories without a state: their agent was killed before it had started anything. */
  async #removeStrayDirectories(known: readonly string[]): Promise<void> {
    const { instancesDir, bundlesDir } = this.#deps.host;
    const keep = new Set(known);
    const strays = async (dir: string) => (await readdir(dir)).filter((name) => !keep.has(name.split(".", 1)[0] ?? ""));
    for (const id of await strays(bundlesDir)) {
      for (const mounted of ["root", "disk"]) await unmount(join(bundlesDir, id, mounted));
      await rm(join(bundlesDir, id), { recursive: true, force: true });
    }
    for (const id of await strays(instancesDir)) {
      await unmountScratch(join(instancesDir, id));
      await rm(join(instancesDir, id), { recursive: true, force: true });
    }
  }

  async #evict(): Promise<void> {
    try {
      const evicted = await this.#deps.store.evict();
      await this.#deps.tenantLayers.forget(evicted);
      if (evicted.length > 0) this.#deps.log.info({ evicted }, "layers removed");
      await this.#pruneLogs();
    } catch (error) {
      this.#deps.log.warn({ err: error }, "cleaning up failed");
    }
  }

  async #pruneLogs(): Promise<void> {
    const { logsDir } = this.#deps.host;
    const living = new Set([...this.#instances.values()].flatMap((instance) => instance.logFiles.map(({ path }) => path)));
    const paths = (await readdir(logsDir)).filter((name) => name.endsWith(".log")).map((name) => join(logsDir, name));
    const files = await Promise.all(paths.filter((path) => !living.has(path)).map(async (path) => ({ path, at: (await stat(path)).mtimeMs })));
    for (const { path } of files.toSorted((a, b) => b.at - a.at).slice(KEPT_LOGS)) {
      for (const name of logFiles(path)) await rm(name, { force: true });
    }
  }
}
