/** A pool of network namespaces that are ready before anybody asks: making one takes longer than starting a container. */
import { randomInt } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { mountPoints } from "./mounts.ts";
import { deletePairs, hostRoute, interfaceName, netnsName, slotAddress, slotCount, slotOfNetns } from "./commands/net.ts";
import type { Request } from "./commands/netlink.ts";
import { setLink } from "./commands/rtnetlink.ts";
import type { NetnsAnswer, NetnsOrder } from "./net-maker.ts";
import { Rtnetlink } from "./netlink.ts";
import { umountSoon } from "./syscalls.ts";

/** Where `ip netns` looks for them, too. */
const NETNS_DIR = "/run/netns";

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

/** Before the next one is tried when one was not made. */
const PAUSE_MS = 1000;
/** Of interfaces that are to go: below are those that people choose. */
const [FIRST_GROUP, LAST_GROUP] = [2 ** 30, 2 ** 31];

/** So that the maker has the next one before it has said that one is made. */
const MADE_AHEAD = 2;

const HAS_IPV6 = existsSync("/proc/sys/net/ipv6");

export class NetnsPool {
  readonly #options: NetnsPoolOptions;
  readonly #maker = new Maker();
  readonly #used = new Set<number>();
  /** Of instances of a former agent, and still there: what is made anew with such a number is another's. */
  readonly #adoptable = new Set<number>();
  readonly #ready: Netns[] = [];
  /** The next one that is made is the first one's. */
  readonly #waiters: PromiseWithResolvers<Netns>[] = [];
  readonly #making = new Set<Promise<void>>();
  #leaving: number[] = [];
  #removal: Promise<void> = Promise.resolve();
  #closed = false;
  /** Where to look for a free one: an address rests for as long as it can before it is another's. */
  #nextSlot = 0;

  constructor(options: NetnsPoolOptions) {
    this.#options = options;
  }

  /** Keeps the namespaces with these names for their instances, removes all others of the prefix, begins to fill. */
  async start(adopted: readonly string[]): Promise<void> {
    const { prefix } = this.#options;
    await mkdir(NETNS_DIR, { recursive: true });
    // After a reboot, or after their mount namespace went away, names are all that is left of them.
    const mounted = await mountPoints();
    for (const name of adopted) {
      const slot = slotOfNetns(prefix, name);
      if (slot !== undefined && mounted.has(join(NETNS_DIR, name))) this.#adoptable.add(slot);
    }
    for (const slot of this.#adoptable) this.#used.add(slot);
    this.#nextSlot = Math.max(-1, ...this.#used) + 1;
    const left = (await readdir(NETNS_DIR)).flatMap((name) => slotOfNetns(prefix, name) ?? []).filter((slot) => !this.#used.has(slot));
    await Promise.all(left.map((slot) => this.#remove(slot)));
    this.#fill();
  }

  /** A namespace that an instance of a former agent has; undefined when it is gone. */
  adopt(name: string): Netns | undefined {
    const slot = slotOfNetns(this.#options.prefix, name);
    return slot === undefined || !this.#adoptable.has(slot) ? undefined : this.#describe(slot);
  }

  /** @throws Error; RangeError when no address is left */
  async acquire(egressBytesPerSecond = this.#options.egressBytesPerSecond): Promise<Netns> {
    const made = this.#ready.shift() ?? inLine(this.#waiters);
    this.#fill();
    const netns = await made;
    try {
      if (egressBytesPerSecond !== this.#options.egressBytesPerSecond) await this.#maker.do({ kind: "limit", path: netns.path, egressBytesPerSecond });
      return netns;
    } catch (error) {
      await this.release(netns);
      throw error;
    }
  }

  /** Nothing comes to instances or leaves them until `join`. */
  cutOff(): Promise<void> {
    return this.#askHost(() => this.#inUse().map(({ hostInterface }) => setLink(hostInterface, "down")));
  }

  /** With the routes that went. */
  async join(): Promise<void> {
    await this.#askHost(() => this.#inUse().map(({ hostInterface }) => setLink(hostInterface, "up")));
    await this.#askHost((host) => this.#inUse().flatMap(({ hostInterface, address }) => {
      const index = host.indexOf(hostInterface);
      return index === undefined ? [] : hostRoute(index, address);
    }));
  }

  /** Gives a namespace its address again: gVisor takes it away to have it for itself, at each start. @throws Error */
  restore({ path, address }: Netns): Promise<void> {
    return this.#maker.do({ kind: "restore", path, address });
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
    while (this.#making.size > 0) await Promise.all(this.#making);
    await Promise.all(this.#ready.splice(0).map((netns) => this.release(netns)));
    await this.#maker.close();
  }

  #fill(): void {
    const isWanted = () => this.#ready.length + this.#making.size < this.#waiters.length + (this.#closed ? 0 : this.#options.ready);
    while (this.#making.size < MADE_AHEAD && isWanted()) {
      const making = this.#make().finally(() => {
        this.#making.delete(making);
        this.#fill();
      });
      this.#making.add(making);
    }
  }

  async #make(): Promise<void> {
    try {
      const netns = await this.#makeOne();
      const waiter = this.#waiters.shift();
      if (waiter) waiter.resolve(netns);
      else this.#ready.push(netns);
    } catch (error) {
      const waiter = this.#waiters.shift();
      if (waiter) return waiter.reject(error);
      this.#options.onError(error);
      await sleep(PAUSE_MS, undefined, { ref: false });
    }
  }

  async #makeOne(): Promise<Netns> {
    const slot = this.#freeSlot();
    const netns = this.#describe(slot);
    this.#used.add(slot);
    this.#nextSlot = slot + 1;
    try {
      await this.#maker.do({ kind: "make", ...netns, egressBytesPerSecond: this.#options.egressBytesPerSecond, hasIpv6: HAS_IPV6 });
      return netns;
    } catch (error) {
      await this.release(netns);
      throw error;
    }
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
    return { slot, name, path: join(NETNS_DIR, name), address: slotAddress(this.#options.subnet, slot), hostInterface: interfaceName(this.#options.prefix, slot) };
  }

  #inUse(): Netns[] {
    return [...this.#used].map((slot) => this.#describe(slot));
  }

  /** On a thread: the kernel waits for all processors. Of an interface that is gone already there is nothing to do. */
  async #askHost(requests: (host: Rtnetlink) => Request[]): Promise<void> {
    const host = new Rtnetlink();
    try {
      for (const error of await host.doSoon(...requests(host))) if (error.code !== "ENODEV") this.#options.onError(error);
    } finally {
      host.close();
    }
  }

  /** Those that come while others go, go together: the kernel waits for all processors each time. */
  #remove(slot: number): Promise<void> {
    this.#leaving.push(slot);
    return (this.#removal = this.#removal.then(() => this.#removeLeaving()).catch(this.#options.onError));
  }

  async #removeLeaving(): Promise<void> {
    const leaving = this.#leaving.map((slot) => this.#describe(slot));
    this.#leaving = [];
    if (leaving.length === 0) return;
    // The pairs first: a namespace itself may live on for as long as a socket in it does.
    await this.#askHost(() => deletePairs(leaving.map(({ hostInterface }) => hostInterface), randomInt(FIRST_GROUP, LAST_GROUP)));
    await Promise.all(leaving.map(async ({ path }) => {
      await umountSoon(path);
      await rm(path, { force: true });
    }));
  }
}

/** The thread of `net-maker.ts`. */
class Maker {
  #thread: { worker: Worker; waiting: PromiseWithResolvers<void>[] } | undefined;

  /** @throws Error: what the kernel said, or that the thread has ended */
  do(order: NetnsOrder): Promise<void> {
    const { worker, waiting } = (this.#thread ??= this.#start());
    worker.postMessage(order);
    return inLine(waiting);
  }

  async close(): Promise<void> {
    await this.#thread?.worker.terminate();
  }

  #start(): { worker: Worker; waiting: PromiseWithResolvers<void>[] } {
    const waiting: PromiseWithResolvers<void>[] = [];
    const worker = new Worker(new URL("net-maker.ts", import.meta.url), { trackUnmanagedFds: false, resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 } });
    worker.unref();
    worker.on("message", ({ error }: NetnsAnswer) => {
      const next = waiting.shift();
      if (error) next?.reject(error);
      else next?.resolve();
    });
    const end = (error: Error) => {
      // The next order begins another thread.
      if (this.#thread?.worker === worker) this.#thread = undefined;
      for (const one of waiting.splice(0)) one.reject(error);
    };
    worker.on("error", end);
    worker.on("exit", () => end(new Error("the thread that makes network namespaces has ended")));
    return { worker, waiting };
  }
}

function inLine<T>(waiting: PromiseWithResolvers<T>[]): Promise<T> {
  const mine = Promise.withResolvers<T>();
  waiting.push(mine);
  return mine.promise;
}
