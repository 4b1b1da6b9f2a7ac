/** The rules around instances: loaded before the first process, so that a failure leaves nothing running unguarded. */
import { readFile, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { firewallRules, tableName, tunnelChange, type FirewallPolicy, type TunnelPeer } from "./commands/firewall.ts";
import { elementChanges, noElements, type Elements } from "./commands/firewall-elements.ts";
import type { Request } from "./commands/netlink.ts";
import { elementRequests } from "./commands/nftables.ts";
import { Nftables } from "./netlink.ts";
import { run, runUnchecked } from "./spawn.ts";

const LOAD_TRIES = 5;
const LOAD_PAUSE_MS = 100;

export interface FirewallOptions {
  policy: FirewallPolicy;
  /** The rules are not what they should be and cannot be loaded: whoever depends on them must be cut off. */
  onLost: (error: unknown) => Promise<void>;
  /** They are again. */
  onBack: () => Promise<void>;
}

/** What should be in it, and what is. One change at a time: those that come meanwhile are carried out together. */
export class Firewall {
  readonly #options: FirewallOptions;
  #wanted: { elements: Elements; peers: readonly TunnelPeer[] } = { elements: noElements(), peers: [] };
  #applied = this.#wanted;
  /** As nft shows the rules for these peers, without the elements; looked at once, so that what somebody changes in the same moment is no measure. */
  #shown: { text: string; peers: readonly TunnelPeer[] } | undefined;
  #isLost = false;
  #running: Promise<unknown> = Promise.resolve();
  #next: Promise<void> | undefined;
  /** Opened when it is first needed. */
  #kernel: Nftables | undefined;

  constructor(options: FirewallOptions) {
    this.#options = options;
  }

  /** Replaces the rules in one step and lets the host forward packets. What a former agent had cut off is back then. @throws CommandError */
  async open(elements: Elements, peers: readonly TunnelPeer[]): Promise<void> {
    this.#wanted = { elements, peers };
    try {
      await this.#load();
    } catch (error) {
      await this.#options.onLost(error);
      throw error;
    }
    await this.#options.onBack();
    await writeFile("/proc/sys/net/ipv4/ip_forward", "1");
  }

  /** Resolves when the kernel has it. @throws CommandError */
  set(elements: Elements, peers: readonly TunnelPeer[]): Promise<void> {
    this.#wanted = { elements, peers };
    this.#next ??= this.#inTurn(() => {
      this.#next = undefined;
      return this.#change();
    });
    return this.#next;
  }

  /** Looks whether the rules are still there, brings them back, or has everybody cut off until that works. */
  check(): Promise<void> {
    return this.#inTurn(async () => {
      try {
        if (!this.#isLost && (await this.#show()) === this.#shown?.text) return;
        await this.#load();
      } catch (error) {
        if (!this.#isLost) await this.#options.onLost(error);
        this.#isLost = true;
        return;
      }
      if (this.#isLost) await this.#options.onBack();
      this.#isLost = false;
    });
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const mine = this.#running.then(work);
    this.#running = mine.catch(() => {});
    return mine;
  }

  async #change(): Promise<void> {
    const { prefix } = this.#options.policy;
    const wanted = this.#wanted;
    const { elements, peers } = this.#applied;
    const samePeers = wanted.peers === peers;
    const requests = samePeers ? elementRequests(tableName(prefix), elements, wanted.elements) : undefined;
    if (requests?.length === 0) return;
    const isDone = requests === undefined
      ? await tryRules(elementChanges(tableName(prefix), elements, wanted.elements) + (samePeers ? "" : tunnelChange(prefix, wanted.peers)))
      : this.#request(requests);
    // Somebody may have changed the table, or taken it away.
    if (!isDone) return this.#load();
    this.#applied = wanted;
    await this.#note();
  }

  /** The most frequent changes go without nft, which takes longer than all else of the network that a start waits for. */
  #request(requests: readonly Request[]): boolean {
    try {
      (this.#kernel ??= new Nftables()).change(requests);
      return true;
    } catch {
      return false;
    }
  }

  async #load(): Promise<void> {
    const wanted = this.#wanted;
    await loadRules(firewallRules(this.#options.policy, wanted.elements, wanted.peers));
    this.#applied = wanted;
    await this.#note();
  }

  async #note(): Promise<void> {
    const { peers } = this.#applied;
    if (this.#shown?.peers !== peers) this.#shown = { text: await this.#show(), peers };
  }

  async #show(): Promise<string> {
    return (await runUnchecked(["nft", "-t", "list", "table", "inet", tableName(this.#options.policy.prefix)])).stdout;
  }
}

const tryRules = async (rules: string) => (await runUnchecked(["nft", "-f", "-"], { input: rules })).code === 0;

/** A sixteenth of what the host can keep track of, and no more than can be counted at once (measured: `docs/decisions/private-network.md`). */
export async function tenantConnections(): Promise<number> {
  const most = Number(await readFile("/proc/sys/net/netfilter/nf_conntrack_max", "utf8").catch(() => "262144"));
  return Math.max(1024, Math.min(16_384, Math.floor(most / 16)));
}

/**
 * Loads rules in one transaction, all or nothing. nft reads the host's tables first and fails, or crashes (1.0.6), when
 * another program changes them meanwhile: tried again. @throws CommandError
 */
export async function loadRules(rules: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await run(["nft", "-f", "-"], { input: rules });
      return;
    } catch (error) {
      if (attempt === LOAD_TRIES) throw error;
      await sleep(LOAD_PAUSE_MS * attempt);
    }
  }
}

/** The host's name servers that another network namespace can reach: not those on a loopback. IPv4. */
export async function hostResolvers(): Promise<string[]> {
  for (const path of ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"]) {
    const text = await readFile(path, "utf8").catch(() => "");
    const found = [...text.matchAll(/^nameserver\s+(\d+\.\d+\.\d+\.\d+)\s*$/gm)].map((match) => match[1] ?? "");
    const outside = found.filter((address) => !address.startsWith("127."));
    if (outside.length > 0) return outside;
  }
  return [];
}
