/** A pool of network namespaces that are ready before anybody asks: making one takes longer than starting a container. */
import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { mountPoints } from "./mounts.ts";
import { run, runUnchecked } from "./spawn.ts";
import { cutBatch, hostBatch, innerBatch, innerCommand, interfaceName, joinBatch, limitEgress, netnsName, removeBatch, slotAddress, slotCount, slotOfNetns } from "./commands/net.ts";

export interface Netns {
  slot: number;
  name: string;
  path: string;
  address: string;
  /** The host's end of the pair. */
  hostInterface: string;
}

/** What went through an instance's interface; null: it is gone. The host's end receives what the instance sends. */
export function readTraffic(hostInterface: string): { egressBytes: number | null; ingressBytes: number | null } {
  const read = (name: string) => {
    try {
      return Number(readFileSync(`/sys/class/net/${hostInterface}/statistics/${name}`, "utf8"));
    } catch {
      return null;
    }
  };
  return { egressBytes: read("rx_bytes"), ingressBytes: read("tx_bytes") };
}

export interface NetnsPoolOptions {
  /** BERTH_NET_PREFIX. */
  prefix: string;
  subnet: string;
  /** Namespaces kept ready. */
  ready: number;
  /** What an instance may send, unless its app says otherwise. */
  egressBytesPerSecond: number;
  onError: (error: unknown) => void;
}

/** Namespaces that are made by one program. */
const MADE_TOGETHER = 4;
/** Such programs at the same time: the kernel waits more than it works. */
const MAKERS = 2;
/** Before the next one is tried when one was not made. */
const PAUSE_MS = 1000;

const HAS_IPV6 = existsSync("/proc/sys/net/ipv6");

export class NetnsPool {
  readonly #options: NetnsPoolOptions;
  readonly #used = new Set<number>();
  /** Of instances of a former agent, and still there: what is made anew with such a number is another's. */
  readonly #adoptable = new Set<number>();
  readonly #ready: Netns[] = [];
  readonly #making = new Set<Promise<void>>();
  /** How many these make. */
  #coming = 0;
  #closed = false;
  /** Where to look for a free one: an address rests for as long as it can before it is another's. */
  #nextSlot = 0;

  constructor(options: NetnsPoolOptions) {
    this.#options = options;
  }

  /** Keeps the namespaces with these names for their instances, removes all others of the prefix, begins to fill. */
  async start(adopted: readonly string[]): Promise<void> {
    const { prefix } = this.#options;
    // After a reboot, or after their mount namespace went away, names are all that is left of them.
    const mounted = await mountPoints();
    for (const name of adopted) {
      const slot = slotOfNetns(prefix, name);
      if (slot !== undefined && mounted.has(`/run/netns/${name}`)) this.#adoptable.add(slot);
    }
    for (const slot of this.#adoptable) this.#used.add(slot);
    this.#nextSlot = Math.max(-1, ...this.#used) + 1;
    const { stdout } = await run(["ip", "netns", "list"]);
    for (const line of stdout.split("\n")) {
      const slot = slotOfNetns(prefix, line.split(" ")[0] ?? "");
      if (slot !== undefined && !this.#used.has(slot)) await this.#remove(slot);
    }
    this.#fill();
  }

  /** A namespace that an instance of a former agent has; undefined when it is gone. */
  adopt(name: string): Netns | undefined {
    const slot = slotOfNetns(this.#options.prefix, name);
    return slot === undefined || !this.#adoptable.has(slot) ? undefined : this.#describe(slot);
  }

  /** @throws CommandError */
  async acquire(egressBytesPerSecond = this.#options.egressBytesPerSecond): Promise<Netns> {
    const netns = this.#ready.shift() ?? (await this.#makeOne());
    this.#fill();
    if (egressBytesPerSecond !== this.#options.egressBytesPerSecond) await run(limitEgress(egressBytesPerSecond), { netns: netns.path });
    return netns;
  }

  /** Nothing comes to instances or leaves them until `join`. */
  async cutOff(): Promise<void> {
    await runUnchecked(["ip", "-force", "-batch", "-"], { input: cutBatch(this.#options.prefix, [...this.#used]) });
  }

  async join(): Promise<void> {
    if (this.#used.size > 0) await runUnchecked(["ip", "-force", "-batch", "-"], { input: joinBatch(this.#options.prefix, this.#options.subnet, [...this.#used]) });
  }

  /** Gives a namespace its address again: gVisor takes it away to have it for itself, at each start. */
  async restore(netns: Netns): Promise<void> {
    await run(["ip", "-n", netns.name, "-batch", "-"], { input: innerBatch(this.#options.subnet, netns.slot) });
  }

  /** Used namespaces are not used again: the next instance gets a fresh one. */
  async release(netns: Netns): Promise<void> {
    this.#adoptable.delete(netns.slot);
    await this.#remove(netns.slot);
    this.#used.delete(netns.slot);
  }

  /** Stops filling. Namespaces in use stay. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#making);
    for (const netns of this.#ready.splice(0)) await this.release(netns);
  }

  #fill(): void {
    while (!this.#closed && this.#making.size < MAKERS) {
      const count = Math.min(MADE_TOGETHER, this.#options.ready - this.#ready.length - this.#coming);
      if (count <= 0) return;
      this.#coming += count;
      const making = this.#make(count)
        .then((made) => void this.#ready.push(...made), (error: unknown) => {
          this.#options.onError(error);
          return sleep(PAUSE_MS, undefined, { ref: false });
        })
        .finally(() => {
          this.#coming -= count;
          this.#making.delete(making);
          this.#fill();
        });
      this.#making.add(making);
    }
  }

  async #makeOne(): Promise<Netns> {
    const [netns] = await this.#make(1);
    return netns as Netns;
  }

  /** All of them or none. */
  async #make(count: number): Promise<Netns[]> {
    const { prefix, subnet } = this.#options;
    const slots = Array.from({ length: count }, () => this.#takeSlot());
    try {
      await run(["ip", "-batch", "-"], { input: slots.map((slot) => hostBatch(prefix, subnet, slot, HAS_IPV6)).join("") });
      return await Promise.all(slots.map((slot) => this.#fillOne(this.#describe(slot))));
    } catch (error) {
      for (const slot of slots) {
        await this.#remove(slot);
        this.#used.delete(slot);
      }
      throw error;
    }
  }

  async #fillOne(netns: Netns): Promise<Netns> {
    await run(innerCommand(this.#options.egressBytesPerSecond), { input: innerBatch(this.#options.subnet, netns.slot), netns: netns.path });
    // The kernel's own word against foreign source addresses, beside the firewall's.
    await writeFile(`/proc/sys/net/ipv4/conf/${netns.hostInterface}/rp_filter`, "1");
    return netns;
  }

  #takeSlot(): number {
    const slot = this.#freeSlot();
    this.#used.add(slot);
    this.#nextSlot = slot + 1;
    return slot;
  }

  #freeSlot(): number {
    const count = slotCount(this.#options.subnet);
    for (let tried = 0; tried < count; tried++) {
      const slot = (this.#nextSlot + tried) % count;
      if (!this.#used.has(slot)) return slot;
    }
    throw new RangeError(`the subnet ${this.#options.subnet} has no address left`);
  }

  #describe(slot: number): Netns {
    const name = netnsName(this.#options.prefix, slot);
    return { slot, name, path: `/run/netns/${name}`, address: slotAddress(this.#options.subnet, slot), hostInterface: interfaceName(this.#options.prefix, slot) };
  }

  async #remove(slot: number): Promise<void> {
    await runUnchecked(["ip", "-force", "-batch", "-"], { input: removeBatch(this.#options.prefix, slot) });
  }
}
