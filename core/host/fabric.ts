/** The way from this node to the instances of others. */
import { fabricBatch, peerForwarding, peerRoutes, resolverBatch, type FabricOptions } from "./commands/fabric.ts";
import type { TunnelPeer } from "./commands/firewall.ts";
import { fabricName, resolverName } from "./commands/net.ts";
import { run, runUnchecked } from "./spawn.ts";

/** Makes the address at which the resolver answers, unless a former agent has. */
export async function openResolverAddress(prefix: string, subnet: string): Promise<void> {
  if ((await runUnchecked(["ip", "link", "show", "dev", resolverName(prefix)])).code === 0) return;
  await run(["ip", "-batch", "-"], { input: resolverBatch(prefix, subnet) });
}

export class Fabric {
  readonly #options: FabricOptions;
  readonly #peers = new Map<string, TunnelPeer>();

  constructor(options: FabricOptions) {
    this.#options = options;
  }

  /** Begins anew: routes of a former agent go with its device. */
  async open(): Promise<void> {
    await runUnchecked(["ip", "link", "delete", fabricName(this.#options.prefix)]);
    await run(["ip", "-batch", "-"], { input: fabricBatch(this.#options) });
  }

  /** Exactly these. @throws CommandError */
  async set(peers: readonly TunnelPeer[]): Promise<void> {
    const wanted = new Map(peers.map((peer) => [`${peer.address} ${peer.subnet}`, peer]));
    const gone = [...this.#peers].filter(([key]) => !wanted.has(key));
    const come = [...wanted].filter(([key]) => !this.#peers.has(key));
    // An address or a subnet that moved is taken away before it is given.
    for (const [key, peer] of gone) {
      await this.#change("delete", peer);
      this.#peers.delete(key);
    }
    for (const [key, peer] of come) {
      await this.#change("replace", peer);
      this.#peers.set(key, peer);
    }
  }

  async #change(verb: "replace" | "delete", peer: TunnelPeer): Promise<void> {
    await run(["ip", "-batch", "-"], { input: peerRoutes(this.#options, verb, peer) });
    await run(["bridge", "-batch", "-"], { input: peerForwarding(this.#options, verb, peer) });
  }
}
