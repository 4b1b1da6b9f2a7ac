/**
 * What this node's instances see of each other and of their tenants' instances elsewhere: the firewall's elements, the ways
 * to other nodes and the names. What the API last said stays on disk, so that it holds while the API is away.
 */
import { readFile } from "node:fs/promises";
import type { InstanceId, TenantId } from "../core/contract/ids.ts";
import type { DesiredInstance, FromNode, InstanceReport } from "../core/contract/node-channel.ts";
import { PrivateNetworkSchema, type PrivateNetwork, type Service, type ServiceInstance } from "../core/contract/private-network.ts";
import type { WakeAddress, Woken } from "../core/contract/wake.ts";
import { IDS_PER_RANGE } from "../core/domain/id-ranges.ts";
import { contains, overlap, rangeOf } from "../core/domain/ipv4.ts";
import type { Fabric } from "../core/host/fabric.ts";
import type { Firewall } from "../core/host/firewall.ts";
import type { TunnelPeer } from "../core/host/commands/firewall.ts";
import { firewallElements, type LocalMember, type Member } from "../core/host/commands/firewall-elements.ts";
import { hostAddress } from "../core/host/commands/net.ts";
import type { Netns } from "../core/host/net.ts";
import type { Log } from "../core/log.ts";
import { Waker } from "../core/waker.ts";
import { namesDelayMs } from "./plan.ts";
import { SavedFile } from "./saved-file.ts";
import type { ResolverTable } from "./resolver/table.ts";

/** A little less than what resolvers in images wait for one answer: they ask again, and the waking goes on meanwhile. */
const WAKE_WAIT_MS = 4500;

export interface PrivateNetworkOptions {
  subnet: string;
  firewall: Firewall;
  /** Absent: this node has no address for others. */
  fabric: Fabric | undefined;
  /** What the API last said. */
  stateFile: string;
  /** This node's instances as they are now. */
  reports: () => readonly InstanceReport[];
  wake: (id: InstanceId) => Promise<Woken> | undefined;
  /** Names have changed. */
  onTable: (table: ResolverTable) => void;
  say: (message: FromNode) => void;
  log: Log;
}

export class PrivateNetworkState {
  readonly #options: PrivateNetworkOptions;
  readonly #locals = new Map<InstanceId, LocalMember & { tenantId: TenantId }>();
  readonly #saved: SavedFile;
  #said: PrivateNetwork = { type: "network", nodes: [], tenants: [] };
  #peers: readonly TunnelPeer[] = [];
  /** Instances elsewhere. */
  #remotes: readonly Member[] = [];
  readonly #elsewhere = new Set<InstanceId>();
  #tableDue: NodeJS.Timeout | undefined;
  #pauseMs = namesDelayMs(0);
  /** Of other nodes. */
  readonly #waker = new Waker();
  readonly #waking = new Map<string, Promise<string[]>>();
  readonly #watchers = new Set<() => void>();

  constructor(options: PrivateNetworkOptions) {
    this.#options = options;
    this.#saved = new SavedFile(options.stateFile);
  }

  /** Takes up what is there, before anything else happens with it. @throws CommandError */
  async open(adopted: readonly { desired: DesiredInstance; netns: Netns }[]): Promise<void> {
    const { stateFile, firewall, fabric, log } = this.#options;
    for (const { desired, netns } of adopted) this.#locals.set(desired.id, toLocal(desired, netns));
    const text = await readFile(stateFile, "utf8").catch(() => undefined);
    try {
      if (text !== undefined) this.#said = PrivateNetworkSchema.parse(JSON.parse(text));
    } catch (error) {
      log.warn({ err: error }, "what the API last said of the private network could not be read");
    }
    this.#learn(this.#said);
    await firewall.open(this.#elements(), this.#peers);
    await fabric?.open();
    await this.#connectPeers();
    this.changed();
  }

  /** Before it has a process. Resolves when the rules for it hold. @throws CommandError */
  async join(desired: DesiredInstance, netns: Netns): Promise<void> {
    this.#locals.set(desired.id, toLocal(desired, netns));
    await this.#options.firewall.set(this.#elements(), this.#peers);
    this.changed();
  }

  /** Its address is nobody's from now on. What the firewall cannot do now it does with the next change, before the address is another's. */
  async leave(id: InstanceId): Promise<void> {
    const { firewall, log } = this.#options;
    if (!this.#locals.delete(id)) return;
    this.changed();
    await firewall.set(this.#elements(), this.#peers).catch((error: unknown) => log.error({ err: error, instanceId: id }, "the firewall did not forget an instance"));
  }

  async accept(said: PrivateNetwork): Promise<void> {
    this.#learn(said);
    await this.#options.firewall.set(this.#elements(), this.#peers);
    await this.#connectPeers();
    this.changed();
    await this.#saved.write(JSON.stringify(said));
  }

  /** Something here has changed: names follow. */
  changed(): void {
    for (const look of this.#watchers) look();
    this.#tableDue ??= setTimeout(() => {
      const before = process.threadCpuUsage();
      this.#tableDue = undefined;
      this.#options.onTable(this.table());
      const { user, system } = process.threadCpuUsage(before);
      this.#pauseMs = namesDelayMs((user + system) / 1000);
    }, this.#pauseMs);
  }

  close(): void {
    clearTimeout(this.#tableDue);
    this.#waker.close();
  }

  /** Who asks, by address, and what each tenant's names stand for. */
  table(): ResolverTable {
    const reports = this.#reports();
    return {
      clients: Object.fromEntries([...this.#locals.values()].map(({ address, tenantId }) => [address, tenantId])),
      tenants: Object.fromEntries(
        this.#said.tenants.map(({ id, services }) => [
          id,
          Object.fromEntries(
            services.map((service) => {
              const serving = this.#serving(service, reports);
              return [service.name, { addresses: serving.filter(({ asleep }) => !asleep).map(({ address }) => address), mayWake: service.isLive }];
            }),
          ),
        ]),
      ),
    };
  }

  /** Addresses at which the app answers now, after waking one of its instances if all sleep; none when that takes too long. */
  async wake(tenantId: TenantId, name: string): Promise<string[]> {
    const service = this.#service(tenantId, name);
    if (!service?.isLive) return [];
    const awake = this.#awake(service);
    if (awake.length > 0) return awake;
    const waking = this.#waking.get(service.appId) ?? this.#wakeOne(service);
    this.#waking.set(service.appId, waking);
    void waking.finally(() => this.#waking.delete(service.appId)).catch(() => {});
    return waking;
  }

  async #wakeOne(service: Service): Promise<string[]> {
    const { say, wake, log } = this.#options;
    const signal = AbortSignal.timeout(WAKE_WAIT_MS);
    const sleepers = this.#serving(service, this.#reports());
    const chosen = sleepers.find(({ id }) => this.#locals.has(id)) ?? sleepers[Math.floor(Math.random() * sleepers.length)];
    if (chosen === undefined) {
      say({ type: "wanted", appId: service.appId });
      return this.#untilAwake(service, signal);
    }
    try {
      const late = new Promise<undefined>((resolve) => signal.addEventListener("abort", () => resolve(undefined), { once: true }));
      const node = this.#said.nodes.find(({ id }) => id === chosen.nodeId);
      const woken = await Promise.race([this.#locals.has(chosen.id) ? wake(chosen.id) : this.#askNode(node?.wake, chosen.id), late]);
      // Where it is was said by the API; what another node says of that is not asked for.
      return woken === undefined ? [] : [chosen.address];
    } catch (error) {
      log.warn({ err: error instanceof Error ? error.message : error, instanceId: chosen.id }, "an instance was not woken for its name");
      return [];
    }
  }

  /** The agent of the node that has it: `wake-server.ts`. */
  async #askNode(at: WakeAddress | undefined, id: InstanceId): Promise<Woken | undefined> {
    if (at === undefined) return undefined;
    const outcome = await this.#waker.wake(at, id, WAKE_WAIT_MS, 0);
    if (outcome.kind === "woken") return outcome.woken;
    throw new Error(outcome.detail);
  }

  async #untilAwake({ appId }: Service, signal: AbortSignal): Promise<string[]> {
    for (;;) {
      const service = this.#said.tenants.flatMap(({ services }) => services).find((each) => each.appId === appId);
      const awake = service === undefined ? [] : this.#awake(service);
      if (awake.length > 0 || signal.aborted) return awake;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#watchers.add(resolve);
      signal.addEventListener("abort", () => resolve(), { once: true });
      await promise;
      this.#watchers.delete(resolve);
    }
  }

  #service(tenantId: TenantId, name: string): Service | undefined {
    return this.#said.tenants.find(({ id }) => id === tenantId)?.services.find((service) => service.name === name);
  }

  #awake(service: Service): string[] {
    return this.#serving(service, this.#reports()).flatMap(({ asleep, address }) => (asleep ? [] : [address]));
  }

  /** Instances that answer, or would when they are woken. Of those that are here, this node knows better than what was said. */
  #serving({ instances }: Service, reports: ReadonlyMap<InstanceId, InstanceReport>): ServiceInstance[] {
    return instances.flatMap((instance) => {
      if (!contains(this.#options.subnet, instance.address)) return instance.serves && this.#elsewhere.has(instance.id) ? [instance] : [];
      const report = reports.get(instance.id);
      const local = this.#locals.get(instance.id);
      if (!instance.serves || report?.phase !== "ready" || local === undefined) return [];
      return [{ ...instance, address: local.address, asleep: report.temperature !== undefined && report.temperature.is !== "running" }];
    });
  }

  #reports(): Map<InstanceId, InstanceReport> {
    return new Map(this.#options.reports().map((report) => [report.id, report]));
  }

  #elements() {
    return firewallElements({ locals: [...this.#locals.values()], remotes: this.#remotes, hosts: this.#peers.map(({ subnet }) => hostAddress(subnet)), nodes: this.#peers.map(({ address }) => address) });
  }

  #learn(said: PrivateNetwork): void {
    this.#said = said;
    const peers = this.#peersOf(said);
    if (JSON.stringify(peers) !== JSON.stringify(this.#peers)) this.#peers = peers;
    const reached = new Set(this.#peers.map(({ subnet }) => subnet));
    const subnets = new Map(said.nodes.flatMap(({ id, subnet }) => (reached.has(subnet) ? [[id, subnet] as const] : [])));
    this.#elsewhere.clear();
    this.#remotes = said.tenants.flatMap(({ uidBase, services }) =>
      services.flatMap(({ name, instances }) =>
        instances.flatMap(({ id, nodeId, address }) => {
          // Of the addresses that its node has: no node can be said to have another's.
          const subnet = subnets.get(nodeId);
          if (subnet === undefined || !contains(subnet, address)) return [];
          this.#elsewhere.add(id);
          return [{ address, tenant: tenantNumber(uidBase), app: name }];
        }),
      ),
    );
  }

  #peersOf({ nodes }: PrivateNetwork): TunnelPeer[] {
    if (this.#options.fabric === undefined) return [];
    const others = nodes.filter(({ subnet }) => !overlap(rangeOf(subnet), rangeOf(this.#options.subnet)));
    return others.flatMap(({ subnet, address }) => (address === undefined ? [] : [{ subnet, address }]));
  }

  async #connectPeers(): Promise<void> {
    await this.#options.fabric?.set(this.#peers);
  }
}

const tenantNumber = (uidBase: number) => uidBase / IDS_PER_RANGE;

function toLocal({ tenantId, uidBase, appName, network = {} }: DesiredInstance, { address, hostInterface }: Netns) {
  return { address, tenantId, tenant: tenantNumber(uidBase), app: appName, interface: hostInterface, network };
}
